//! What is in the store, as its listings tell.

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use object_store::path::Path;

use super::backend::{Looked, Stored};
use super::commits::Head;
use super::ends::Closed;
use super::layout::{Object, is_used, location, parse, parse_sequence, principal_location, session_location};
use super::objects::Store;
use super::usage::{SESSION_BYTES, taken_by};
use crate::error::Error;
use crate::handle::{Principal, SessionId};

/// How many sessions are looked at beside each other.
const LOOKS: usize = 8;

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

/// One session as a listing of many tells it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    head: Option<(u64, SystemTime)>,
    /// When it was used without a commit.
    used: Option<SystemTime>,
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
            Object::Used => self.used = Some(stored.modified),
            Object::Commit(_) | Object::Blob(_) | Object::End(_) => {}
        }
    }

    /// The newest commit, and when the session was last used.
    pub(super) fn head(&self) -> Option<(u64, SystemTime)> {
        let (sequence, modified) = self.head?;
        Some((sequence, self.used.map_or(modified, |used| used.max(modified))))
    }
}

impl Store {
    /// The sessions of `principal` that are not over.
    pub(crate) async fn list(&self, principal: &Principal) -> Result<Vec<StoredSession>, Error> {
        let seen = self.see(Some(&principal_location(principal.directory_name()))).await?;
        let living = seen.into_iter().filter(|(_, session)| session.closed.is_none());
        let stored = living.filter_map(|((_, id), session)| {
            let (sequence, modified) = session.head()?;
            Some(StoredSession { id, sequence, bytes: session.bytes, modified })
        });
        Ok(stored.collect())
    }

    /// The first sessions of `principal` that are not over, in the order of their handles,
    /// from one on and at most so many: of the others no more than the name is looked at.
    pub(crate) async fn first_from(
        &self,
        principal: &Principal,
        from: Option<&SessionId>,
        most: usize,
    ) -> Result<Vec<SessionId>, Error> {
        let names = self.backend.folders(&principal_location(principal.directory_name())).await?;
        let ids = names.iter().filter_map(|name| SessionId::parse(name).ok());
        let mut ids: Vec<_> = ids.filter(|id| from.is_none_or(|from| id >= from)).collect();
        ids.sort_unstable();
        let mut heads = futures_util::stream::iter(ids)
            .map(|id| async move { self.head(principal, &id).await.map(|head| (id, head)) })
            .buffered(LOOKS);
        let mut first = Vec::new();
        while first.len() < most
            && let Some(looked) = heads.next().await
        {
            if let (id, Head::At { .. }) = looked? {
                first.push(id);
            }
        }
        Ok(first)
    }

    /// One session without its blobs.
    pub(super) async fn look_at(&self, owner: &str, session: &SessionId) -> Result<Listing, Error> {
        // Whoever ends a session with a new key wrote the key before that.
        self.keys.refresh();
        let ends = self.keys.ends(owner, session);
        let marks = ends.iter().map(|(_, end)| location(owner, session, end)).collect();
        let Looked { names, mark } = self.backend.look(&session_location(owner, session), marks).await?;
        let used = names.iter().find(|(name, _)| is_used(name)).and_then(|(_, used)| Some((*used)?.modified));
        let commits = names.into_iter().filter_map(|(name, stored)| Some((parse_sequence(&name)?, stored)));
        let mut commits: BTreeMap<_, _> = commits.collect();
        if let (Some(used), Some((_, Some(newest)))) = (used, commits.iter_mut().next_back()) {
            newest.modified = newest.modified.max(used);
        }
        let closed = mark.map(|(number, at)| Closed { reason: ends[number].0, at });
        Ok(Listing { commits, closed })
    }

    /// Every session beneath `location`, with its owner.
    pub(super) async fn see(&self, location: Option<&Path>) -> Result<BTreeMap<(String, SessionId), Seen>, Error> {
        let mut sessions = BTreeMap::new();
        let mut objects = self.backend.list(location);
        while let Some(listed) = objects.next().await {
            let (path, stored) = listed?;
            let Some((owner, id, object)) = parse(&path) else { continue };
            let is_over = matches!(object, Object::End(_));
            if is_over && self.reason_of(&owner, &id, &object).is_none() {
                continue;
            }
            let empty = Seen { head: None, used: None, closed: None, bytes: 0, taken: 0, newest: stored.modified };
            let session = sessions.entry((owner, id)).or_insert(empty);
            if is_over {
                session.closed = session.closed.max(Some(stored.modified));
            } else {
                session.add(&object, stored);
            }
        }
        Ok(sessions)
    }
}
