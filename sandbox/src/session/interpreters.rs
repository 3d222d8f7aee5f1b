//! The interpreters of sessions that are in workers, once there are any.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::handle::{Principal, SessionKey};
use crate::worker::Pool;

/// The workers' side of sessions.
pub(super) struct Interpreters(Arc<OnceCell<Arc<Pool>>>);

impl Interpreters {
    pub(super) const fn new(pool: Arc<OnceCell<Arc<Pool>>>) -> Self {
        Self(pool)
    }

    /// Drops the interpreters of a session. None of its runs may be going on.
    pub(super) fn close(&self, session: &SessionKey) {
        if let Some(pool) = self.0.get() {
            pool.close_session(session);
        }
    }

    /// Has interpreters that nobody uses give back memory, until `owner` can have `bytes`.
    pub(super) fn recall(&self, owner: &Principal, bytes: u64) {
        if let Some(pool) = self.0.get() {
            pool.recall(owner, bytes);
        }
    }

    /// Ends the worker of a session, which lied about its interpreters.
    pub(super) fn distrust(&self, session: &SessionKey, reason: &str) {
        if let Some(pool) = self.0.get() {
            pool.distrust(session, reason);
        }
    }
}
