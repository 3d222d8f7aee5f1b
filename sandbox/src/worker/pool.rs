//! The server's end: starts workers, sends them runs, and watches over them.
//!
//! A principal has several workers and shares none. A session stays with the
//! worker that holds its interpreter, which is saved after every run: so one
//! that nobody uses makes room when memory is short. When a worker dies its
//! runs are told so, and the next run gets a new one.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use jailer::WorkerWall;
use nix::sys::signal::Signal;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::child::{Role, Spawner, StartedChild};
use super::frame;
use super::handle::{Entry, Frame, LiveOutput, RunEnd, RunGuard, Worker};
use super::preparation::{Ready, prepare};
use super::protocol::{FromWorker, Interpreter, RunOrder, SessionOrder, ToWorker};
use super::transfer::Transfer;
use crate::budget::{MemoryBudget, Share};
use crate::error::{Error, IoContext as _};
use crate::handle::{Principal, SessionId};
use crate::limits::Resource;
use crate::lock::lock;
use crate::state::StateDirectory;

/// How long a run may overstay its wall time before its worker is ended: it
/// covers the grace periods, and a reply of the largest size.
const OVERDUE: Duration = Duration::from_secs(10);
/// How long a run waits for memory that others use.
const MEMORY_WAIT: Duration = Duration::from_secs(30);
/// How long a growing guest waits for other workers to give unused memory back.
const RECALL_WAIT: Duration = Duration::from_millis(100);
/// What an instance is taken to start with until a worker has said so.
const UNKNOWN_INITIAL_BYTES: u64 = 64 << 20;
/// How long a worker without runs and sessions is kept, beside the first.
const IDLE_WORKER: Duration = Duration::from_secs(60);

/// Compiled images, by the digest of what they were compiled from.
pub(crate) type Images = HashMap<String, Arc<File>>;

/// How workers are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSettings {
    /// The most workers per principal.
    pub(crate) workers: usize,
    /// The most runs at once, over all workers.
    pub(crate) runs: usize,
}

/// All workers of the server.
pub(crate) struct Pool {
    settings: PoolSettings,
    spawner: Arc<Spawner>,
    /// What every worker has from its start.
    images: Images,
    /// What those have that start from now on: a worker takes in no code once
    /// it is confined.
    older_images: Mutex<Images>,
    state: Arc<StateDirectory>,
    budget: MemoryBudget,
    workers: Mutex<HashMap<Principal, Vec<Arc<Worker>>>>,
    homes: Mutex<HashMap<SessionId, Home>>,
    /// Held while a worker starts, so that two callers never start two where
    /// one more is allowed.
    starting: tokio::sync::Mutex<()>,
    next_run: AtomicU64,
    initial_bytes: OnceLock<u64>,
    resets: AtomicBool,
    wall: OnceLock<WorkerWall>,
}

/// Where the interpreters of a session are.
struct Home {
    worker: Arc<Worker>,
    /// Those of these languages.
    runtimes: Vec<String>,
    /// The memory of their image that they have made their own.
    share: Option<Share>,
    /// What they have grown by, which their worker pays for.
    grown_bytes: u64,
    /// Whether a run is using them.
    running: bool,
    last_used: Instant,
}

/// The state of the pool for people.
#[derive(Clone, Copy, Debug)]
pub struct PoolHealth {
    /// Worker processes.
    pub workers: usize,
    /// Memory in use by guests, as the budget counts it.
    pub memory_used_bytes: u64,
    /// The budget.
    pub memory_total_bytes: u64,
    /// Whether warm instances are reset in place.
    pub resets: bool,
    /// What confines each worker; absent until the first has started. There
    /// are no workers without it.
    pub wall: Option<WorkerWall>,
}

impl Home {
    fn has(&self, runtime: &str) -> bool {
        self.runtimes.iter().any(|other| other == runtime)
    }
}

