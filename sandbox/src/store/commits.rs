//! States of a session, and who may add the next.
//!
//! Sequence numbers of a session have no gaps, and commits below the highest
//! may be collected at any time. So a writer that comes very late may find its
//! number free again: what decides is whether anything is above it.

use std::collections::HashMap;
use std::time::SystemTime;

use super::backend::Stored;
use super::ends::{CloseReason, Closed};
use super::layout::{Object, location};
use super::listing::Listing;
use super::objects::Store;
use super::seal::Binding;
use crate::error::Error;
use crate::handle::{Principal, SessionId};

/// The largest body of a commit: above a manifest of as many files as a
/// workspace may have, each with its content in it.
pub(crate) const MAX_COMMIT_BYTES: usize = 256 << 20;

/// Whether a commit came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is the state of the session.
    Done,
    /// Another server went on with the session, or closed it. Nothing of this
    /// commit may be acknowledged.
    Fenced,
}

/// What a session is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// There never was one, or its end is forgotten too.
    Absent,
    /// It is over.
    Closed(Closed),
    /// Its newest commit. That may be collected as soon as another server
    /// commits the next: whoever finds it gone looks again.
    At { sequence: u64, modified: SystemTime },
}

impl Store {
    /// Makes `body` the state `sequence` of the session. `sequence` is one
    /// above the state that this one grew from.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] when there are later states in a bucket, and nobody knows whether
    /// they grew from this one.
    ///
    /// # Cancellation
    ///
    /// Not known afterwards: the commit may be there or not.
    pub(crate) async fn commit(
        &self,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
        body: &[u8],
    ) -> Result<Committed, Error> {
        if body.len() > MAX_COMMIT_BYTES {
            return Err(Error::Denied {
                action: "keeping this session".into(),
                reason: format!("one state must be at most {MAX_COMMIT_BYTES} bytes, got {}", body.len()),
            });
        }
        let owner = principal.directory_name();
        let binding = Binding::Commit { principal: owner.into(), session: session.clone(), sequence };
        let path = location(owner, session, &Object::Commit(sequence));
        self.keys.refresh();
        let sealed = self.seal(binding, body).await?;
        self.agree_on_keys().await?;
        let (bytes, copy) = (sealed.len() as u64, self.copy_to_share(&sealed));
        if !self.create_commit(owner, &path, sealed).await? {
            return Ok(Committed::Fenced);
        }
        // Our own name is missing when another server went past it and collected it.
        let is_head = |listing: &Listing| listing.newest() == Some(sequence) && listing.closed.is_none();
        let mut listing = self.look_at(owner, session).await?;
        // The commit before is gone when another server went on from this one,
        // or when all this was long ago. Then the listing may have missed the
        // head: a commit and a collection during a listing can hide both the
        // old head and the new one. The next listing shows it.
        if is_head(&listing) && sequence > 1 && !listing.commits.contains_key(&(sequence - 1)) {
            listing = self.look_at(owner, session).await?;
        }
        if is_head(&listing) {
            if let Some(now) = self.clock.ahead() {
                self.backend.set_time(&path, now).await?;
            }
            if sequence == 1 {
                self.usage.began(owner);
            }
            self.note_tag(&path, listing.commits.get(&sequence).copied().flatten());
            self.share(&path, copy);
            self.release(owner, session, listing.commits.range(..sequence)).await;
            return Ok(Committed::Done);
        }
        // Others may have built on it, and will collect it.
        if !listing.commits.contains_key(&(sequence + 1)) {
            self.remove(owner, [(path, bytes)].into()).await?;
        }
        // Either this number was free for a writer that comes late, or others built on this
        // commit and collected it: over a network the number may have become free again while
        // an answer was lost, or was on its way.
        if self.cache.is_some() && listing.closed.is_none() && listing.newest() > Some(sequence) {
            return Err(Error::Overtaken { session: session.to_string() });
        }
        Ok(Committed::Fenced)
    }

