//! Handles, owners, and the registry of live sessions.
//!
//! A session is one workspace plus at most one interpreter state per language.
//! Its handle is unguessable but not a credential: every use names the
//! [`Principal`], and someone else's session reads like one that never was.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::error::Error;
use crate::workspace::Workspace;

/// Whom a session or run belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(String);

impl Principal {
    /// The one user of a server that was started over stdio.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// A name that is safe as one component of a path.
    pub fn directory_name(&self) -> &str {
        &self.0
    }
}

/// 128 random bits as 26 letters and digits.
pub(crate) fn random_name() -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0_u8; 16];
    // The kernel's generator cannot fail once it is seeded, which it is long
    // before a user can start us; a handle that others could guess is worse
    // than no server.
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    let number = u128::from_le_bytes(bytes);
    (0..26).map(|digit| char::from(DIGITS[(number >> (5 * digit)) as usize & 31])).collect()
}

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(String);

        impl $name {
            /// Makes a new, unguessable handle.
            pub fn random() -> Self {
                Self(format!(concat!($prefix, "{}"), random_name()))
            }

            /// Reads a handle that a caller gave.
            ///
            /// # Errors
            ///
            /// [`Error::InvalidRequest`] when it cannot be one of ours.
            pub fn parse(text: &str) -> Result<Self, Error> {
                let digits = text.strip_prefix($prefix).unwrap_or_default();
                if digits.len() == 26 && digits.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                    return Ok(Self(text.into()));
                }
                let shown: String = text.chars().take(40).collect();
                Err(Error::invalid(
                    $kind,
                    format!(concat!("must be a handle that `execute` returned, such as `", $prefix, "…`, got {:?}"), shown),
                ))
            }

            /// The handle as text; safe as one component of a path.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

handle!(
    /// The handle of a session.
    SessionId, "s_", "session"
);
handle!(
    /// The handle of one run.
    RunId, "r_", "run"
);

/// A live session.
#[derive(Debug)]
pub struct Session {
    /// Its handle.
    pub id: SessionId,
    /// Its files.
    pub workspace: Arc<Workspace>,
    owner: Principal,
    turn: Arc<AsyncMutex<()>>,
    waiting: Mutex<usize>,
    last_used: Mutex<Instant>,
}

/// The right to run in a session. Granted first in, first out.
#[derive(Debug)]
pub struct Turn {
    _guard: OwnedMutexGuard<()>,
}

impl Session {
    /// Waits for the session, behind at most `limit` others.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when as many are waiting already.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the place in the queue back.
    pub async fn turn(self: &Arc<Self>, limit: usize) -> Result<Turn, Error> {
        struct Place<'a>(&'a Session);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                *lock(&self.0.waiting) -= 1;
            }
        }
        {
            let mut waiting = lock(&self.waiting);
            if *waiting >= limit {
                return Err(Error::Busy { what: "this session already has calls waiting", active: *waiting, limit });
            }
            *waiting += 1;
        }
        let _place = Place(self);
        let guard = Arc::clone(&self.turn).lock_owned().await;
        Ok(Turn { _guard: guard })
    }

    /// Counts this moment as use.
    pub fn touch(&self) {
        *lock(&self.last_used) = Instant::now();
    }
}

/// All live sessions of this server.
#[derive(Debug)]
pub(crate) struct Sessions {
    live: Mutex<HashMap<SessionId, Arc<Session>>>,
    expired: Mutex<Remembered>,
    limit: usize,
    idle: Duration,
}

/// Handles of sessions that are over, so that "expired" can be told from
/// "never existed" for a while. Bounded.
#[derive(Debug, Default)]
struct Remembered {
    order: std::collections::VecDeque<SessionId>,
    owners: HashMap<SessionId, Principal>,
}

const REMEMBERED_SESSIONS: usize = 1024;

impl Sessions {
    /// No sessions yet, at most `limit`, each for `idle` without use.
    pub(crate) fn new(limit: usize, idle: Duration) -> Self {
        Self { live: Mutex::default(), expired: Mutex::default(), limit, idle }
    }

    /// How long a session lives without use.
    pub(crate) const fn idle(&self) -> Duration {
        self.idle
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        lock(&self.live).len()
    }