impl Pool {
    pub(crate) fn new(
        settings: PoolSettings,
        spawner: Arc<Spawner>,
        images: Images,
        budget: MemoryBudget,
        state: Arc<StateDirectory>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            spawner,
            images,
            older_images: Mutex::default(),
            state,
            budget,
            workers: Mutex::default(),
            homes: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            next_run: AtomicU64::new(0),
            initial_bytes: OnceLock::new(),
            resets: AtomicBool::new(false),
            wall: OnceLock::new(),
        })
    }

    /// Starts a worker for `principal`, so that its first run finds one.
    pub(crate) async fn warm_up(self: &Arc<Self>, principal: &Principal) -> Result<(), Error> {
        self.least_busy(principal, None).await.map(drop)
    }

    /// Whether runs may name the image of this digest.
    pub(crate) fn has_image(&self, digest: &str) -> bool {
        self.images.contains_key(digest) || lock(&self.older_images).contains_key(digest)
    }

    /// Lets runs name an image that is not of this build.
    pub(crate) fn add_image(&self, digest: &str, compiled: File) {
        lock(&self.older_images).insert(digest.to_owned(), Arc::new(compiled));
    }

    /// Whether a run of `runtime` in `session` will find its interpreter. If
    /// so, it is there until that run has ended, unless its worker dies.
    pub(crate) fn hold(&self, session: &SessionId, runtime: &str) -> bool {
        let mut homes = lock(&self.homes);
        let home = homes.get_mut(session).filter(|home| home.has(runtime));
        home.map(|home| home.running = true).is_some()
    }

    /// Runs one order. The run's number is given here. `transfer` goes with an
    /// order in a session.
    ///
    /// # Cancellation
    ///
    /// `cancel` stops the run and the answer still comes. Dropping the future
    /// stops the run too, and nobody hears of it; only a run without a session
    /// may be left so.
    pub(crate) async fn run(
        self: &Arc<Self>,
        principal: &Principal,
        order: RunOrder,
        transfer: Option<&Arc<Transfer>>,
        cancel: &CancellationToken,
        live: Option<LiveOutput>,
    ) -> Result<RunEnd, Error> {
        let Some(session) = order.session.as_ref().map(|session| session.id.clone()) else {
            let share = self.admit(cancel).await?;
            let worker = self.least_busy(principal, Some(&order.image)).await?;
            let end = self.run_on(&worker, order, transfer, cancel, live).await;
            drop(share);
            return end;
        };
        let runtime = order.runtime.clone();
        let (worker, share) = match self.go_home(&session, &order) {
            Some(worker) => (worker, None),
            None if matches!(order.session, Some(SessionOrder { interpreter: Interpreter::Live, .. })) => {
                return Err(Error::Interrupted);
            }
            None => {
                let share = self.admit(cancel).await?;
                let worker = match self.join_home(&session, &order.image) {
                    Some(worker) => worker,
                    None => self.least_busy(principal, Some(&order.image)).await?,
                };
                (worker, Some(share))
            }
        };
        let mut end = self.run_on(&worker, order, transfer, cancel, live).await;
        self.settle(session, runtime, &mut end, &worker, share);
        end
    }

    /// The worker that holds the interpreter which `order` goes on with. It
    /// stays there until the run has ended.
    fn go_home(&self, session: &SessionId, order: &RunOrder) -> Option<Arc<Worker>> {
        let mut homes = lock(&self.homes);
        let home = homes.get_mut(session).filter(|home| home.has(&order.runtime))?;
        home.running = true;
        Some(Arc::clone(&home.worker))
    }

    /// The worker in which a session goes on with another language, if that
    /// worker can run it. If not, the session leaves it: what it has there is
    /// saved, and comes back wherever it goes.
    fn join_home(&self, session: &SessionId, image: &str) -> Option<Arc<Worker>> {
        let mut homes = lock(&self.homes);
        let home = homes.get_mut(session)?;
        if home.worker.images.contains(image) {
            home.running = true;
            return Some(Arc::clone(&home.worker));
        }
        if let Some(left) = homes.remove(session) {
            left.worker.send(&ToWorker::CloseSession { session: session.clone() });
        }
        None
    }

    async fn run_on(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        mut order: RunOrder,
        transfer: Option<&Arc<Transfer>>,
        cancel: &CancellationToken,
        live: Option<LiveOutput>,
    ) -> Result<RunEnd, Error> {
        let wall_time = Duration::from_millis(order.limits.get(Resource::WallTimeMs));
        order.run = self.next_run.fetch_add(1, Ordering::Relaxed);
        let number = order.run;
        let bytes = frame::encode(&ToWorker::Run(Box::new(order))).doing(|| "write an order".into())?;
        let (done, mut ended) = oneshot::channel();
        let descriptor = transfer.cloned().map(|transfer| transfer as Arc<dyn AsFd + Send + Sync>);
        lock(&worker.runs).insert(number, Entry { done, live });
        let _guard = RunGuard { worker: Arc::clone(worker), number };
        if worker.dead.load(Ordering::SeqCst) || worker.sender.send((bytes, descriptor)).is_err() {
            // It died between choice and use; the order never reached it.
            return Err(Error::Interrupted);
        }
        let end = tokio::select! {
            end = &mut ended => end,
            () = overdue(cancel, worker, number, wall_time) => {
                tracing::error!(run = number, "a run outstayed every deadline; its worker is ended");
                *lock(&worker.fault) = Some(number);
                self.end_worker(worker);
                ended.await
            }
        };
        end.unwrap_or(Err(Error::Interrupted))
    }

    /// Remembers where a session's interpreter is now, or that there is none.
    fn settle(
        &self,
        session: SessionId,
        runtime: String,
        end: &mut Result<RunEnd, Error>,
        worker: &Arc<Worker>,
        share: Option<Share>,
    ) {
        let mut homes = lock(&self.homes);
        let mut home = homes.remove(&session).unwrap_or_else(|| Home {
            worker: Arc::clone(worker),
            runtimes: Vec::new(),
            share: None,
            grown_bytes: 0,
            running: false,
            last_used: Instant::now(),
        });
        // It may have died with the report on its way.
        let dead = worker.dead.load(Ordering::SeqCst);
        match end {
            Ok(RunEnd::Report(report)) if report.capture.is_some() && !dead => {
                match (&mut home.share, share) {
                    (Some(held), Some(share)) => held.merge(share),
                    (None, Some(share)) => home.share = Some(share),
                    (_, None) => {}
                }
                let initial = self.initial_bytes.get().copied().unwrap_or(UNKNOWN_INITIAL_BYTES);
                let most = initial.saturating_mul(home.runtimes.len().max(1) as u64);
                self.charge(&mut home, report.resident_bytes.min(most));
                let memory = report.usage.get(Resource::MemoryBytes).unwrap_or(0);
                home.grown_bytes = memory.saturating_sub(initial).min(self.budget.total_bytes());
                if !home.has(&runtime) {
                    home.runtimes.push(runtime);
                }
            }
            _ => home.runtimes.retain(|other| *other != runtime),
        }
        home.running = false;
        home.last_used = Instant::now();
        if dead {
            return;
        }
        if home.runtimes.is_empty() {
            // Whatever it still holds, nobody will ask for it.
            worker.send(&ToWorker::CloseSession { session });
        } else {
            homes.insert(session, home);
        }
    }

    /// Has a home pay for `bytes`. Where there is no more, it pays what it
    /// paid: the memory is in use already, and what comes after has to wait.
    fn charge(&self, home: &mut Home, bytes: u64) {
        let Some(share) = &mut home.share else { return };
        if share.bytes() >= bytes {
            share.shrink_to(bytes);
        } else if let Some(more) = self.budget.try_take(bytes - share.bytes()) {
            share.merge(more);
        }
    }

    /// Takes the memory that an instance starts with.
    async fn admit(&self, cancel: &CancellationToken) -> Result<Share, Error> {
        let bytes = self.initial_bytes.get().copied().unwrap_or(UNKNOWN_INITIAL_BYTES);
        if let Some(share) = self.budget.try_take(bytes) {
            return Ok(share);
        }
        let mut taken = pin!(self.budget.take(bytes));
        let mut patience = pin!(tokio::time::sleep(MEMORY_WAIT));
        let mut again = tokio::time::interval(RECALL_WAIT);
        loop {
            tokio::select! {
                biased;
                share = &mut taken => return share.ok_or_else(|| self.no_memory()),
                () = cancel.cancelled() => return Err(self.no_memory()),
                () = &mut patience => return Err(self.no_memory()),
                // Some became idle only now.
                _ = again.tick() => self.recall(bytes),
            }
        }
    }

    fn no_memory(&self) -> Error {
        Error::Busy {
            what: "the memory of all runs is in use, in MiB",
            active: usize::try_from(self.budget.used_bytes() >> 20).unwrap_or(usize::MAX),
            limit: usize::try_from(self.budget.total_bytes() >> 20).unwrap_or(usize::MAX),
        }
    }

    /// A worker with nothing to do, a new one, or the one with the least to do
    /// when there may be no more; among those that have `image`, if any is
    /// asked for. Where none has it there is one more than there may be, until
    /// one is idle.
    async fn least_busy(self: &Arc<Self>, principal: &Principal, image: Option<&str>) -> Result<Arc<Worker>, Error> {
        let choose = || {
            let workers = lock(&self.workers);
            let mine = workers.get(principal).map(Vec::as_slice).unwrap_or_default();
            let able = mine.iter().filter(|worker| image.is_none_or(|image| worker.images.contains(image)));
            let least = able.min_by_key(|worker| lock(&worker.runs).len()).cloned();
            let room = mine.len() < self.settings.workers;
            least.filter(|worker| !room || lock(&worker.runs).is_empty())
        };
        if let Some(worker) = choose() {
            return Ok(worker);
        }
        let _starting = self.starting.lock().await;
        match choose() {
            Some(worker) => Ok(worker),
            None => self.start(principal).await,
        }
    }

    async fn start(self: &Arc<Self>, principal: &Principal) -> Result<Arc<Worker>, Error> {
        let directory = self.state.of_principal(principal)?;
        let older = lock(&self.older_images).clone();
        let StartedChild { child, stream } =
            self.spawner.start(Role::Worker).await.doing(|| "start a worker".into())?;
        let mut unready = Unready { child: Some(child), spawner: &self.spawner };
        let warm = self.settings.runs.div_ceil(self.settings.workers);
        let prepared = match prepare(stream, &[(&self.images, warm), (&older, 0)], directory).await {
            Err(Error::Interrupted) => Err(unready.reason().await),
            other => other,
        };
        let Ready { reader, writer, wall, initial_bytes, resets } = prepared?;
        if let Some(bytes) = initial_bytes {
            let _ = self.initial_bytes.set(bytes);
        }
        self.resets.store(resets, Ordering::Relaxed);
        let _ = self.wall.set(wall);
        let (sender, frames) = mpsc::unbounded_channel();
        let nothing =
            self.budget.nothing().ok_or_else(|| Error::host("start a worker", "the memory budget is closed"))?;
        let worker = Arc::new(Worker {
            sender,
            images: self.images.keys().chain(older.keys()).cloned().collect(),
            runs: Mutex::default(),
            fault: Mutex::default(),
            leased: Mutex::new(nothing),
            child: Mutex::new(unready.child.take()),
            dead: AtomicBool::new(false),
            last_used: Mutex::new(Instant::now()),
        });
        lock(&self.workers).entry(principal.clone()).or_default().push(Arc::clone(&worker));
        tokio::spawn(write_frames(writer, frames));
        tokio::spawn(read_frames(reader, Arc::downgrade(self), Arc::clone(&worker)));
        Ok(worker)
    }

    fn handle(self: &Arc<Self>, worker: &Arc<Worker>, message: FromWorker) {
        match message {
            FromWorker::Output { run, stream, bytes } => {
                if let Some(live) = lock(&worker.runs).get_mut(&run).and_then(|entry| entry.live.as_mut()) {
                    live(stream, &bytes);
                }
            }
            FromWorker::Finished { run, report } => worker.end_run(run, Ok(RunEnd::Report(report))),
            FromWorker::Failed { run, reason } => worker.end_run(run, Err(Error::host("run a program", reason))),
            FromWorker::NoMemory { run } => worker.end_run(run, Err(self.no_memory())),
            FromWorker::Fault { run } => *lock(&worker.fault) = Some(run),
            FromWorker::MemoryAsk { ask, bytes } => self.answer_memory(worker, ask, bytes),
            FromWorker::MemoryReturn { bytes } => lock(&worker.leased).give_back(bytes),
        }
    }

    fn answer_memory(self: &Arc<Self>, worker: &Arc<Worker>, ask: u64, bytes: u64) {
        let grant = move |worker: &Worker, share: Option<Share>| {
            let granted = share.is_some();
            if let Some(share) = share {
                lock(&worker.leased).merge(share);
            }
            worker.send(&ToWorker::MemoryAnswer { ask, granted });
        };
        if let Some(share) = self.budget.try_take(bytes) {
            return grant(worker, Some(share));
        }
        self.recall(bytes);
        let (budget, worker) = (self.budget.clone(), Arc::clone(worker));
        tokio::spawn(async move {
            let share = tokio::time::timeout(RECALL_WAIT, budget.take(bytes)).await.ok().flatten();
            grant(&worker, share);
        });
    }

    /// Asks every worker to give back what it does not use, and drops
    /// interpreters that nobody uses, the longest unused first, until `bytes`
    /// are free: each is saved, and comes back when it is wanted.
    fn recall(&self, bytes: u64) {
        let mut homes = lock(&self.homes);
        // What they had grown by comes back a little later.
        let mut coming = 0;
        while self.budget.total_bytes().saturating_sub(self.budget.used_bytes()) + coming < bytes {
            let idle = homes.iter().filter(|(_, home)| !home.running).min_by_key(|(_, home)| home.last_used);
            let Some(session) = idle.map(|(session, _)| session.clone()) else { break };
            if let Some(home) = homes.remove(&session) {
                tracing::debug!(%session, "an interpreter made room for others");
                coming += home.grown_bytes;
                home.worker.send(&ToWorker::CloseSession { session });
            }
        }
        drop(homes);
        for worker in lock(&self.workers).values().flatten() {
            worker.send(&ToWorker::MemoryRecall);
        }
    }

    /// Forgets a worker that has ended, and tells everyone who waited for it.
    fn bury(&self, worker: &Arc<Worker>) {
        worker.dead.store(true, Ordering::SeqCst);
        for mine in lock(&self.workers).values_mut() {
            mine.retain(|other| !Arc::ptr_eq(other, worker));
        }
        lock(&self.homes).retain(|_, home| !Arc::ptr_eq(&home.worker, worker));
        let fault = *lock(&worker.fault);
        let runs: Vec<_> = lock(&worker.runs).drain().collect();
        let pid = lock(&worker.child).as_ref().map(Child::id);
        if !runs.is_empty() {
            tracing::error!(pid, runs = runs.len(), fault, "a worker ended with runs in it");
        }
        for (number, entry) in runs {
            // Without a word from the worker nothing tells a culprit from a
            // bystander, and each may have done half of its work.
            let end = if fault.is_none_or(|fault| fault == number) {
                Ok(RunEnd::WorkerLost)
            } else {
                Err(Error::Interrupted)
            };
            let _ = entry.done.send(end);
        }
        self.end_worker(worker);
    }

    fn end_worker(&self, worker: &Worker) {
        if let Some(child) = lock(&worker.child).take() {
            drop(self.spawner.reap(child));
        }
    }

    /// Drops the interpreters of a session. None of its runs may be going on.
    pub(crate) fn close_session(&self, session: &SessionId) {
        if let Some(home) = lock(&self.homes).remove(session) {
            home.worker.send(&ToWorker::CloseSession { session: session.clone() });
        }
    }

    /// Ends workers that nobody has used for a while, except the last.
    pub(crate) fn evict_idle(&self, now: Instant) {
        let homes = lock(&self.homes);
        let has_session = |worker: &Arc<Worker>| homes.values().any(|home| Arc::ptr_eq(&home.worker, worker));
        let mut idle = Vec::new();
        for mine in lock(&self.workers).values_mut() {
            while mine.len() > 1 {
                let found = mine.iter().position(|worker| {
                    lock(&worker.runs).is_empty()
                        && !has_session(worker)
                        && now.saturating_duration_since(*lock(&worker.last_used)) >= IDLE_WORKER
                });
                let Some(position) = found else { break };
                idle.push(mine.swap_remove(position));
            }
        }
        drop(homes);
        for worker in idle {
            worker.dead.store(true, Ordering::SeqCst);
            self.end_worker(&worker);
        }
    }

    /// The state of the pool for people.
    pub(crate) fn health(&self) -> PoolHealth {
        PoolHealth {
            workers: lock(&self.workers).values().map(Vec::len).sum(),
            memory_used_bytes: self.budget.used_bytes(),
            memory_total_bytes: self.budget.total_bytes(),
            resets: self.resets.load(Ordering::Relaxed),
            wall: self.wall.get().copied(),
        }
    }
}

