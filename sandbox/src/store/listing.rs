//! What is in the store, as its listings tell.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::ends::Closed;
use super::layout::{Object, parse, parse_sequence, principal_place, session_place};
use super::local::directory::files;
use super::objects::{Store, blocking, failed};
use super::usage::{SESSION_BYTES, taken_by};
use crate::error::{Error, IoContext as _};
use crate::handle::{Principal, SessionId};

/// A session that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSession {
    pub(crate) id: SessionId,
    /// Its newest commit.
    pub(crate) sequence: u64,
    /// What it uses of the store.
    pub(crate) bytes: u64,
    /// When it was last used.
    pub(crate) modified: SystemTime,
}

/// The commits of one session and how it ended, if it is over.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// None for one that vanished after it was listed. It was there all the
    /// same, and whoever asks what the newest is must know of it.
    pub(super) commits: BTreeMap<u64, Option<Stored>>,
    pub(super) closed: Option<Closed>,
}

/// One object as a listing tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
}

/// One session as a listing of many tells it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: Option<(u64, SystemTime)>,
    /// Since when it is over.
    pub(super) closed: Option<SystemTime>,
    pub(super) bytes: u64,
    /// What that takes of a disk.
    pub(super) taken: u64,
    /// When anything was last written.
    pub(super) newest: SystemTime,
}

impl Listing {
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.closed.is_none()
    }

    /// The newest commit.
    pub(super) fn newest(&self) -> Option<u64> {
        self.commits.last_key_value().map(|(sequence, _)| *sequence)
    }

    fn of(files: Vec<(OsString, Option<Stored>)>, closed: Option<Closed>) -> Self {
        let commits = files.into_iter().filter_map(|(name, stored)| Some((parse_sequence(name.to_str()?)?, stored)));
        Self { commits: commits.collect(), closed }
    }
}

impl From<&ObjectMeta> for Stored {
    fn from(meta: &ObjectMeta) -> Self {
        Self { bytes: meta.size, modified: meta.last_modified.into() }
    }
}

impl Seen {
    fn add(&mut self, object: &Object, stored: Stored) {
        if self.taken == 0 {
            self.taken = SESSION_BYTES;
        }
        self.bytes += stored.bytes;
        self.taken += taken_by(stored.bytes);
        self.newest = self.newest.max(stored.modified);
        match object {
            Object::Commit(sequence) if self.head.is_none_or(|(newest, _)| newest < *sequence) => {
                self.head = Some((*sequence, stored.modified));
            }
            Object::Commit(_) | Object::Blob(_) | Object::End(_) => {}
        }
    }
}

impl Store {
    /// The sessions of `principal` that are not over.
    pub(crate) async fn list(&self, principal: &Principal) -> Result<Vec<StoredSession>, Error> {
        let seen = self.see(Some(&principal_place(principal.directory_name()))).await?;
        let living = seen.into_iter().filter(|(_, session)| session.closed.is_none());
        let stored = living.filter_map(|((_, id), session)| {
            let (sequence, modified) = session.head?;
            Some(StoredSession { id, sequence, bytes: session.bytes, modified })
        });
        Ok(stored.collect())
    }

    /// One session without its blobs.
    pub(super) async fn look_at(&self, owner: &str, session: &SessionId) -> Result<Listing, Error> {
        if let Some(local) = &self.local {
            let directory = local.path(&session_place(owner, session));
            let doing = format!("list {}", directory.display());
            // What an object store asks of a directory takes several times as long.
            let (local, ended) = (std::sync::Arc::clone(local), self.ended_here(owner, session));
            // In this order: what is committed after it ended is seen to be.
            let look = move || Ok((files(&directory)?, ended(&local)?));
            let look = move || look().map(|(files, ended)| Listing::of(files, ended)).doing(|| doing);
            return blocking("list a session", look).await;
        }
        let found = self
            .objects
            .list_with_delimiter(Some(&session_place(owner, session)))
            .await
            .map_err(|source| failed(format!("list session {session}"), source))?;
        let commits = found.objects.iter().filter_map(|meta| match parse(&meta.location)? {
            (_, _, Object::Commit(sequence)) => Some((sequence, Some(meta.into()))),
            _ => None,
        });
        Ok(Listing { commits: commits.collect(), closed: self.ended(owner, session).await? })
    }

    /// Every session beneath `place`, with its owner.
    pub(super) async fn see(&self, place: Option<&Path>) -> Result<BTreeMap<(String, SessionId), Seen>, Error> {
        let mut sessions = BTreeMap::new();
        let mut objects = self.objects.list(place);
        while let Some(meta) = objects.next().await {
            let meta = meta.map_err(|source| failed("list the store".into(), source))?;
            let Some((owner, id, object)) = parse(&meta.location) else { continue };
            let stored = Stored::from(&meta);
            let is_over = matches!(object, Object::End(_));
            if is_over && self.reason_of(&owner, &id, &object).is_none() {
                continue;
            }
            let empty = Seen { head: None, closed: None, bytes: 0, taken: 0, newest: stored.modified };
            let session = sessions.entry((owner, id)).or_insert(empty);
            if is_over {
                session.closed = Some(stored.modified);
            } else {
                session.add(&object, stored);
            }
        }
        Ok(sessions)
    }
}