    /// Registers a session with the workspace that `make` makes for it.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] at the limit, and whatever `make` fails with.
    pub(crate) fn create(
        &self,
        owner: &Principal,
        make: impl FnOnce(&SessionId) -> Result<Workspace, Error>,
    ) -> Result<Arc<Session>, Error> {
        let mut live = lock(&self.live);
        if live.len() >= self.limit {
            return Err(Error::Busy {
                what: "all sessions are taken; reuse one of yours, or wait until one has been idle long enough",
                active: live.len(),
                limit: self.limit,
            });
        }
        let id = SessionId::random();
        let session = Arc::new(Session {
            workspace: Arc::new(make(&id)?),
            id: id.clone(),
            owner: owner.clone(),
            turn: Arc::default(),
            waiting: Mutex::default(),
            last_used: Mutex::new(Instant::now()),
        });
        live.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// The session `id` of `owner`; counts as use.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], which says "expired" only to the owner.
    pub(crate) fn get(&self, owner: &Principal, id: &SessionId) -> Result<Arc<Session>, Error> {
        if let Some(session) = lock(&self.live).get(id) {
            if session.owner == *owner {
                session.touch();
                return Ok(Arc::clone(session));
            }
            tracing::warn!(session = %id, "a principal asked for a session of another");
        }
        let expired = lock(&self.expired).owners.get(id) == Some(owner);
        Err(Error::NotFound {
            kind: "session",
            id: id.to_string(),
            advice: if expired {
                ": it expired after too long without use; start another with `session: \"new\"`"
            } else {
                "; `session: \"new\"` starts one"
            },
        })
    }

    /// Ends a session that its owner never heard of.
    pub(crate) fn remove(&self, id: &SessionId) {
        lock(&self.live).remove(id);
    }

    /// Ends and returns the sessions that nobody has used for too long. A
    /// session that is running or waited for is in use.
    pub(crate) fn take_expired(&self, now: Instant) -> Vec<Arc<Session>> {
        let mut live = lock(&self.live);
        let is_over = |session: &Arc<Session>| {
            session.turn.try_lock().is_ok()
                && *lock(&session.waiting) == 0
                && now.saturating_duration_since(*lock(&session.last_used)) >= self.idle
        };
        let over: Vec<_> = live.values().filter(|session| is_over(session)).cloned().collect();
        let mut expired = lock(&self.expired);
        for session in &over {
            live.remove(&session.id);
            expired.order.push_back(session.id.clone());
            expired.owners.insert(session.id.clone(), session.owner.clone());
            if expired.order.len() > REMEMBERED_SESSIONS
                && let Some(forgotten) = expired.order.pop_front()
            {
                expired.owners.remove(&forgotten);
            }
        }
        over
    }
}

/// A lock whose data is never left half-changed by a panic, so that poisoning
/// carries no news.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(limit: usize, idle: Duration) -> (tempfile::TempDir, Sessions) {
        (tempfile::tempdir().unwrap(), Sessions::new(limit, idle))
    }

    fn create(parent: &tempfile::TempDir, sessions: &Sessions, owner: &Principal) -> Result<Arc<Session>, Error> {
        sessions.create(owner, |id| Workspace::create(parent.path().join(id.as_str())))
    }

    #[test]
    fn handles_are_checked_before_they_are_looked_up() {
        let id = SessionId::random();
        assert_eq!(SessionId::parse(id.as_str()).unwrap(), id);
        for bad in ["", "s_", "new", "s_../../../../../etc/passwd0", "r_00000000000000000000000000"] {
            assert!(SessionId::parse(bad).unwrap_err().to_string().contains("must be a handle"), "{bad}");
        }
    }

    #[test]
    fn expired_is_told_apart_from_never_existed_and_only_to_the_owner() {
        let (parent, sessions) = sessions(1, Duration::from_secs(60));
        let (owner, other) = (Principal::local(), Principal("other".into()));
        let session = create(&parent, &sessions, &owner).unwrap();
        assert!(create(&parent, &sessions, &owner).unwrap_err().to_string().contains("1 of 1"));
        assert!(sessions.get(&owner, &session.id).is_ok());
        let foreign = sessions.get(&other, &session.id).unwrap_err().to_string();
        let unknown = sessions.get(&other, &SessionId::random()).unwrap_err().to_string();
        assert_eq!(foreign.split('`').nth(2), unknown.split('`').nth(2), "a foreign session must read like none");
        let later = Instant::now() + Duration::from_secs(61);
        assert_eq!(sessions.take_expired(later).len(), 1);
        assert!(sessions.get(&owner, &session.id).unwrap_err().to_string().contains("expired"));
        assert!(!sessions.get(&other, &session.id).unwrap_err().to_string().contains("expired"));
    }

    #[tokio::test]
    async fn a_session_in_use_does_not_expire_and_its_queue_is_bounded() {
        let (parent, sessions) = sessions(1, Duration::ZERO);
        let session = create(&parent, &sessions, &Principal::local()).unwrap();
        let turn = session.turn(1).await.unwrap();
        assert!(sessions.take_expired(Instant::now()).is_empty());
        let mut second = std::pin::pin!(session.turn(1));
        assert!(futures_poll(&mut second).is_pending());
        assert!(session.turn(1).await.unwrap_err().to_string().contains("1 of 1"));
        drop(turn);
        assert!(futures_poll(&mut second).is_ready());
        assert_eq!(sessions.take_expired(Instant::now()).len(), 1);
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
