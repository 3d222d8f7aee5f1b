//! One session: who may use it next, and what it is now.
//!
//! A session is one workspace plus at most one interpreter per language. It
//! has one writer at a time, in order of arrival: whoever holds its [`Turn`].

mod changed;
pub(crate) mod files;
mod head;
mod holding;
mod in_memory;
mod interpreters;
pub(crate) mod ledger;
pub(crate) mod load;
mod loader;
pub(crate) mod registry;
pub(crate) mod save;
pub(crate) mod snapshot;
mod store_space;
pub(crate) mod watchers;
mod workspaces;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedRwLockReadGuard, RwLock};

use self::head::Head;
use self::load::Fetched;
use crate::error::Error;
use crate::handle::{Principal, SessionId, SessionKey};
use crate::workspace::Workspace;

/// A session that this server holds, or is about to load.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) owner: Principal,
    /// Its files, once they are there.
    workspace: Mutex<Option<Arc<Workspace>>>,
    /// Held while the files are put in order, and shared by those who look at them.
    layout: Arc<RwLock<()>>,
    /// Whether the files must be put in order before anybody looks at them.
    disordered: AtomicBool,
    head: Arc<AsyncMutex<Head>>,
    waiting: Mutex<usize>,
    last_used: Mutex<Instant>,
}

/// The files of a session, to look at while others may use it: as they are
/// before or after a restore, never in between. While a program runs they are
/// those that it sees. A restore waits for whoever has this.
#[derive(Debug)]
pub struct SessionFiles {
    workspace: Arc<Workspace>,
    _layout: OwnedRwLockReadGuard<()>,
}

impl Deref for SessionFiles {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.workspace
    }
}

/// The right to use a session. Granted first in, first out.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) session: Arc<Session>,
    /// The interpreter for the run that it was taken for, if it came with the
    /// session from the store.
    pub(crate) fetched: Option<Fetched>,
    head: OwnedMutexGuard<Head>,
}

impl Deref for Turn {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}

impl Session {
    pub(crate) fn new(id: SessionId, owner: Principal) -> Arc<Self> {
        Arc::new(Self {
            id,
            owner,
            workspace: Mutex::default(),
            layout: Arc::default(),
            disordered: AtomicBool::new(false),
            head: Arc::default(),
            waiting: Mutex::default(),
            last_used: Mutex::new(Instant::now()),
        })
    }

    /// Which it is, and whose.
    pub(crate) fn key(&self) -> SessionKey {
        SessionKey { owner: self.owner.clone(), id: self.id.clone() }
    }

    /// Waits for the session, behind at most `limit` others.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when as many are waiting already.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the place in the queue back.
    pub(crate) async fn turn(self: &Arc<Self>, limit: usize) -> Result<Turn, Error> {
        struct Place<'a>(&'a Session);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                *self.0.waiting.lock() -= 1;
            }
        }
        {
            let mut waiting = self.waiting.lock();
            if *waiting >= limit {
                return Err(Error::Busy { what: "this session already has calls waiting", active: *waiting, limit });
            }
            *waiting += 1;
        }
        let _place = Place(self);
        let head = Arc::clone(&self.head).lock_owned().await;
        Ok(Turn { session: Arc::clone(self), fetched: None, head })
    }

    /// Whether somebody uses it or waits for it.
    pub(crate) fn is_in_use(&self) -> bool {
        *self.waiting.lock() > 0 || self.head.try_lock().is_err()
    }

    /// The session, if nobody uses it, waits for it or looks at its files.
    pub(crate) fn idle_turn(self: &Arc<Self>) -> Option<Turn> {
        let waiting = self.waiting.lock();
        if *waiting > 0 || self.layout.try_write().is_err() {
            return None;
        }
        let head = Arc::clone(&self.head).try_lock_owned().ok()?;
        Some(Turn { session: Arc::clone(self), fetched: None, head })
    }

    /// Its files, if they are here.
    pub(crate) fn workspace(&self) -> Option<Arc<Workspace>> {
        self.workspace.lock().clone()
    }

    /// Its files, to be looked at while a program may change them. Waits while
    /// they are restored.
    pub(crate) async fn files(&self) -> Option<SessionFiles> {
        self.files_under(Arc::clone(&self.layout).read_owned().await)
    }

    /// Its files, to be looked at; none while they are restored, or have to be.
    pub(crate) fn files_to_read(&self) -> Option<SessionFiles> {
        let layout = Arc::clone(&self.layout).try_read_owned().ok()?;
        self.files_under(layout).filter(|_| !self.disordered.load(Ordering::SeqCst))
    }

    fn files_under(&self, layout: OwnedRwLockReadGuard<()>) -> Option<SessionFiles> {
        Some(SessionFiles { workspace: self.workspace()?, _layout: layout })
    }

    /// Sets whether the files are those of a run that was refused.
    pub(crate) fn set_disordered(&self, disordered: bool) {
        self.disordered.store(disordered, Ordering::SeqCst);
    }

    /// Keeps the files from readers until the answer is dropped.
    pub(crate) async fn hide_files(&self) -> impl Drop + use<> {
        Arc::clone(&self.layout).write_owned().await
    }

    pub(crate) fn set_workspace(&self, workspace: Option<Arc<Workspace>>) -> Option<Arc<Workspace>> {
        std::mem::replace(&mut *self.workspace.lock(), workspace)
    }

    /// Counts this moment as use.
    pub(crate) fn touch(&self) {
        *self.last_used.lock() = Instant::now();
    }

    pub(crate) fn last_used(&self) -> Instant {
        *self.last_used.lock()
    }
}

fn not_found(id: &SessionId, advice: &'static str) -> Error {
    Error::NotFound { kind: "session", id: id.to_string(), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_is_waited_for_in_a_bounded_queue_and_a_session_in_use_is_not_idle() {
        let session = Session::new(SessionId::random(), Principal::local());
        let turn = session.turn(1).await.unwrap();
        assert!(session.idle_turn().is_none());
        let mut second = std::pin::pin!(session.turn(1));
        assert!(poll(&mut second).is_pending());
        assert!(session.turn(1).await.unwrap_err().to_string().contains("1 of 1"));
        drop(turn);
        assert!(session.idle_turn().is_none(), "somebody waits");
        assert!(poll(&mut second).is_ready());
        assert!(session.idle_turn().is_some());
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
