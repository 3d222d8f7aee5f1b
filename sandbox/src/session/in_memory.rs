//! Which sessions this server has in memory.
//!
//! Each is kept under its owner and its handle. Whoever names the handle of
//! another's session names one of its own that is not there: it is looked for in
//! the store, among its own, like any that never was.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Session, Turn};
use crate::error::Error;
use crate::handle::{Principal, SessionId, SessionKey};
use crate::tenancy::TenantBounds;

/// The sessions in memory, and those that are being looked up.
pub(super) struct InMemory {
    sessions: Mutex<HashMap<SessionKey, Arc<Session>>>,
    /// The most that have files here at once.
    limit: usize,
    /// How many sessions each tenant may have here.
    bounds: Arc<TenantBounds>,
}

impl InMemory {
    pub(super) fn new(limit: usize, bounds: Arc<TenantBounds>) -> Self {
        Self { sessions: Mutex::default(), limit, bounds }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.lock().len()
    }

    /// The sessions of `owner` in memory.
    pub(super) fn of(&self, owner: &Principal) -> Vec<Arc<Session>> {
        self.sessions.lock().values().filter(|session| session.owner == *owner).cloned().collect()
    }

    pub(super) fn has(&self, key: &SessionKey) -> bool {
        self.sessions.lock().contains_key(key)
    }

    pub(super) fn get(&self, key: &SessionKey) -> Option<Arc<Session>> {
        self.sessions.lock().get(key).cloned()
    }

    pub(super) fn add(&self, session: &Arc<Session>) {
        self.sessions.lock().insert(session.key(), Arc::clone(session));
    }

    pub(super) fn remove(&self, key: &SessionKey) {
        self.sessions.lock().remove(key);
    }

    /// The session as it is known here; one that is not known is looked up by
    /// whoever gets the turn.
    pub(super) fn find(&self, owner: &Principal, id: &SessionId) -> Arc<Session> {
        let key = SessionKey { owner: owner.clone(), id: id.clone() };
        let new = || Session::new(id.clone(), owner.clone());
        Arc::clone(self.sessions.lock().entry(key).or_insert_with(new))
    }

    /// Sessions that are in use, or were within `lifetime`.
    pub(super) fn in_use(&self, now: Instant, lifetime: Duration) -> HashSet<(String, SessionId)> {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        let is_in_use = |session: &&Arc<Session>| {
            now.saturating_duration_since(session.last_used()) < lifetime || session.idle_turn().is_none()
        };
        sessions
            .iter()
            .filter(is_in_use)
            .map(|session| (session.owner.directory_name().to_owned(), session.id.clone()))
            .collect()
    }

    /// Sessions that nobody has used for so long.
    pub(super) fn unused_for(&self, idle_time: Duration, now: Instant) -> Vec<Arc<Session>> {
        let is_unused = |session: &&Arc<Session>| now.saturating_duration_since(session.last_used()) >= idle_time;
        self.sessions.lock().values().filter(is_unused).cloned().collect()
    }

    /// All sessions in memory, the least recently used first.
    pub(super) fn by_last_use(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        sessions.sort_by_cached_key(|session| session.last_used());
        sessions
    }

    /// An idle session, if with one more of `owner` there are more than it, or all tenants, may
    /// have: of its own, or of the tenant that has the most; and of these the least recently used.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when none is idle.
    pub(super) fn surplus(&self, owner: &Principal) -> Result<Option<Turn>, Error> {
        let most = self.bounds.of(owner).sessions.min(self.limit);
        let (mut sessions, counts) = {
            let sessions = self.sessions.lock();
            // Some sessions may only be being looked up, and need not be counted when
            // there are so few.
            if sessions.len() <= most {
                return Ok(None);
            }
            let here: Vec<_> = sessions.values().filter(|session| session.workspace().is_some()).cloned().collect();
            drop(sessions);
            let mut counts = HashMap::<_, usize>::new();
            here.iter().for_each(|session| *counts.entry(session.owner.clone()).or_default() += 1);
            (here, counts)
        };
        let own = counts.get(owner).copied().unwrap_or(0);
        let (active, limit, what) = if own >= most {
            sessions.retain(|session| session.owner == *owner);
            // A session that is being let in beside this one may count already.
            (own.min(most), most, "all sessions are in use at this moment")
        } else if sessions.len() >= self.limit {
            (sessions.len().min(self.limit), self.limit, "all sessions of this server are in use at this moment")
        } else {
            return Ok(None);
        };
        sessions.sort_by_cached_key(|session| (Reverse(counts.get(&session.owner).copied()), session.last_used()));
        let idle = sessions.iter().find_map(Session::idle_turn);
        idle.map(Some).ok_or(Error::Busy { what, active, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn add(here: &InMemory, owner: &str, parent: &std::path::Path) -> Arc<Session> {
        let session = Session::new(SessionId::random(), Principal::named(owner));
        session.set_workspace(Some(Arc::new(Workspace::create(parent.join(session.id.as_str())).unwrap())));
        here.add(&session);
        session
    }

    #[test]
    fn whoever_has_too_many_makes_room_by_its_own_and_the_largest_for_all() {
        let parent = tempfile::tempdir().unwrap();
        let here = InMemory::new(4, TenantBounds::many(1));
        let (one, other) = (Principal::named("one"), Principal::named("other"));
        let goes = |owner: &Principal| here.surplus(owner).unwrap().map(|turn| turn.session.key());
        let first = add(&here, "one", parent.path());
        assert_eq!(goes(&one), None);
        let second = add(&here, "one", parent.path());
        let theirs = add(&here, "other", parent.path());
        assert_eq!((goes(&one), goes(&other)), (Some(first.key()), None), "each may have two");
        let turn = first.idle_turn().unwrap();
        assert_eq!(goes(&one), Some(second.key()), "the other is in use");
        let busy = second.idle_turn().unwrap();
        let refused = here.surplus(&one).unwrap_err().to_string();
        assert!(refused.contains("all sessions are in use at this moment (2 of 2 in use)"), "{refused}");
        drop((turn, busy));
        add(&here, "third", parent.path());
        assert_eq!(goes(&Principal::named("third")), Some(first.key()), "all may have four");
        assert_eq!(goes(&other), Some(first.key()));
        drop(theirs);
    }

    #[test]
    fn the_handle_of_another_finds_nothing_of_it() {
        let parent = tempfile::tempdir().unwrap();
        let here = InMemory::new(4, TenantBounds::many(1));
        let theirs = add(&here, "other", parent.path());
        let found = here.find(&Principal::named("one"), &theirs.id);
        assert!(found.workspace().is_none() && !Arc::ptr_eq(&found, &theirs));
        here.remove(&found.key());
        assert!(here.has(&theirs.key()) && Arc::ptr_eq(&here.find(&theirs.owner, &theirs.id), &theirs));
    }
}
