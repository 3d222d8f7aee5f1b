//! One run, with a session or without.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use guest_runtimes::{GuestRuntime, Image};
use tokio_util::sync::CancellationToken;

use super::events::Call;
use super::scratch::{Scratch, write_files};
use super::{Executor, remove_later};
use crate::error::Error;
use crate::handle::{Principal, RunId};
use crate::images::find_runtime;
use crate::run::finished::FinishedRun;
use crate::run::limits::{Limits, Resource};
use crate::run::outcome::{Outcome, Output, RichOutput, SessionReport, SessionState};
use crate::run::report::RunReport;
use crate::run::request::{ExecuteRequest, SessionChoice};
use crate::run::results::KeptResults;
use crate::run::stream::LiveOutput;
use crate::session::load::Fetched;
use crate::session::save::{Change, ChangedFiles, LeftInterpreter};
use crate::session::{Life, Turn};
use crate::worker::{Interpreter, Pool, RunEnd, RunOrder, SessionOrder, Transfer};
use crate::workspace::Workspace;
use crate::workspace::entry::FileEntry;

/// One program, its limits, and who may stop it.
pub(super) struct Job {
    pub(super) principal: Principal,
    pub(super) runtime: &'static GuestRuntime,
    pub(super) request: ExecuteRequest,
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
    pub(super) live: Option<LiveOutput>,
    pub(super) call: Call,
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
        live: Option<LiveOutput>,
    ) -> Result<Outcome, Error> {
        // A drain waits until the answer is on its way, not only for the run.
        let _running = self.tracker.token();
        let call = self.events.call(principal, &request.language, &mut request.program.code).await?;
        let (runtime, limits) = call.admitted(self.check(&request))?;
        // One token for all reasons to stop.
        let stop = self.cancel_all.child_token();
        let stopped_with_us = stop.clone().drop_guard();
        let job = Job { principal: principal.clone(), runtime, request, limits, stop, live, call };
        let executor = Arc::clone(self);
        let mut run = self.tracker.spawn(async move {
            let mut job = job;
            let ran = executor.run(&mut job).await;
            let ran = ran.map_err(|error| error.on_disk_of(&executor.settings.state_directory));
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
    fn check(&self, request: &ExecuteRequest) -> Result<(&'static GuestRuntime, Limits), Error> {
        if self.closing.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        request.validate()?;
        let runtime = find_runtime(&request.language)?;
        if runtime.image().is_none() {
            request.validate_native()?;
        }
        let limits = self.settings.default_limits.with_requested(
            &request.limits,
            &self.settings.limit_ceilings,
            runtime.minimum_memory_bytes(),
        )?;
        Ok((runtime, limits))
    }

    async fn run(&self, job: &mut Job) -> Result<Outcome, Error> {
        match job.request.session.clone() {
            SessionChoice::None => self.run_alone(job).await,
            SessionChoice::New => self.run_in_new_session(job).await,
            SessionChoice::Existing(id) => {
                let turn = self.turn_for(&job.principal, &id, Some(job.runtime.id()), &job.stop).await?;
                self.run_in_session(turn, job).await.1
            }
        }
    }

    async fn run_alone(&self, job: &mut Job) -> Result<Outcome, Error> {
        let _place = self.place(&job.stop).await?;
        job.call.started();
        let mut own = Scratch(Some(self.spares.take(&job.principal, &self.state)?));
        let Some(workspace) = own.0.clone() else { return Err(Error::host("run a program", "it has no workspace")) };
        write_files(&workspace, std::mem::take(&mut job.request.files), &job.limits).await?;
        let run = self.finished.instance().new_run();
        let report = match job.runtime.image() {
            Some(image) => {
                let order = self.order(job, &run, &workspace, image.digest().to_owned(), None)?;
                let pool = self.unless_stopped(&job.stop, self.pool()).await??;
                report_of(pool.run(&job.principal, order, None, &job.stop, job.live.take()).await?)
            }
            None => self.run_native(job, &run, &workspace).await?,
        };
        let left = own.0.take().and_then(|own| {
            if report.workspace_empty { self.spares.give_back(&job.principal, own) } else { Some(own) }
        });
        self.outcome(run, report, job, left, None)
    }

    async fn run_in_new_session(&self, job: &mut Job) -> Result<Outcome, Error> {
        let turn = self.sessions.create(&job.principal).await?;
        let (mut turn, outcome) = self.run_in_session(turn, job).await;
        if outcome.is_err() {
            // Nobody knows its handle.
            self.sessions.abandon(&mut turn);
        }
        outcome
    }

    /// Runs a program in the session whose turn it is. Whatever happens, the
    /// session then is either committed or as it was before.
    async fn run_in_session(&self, mut turn: Turn, job: &mut Job) -> (Turn, Result<Outcome, Error>) {
        let outcome = self.run_and_commit(&mut turn, job).await;
        turn.session.touch();
        // What must be loaded anew is, by whoever uses it next.
        if turn.is_ahead
            && turn.life == Life::Loaded
            && let Err(error) = self.sessions.roll_back(&mut turn).await
        {
            // Tried again by whoever uses the session next.
            tracing::error!(%error, session = %turn.session.id, "a session could not be rolled back");
        }
        (turn, outcome)
    }

    async fn run_and_commit(&self, turn: &mut Turn, job: &mut Job) -> Result<Outcome, Error> {
        if let Some(expected) = job.request.if_sequence
            && expected != turn.sequence
        {
            return Err(Error::invalid(
                "if_sequence",
                format!(
                    "must be the sequence of the session, which is {}, got {expected}: an earlier call was carried out",
                    turn.sequence
                ),
            ));
        }
        let _place = self.place(&job.stop).await?;
        job.call.started();
        let workspace =
            turn.session.workspace().ok_or_else(|| Error::host("run a program", "its session has no workspace"))?;
        let wrote_files = !job.request.files.is_empty();
        turn.tree.rest();
        turn.is_ahead = true;
        write_files(&workspace, std::mem::take(&mut job.request.files), &job.limits).await?;
        let run = self.finished.instance().new_run();
        let (report, state) = match job.runtime.image() {
            Some(image) => self.run_wasm_and_commit(turn, job, image, &run, &workspace, wrote_files).await?,
            None => self.run_native_and_commit(turn, job, &run, &workspace).await?,
        };
        let session = SessionReport {
            id: turn.session.id.clone(),
            state,
            sequence: turn.sequence,
            expires_at: self.expires_at(turn),
        };
        self.outcome(run, report, job, None, Some(session))
    }

    async fn run_wasm_and_commit(
        &self,
        turn: &mut Turn,
        job: &mut Job,
        image: &'static Image,
        run: &RunId,
        workspace: &Arc<Workspace>,
        wrote_files: bool,
    ) -> Result<(RunReport, SessionState), Error> {
        let pool = self.unless_stopped(&job.stop, self.pool()).await??;
        let (end, transfer) = self.run_with_interpreter(pool, turn, job, image, run, workspace).await?;
        let mut report = report_of(end);
        let state = match report.capture.take() {
            Some(capture) => {
                let most = self.settings.limit_ceilings.get(Resource::DiskBytes);
                let files = (report.workspace_changed || wrote_files)
                    .then(|| ChangedFiles { bytes: changed_bytes(&report.files, most), ..ChangedFiles::default() });
                let interpreter = LeftInterpreter { runtime: job.runtime, image, capture, transfer: &transfer };
                let change = Change { interpreter: Some(interpreter), files, ..Change::default() };
                self.sessions.save(turn, change).await?;
                self.sessions.give_back(&turn.session.owner, transfer);
                SessionState::Kept
            }
            None => {
                self.undo(turn, &mut report).await?;
                SessionState::RolledBack
            }
        };
        Ok((report, state))
    }

    /// Takes back what a run did, to files as well.
    pub(super) async fn undo(&self, turn: &mut Turn, report: &mut RunReport) -> Result<(), Error> {
        report.files.clear();
        self.sessions.roll_back(turn).await?;
        if turn.sequence == 0 {
            // Its handle is about to be given out.
            self.sessions.save(turn, Change::default()).await?;
        }
        Ok(())
    }

    /// Runs the program with the session's interpreter, wherever that is. What
    /// it left, if it did, is in the transfer.
    async fn run_with_interpreter(
        &self,
        pool: &Arc<Pool>,
        turn: &mut Turn,
        job: &mut Job,
        image: &'static Image,
        run: &RunId,
        workspace: &Arc<Workspace>,
    ) -> Result<(RunEnd, Arc<Transfer>), Error> {
        let (fetched, session) = (turn.fetched.take(), Arc::clone(&turn.session));
        let (id, runtime) = (&session.id, job.runtime);
        let saved = turn.interpreters.get(runtime.id());
        let (interpreter, transfer) = match saved {
            None => (Interpreter::New, self.sessions.transfer(&session.owner)?),
            Some(_) if pool.hold(id, runtime.id()) => (Interpreter::Live, self.sessions.transfer(&session.owner)?),
            Some(saved) => {
                let fetched = async {
                    self.bases.open(runtime, image, saved, pool).await?;
                    match fetched {
                        Some(fetched) => Ok(fetched),
                        None => self.sessions.fetch(&session, saved).await,
                    }
                };
                let Fetched { transfer, lengths } = match self.unless_stopped(&job.stop, fetched).await? {
                    Ok(fetched) => fetched,
                    // It waited for its place, and another server may have gone on.
                    Err(error) => return Err(self.sessions.fenced_or(error, turn).await),
                };
                (Interpreter::Saved { lengths, state: saved.state.clone() }, transfer)
            }
        };
        let image = saved.map_or(image.digest(), |saved| &saved.image).to_owned();
        let session = SessionOrder { id: id.clone(), interpreter };
        let order = self.order(job, run, workspace, image, Some(session))?;
        let end = pool.run(&job.principal, order, Some(&transfer), &job.stop, job.live.take()).await?;
        Ok((end, transfer))
    }

    fn order(
        &self,
        job: &mut Job,
        run: &RunId,
        workspace: &Workspace,
        image: String,
        session: Option<SessionOrder>,
    ) -> Result<RunOrder, Error> {
        let spool = self.spool(job, run)?;
        Ok(RunOrder {
            run: 0,
            runtime: job.runtime.id().to_owned(),
            image,
            session,
            workspace: workspace.host_path().to_path_buf(),
            spool,
            limits: job.limits,
            program: std::mem::take(&mut job.request.program),
            left: Vec::new(),
            live: job.live.is_some(),
            // What is found out meanwhile would make the same run another one.
            elsewhere: if self.settings.deterministic { String::new() } else { self.native.elsewhere() },
            deterministic: self.settings.deterministic,
        })
    }

    /// Where output of a run goes that outgrows its budget: its worker writes
    /// it, or the server.
    pub(super) fn spool(&self, job: &Job, run: &RunId) -> Result<std::path::PathBuf, Error> {
        let is_of_worker = job.runtime.image().is_some();
        let directory = if is_of_worker { self.state.shared(&job.principal) } else { self.state.own(&job.principal) };
        Ok(directory?.join(run.as_str()))
    }

    fn outcome(
        &self,
        run: RunId,
        mut report: RunReport,
        job: &Job,
        files: Option<Arc<Workspace>>,
        session: Option<SessionReport>,
    ) -> Result<Outcome, Error> {
        self.runs_finished.fetch_add(1, Ordering::Relaxed);
        self.warm_starts.fetch_add(u64::from(report.warm), Ordering::Relaxed);
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
            spool: self.spool(job, &run)?,
            ended: Instant::now(),
        };
        remove_later(self.finished.keep(run.clone(), held));
        Ok(Outcome {
            run,
            status: report.status,
            stdout: report.stdout,
            stderr: report.stderr,
            result: report.result,
            error: report.error,
            outputs: report.outputs,
            files: report.files,
            session,
            usage: report.usage,
            limits: job.limits,
        })
    }
}

/// What is known of a run, also when its worker died.
fn report_of(end: RunEnd) -> RunReport {
    match end {
        RunEnd::Report(report) => *report,
        RunEnd::WorkerLost => RunReport::lost(),
    }
}

/// What changed files hold as their worker says, and no more than there can be.
fn changed_bytes(files: &[FileEntry], most: u64) -> u64 {
    files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size_bytes)).min(most)
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
