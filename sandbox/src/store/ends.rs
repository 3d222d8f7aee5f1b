//! That a session is over, and why.
//!
//! A server may be stopped in the midst of a run, and its commit must not bring
//! back what another server closed meanwhile. So what is over leaves something
//! for a while: an object without content, which takes no room on a disk. Its
//! name says all, and nobody makes one without the key.

use std::time::SystemTime;

use object_store::{ObjectStoreExt as _, PutPayload};

use super::layout::{Object, place};
use super::local::Local;
use super::objects::{Store, blocking, failed};
use crate::error::{Error, IoContext as _};
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
    const ALL: [Self; 2] = [Self::Closed, Self::Expired];

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
        Object::End(self.keys.end_hash(owner, session, reason))
    }

    /// Why a session ended of which there is `object`; `None` if that is not ours.
    pub(super) fn reason_of(&self, owner: &str, session: &SessionId, object: &Object) -> Option<CloseReason> {
        CloseReason::ALL.into_iter().find(|reason| self.end(owner, session, *reason) == *object)
    }

    /// Whether a session is over.
    pub(super) async fn ended(&self, owner: &str, session: &SessionId) -> Result<Option<Closed>, Error> {
        for reason in CloseReason::ALL {
            let path = place(owner, session, &self.end(owner, session, reason));
            match self.objects.head(&path).await {
                Ok(meta) => return Ok(Some(Closed { reason, at: meta.last_modified.into() })),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(failed(format!("look for the end of session {session}"), source)),
            }
        }
        Ok(None)
    }

    /// The same where objects are files, on a thread that may block.
    pub(super) fn ended_here(
        &self,
        owner: &str,
        session: &SessionId,
    ) -> impl Fn(&Local) -> std::io::Result<Option<Closed>> + Send + 'static {
        let places = CloseReason::ALL.map(|reason| (reason, place(owner, session, &self.end(owner, session, reason))));
        move |local| {
            for (reason, place) in &places {
                if let Some(at) = local.modified(place)? {
                    return Ok(Some(Closed { reason: *reason, at }));
                }
            }
            Ok(None)
        }
    }

    /// First of all, so that whoever commits meanwhile is fenced. Returns
    /// whether it was not over already.
    pub(super) async fn mark_ended(
        &self,
        owner: &str,
        session: &SessionId,
        reason: CloseReason,
    ) -> Result<bool, Error> {
        let listing = self.look_at(owner, session).await?;
        if listing.closed.is_some() {
            return Ok(false);
        }
        let path = place(owner, session, &self.end(owner, session, reason));
        let mut made = self.create(owner, &path, PutPayload::new()).await;
        if let (Err(_), Some(local)) = (&made, self.local.clone()) {
            // Nothing new can be made, and ending a session must make room. A
            // name can be had that is there: of its commits, the newest last.
            let commits = listing.commits.iter().filter_map(|(sequence, commit)| Some((*sequence, (*commit)?.bytes)));
            for (sequence, bytes) in commits {
                let commit = place(owner, session, &Object::Commit(sequence));
                let (local, path) = (local.clone(), path.clone());
                let taken = move || Ok(local.end_in(&commit, &path).is_ok());
                if blocking("end a session", taken).await? {
                    self.usage.removed(owner, bytes);
                    made = Ok(true);
                    break;
                }
            }
        }
        let is_new = made?;
        if let (Some(local), Some(now)) = (self.local.clone(), self.clock.ahead()) {
            let doing = format!("end session {session}");
            blocking(&doing.clone(), move || local.touch(&path, now).doing(|| doing)).await?;
        }
        Ok(is_new)
    }

    /// Takes back, or forgets, that a session ended.
    pub(super) async fn unmark(&self, owner: &str, session: &SessionId) -> Result<(), Error> {
        let places = CloseReason::ALL.map(|reason| (place(owner, session, &self.end(owner, session, reason)), 0));
        self.remove(owner, places.into()).await
    }
}
