//! One run, with a session or without, by whichever runtime has its language.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use guest_runtimes::{GuestRuntime, Kind};
use tokio_util::sync::CancellationToken;

use super::events::Call;
use super::runtime::{Caller, Ran, Runtime};
use super::scratch::{Scratch, write_files};
use super::stop::Stop;
use super::tenants::Visit;
use super::{Executor, remove_later};
use crate::error::Error;
use crate::handle::{Principal, RunId};
use crate::images::find_runtime;
use crate::run::calls::Calls;
use crate::run::finished::FinishedRun;
use crate::run::follower::{Follower, Following};
use crate::run::limits::{Limits, Resource};
use crate::run::order::{Order, Task};
use crate::run::outcome::{Outcome, Output, RichOutput, SessionReport, SessionState};
use crate::run::report::{MAX_FILES, RunReport};
use crate::run::request::{ExecuteRequest, SessionChoice};
use crate::run::results::KeptResults;
use crate::session::Turn;
use crate::session::files::Manifest;
use crate::session::save::Change;
use crate::tenancy::TenantLimits;
use crate::workspace::Workspace;

/// One program, its limits, and who may stop it.
struct Job {
    principal: Principal,
    /// Keeps the caller known as a tenant, for as long as anything of this run goes on.
    _visit: Option<Visit>,
    runtime: Arc<GuestRuntime>,
    request: ExecuteRequest,
    limits: Limits,
    stop: Stop,
    following: Following,
    call: Call,
}

/// A run that was begun.
struct Run {
    id: RunId,
    /// Where its output was spooled, without extension.
    spool: PathBuf,
}

impl Executor {
    /// Runs a program and waits for its outcome.
    ///
    /// # Errors
    ///
    /// Never for what the program does. [`Error::InvalidRequest`],
    /// [`Error::NotFound`] and [`Error::Denied`] ask for another request;
    /// [`Error::Busy`], [`Error::Interrupted`], [`Error::Fenced`] and
    /// [`Error::ShuttingDown`] for another time.
    ///
    /// # Cancellation
    ///
    /// `cancel` stops a run that is going on, and its outcome says so; one
    /// that still waits ends in [`Error::Cancelled`]. Dropping the future
    /// stops the run as well; what becomes of its session is settled still.
    pub async fn execute(
        self: &Arc<Self>,
        principal: &Principal,
        mut request: ExecuteRequest,
        cancel: &CancellationToken,
        follower: Follower,
    ) -> Result<Outcome, Error> {
        // A drain waits until the answer is on its way, not only for the run.
        let _running = self.tracker.token();
        let Follower { live, handler, origin } = follower;
        let call = self.events.call(principal, &mut request, origin).await?;
        let checked = self.enter(principal).and_then(|visit| {
            let (runtime, limits) = self.check(principal, &mut request)?;
            Ok(((visit, runtime), limits))
        });
        let ((visit, runtime), limits) = call.admitted(&request, checked)?;
        // One token for all reasons to stop.
        let stop = self.cancel_all.child_token();
        let stopped_with_us = stop.clone().drop_guard();
        let stop = Stop::new(stop, self.closing.clone());
        let following = Following { live, calls: Calls::new(Arc::clone(&self.bounds.of(principal).policy), handler) };
        let job = Job { principal: principal.clone(), _visit: visit, runtime, request, limits, stop, following, call };
        let executor = Arc::clone(self);
        let mut run = self.tracker.spawn(async move {
            let mut job = job;
            let ran = match job.runtime.kind() {
                Kind::Wasm(_) => executor.run_with(&executor.wasm, &mut job).await,
                Kind::Native(_) => executor.run_with(&executor.native, &mut job).await,
            };
            let ran = ran.map_err(|error| error.on_disk_of(&executor.settings.state_directory));
            if let Ok(Outcome { run, .. }) = &ran {
                executor.hand_on(&job.principal.clone(), run).await;
            }
            job.call.ended(&ran);
            ran
        });
        let ran = tokio::select! {
            ran = &mut run => ran,
            () = cancel.cancelled() => {
                drop(stopped_with_us);
                run.await
            }
        };
        ran.map_err(|source| Error::host("run a program", source))?
    }

