//! What is in the store, as its listings tell.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::directory::files;
use super::layout::{Object, parse, parse_beside_blobs, principal_place, session_place};
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

/// The commits of one session and whether it is over.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// None for one that vanished after it was listed. It was there all the
    /// same, and whoever asks what the newest is must know of it.
    pub(super) commits: BTreeMap<u64, Option<Stored>>,
    pub(super) is_closed: bool,
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
    pub(super) closed: Option<Stored>,
    /// Of everything, also of what says that it is over.
    pub(super) bytes: u64,
    /// What that takes of a disk.
    pub(super) taken: u64,
    /// When anything was last written.
    pub(super) newest: SystemTime,
}

impl Listing {
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty() && !self.is_closed
    }

    /// The newest commit.
    pub(super) fn newest(&self) -> Option<u64> {
        self.commits.last_key_value().map(|(sequence, _)| *sequence)
    }

    fn of(files: Vec<(OsString, Option<Stored>)>) -> Self {
        let mut listing = Self::default();
        for (name, stored) in files {
            listing.add(name.to_str().and_then(parse_beside_blobs), stored);
        }
        listing
    }

    fn add(&mut self, object: Option<Object>, stored: Option<Stored>) {
        match object {
            Some(Object::Commit(sequence)) => drop(self.commits.insert(sequence, stored)),
            Some(Object::Closed) => self.is_closed = true,
            Some(Object::Blob(_)) | None => {}
        }
    }
}

impl From<&ObjectMeta> for Stored {
    fn from(meta: &ObjectMeta) -> Self {
        Self { bytes: meta.size, modified: meta.last_modified.into() }
    }
}

impl Seen {
    fn add(&mut self, object: &Object, stored: Stored) {
        self.bytes += stored.bytes;
        self.taken += taken_by(stored.bytes);
        self.newest = self.newest.max(stored.modified);
        match object {
            Object::Commit(sequence) if self.head.is_none_or(|(newest, _)| newest < *sequence) => {
                self.head = Some((*sequence, stored.modified));
            }
            Object::Closed => self.closed = Some(stored),
            Object::Commit(_) | Object::Blob(_) => {}
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
            return blocking(&doing.clone(), move || Ok(Listing::of(files(&directory).doing(|| doing)?))).await;
        }
        let found = self
            .objects
            .list_with_delimiter(Some(&session_place(owner, session)))
            .await
            .map_err(|source| failed(format!("list session {session}"), source))?;
        let mut listing = Listing::default();
        for meta in &found.objects {
            listing.add(parse(&meta.location).map(|(_, _, object)| object), Some(meta.into()));
        }
        Ok(listing)
    }

    /// Every session beneath `place`, with its owner.
    pub(super) async fn see(&self, place: Option<&Path>) -> Result<BTreeMap<(String, SessionId), Seen>, Error> {
        let mut sessions = BTreeMap::new();
        let mut objects = self.objects.list(place);
        while let Some(meta) = objects.next().await {
            let meta = meta.map_err(|source| failed("list the store".into(), source))?;
            let Some((owner, id, object)) = parse(&meta.location) else { continue };
            let stored = Stored::from(&meta);
            let empty = Seen { head: None, closed: None, bytes: 0, taken: SESSION_BYTES, newest: stored.modified };
            sessions.entry((owner, id)).or_insert(empty).add(&object, stored);
        }
        Ok(sessions)
    }
}
