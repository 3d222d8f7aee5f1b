//! That a session is over, and why.
//!
//! A server may be stopped in the midst of a run, and its commit must not bring
//! back what another server closed meanwhile. So what is over leaves something
//! for a while: an object whose name says all, and which takes no room on a disk.
//! Nobody makes one without the key.

use std::time::SystemTime;

use super::layout::{Object, location};
use super::objects::Store;
use crate::error::Error;
use crate::handle::SessionId;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) reason: CloseReason,
    pub(crate) at: SystemTime,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Its owner closed it.
    Closed,
    /// Nobody used it for its lifetime.
    Expired,
}

impl CloseReason {
    /// In the order in which they are looked for.
    pub(super) const ALL: [Self; 2] = [Self::Closed, Self::Expired];

    /// As its name in the store is made of it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

impl Store {
    /// What says that a session ended so.
    pub(super) fn end(&self, owner: &str, session: &SessionId, reason: CloseReason) -> Object {
        Object::End(self.keys.current().end_hash(owner, session, reason))
    }

    /// Why a session ended of which there is `object`; `None` if that is not ours.
    pub(super) fn reason_of(&self, owner: &str, session: &SessionId, object: &Object) -> Option<CloseReason> {
        self.keys.ends(owner, session).into_iter().find(|(_, end)| end == object).map(|(reason, _)| reason)
    }

    /// First of all, so that whoever commits meanwhile is fenced. Returns
    /// whether it was not over already. That its owner closed it is said even where it
    /// has expired, which may be taken back.
    pub(super) async fn mark_ended(
        &self,
        owner: &str,
        session: &SessionId,
        reason: CloseReason,
    ) -> Result<bool, Error> {
        let listing = self.look_at(owner, session).await?;
        let before = listing.closed.map(|closed| closed.reason);
        if before.is_some_and(|before| before == reason || before == CloseReason::Closed) {
            return Ok(false);
        }
        let path = location(owner, session, &self.end(owner, session, reason));
        self.agree_on_keys().await?;
        let mut made = self.backend.create_mark(&path).await;
        if made.is_err() {
            // Nothing new can be made, and ending a session must make room. A
            // name can be had that is there: of its commits, the newest last.
            let commits = listing.commits.iter().filter_map(|(sequence, commit)| Some((*sequence, (*commit)?.bytes)));
            for (sequence, bytes) in commits {
                let commit = location(owner, session, &Object::Commit(sequence));
                if self.backend.turn_into_mark(&commit, &path).await {
                    self.usage.removed(owner, bytes);
                    made = Ok(true);
                    break;
                }
            }
        }
        let is_new = made?;
        if let Some(now) = self.clock.ahead() {
            self.backend.set_time(&path, now).await?;
        }
        Ok(is_new && before.is_none())
    }

    /// Forgets that a session ended.
    pub(super) async fn unmark(&self, owner: &str, session: &SessionId) -> Result<(), Error> {
        self.unmark_for(owner, session, &CloseReason::ALL).await
    }

    /// Takes back that nobody used a session, and not what its owner did meanwhile.
    pub(super) async fn take_back_expiry(&self, owner: &str, session: &SessionId) -> Result<(), Error> {
        self.unmark_for(owner, session, &[CloseReason::Expired]).await
    }

    async fn unmark_for(&self, owner: &str, session: &SessionId, reasons: &[CloseReason]) -> Result<(), Error> {
        let ends = self.keys.ends(owner, session).into_iter().filter(|(reason, _)| reasons.contains(reason));
        self.remove(owner, ends.map(|(_, end)| (location(owner, session, &end), 0)).collect()).await
    }
}
