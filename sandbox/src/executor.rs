//! Admits runs, gives each its session and its limits, hands it to a worker,
//! and turns what comes back into an [`Outcome`].
//!
//! Every wait here ends by completion, deadline or cancellation. Shutting down
//! is ours, not the transport's: stop admitting, drain, cancel the rest, and
//! answer every one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use guest_runtimes::GuestRuntime;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::MemoryBudget;
use crate::error::Error;
use crate::images::{find_runtime, prepare_all};
use crate::limits::{Limits, Resource};
use crate::outcome::{Outcome, Output, SessionReport, SessionState, Status, Trap};
use crate::request::{ExecuteRequest, InputFile, SessionChoice};
use crate::runs::{Discarded, FinishedRun, FinishedRuns};
use crate::scratch::{Scratch, remove_workspace, write_files};
use crate::session::{Principal, RunId, Session, SessionId, Sessions};
use crate::spares::Spares;
use crate::state::StateDirectory;
use crate::wasm::CodeCache;
use crate::worker::{LiveOutput, Pool, PoolHealth, PoolSettings, RunEnd, RunOrder, RunReport};
use crate::workspace::Workspace;

/// How many calls may wait for one session.
const SESSION_QUEUE: usize = 16;
/// How long cancelled runs get to answer during a shutdown: the longest grace
/// period and some.
const CANCEL_WAIT: Duration = Duration::from_secs(3);

/// What an [`Executor`] needs to know. No field has a hidden default.
#[derive(Clone, Debug)]
pub struct ExecutorSettings {
    /// Where workspaces lie while the server lives.
    pub state_directory: PathBuf,
    /// Where compiled images lie.
    pub cache_directory: PathBuf,
    /// Limits of a run that asks for none.
    pub default_limits: Limits,
    /// The highest limits that a run may ask for.
    pub limit_ceilings: Limits,
    /// The most runs at once.
    pub runs: usize,
    /// The most runs that wait.
    pub queue: usize,
    /// The most worker processes.
    pub workers: usize,
    /// Memory of all runs and sessions together.
    pub memory_bytes: u64,
    /// The most live sessions.
    pub sessions: usize,
    /// How long a session lives without use.
    pub session_idle: Duration,
}

/// Runs programs.
pub struct Executor {
    settings: ExecutorSettings,
    cache: CodeCache,
    pool: OnceCell<Arc<Pool>>,
    sessions: Sessions,
    finished: FinishedRuns,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    closing: CancellationToken,
    cancel_all: CancellationToken,
    tracker: TaskTracker,
    state: StateDirectory,
    spares: Spares,
    runs_finished: AtomicU64,
    warm_starts: AtomicU64,
}

/// The state of the executor for people.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// Runs that are going on.
    pub runs_active: usize,
    /// Runs that wait for a place.
    pub runs_queued: usize,
    /// Runs that have ended.
    pub runs_finished: u64,
    /// Those among them that found an instance ready.
    pub warm_starts: u64,
    /// Live sessions.
    pub sessions_live: usize,
    /// Whether no more runs are admitted.
    pub shutting_down: bool,
    /// Workers and memory; absent until the first run.
    pub pool: Option<PoolHealth>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every run came to its own end.
    Finished,
    /// Some had to be cancelled.
    Cancelled,
}

impl Executor {
    /// Prepares directories. Starts no process.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] or [`Error::Host`] when a directory cannot be used.
    pub fn new(settings: ExecutorSettings) -> Result<Self, Error> {
        Ok(Self {
            cache: CodeCache::open(settings.cache_directory.clone())?,
            state: StateDirectory::create(&settings.state_directory)?,
            pool: OnceCell::new(),
            sessions: Sessions::new(settings.sessions, settings.session_idle),
            finished: FinishedRuns::default(),
            places: Arc::new(Semaphore::new(settings.runs)),
            waiting: AtomicUsize::new(0),
            closing: CancellationToken::new(),
            cancel_all: CancellationToken::new(),
            tracker: TaskTracker::new(),
            spares: Spares::default(),
            runs_finished: AtomicU64::new(0),
            warm_starts: AtomicU64::new(0),
            settings,
        })
    }