    /// Releases commits below the head: their files are reused, or removed.
    async fn release(&self, owner: &str, session: &SessionId, commits: impl Iterator<Item = (&u64, &Option<Stored>)>) {
        let mut removed = HashMap::new();
        for (sequence, commit) in commits {
            let Some(Stored { bytes, .. }) = *commit else { continue };
            let path = location(owner, session, &Object::Commit(*sequence));
            if !self.backend.keep_to_reuse(owner, &path, bytes) {
                removed.insert(path, bytes);
            }
        }
        if let Err(error) = self.remove(owner, removed).await {
            // The next commit tries again.
            tracing::warn!(%error, %session, "old commits were left in the store");
        }
    }

    /// What the session is now.
    pub(crate) async fn head(&self, principal: &Principal, session: &SessionId) -> Result<Head, Error> {
        let owner = principal.directory_name();
        let mut listing = self.look_at(owner, session).await?;
        if listing.commits.last_key_value().is_none_or(|(_, newest)| newest.is_none()) {
            // As in `commit`: it may have changed under the listing.
            listing = self.look_at(owner, session).await?;
        }
        if let Some(closed) = listing.closed {
            return Ok(Head::Closed(closed));
        }
        let Some((sequence, newest)) = listing.commits.last_key_value() else { return Ok(Head::Absent) };
        self.note_tag(&location(owner, session, &Object::Commit(*sequence)), *newest);
        let modified = newest.map_or(SystemTime::UNIX_EPOCH, |newest| newest.modified);
        Ok(Head::At { sequence: *sequence, modified })
    }

    /// The body of a commit.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is none, or no longer.
    pub(crate) async fn load(
        &self,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
    ) -> Result<Vec<u8>, Error> {
        let owner = principal.directory_name();
        let binding = Binding::Commit { principal: owner.into(), session: session.clone(), sequence };
        let path = location(owner, session, &Object::Commit(sequence));
        self.read(&path, binding, MAX_COMMIT_BYTES as u64).await?.ok_or_else(|| Error::NotFound {
            kind: "state of session",
            id: session.to_string(),
            advice: "; another server went on with it, try again",
        })
    }

    /// Ends a session and removes what it has. One that was closed stays closed; one that
    /// expired may be closed, too.
    ///
    /// # Cancellation
    ///
    /// Safe: what is left is removed by the next sweep.
    pub(crate) async fn close(
        &self,
        principal: &Principal,
        session: &SessionId,
        reason: CloseReason,
    ) -> Result<(), Error> {
        let owner = principal.directory_name();
        match self.mark_ended(owner, session, reason).await {
            Ok(is_new) => {
                self.remove_contents(owner, session).await?;
                if is_new {
                    self.usage.ended(owner);
                }
                Ok(())
            }
            // Ending must make room, so it must not need any.
            Err(error @ Error::Full { .. }) => {
                self.remove_contents(owner, session).await?;
                self.usage.ended(owner);
                if self.mark_ended(owner, session, reason).await.is_err() {
                    tracing::warn!(%error, %session, "a session is gone, and nothing says that it ended");
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Ends a session that nobody has used for its lifetime, unless its newest
    /// commit is not `head` any more, as it was `found`. Returns whether it is
    /// over.
    pub(super) async fn expire(
        &self,
        owner: &str,
        session: &SessionId,
        head: u64,
        found: Stored,
    ) -> Result<bool, Error> {
        if !self.mark_ended(owner, session, CloseReason::Expired).await? {
            return Ok(false);
        }
        // Somebody may have used it until then, and was told that it lives on.
        let listing = self.look_at(owner, session).await?;
        let is_used = listing.newest().is_some_and(|newest| newest > head)
            || listing.commits.get(&head).is_some_and(|commit| commit.is_some_and(|now| now != found));
        if is_used {
            self.take_back_expiry(owner, session).await?;
            return Ok(false);
        }
        self.remove_contents(owner, session).await?;
        self.usage.ended(owner);
        Ok(true)
    }
}
