//! Which sessions this server has in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::load::NEVER;
use super::{Session, Turn, not_found};
use crate::error::Error;
use crate::handle::{Principal, SessionId};
use crate::lock::lock;

/// The sessions in memory, and those that are being looked up.
pub(super) struct InMemory {
    sessions: Mutex<HashMap<SessionId, Arc<Session>>>,
    /// The most that have files here at once.
    limit: usize,
}

impl InMemory {
    pub(super) fn new(limit: usize) -> Self {
        Self { sessions: Mutex::default(), limit }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.sessions).len()
    }

    pub(super) fn has(&self, id: &SessionId) -> bool {
        lock(&self.sessions).contains_key(id)
    }

    pub(super) fn add(&self, session: &Arc<Session>) {
        lock(&self.sessions).insert(session.id.clone(), Arc::clone(session));
    }

    pub(super) fn remove(&self, id: &SessionId) {
        lock(&self.sessions).remove(id);
    }

    /// The session as it is known here; one that is not known is looked up by
    /// whoever gets the turn.
    pub(super) fn find(&self, owner: &Principal, id: &SessionId) -> Result<Arc<Session>, Error> {
        let known = lock(&self.sessions).get(id).cloned();
        match known {
            Some(session) if session.owner == *owner => Ok(session),
            Some(_) => {
                tracing::warn!(session = %id, "a principal asked for a session of another");
                Err(not_found(id, NEVER))
            }
            None => {
                let session = Session::new(id.clone(), owner.clone());
                self.add(&session);
                Ok(session)
            }
        }
    }

    /// Those that are in use, or were within `lifetime`.
    pub(super) fn in_use(&self, now: Instant, lifetime: Duration) -> HashSet<SessionId> {
        let sessions: Vec<_> = lock(&self.sessions).values().cloned().collect();
        let is_in_use = |session: &&Arc<Session>| {
            now.saturating_duration_since(session.last_used()) < lifetime || session.idle_turn().is_none()
        };
        sessions.iter().filter(is_in_use).map(|session| session.id.clone()).collect()
    }

    /// Those that nobody has used for so long.
    pub(super) fn unused_for(&self, idle_time: Duration, now: Instant) -> Vec<Arc<Session>> {
        let is_unused = |session: &&Arc<Session>| now.saturating_duration_since(session.last_used()) >= idle_time;
        lock(&self.sessions).values().filter(is_unused).cloned().collect()
    }

    /// All of them, the least recently used first.
    pub(super) fn by_last_use(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<_> = lock(&self.sessions).values().cloned().collect();
        sessions.sort_by_cached_key(|session| session.last_used());
        sessions
    }

    /// The least recently used one that is idle, if there are more than there
    /// may be.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when none is idle.
    pub(super) fn surplus(&self) -> Result<Option<Turn>, Error> {
        let mut sessions: Vec<_> = {
            let sessions = lock(&self.sessions);
            if sessions.len() <= self.limit {
                return Ok(None);
            }
            // Others are only being looked up.
            sessions.values().filter(|session| session.workspace().is_some()).cloned().collect()
        };
        if sessions.len() < self.limit {
            return Ok(None);
        }
        sessions.sort_by_cached_key(|session| session.last_used());
        let (active, limit) = (sessions.len(), self.limit);
        let idle = sessions.iter().find_map(Session::idle_turn);
        idle.map(Some).ok_or(Error::Busy { what: "all sessions are in use at this moment", active, limit })
    }
}
