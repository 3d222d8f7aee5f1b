//! A run of a native program: it joins the files of a session and leaves no
//! process behind.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::Executor;
use super::run::Job;
use crate::error::Error;
use crate::handle::RunId;
use crate::memory_budget::Share;
use crate::run::limits::Resource;
use crate::run::order::Order;
use crate::run::outcome::{SessionState, Status};
use crate::run::report::{MAX_FILES, RunReport};
use crate::run::request::SessionChoice;
use crate::session::Turn;
use crate::session::files::Manifest;
use crate::session::save::{Change, ChangedFiles};
use crate::workspace::Workspace;

/// How often a run that waits for memory asks for it.
const RECALL_INTERVAL: Duration = Duration::from_millis(100);

impl Executor {
    pub(super) async fn run_native(
        &self,
        job: &mut Job,
        run: &RunId,
        workspace: &Arc<Workspace>,
    ) -> Result<RunReport, Error> {
        let memory_bytes = job.limits.get(Resource::MemoryBytes);
        // All of it, since nothing asks before a native program grows.
        let share = self.unless_stopped(&job.stop, self.take_memory(memory_bytes)).await?;
        let _share = share.ok_or_else(|| {
            let total = self.budget.total_bytes();
            Error::invalid(
                "limits.memory_bytes",
                format!("must be at most {total}, all that runs share, got {memory_bytes}"),
            )
        })?;
        workspace.serve_native();
        let spool = self.spool(job, run)?;
        let order = Order {
            runtime: job.runtime,
            program: std::mem::take(&mut job.request.program),
            limits: job.limits,
            workspace: Arc::clone(workspace),
            in_session: job.request.session != SessionChoice::None,
            spool,
        };
        self.native.run(order, &job.stop, job.live.take()).await
    }

    /// Waits for `bytes`, which interpreters and sessions that nobody uses give
    /// back. `None` when there will never be as many.
    async fn take_memory(&self, bytes: u64) -> Option<Share> {
        let mut taken = pin!(self.budget.take(bytes));
        let mut again = tokio::time::interval(RECALL_INTERVAL);
        loop {
            tokio::select! {
                biased;
                share = &mut taken => return share,
                // Some are idle only now.
                _ = again.tick() => match self.pool.get() {
                    Some(pool) => pool.recall(bytes),
                    None => self.budget.ask_back(bytes),
                },
            }
        }
    }

    pub(super) async fn run_native_and_commit(
        &self,
        turn: &mut Turn,
        job: &mut Job,
        run: &RunId,
        workspace: &Arc<Workspace>,
    ) -> Result<(RunReport, SessionState), Error> {
        if !self.state.shows_mapped_writes() {
            turn.tree.distrust_stamps();
        }
        let mut report = self.run_native(job, run, workspace).await?;
        let is_over = |resource| report.usage.get(resource).is_some_and(|used| used > job.limits.get(resource));
        let is_lost = matches!(report.status, Status::Trapped(_));
        if is_lost || is_over(Resource::DiskBytes) || is_over(Resource::DiskFiles) {
            self.undo(turn, &mut report).await?;
            return Ok((report, SessionState::RolledBack));
        }
        let before = Arc::clone(turn.tree.manifest());
        let files = ChangedFiles {
            bytes: report.files.iter().map(|file| file.size_bytes).sum(),
            untouched: std::mem::take(&mut report.untouched),
        };
        self.sessions.save(turn, Change { files: Some(files), ..Change::default() }).await?;
        if !self.state.shows_mapped_writes() {
            name_rewritten(&mut report, turn.tree.manifest(), &before);
        }
        Ok((report, SessionState::FilesOnly))
    }
}

/// Names files as changed whose stamps do not tell that they are.
fn name_rewritten(report: &mut RunReport, now: &Arc<Manifest>, before: &Arc<Manifest>) {
    if Arc::ptr_eq(now, before) {
        return;
    }
    let known: HashSet<_> = report.files.iter().map(|file| file.path.clone()).collect();
    let room = MAX_FILES.saturating_sub(report.files.len());
    let others = now.rewritten_since(before).filter(|file| !known.contains(&file.path));
    report.files.extend(others.take(room));
}
