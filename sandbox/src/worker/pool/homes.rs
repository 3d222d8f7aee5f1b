//! Where the interpreters of sessions are: each session has them in one worker, and
//! pays for what they keep between two runs.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::CompiledImage;
use super::worker::{Claim, Worker};
use crate::handle::{Principal, SessionKey};
use crate::memory_budget::{MemoryBudget, Share};
use crate::run::limits::Resource;
use crate::worker::wire::protocol::ToWorker;
use crate::worker::wire::report::WorkerReport;

/// The homes of all sessions that have one.
#[derive(Default)]
pub(super) struct Homes(HashMap<SessionKey, Home>);

/// The home of one session.
struct Home {
    worker: Arc<Worker>,
    /// Interpreters of the session by language.
    interpreters: HashMap<String, KeptInterpreter>,
    /// Pays for what the interpreters have made their own of their images.
    share: Option<Share>,
    /// Whether a run is using the interpreters.
    running: bool,
    last_used: Instant,
}

/// The memory of an interpreter between two runs.
#[derive(Clone, Copy, Debug)]
struct KeptInterpreter {
    /// What the interpreter has made its own of its image.
    own_bytes: u64,
    /// What the interpreter has grown by, which its worker pays for.
    grown_bytes: u64,
}

/// What a run left of the interpreter that it used.
pub(super) struct Left<'a> {
    pub(super) runtime: String,
    pub(super) image: &'a CompiledImage,
    pub(super) report: &'a WorkerReport,
    /// What the run was paid with, if it began with a new one.
    pub(super) share: Option<Share>,
}

/// What an interpreter that went gives back, in a while.
pub(super) struct Coming {
    pub(super) bytes: u64,
    pub(super) owner: Principal,
}

impl Home {
    fn new(worker: &Arc<Worker>) -> Self {
        Self {
            worker: Arc::clone(worker),
            interpreters: HashMap::new(),
            share: None,
            running: false,
            last_used: Instant::now(),
        }
    }

    fn is_at(&self, worker: &Arc<Worker>) -> bool {
        Arc::ptr_eq(&self.worker, worker)
    }

    fn has(&self, runtime: &str) -> bool {
        self.interpreters.contains_key(runtime)
    }

    /// Claims the worker for a run that is about to begin here.
    fn claim(&mut self) -> Claim {
        self.running = true;
        Claim::of(&self.worker)
    }

    /// Drops the interpreters.
    fn close(self, session: &SessionKey) {
        self.worker.send(&ToWorker::CloseSession { session: session.id.clone() });
    }

    /// Keeps an interpreter, and pays for it.
    fn keep(&mut self, left: Left<'_>, budget: &MemoryBudget) {
        let Left { runtime, image, report, share } = left;
        match (&mut self.share, share) {
            (Some(held), Some(share)) => held.merge(share),
            (None, Some(share)) => self.share = Some(share),
            (_, None) => {}
        }
        // A worker is not trusted with either number.
        let initial = image.initial_bytes();
        let memory = report.ran.usage.get(Resource::MemoryBytes).unwrap_or(0);
        let kept = KeptInterpreter {
            own_bytes: report.resident_bytes.min(initial),
            grown_bytes: memory.saturating_sub(initial).min(budget.total_bytes()),
        };
        self.interpreters.insert(runtime, kept);
        self.pay(budget);
    }

    /// Pays for what the interpreters made their own. Where there is no more, it
    /// pays what it paid: the memory is in use already, and what comes after has to
    /// wait.
    fn pay(&mut self, budget: &MemoryBudget) {
        let bytes = self.interpreters.values().map(|kept| kept.own_bytes).sum();
        let Some(share) = &mut self.share else { return };
        if share.bytes() >= bytes {
            share.shrink_to(bytes);
        } else if let Some(more) = budget.try_take(share.owner(), bytes - share.bytes()) {
            share.merge(more);
        }
    }
}

impl Homes {
    /// Whether a run of `runtime` will find its interpreter. If so, it is there until
    /// that run has ended, unless its worker dies.
    pub(super) fn hold(&mut self, session: &SessionKey, runtime: &str) -> bool {
        let home = self.0.get_mut(session).filter(|home| home.has(runtime));
        home.map(|home| home.running = true).is_some()
    }

