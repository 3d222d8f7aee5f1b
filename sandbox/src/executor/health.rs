//! How an executor is, for people.

use std::sync::atomic::Ordering;

use super::Executor;
use super::admission::Count;
use crate::handle::Principal;
use crate::native::NativeHealth;
use crate::worker::PoolHealth;

/// The state of the executor for people.
#[derive(Clone, Debug)]
pub struct Health {
    /// Runs that are going on.
    pub runs_active: usize,
    /// Runs that wait for a place.
    pub runs_queued: usize,
    /// Runs that have ended.
    pub runs_finished: u64,
    /// Finished runs that found an instance ready.
    pub warm_starts: u64,
    /// Sessions that are in memory.
    pub sessions_live: usize,
    /// Sessions that lie in the store alone, as far as this server has seen.
    pub sessions_hibernated: usize,
    /// Tenants that are known, where there are several.
    pub tenants: usize,
    /// Workers and memory; absent until the first run.
    pub pool: Option<PoolHealth>,
    /// What native programs run under; absent until that was tried.
    pub native: Option<NativeHealth>,
}

impl Executor {
    /// The state of the executor for people, with the runs and sessions of everybody.
    pub fn health(&self) -> Health {
        Health {
            sessions_live: self.sessions.len(),
            sessions_hibernated: self.sessions_hibernated(),
            tenants: self.tenants.count(),
            pool: self.wasm.known_pool().map(|pool| pool.health()),
            runs_finished: self.runs_finished.load(Ordering::Relaxed),
            warm_starts: self.warm_starts.load(Ordering::Relaxed),
            ..self.health_with(&self.admission.count())
        }
    }

    /// The state of the executor with the runs and sessions of `principal`, who is to
    /// learn nothing of others.
    pub fn health_of(&self, principal: &Principal) -> Health {
        if self.bounds.several().is_none() {
            return self.health();
        }
        let (runs_finished, warm_starts) = self.tenants.runs_of(principal);
        Health {
            sessions_live: self.sessions.count_of(principal),
            sessions_hibernated: self.sessions.stored_of(principal),
            tenants: 1,
            pool: self.wasm.known_pool().map(|pool| pool.health_of(principal)),
            runs_finished,
            warm_starts,
            ..self.health_with(&self.admission.count_of(principal))
        }
    }

    fn health_with(&self, &Count { active, waiting }: &Count) -> Health {
        Health {
            runs_active: active,
            runs_queued: waiting,
            runs_finished: 0,
            warm_starts: 0,
            sessions_live: 0,
            sessions_hibernated: 0,
            tenants: 0,
            pool: None,
            native: self.native.runtime.health(),
        }
    }
}