    /// Limits of a run that asks for none.
    pub const fn default_limits(&self) -> &Limits {
        &self.settings.default_limits
    }

    /// Compiles what is not compiled yet and starts the first worker, so that
    /// the first run does not wait for either. `progress` is told how many
    /// functions of how many of an image are done, on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when an image cannot be compiled or a worker not started.
    pub async fn warm_up(
        &self,
        principal: &Principal,
        progress: impl FnMut(&'static GuestRuntime, u64, u64) + Send + 'static,
    ) -> Result<(), Error> {
        self.pool_with(progress).await?.warm_up(principal).await
    }

    async fn pool(&self) -> Result<&Arc<Pool>, Error> {
        self.pool_with(|_, _, _| {}).await
    }

    async fn pool_with(
        &self,
        progress: impl FnMut(&'static GuestRuntime, u64, u64) + Send + 'static,
    ) -> Result<&Arc<Pool>, Error> {
        self.pool
            .get_or_try_init(|| async {
                let cache = self.cache.clone();
                let images = tokio::task::spawn_blocking(move || prepare_all(&cache, progress))
                    .await
                    .map_err(|source| Error::host("prepare the guest images", source))??;
                let settings = PoolSettings { workers: self.settings.workers, runs: self.settings.runs };
                Pool::new(settings, images, MemoryBudget::new(self.settings.memory_bytes))
            })
            .await
    }

    /// Runs a program and waits for its outcome.
    ///
    /// # Errors
    ///
    /// Never for what the program does. [`Error::InvalidRequest`],
    /// [`Error::NotFound`] and [`Error::Denied`] ask for another request;
    /// [`Error::Busy`], [`Error::Interrupted`] and [`Error::ShuttingDown`] for
    /// another time.
    ///
    /// # Cancellation
    ///
    /// `cancel` stops a run that is going on, and its outcome says so; one
    /// that still waits ends in [`Error::Cancelled`]. Dropping the future
    /// stops the run as well.
    pub async fn execute(
        &self,
        principal: &Principal,
        request: ExecuteRequest,
        cancel: &CancellationToken,
        live: Option<LiveOutput>,
    ) -> Result<Outcome, Error> {
        if self.closing.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let _running = self.tracker.token();
        request.validate()?;
        let runtime = find_runtime(&request.language)?;
        let limits = self.settings.default_limits.with_requested(&request.limits, &self.settings.limit_ceilings)?;
        // One token for both reasons to stop, and none is left behind.
        let stop = self.cancel_all.child_token();
        let _passed_on = PassOn::new(cancel.clone(), stop.clone());
        let is_new = request.session == SessionChoice::New;
        let session = self.choose_session(principal, &request.session)?;
        let outcome = self.execute_in(principal, request, runtime, limits, session.as_ref(), &stop, live).await;
        if let (Some(session), true, Err(_)) = (&session, is_new, &outcome) {
            // Nobody knows its handle.
            self.close(session);
        }
        outcome
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `execute`, called in one place")]
    async fn execute_in(
        &self,
        principal: &Principal,
        request: ExecuteRequest,
        runtime: &'static GuestRuntime,
        limits: Limits,
        session: Option<&Arc<Session>>,
        stop: &CancellationToken,
        live: Option<LiveOutput>,
    ) -> Result<Outcome, Error> {
        let _turn = match session {
            Some(session) => Some(self.unless_stopped(stop, session.turn(SESSION_QUEUE)).await??),
            None => None,
        };
        let _place = self.place(stop).await?;
        let run = RunId::random();
        let spool = self.state.of_principal(principal)?.join(run.as_str());
        let mut own = Scratch(if session.is_some() { None } else { Some(self.spares.take(principal, &self.state)?) });
        let Some(workspace) = own.0.as_ref().or(session.map(|session| &session.workspace)).map(Arc::clone) else {
            return Err(Error::host("run a program", "it has no workspace"));
        };
        write_files(&workspace, request.files, &limits).await?;
        let order = RunOrder {
            run: 0,
            runtime: runtime.id().to_owned(),
            session: session.map(|session| session.id.clone()),
            workspace: workspace.host_path().to_path_buf(),
            spool: spool.clone(),
            limits,
            code: request.code,
            args: request.args,
            env: request.env,
            stdin: request.stdin,
            live: live.is_some(),
        };
        let pool = self.unless_stopped(stop, self.pool()).await??;
        let end = pool.run(principal, order, stop, live).await;
        if let Some(session) = session {
            session.touch();
        }
        self.runs_finished.fetch_add(1, Ordering::Relaxed);
        let report = match end {
            Ok(RunEnd::Report(report)) => *report,
            Ok(RunEnd::WorkerLost) => lost_report(),
            Err(error) => return Err(error),
        };
        self.warm_starts.fetch_add(u64::from(report.warm), Ordering::Relaxed);
        let held = FinishedRun {
            owner: principal.clone(),
            workspace: own
                .0
                .take()
                .and_then(|own| if report.workspace_empty { self.spares.give_back(principal, own) } else { Some(own) }),
            stdout: report.stdout.clone(),
            stderr: report.stderr.clone(),
            spool,
            held_bytes: held_bytes(&report, session.is_none(), limits.get(Resource::DiskBytes)),
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
            session: session.map(|session| SessionReport {
                id: session.id.clone(),
                state: if report.kept { SessionState::Kept } else { SessionState::Lost },
                expires_at: SystemTime::now() + self.sessions.idle(),
            }),
            usage: report.usage,
            limits,
        })
    }

    fn choose_session(&self, principal: &Principal, choice: &SessionChoice) -> Result<Option<Arc<Session>>, Error> {
        match choice {
            SessionChoice::None => Ok(None),
            SessionChoice::Existing(id) => self.sessions.get(principal, id).map(Some),
            SessionChoice::New => self.create_session(principal).map(Some),
        }
    }

    fn create_session(&self, principal: &Principal) -> Result<Arc<Session>, Error> {
        let parent = self.state.of_principal(principal)?;
        self.sessions.create(principal, |id| Workspace::create(parent.join(id.as_str())))
    }

    /// A place among the runs that go on at once, waited for in a bounded queue.
    async fn place(&self, stop: &CancellationToken) -> Result<OwnedSemaphorePermit, Error> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let ahead = self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        if ahead >= self.settings.queue {
            return Err(Error::Busy { what: "too many runs are waiting", active: ahead, limit: self.settings.queue });
        }
        let place = self.unless_stopped(stop, Arc::clone(&self.places).acquire_owned()).await?;
        place.map_err(|_| Error::ShuttingDown)
    }

    /// Waits for `future`, unless the run is cancelled or the server closes.
    async fn unless_stopped<T>(&self, stop: &CancellationToken, future: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(if self.closing.is_cancelled() { Error::ShuttingDown } else { Error::Cancelled }),
            value = future => Ok(value),
        }
    }

