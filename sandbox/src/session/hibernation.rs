//! Sessions that leave: which make room for others, and what becomes of what
//! this server held of them.

use std::sync::Arc;
use std::time::Instant;

use super::registry::Sessions;
use super::{Life, Session, Turn};
use crate::error::Error;
use crate::lock::lock;

impl Sessions {
    /// Forgets a session that is over, or lies in the store.
    pub(crate) fn leave(&self, turn: &mut Turn) {
        let session = Arc::clone(&turn.session);
        let has_files = turn.life != Life::Loaded || turn.is_ahead || !turn.tree.manifest().is_empty();
        turn.life = Life::Gone;
        turn.held = None;
        lock(&self.here).remove(&session.id);
        self.drop_interpreters(&session.id);
        let Some(workspace) = session.set_workspace(None) else { return };
        let left = if has_files { Some(workspace) } else { self.spares.take_over(&session.owner, workspace) };
        if let Some(workspace) = left {
            // Whoever still reads it keeps what is open.
            workspace.discard();
        }
    }

    /// Makes room for a session that just came here: the one that nobody has
    /// used for the longest time hibernates.
    pub(crate) fn make_place(&self) -> Result<(), Error> {
        let mut sessions: Vec<_> = {
            let here = lock(&self.here);
            if here.len() <= self.settings().limit {
                return Ok(());
            }
            // Others are only being looked up.
            here.values().filter(|session| session.workspace().is_some()).cloned().collect()
        };
        if sessions.len() < self.settings().limit {
            return Ok(());
        }
        sessions.sort_by_cached_key(|session| session.last_used());
        for session in &sessions {
            if let Some(turn) = session.idle_turn() {
                if let Some(pool) = self.pool.get() {
                    pool.close_session_later(&session.id);
                }
                self.hibernate(turn);
                return Ok(());
            }
        }
        Err(Error::Busy {
            what: "all sessions are in use at this moment",
            active: sessions.len(),
            limit: self.settings().limit,
        })
    }

    /// Lets a session lie in the store alone.
    pub(crate) fn hibernate(&self, mut turn: Turn) {
        tracing::debug!(session = %turn.session.id, "a session hibernates");
        self.collect_rest(&mut turn);
        self.leave(&mut turn);
    }

    /// Lets sessions hibernate that nobody has used for long enough.
    pub(crate) fn hibernate_idle(&self, now: Instant) {
        let idle = |session: &Arc<Session>| {
            now.saturating_duration_since(session.last_used()) >= self.settings().hibernate_after
        };
        let sessions: Vec<_> = lock(&self.here).values().filter(|session| idle(session)).cloned().collect();
        for session in sessions {
            if let Some(turn) = session.idle_turn() {
                self.hibernate(turn);
            }
        }
    }
}
