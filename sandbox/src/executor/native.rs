//! Runs of native programs: they join the files of a session and leave no
//! process behind.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::runtime::{Caller, Ran, Runtime};
use crate::error::Error;
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::Principal;
use crate::memory_budget::MemoryBudget;
use crate::native::{NativeReport, NativeRuntime};
use crate::run::limits::Resource;
use crate::run::order::Order;
use crate::run::outcome::Status;
use crate::session::Turn;
use crate::session::save::{Change, ChangedFiles};
use crate::worker::Pool;

/// Runs native programs.
pub(super) struct NativeRuns {
    pub(super) runtime: Arc<NativeRuntime>,
    pub(super) budget: MemoryBudget,
    pub(super) state: Arc<StateDirectory>,
    /// Workers that may have memory which nobody uses.
    pub(super) pool: Arc<OnceCell<Arc<Pool>>>,
}

impl Runtime for NativeRuns {
    fn directory(&self, principal: &Principal) -> Result<PathBuf, Error> {
        self.state.own(principal)
    }

    async fn run(&self, order: Order, caller: Caller<'_>, turn: Option<&mut Turn>) -> Result<Ran, Error> {
        let hides_writes = !self.state.shows_mapped_writes();
        if let Some(turn) = turn.filter(|_| hides_writes) {
            turn.distrust_stamps();
        }
        let limits = order.task.limits;
        let memory_bytes = limits.get(Resource::MemoryBytes);
        let (principal, most) = (caller.principal, self.budget.most_of(caller.principal));
        if memory_bytes > most {
            let bound = format!("must be at most {most}, all that runs share, got {memory_bytes}");
            return Err(Error::invalid("limits.memory_bytes", bound));
        }
        // The run takes all of its memory at once, since nothing asks before a native
        // program grows.
        let taken = self.budget.wait(principal, memory_bytes, || self.recall(principal, memory_bytes));
        let _share = caller.stop.unless(taken).await?.ok_or_else(|| self.budget.no_memory(principal))?;
        order.workspace.serve_native();
        let NativeReport { ran, untouched, .. } =
            self.runtime.run(order, caller.stop.token(), caller.following).await?;
        let is_over = |resource| ran.usage.get(resource).is_some_and(|used| used > limits.get(resource));
        let is_lost = matches!(ran.status, Status::Trapped(_));
        let can_be_kept = !is_lost && !is_over(Resource::DiskBytes) && !is_over(Resource::DiskFiles);
        let change = can_be_kept.then(|| {
            let bytes = ran.files.iter().map(|file| file.size_bytes).sum();
            Change { files: Some(ChangedFiles { bytes, untouched }), ..Change::default() }
        });
        Ok(Ran { report: ran, is_warm: false, change, hides_writes })
    }
}

impl NativeRuns {
    /// Asks interpreters and sessions that nobody uses for memory.
    fn recall(&self, principal: &Principal, bytes: u64) {
        match self.pool.get() {
            Some(pool) => pool.recall(principal, bytes),
            None => self.budget.ask_back(principal, bytes),
        }
    }
}
