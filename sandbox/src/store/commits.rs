//! States of a session, and who may add the next.
//!
//! Sequence numbers of a session have no gaps, and commits below the highest
//! may be collected at any time. So a writer that comes very late may find its
//! number free again: what decides is whether anything is above it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::layout::{Object, place};
use super::listing::{Listing, Stored};
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

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) reason: CloseReason,
    pub(crate) at: SystemTime,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CloseReason {
    /// Its owner closed it.
    Closed,
    /// Nobody used it for its lifetime.
    Expired,
}

impl Store {
    /// Makes `body` the state `sequence` of the session. `sequence` is one
    /// above the state that this one grew from.
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
        let path = place(owner, session, &Object::Commit(sequence));
        let sealed = self.seal(binding, body).await?;
        let bytes = sealed.len() as u64;
        if !self.create_again(owner, &path, sealed).await? {
            return Ok(Committed::Fenced);
        }
        // Our own name is missing when another server went past it and tidied.
        let is_head = |listing: &Listing| listing.newest() == Some(sequence) && !listing.is_closed;
        let mut listing = self.look_at(owner, session).await?;
        // The commit before is gone when another server went on from this one,
        // or when all this was long ago. Then the listing may have missed the
        // head: a commit and a collection during a listing can hide both the
        // old head and the new one. The next listing shows it.
        if is_head(&listing) && sequence > 1 && !listing.commits.contains_key(&(sequence - 1)) {
            listing = self.look_at(owner, session).await?;
        }
        if is_head(&listing) {
            if sequence == 1 {
                self.usage.began(owner);
            }
            self.let_go(owner, session, listing.commits.range(..sequence)).await;
            return Ok(Committed::Done);
        }
        // Others may have built on it, and will collect it.
        if !listing.commits.contains_key(&(sequence + 1)) {
            self.remove(owner, [(path, bytes)].into()).await?;
        }
        Ok(Committed::Fenced)
    }

    /// Has the files of commits below the head serve again, or removes them.
    async fn let_go(&self, owner: &str, session: &SessionId, commits: impl Iterator<Item = (&u64, &Option<Stored>)>) {
        let mut removed = HashMap::new();
        for (sequence, commit) in commits {
            let Some(Stored { bytes, .. }) = *commit else { continue };
            let path = place(owner, session, &Object::Commit(*sequence));
            let serves = self.local.as_ref().is_some_and(|local| local.unneeded.add(owner, path.clone(), bytes));
            if !serves {
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
        if listing.is_closed
            && let Some(closed) = self.closed(owner, session).await?
        {
            return Ok(Head::Closed(closed));
        }
        let Some((sequence, newest)) = listing.commits.last_key_value() else { return Ok(Head::Absent) };
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
        let path = place(owner, session, &Object::Commit(sequence));
        self.read(&path, binding, MAX_COMMIT_BYTES as u64).await?.ok_or_else(|| Error::NotFound {
            kind: "state of session",
            id: session.to_string(),
            advice: "; another server went on with it, try again",
        })
    }

    /// Ends a session and removes what it has. A session that is over stays
    /// over for its first reason.
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
        let marked = self.mark_closed(owner, session, reason).await?;
        self.remove_contents(owner, session).await?;
        if marked.is_some() {
            self.usage.ended(owner);
        }
        Ok(())
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
        let Some(bytes) = self.mark_closed(owner, session, CloseReason::Expired).await? else { return Ok(false) };
        // Somebody may have used it until then, and was told that it lives on.
        let listing = self.look_at(owner, session).await?;
        let is_used = listing.newest().is_some_and(|newest| newest > head)
            || listing.commits.get(&head).is_some_and(|commit| commit.is_some_and(|now| now != found));
        if is_used {
            self.remove(owner, [(place(owner, session, &Object::Closed), bytes)].into()).await?;
            return Ok(false);
        }
        self.remove_contents(owner, session).await?;
        self.usage.ended(owner);
        Ok(true)
    }

    /// First of all, so that whoever commits meanwhile is fenced. Returns how
    /// many bytes that took, and none if it was over already.
    async fn mark_closed(&self, owner: &str, session: &SessionId, reason: CloseReason) -> Result<Option<u64>, Error> {
        let doing = || format!("close session {session}");
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let body = postcard::to_stdvec(&(reason, since_epoch)).map_err(|source| Error::host(doing(), source))?;
        let binding = Binding::Closed { principal: owner.into(), session: session.clone() };
        let (path, sealed) = (place(owner, session, &Object::Closed), self.seal(binding, body).await?);
        let bytes = sealed.len() as u64;
        let mut made = self.create_again(owner, &path, sealed.clone()).await;
        if matches!(made, Err(Error::Denied { .. })) {
            // The disk is full, and closing must make room. What ends has a
            // place on it; its newest commit goes last.
            let listing = self.look_at(owner, session).await?;
            for sequence in listing.commits.keys() {
                let commit = place(owner, session, &Object::Commit(*sequence));
                match self.create_in(owner, commit, &path, sealed.clone()).await? {
                    Some(is_new) => made = Ok(is_new),
                    // It made room at least.
                    None => made = self.create(owner, &path, sealed.clone()).await,
                }
                if made.is_ok() {
                    break;
                }
            }
        }
        Ok(made?.then_some(bytes))
    }

    async fn closed(&self, owner: &str, session: &SessionId) -> Result<Option<Closed>, Error> {
        let binding = Binding::Closed { principal: owner.into(), session: session.clone() };
        let Some(body) = self.read(&place(owner, session, &Object::Closed), binding, 64).await? else {
            return Ok(None);
        };
        let (reason, since_epoch): (_, Duration) =
            postcard::from_bytes(&body).map_err(|source| Error::host(format!("read the end of {session}"), source))?;
        let at = SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Some(Closed { reason, at }))
    }
}
