//! States of a session, and who may add the next.
//!
//! Sequence numbers of a session have no gaps, and commits below the highest
//! may be collected at any time. So a writer that comes very late may find its
//! number free again: what decides is whether anything is above it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::layout::{Object, place};
use super::listing::Stored;
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
        let mut listing = self.look_at(owner, session).await?;
        // The commit before is collected when another server went on from this
        // one, or when all this was long ago. Then the listing may have missed
        // the head: a commit and a collection during a listing can hide both
        // the old head and the new one. The next listing shows it.
        if sequence > 1 && !listing.commits.contains_key(&(sequence - 1)) {
            listing = self.look_at(owner, session).await?;
        }
        let is_newest = listing.commits.last_key_value().is_none_or(|(newest, _)| *newest <= sequence);
        if is_newest && listing.closed.is_none() {
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
    async fn let_go(&self, owner: &str, session: &SessionId, commits: impl Iterator<Item = (&u64, &Stored)>) {
        let mut removed = HashMap::new();
        for (sequence, commit) in commits {
            let path = place(owner, session, &Object::Commit(*sequence));
            let serves = self.local.as_ref().is_some_and(|local| local.unneeded.add(owner, path.clone(), commit.bytes));
            if !serves {
                removed.insert(path, commit.bytes);
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
        if listing.is_empty() {
            // As in `commit`: it may have changed under the listing.
            listing = self.look_at(owner, session).await?;
        }
        if listing.closed.is_some()
            && let Some(closed) = self.closed(owner, session).await?
        {
            return Ok(Head::Closed(closed));
        }
        let Some((sequence, newest)) = listing.commits.last_key_value() else { return Ok(Head::Absent) };
        Ok(Head::At { sequence: *sequence, modified: newest.modified })
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
        self.close_of(principal.directory_name(), session, reason).await
    }

    pub(super) async fn close_of(&self, owner: &str, session: &SessionId, reason: CloseReason) -> Result<(), Error> {
        let doing = || format!("close session {session}");
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let body = postcard::to_stdvec(&(reason, since_epoch)).map_err(|source| Error::host(doing(), source))?;
        let binding = Binding::Closed { principal: owner.into(), session: session.clone() };
        let sealed = self.seal(binding, body).await?;
        // First, so that whoever commits meanwhile is fenced.
        self.create(owner, &place(owner, session, &Object::Closed), sealed).await?;
        self.remove_contents(owner, session).await
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