    /// Writes a file into a session, which is made when `session` is none.
    /// Waits for its turn.
    ///
    /// # Errors
    ///
    /// As [`Workspace::write`] and [`Session::turn`].
    pub async fn write(
        &self,
        principal: &Principal,
        session: Option<&SessionId>,
        file: InputFile,
    ) -> Result<SessionReport, Error> {
        if self.closing.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let _running = self.tracker.token();
        let is_new = session.is_none();
        let session = match session {
            Some(id) => self.sessions.get(principal, id)?,
            None => self.create_session(principal)?,
        };
        let _turn = self.unless_stopped(&self.cancel_all, session.turn(SESSION_QUEUE)).await??;
        let written = write_files(&session.workspace, vec![file], &self.settings.default_limits).await;
        if written.is_err() && is_new {
            self.close(&session);
        }
        written?;
        session.touch();
        Ok(SessionReport {
            id: session.id.clone(),
            state: SessionState::Kept,
            expires_at: SystemTime::now() + self.sessions.idle(),
        })
    }

    /// A session of `principal`, to read from.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn session(&self, principal: &Principal, id: &SessionId) -> Result<Arc<Session>, Error> {
        self.sessions.get(principal, id)
    }

    /// A finished run of `principal`, to read from.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn finished_run(&self, principal: &Principal, id: &RunId) -> Result<Arc<FinishedRun>, Error> {
        self.finished.get(principal, id)
    }

    fn close(&self, session: &Session) {
        self.sessions.remove(&session.id);
        self.forget(session);
    }

    /// Drops what a session that is no longer registered holds.
    fn forget(&self, session: &Session) {
        if let Some(pool) = self.pool.get() {
            pool.close_session(&session.id);
        }
        // Whoever still reads it keeps what is open.
        remove_workspace(Arc::clone(&session.workspace));
    }

    /// Ends what has lived long enough. Call it every few seconds.
    pub fn tidy(&self, now: Instant) {
        for session in self.sessions.take_expired(now) {
            tracing::info!(session = %session.id, "a session expired");
            self.forget(&session);
        }
        remove_later(self.finished.take_expired(now));
        if let Some(pool) = self.pool.get() {
            pool.evict_idle(now);
        }
    }

    /// The state of the executor for people.
    pub fn health(&self) -> Health {
        Health {
            runs_active: self.settings.runs.saturating_sub(self.places.available_permits()),
            runs_queued: self.waiting.load(Ordering::SeqCst),
            runs_finished: self.runs_finished.load(Ordering::Relaxed),
            warm_starts: self.warm_starts.load(Ordering::Relaxed),
            sessions_live: self.sessions.len(),
            shutting_down: self.closing.is_cancelled(),
            pool: self.pool.get().map(|pool| pool.health()),
        }
    }

    /// Stops admitting, waits for runs until `deadline`, cancels the rest and
    /// waits for their answers.
    pub async fn drain(&self, deadline: impl Future<Output = ()>) -> Drained {
        self.closing.cancel();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => Drained::Finished,
            () = deadline => {
                self.cancel_all.cancel();
                if tokio::time::timeout(CANCEL_WAIT, self.tracker.wait()).await.is_err() {
                    tracing::error!("a run did not answer its cancellation");
                }
                Drained::Cancelled
            }
        }
    }
}