    /// The worker that holds the interpreter for a run of `runtime`. It stays there
    /// until the run has ended.
    pub(super) fn enter(&mut self, session: &SessionKey, runtime: &str) -> Option<Claim> {
        self.0.get_mut(session).filter(|home| home.has(runtime)).map(Home::claim)
    }

    /// The worker in which a session goes on with another language, if that worker
    /// can run it. If not, the session leaves it: what it has there is saved, and
    /// comes back wherever it goes.
    pub(super) fn join(&mut self, session: &SessionKey, image: &str) -> Option<Claim> {
        let home = self.0.get_mut(session)?;
        if home.worker.has_image(image) {
            return Some(home.claim());
        }
        self.close(session);
        None
    }

    /// Takes note of how a run ended in `worker`: with an interpreter that was `left`
    /// there, or with none of `runtime`.
    pub(super) fn settle(
        &mut self,
        session: SessionKey,
        worker: &Arc<Worker>,
        left: Result<Left<'_>, &str>,
        budget: &MemoryBudget,
    ) {
        let mut home = self.0.remove(&session).unwrap_or_else(|| Home::new(worker));
        // The worker may have died with the report on its way.
        let dead = worker.is_dead();
        match left {
            Ok(left) if !dead => home.keep(left, budget),
            Ok(Left { runtime, .. }) => drop(home.interpreters.remove(&runtime)),
            Err(runtime) => {
                home.interpreters.remove(runtime);
                home.pay(budget);
            }
        }
        home.running = false;
        home.last_used = Instant::now();
        if dead {
            return;
        }
        if home.interpreters.is_empty() {
            // Whatever it still holds, nobody will ask for it.
            worker.send(&ToWorker::CloseSession { session: session.id });
        } else {
            self.0.insert(session, home);
        }
    }

    /// Drops the interpreters of a session. None of its runs may be going on.
    pub(super) fn close(&mut self, session: &SessionKey) {
        if let Some(home) = self.0.remove(session) {
            home.close(session);
        }
    }

    /// Drops the interpreters of the session that has not been used for the longest: of the tenant
    /// that has the most memory, or of `whose` alone. `None` when there is none that no run uses.
    pub(super) fn close_longest_unused(&mut self, whose: Option<&Principal>, budget: &MemoryBudget) -> Option<Coming> {
        let may_go = |session: &SessionKey, home: &Home| !home.running && whose.is_none_or(|own| session.owner == *own);
        let idle = self.0.iter().filter(|(session, home)| may_go(session, home));
        let first = idle.min_by_key(|(session, home)| (Reverse(budget.used_by(&session.owner)), home.last_used));
        let session = first?.0.clone();
        let home = self.0.remove(&session)?;
        tracing::debug!(session = %session.id, "an interpreter made room for others");
        let coming = Coming {
            bytes: home.interpreters.values().map(|kept| kept.grown_bytes).sum(),
            owner: session.owner.clone(),
        };
        home.close(&session);
        Some(coming)
    }

    /// The worker of a session.
    pub(super) fn worker_of(&self, session: &SessionKey) -> Option<Arc<Worker>> {
        self.0.get(session).map(|home| Arc::clone(&home.worker))
    }

    /// Whether any session is at home in `worker`.
    pub(super) fn any_at(&self, worker: &Arc<Worker>) -> bool {
        self.0.values().any(|home| home.is_at(worker))
    }

    /// Whether a run is about to use an interpreter in `worker`, or does.
    pub(super) fn any_running_at(&self, worker: &Arc<Worker>) -> bool {
        self.0.values().any(|home| home.is_at(worker) && home.running)
    }

    /// How many instances `worker` keeps for sessions.
    pub(super) fn instances_at(&self, worker: &Arc<Worker>) -> u64 {
        self.0.values().filter(|home| home.is_at(worker)).map(|home| home.interpreters.len().max(1) as u64).sum()
    }

    /// Forgets all that was in `worker`, which is gone or about to.
    pub(super) fn leave(&mut self, worker: &Arc<Worker>) {
        self.0.retain(|_, home| !home.is_at(worker));
    }

    /// Forgets all of `owner`, whose workers are about to end.
    pub(super) fn forget(&mut self, owner: &Principal) {
        self.0.retain(|session, _| session.owner != *owner);
    }
}