/// A worker process that takes no orders yet. Ended when dropped.
struct Unready<'a> {
    child: Option<Child>,
    spawner: &'a Spawner,
}

impl Unready<'_> {
    /// Why it is gone. Whoever was killed from outside is no sign of what
    /// will become of the next.
    async fn reason(&mut self) -> Error {
        let Some(child) = self.child.take() else { return Error::Interrupted };
        match self.spawner.reap(child).await {
            Ok(status) if status.signal() != Some(Signal::SIGKILL as i32) => {
                Error::host("prepare a worker", format!("{status}; its log says why"))
            }
            _ => Error::Interrupted,
        }
    }
}

impl Drop for Unready<'_> {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            drop(self.spawner.reap(child));
        }
    }
}

/// Passes a cancellation on, and returns when the run should long be over.
async fn overdue(cancel: &CancellationToken, worker: &Worker, run: u64, wall_time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(wall_time + OVERDUE) => {}
        () = cancel.cancelled() => {
            worker.send(&ToWorker::Cancel { run });
            tokio::time::sleep(OVERDUE).await;
        }
    }
}

async fn write_frames(writer: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Frame>) {
    while let Some((bytes, attached)) = frames.recv().await {
        let descriptor = attached.as_ref().map(|attached| attached.as_fd());
        if let Err(error) = frame::write_async(&writer, &bytes, descriptor).await {
            tracing::debug!(%error, "a worker stopped reading");
            return;
        }
    }
}

async fn read_frames(mut reader: BufReader<OwnedReadHalf>, pool: Weak<Pool>, worker: Arc<Worker>) {
    loop {
        let message = frame::read_async::<FromWorker>(&mut reader).await;
        let Some(pool) = pool.upgrade() else { return };
        match message {
            Ok(Some(message)) => pool.handle(&worker, message),
            Ok(None) => return pool.bury(&worker),
            Err(error) => {
                tracing::error!(%error, "a worker broke the protocol");
                return pool.bury(&worker);
            }
        }
    }
}