/// Passes one cancellation on to another token, for as long as it lives.
struct PassOn(tokio::task::AbortHandle);

impl PassOn {
    fn new(from: CancellationToken, to: CancellationToken) -> Self {
        let task = tokio::spawn(async move {
            from.cancelled().await;
            to.cancel();
        });
        Self(task.abort_handle())
    }
}

impl Drop for PassOn {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is known of a run whose worker died.
fn lost_report() -> RunReport {
    RunReport {
        status: Status::Trapped(Trap::WorkerLost),
        stdout: Output::default(),
        stderr: Output::default(),
        result: None,
        error: None,
        outputs: Vec::new(),
        files: Vec::new(),
        usage: crate::limits::Usage::default(),
        warm: false,
        kept: false,
        resident_bytes: None,
        workspace_empty: false,
    }
}

fn held_bytes(report: &RunReport, owns_files: bool, limit: u64) -> u64 {
    let spooled = |output: &Output| output.bytes_seen.min(crate::output::SPOOL_BYTES) + output.bytes_kept();
    // A worker that lies here must not push out the runs of others.
    let files = if owns_files { report.usage.get(Resource::DiskBytes).unwrap_or(0).min(limit) } else { 0 };
    spooled(&report.stdout) + spooled(&report.stderr) + files
}

fn remove_later(discarded: Discarded) {
    if !discarded.is_empty() {
        tokio::task::spawn_blocking(move || discarded.remove());
    }
}