    /// What runs a request that is in order, and under which limits.
    fn check(&self, principal: &Principal, request: &mut ExecuteRequest) -> Result<(Arc<GuestRuntime>, Limits), Error> {
        if self.closing.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let TenantLimits { policy, limit_ceilings, .. } = self.bounds.of(principal);
        for (name, value) in &policy.environment {
            request.program.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        request.validate()?;
        let runtime = find_runtime(&self.settings.catalogue, &request.language)?;
        policy.allow_language(runtime.id())?;
        match runtime.kind() {
            Kind::Wasm(_) => {}
            Kind::Native(_) => request.validate_native()?,
        }
        let limits = self.default_limits_of(principal).with_requested(
            &request.limits,
            &self.settings.limit_ceilings.at_most(limit_ceilings),
            |resource| match resource {
                Resource::MemoryBytes => runtime.minimum_memory_bytes(),
                Resource::OpenFiles => runtime.minimum_open_files(),
                _ => 0,
            },
        )?;
        Ok((runtime, limits))
    }

    async fn run_with(&self, runtime: &impl Runtime, job: &mut Job) -> Result<Outcome, Error> {
        match job.request.session.clone() {
            SessionChoice::None => self.run_alone(runtime, job).await,
            SessionChoice::New => {
                let turn = self.sessions.create(&job.principal).await?;
                let (mut turn, outcome) = self.run_in_session(runtime, turn, job).await;
                if outcome.is_err() {
                    // Nobody knows the handle of a new session whose run has no outcome.
                    self.sessions.forget_new(&mut turn);
                }
                outcome
            }
            SessionChoice::Existing(id) => {
                let turn = self.turn_for(&job.principal, &id, Some(job.runtime.id()), job.stop.token()).await?;
                self.run_in_session(runtime, turn, job).await.1
            }
        }
    }

    async fn run_alone(&self, runtime: &impl Runtime, job: &mut Job) -> Result<Outcome, Error> {
        let _place = self.admission.run(&job.principal, &job.stop).await?;
        job.call.started()?;
        let mut own = Scratch(Some(self.empty_workspaces.take(&job.principal, &self.state)?));
        let Some(workspace) = own.0.clone() else { return Err(Error::host("run a program", "it has no workspace")) };
        let (run, ran) = self.run_in(runtime, job, workspace, None).await?;
        let left = own.0.take().and_then(|own| {
            if ran.report.workspace_empty { self.empty_workspaces.give_back(&job.principal, own) } else { Some(own) }
        });
        self.outcome(run, ran, job, left, None)
    }

    /// Runs the program of `job` in a workspace, once its files are there.
    async fn run_in(
        &self,
        runtime: &impl Runtime,
        job: &mut Job,
        workspace: Arc<Workspace>,
        turn: Option<&mut Turn>,
    ) -> Result<(Run, Ran), Error> {
        write_files(&workspace, std::mem::take(&mut job.request.files), &job.limits).await?;
        let id = self.finished.instance().new_run();
        let spool = runtime.directory(&job.principal)?.join(id.as_str());
        let order = Order {
            runtime: Arc::clone(&job.runtime),
            task: Task { program: std::mem::take(&mut job.request.program), limits: job.limits, spool: spool.clone() },
            policy: Arc::clone(&self.bounds.of(&job.principal).policy),
            workspace,
            in_session: turn.is_some(),
        };
        let caller =
            Caller { principal: &job.principal, stop: &job.stop, following: std::mem::take(&mut job.following) };
        let ran = runtime.run(order, caller, turn).await?;
        job.call.used(&ran.report.usage, ran.is_warm);
        Ok((Run { id, spool }, ran))
    }

    /// Runs a program in the session whose turn it is. Whatever happens, the
    /// session then is either committed or as it was before.
    async fn run_in_session(
        &self,
        runtime: &impl Runtime,
        mut turn: Turn,
        job: &mut Job,
    ) -> (Turn, Result<Outcome, Error>) {
        let outcome = self.run_and_save(runtime, &mut turn, job).await;
        turn.session.touch();
        self.sessions.settle(&mut turn).await;
        (turn, outcome)
    }

    async fn run_and_save(&self, runtime: &impl Runtime, turn: &mut Turn, job: &mut Job) -> Result<Outcome, Error> {
        if let Some(expected) = job.request.if_sequence
            && expected != turn.sequence()
        {
            return Err(Error::invalid(
                "if_sequence",
                format!(
                    "must be the sequence of the session, which is {}, got {expected}: an earlier call was carried out",
                    turn.sequence()
                ),
            ));
        }
        let _place = self.admission.run(&job.principal, &job.stop).await?;
        job.call.started()?;
        let workspace =
            turn.session.workspace().ok_or_else(|| Error::host("run a program", "its session has no workspace"))?;
        let wrote_files = !job.request.files.is_empty();
        let before = turn.begin_change();
        let (run, mut ran) = self.run_in(runtime, job, workspace, Some(turn)).await?;
        let state = match ran.change.take() {
            Some(mut change) => {
                if wrote_files {
                    change.files.get_or_insert_default();
                }
                let state = if change.interpreter.is_some() { SessionState::Kept } else { SessionState::FilesOnly };
                self.sessions.save(turn, change).await?;
                job.call.saved();
                if ran.hides_writes {
                    name_rewritten(&mut ran.report, turn.manifest(), &before);
                }
                state
            }
            None => {
                ran.report.files.clear();
                self.sessions.roll_back(turn).await?;
                if turn.is_new() {
                    // The handle of the new session is about to be given out.
                    self.sessions.save(turn, Change::default()).await?;
                    job.call.saved();
                }
                SessionState::RolledBack
            }
        };
        let session = SessionReport {
            id: turn.session.id.clone(),
            state,
            sequence: turn.sequence(),
            expires_at: self.expires_at(turn),
        };
        self.outcome(run, ran, job, None, Some(session))
    }

    fn outcome(
        &self,
        run: Run,
        ran: Ran,
        job: &Job,
        files: Option<Arc<Workspace>>,
        session: Option<SessionReport>,
    ) -> Result<Outcome, Error> {
        self.runs_finished.fetch_add(1, Ordering::Relaxed);
        self.warm_starts.fetch_add(u64::from(ran.is_warm), Ordering::Relaxed);
        self.tenants.ran(&job.principal, ran.is_warm);
        let mut report = ran.report;
        // A worker is not trusted, and it may be the guest that speaks.
        report.outputs = report.outputs.into_iter().map(RichOutput::with_plain_types).collect();
        let traceback = report.error.as_ref().map(|error| error.traceback.as_str());
        let streams = [&report.stdout, &report.stderr];
        let reply = KeptResults::new(streams, report.result.as_deref(), traceback, &report.outputs, self.state.path());
        let reply = reply.unwrap_or_else(|error| {
            // The reply itself is not lost over it.
            tracing::warn!(%error, "what a run said cannot be read again");
            KeptResults::default()
        });
        let held = FinishedRun {
            owner: job.principal.clone(),
            held_bytes: held_bytes(&report, session.is_none(), job.limits.get(Resource::DiskBytes)),
            reply,
            workspace: files,
            spool: run.spool,
            ended: Instant::now(),
        };
        remove_later(self.finished.keep(run.id.clone(), held));
        Ok(Outcome { run: run.id, report, session, limits: job.limits })
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

fn held_bytes(report: &RunReport, owns_files: bool, limit: u64) -> u64 {
    let spooled = |output: &Output| output.bytes_seen.min(crate::run::output::SPOOL_BYTES) + output.bytes_kept();
    // A worker that lies here must not push out the runs of others.
    let files = if owns_files { report.usage.get(Resource::DiskBytes).unwrap_or(0).min(limit) } else { 0 };
    let said = report.outputs.iter().flat_map(|RichOutput(bundle)| bundle).map(|(_, data)| data.len() as u64);
    let texts = [report.result.as_deref(), report.error.as_ref().map(|error| error.traceback.as_str())];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    spooled(&report.stdout) + spooled(&report.stderr) + files + said.sum::<u64>() + texts as u64
}
