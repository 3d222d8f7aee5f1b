//! The server's end: starts workers, sends them runs, and watches over them.
//!
//! A principal has several workers and shares none. A session stays with the
//! worker that holds its interpreter. When a worker dies its runs are told so,
//! and the next run gets a new one.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::child::{Spawner, StartedWorker};
use super::frame;
use super::handle::{Entry, LiveOutput, RunEnd, RunGuard, Worker};
use super::protocol::{FromWorker, RunOrder, ToWorker};
use crate::budget::{MemoryBudget, Share};
use crate::error::{Error, IoContext as _};
use crate::limits::Resource;
use crate::session::{Principal, SessionId, lock};

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

/// Compiled images, by language id.
pub(crate) type Images = HashMap<String, File>;

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
    spawner: Spawner,
    images: Images,
    budget: MemoryBudget,
    workers: Mutex<HashMap<Principal, Vec<Arc<Worker>>>>,
    homes: Mutex<Homes>,
    /// Held while a worker starts, so that two callers never start two where
    /// one more is allowed.
    starting: tokio::sync::Mutex<()>,
    next_run: AtomicU64,
    initial_bytes: OnceLock<u64>,
    resets: AtomicBool,
}

/// Which worker holds the interpreter of which session.
#[derive(Default)]
struct Homes {
    live: HashMap<SessionId, Home>,
    /// Sessions whose worker died, until their caller was told.
    lost: HashSet<SessionId>,
}

struct Home {
    worker: Arc<Worker>,
    /// The memory its interpreter holds while it does not run.
    share: Option<Share>,
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
}

impl Pool {
    pub(crate) fn new(settings: PoolSettings, images: Images, budget: MemoryBudget) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            settings,
            spawner: Spawner::new().doing(|| "start the thread that starts workers".into())?,
            images,
            budget,
            workers: Mutex::default(),
            homes: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            next_run: AtomicU64::new(0),
            initial_bytes: OnceLock::new(),
            resets: AtomicBool::new(false),
        }))
    }

    /// Starts a worker for `principal`, so that its first run finds one.
    pub(crate) async fn warm_up(self: &Arc<Self>, principal: &Principal) -> Result<(), Error> {
        self.least_busy(principal).await.map(drop)
    }

    /// Runs one order. The run's number is given here.
    ///
    /// # Cancellation
    ///
    /// `cancel` stops the run and the answer still comes. Dropping the future
    /// stops the run too, and nobody hears of it.
    pub(crate) async fn run(
        self: &Arc<Self>,
        principal: &Principal,
        mut order: RunOrder,
        cancel: &CancellationToken,
        live: Option<LiveOutput>,
    ) -> Result<RunEnd, Error> {
        let session = order.session.clone();
        let share = self.admit(session.as_ref(), cancel).await?;
        let wall_time = Duration::from_millis(order.limits.get(Resource::WallTimeMs));
        order.run = self.next_run.fetch_add(1, Ordering::Relaxed);
        let number = order.run;
        let worker = self.worker_for(principal, session.as_ref()).await?;
        let bytes = frame::encode(&ToWorker::Run(Box::new(order))).doing(|| "write an order".into())?;
        let (done, mut ended) = oneshot::channel();
        lock(&worker.runs).insert(number, Entry { done, live });
        let _guard = RunGuard { worker: Arc::clone(&worker), number };
        if worker.dead.load(Ordering::SeqCst) || worker.sender.send(bytes).is_err() {
            // It died between choice and use; the order never reached it.
            return Err(Error::Interrupted);
        }
        let end = tokio::select! {
            end = &mut ended => end,
            () = overdue(cancel, &worker, number, wall_time) => {
                tracing::error!(run = number, "a run outstayed every deadline; its worker is ended");
                *lock(&worker.fault) = Some(number);
                self.end_worker(&worker);
                ended.await
            }
        };
        let mut end = end.unwrap_or(Err(Error::Interrupted));
        if let Some(session) = session {
            self.settle(session, &mut end, &worker, share);
        }
        end
    }

    /// Remembers where a session's interpreter is now, or that there is none.
    fn settle(&self, session: SessionId, end: &mut Result<RunEnd, Error>, worker: &Arc<Worker>, share: Option<Share>) {
        let mut homes = lock(&self.homes);
        let old = homes.live.remove(&session);
        match end {
            Ok(RunEnd::Report(report)) => {
                // It may have died with the report on its way.
                report.kept &= !worker.dead.load(Ordering::SeqCst);
                if !report.kept {
                    return;
                }
                let share = match (report.resident_bytes, share, old) {
                    (Some(bytes), Some(mut share), _) => {
                        share.shrink_to(bytes);
                        Some(share)
                    }
                    (_, share, old) => old.and_then(|home| home.share).or(share),
                };
                homes.live.insert(session, Home { worker: Arc::clone(worker), share });
            }
            // The outcome says so itself.
            Ok(RunEnd::WorkerLost) => {
                homes.lost.remove(&session);
            }
            Err(_) => {
                if old.is_some() {
                    homes.lost.insert(session);
                }
            }
        }
    }

    /// Takes the memory that an instance starts with. A session that has its
    /// interpreter already does not wait for any: it could not even free some.
    async fn admit(&self, session: Option<&SessionId>, cancel: &CancellationToken) -> Result<Option<Share>, Error> {
        let bytes = self.initial_bytes.get().copied().unwrap_or(UNKNOWN_INITIAL_BYTES);
        let share = self.budget.try_take(bytes);
        if share.is_some() || session.is_some_and(|session| lock(&self.homes).live.contains_key(session)) {
            return Ok(share);
        }
        self.recall();
        let busy = || Error::Busy {
            what: "the memory of all runs and sessions is in use, in MiB",
            active: usize::try_from(self.budget.used_bytes() >> 20).unwrap_or(usize::MAX),
            limit: usize::try_from(self.budget.total_bytes() >> 20).unwrap_or(usize::MAX),
        };
        tokio::select! {
            share = tokio::time::timeout(MEMORY_WAIT, self.budget.take(bytes)) => share.ok().flatten().map(Some).ok_or_else(busy),
            () = cancel.cancelled() => Err(busy()),
        }
    }

    /// The worker that holds the session, or the one with the least to do.
    async fn worker_for(
        self: &Arc<Self>,
        principal: &Principal,
        session: Option<&SessionId>,
    ) -> Result<Arc<Worker>, Error> {
        if let Some(session) = session {
            let mut homes = lock(&self.homes);
            if homes.lost.remove(session) {
                return Err(Error::StateLost { session: session.to_string() });
            }
            if let Some(home) = homes.live.get(session) {
                return Ok(Arc::clone(&home.worker));
            }
        }
        self.least_busy(principal).await
    }

    /// A worker with nothing to do, a new one, or the one with the least to do
    /// when there may be no more.
    async fn least_busy(self: &Arc<Self>, principal: &Principal) -> Result<Arc<Worker>, Error> {
        let choose = || {
            let workers = lock(&self.workers);
            let mine = workers.get(principal).map(Vec::as_slice).unwrap_or_default();
            let least = mine.iter().min_by_key(|worker| lock(&worker.runs).len()).cloned();
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
        let StartedWorker { child, stream } = self.spawner.start().await.doing(|| "start a worker".into())?;
        let warm = self.settings.runs.div_ceil(self.settings.workers);
        for (runtime, image) in &self.images {
            let order = ToWorker::Load { runtime: runtime.clone(), warm };
            if let Err(error) = frame::write_with_descriptor(&stream, &order, image.as_fd()) {
                self.spawner.reap(child);
                return Err(Error::host("send an image to a worker", error));
            }
        }
        stream.set_nonblocking(true).doing(|| "prepare the connection to a worker".into())?;
        let (reader, writer) = tokio::net::UnixStream::from_std(stream)
            .doing(|| "prepare the connection to a worker".into())?
            .into_split();
        let (sender, frames) = mpsc::unbounded_channel();
        let nothing =
            self.budget.nothing().ok_or_else(|| Error::host("start a worker", "the memory budget is closed"))?;
        let worker = Arc::new(Worker {
            sender,
            runs: Mutex::default(),
            fault: Mutex::default(),
            leased: Mutex::new(nothing),
            child: Mutex::new(Some(child)),
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
            FromWorker::Loaded { runtime, initial_bytes, resets } => {
                tracing::debug!(runtime, initial_bytes, resets, "a worker is ready");
                let _ = self.initial_bytes.set(initial_bytes);
                self.resets.store(resets, Ordering::Relaxed);
            }
            FromWorker::LoadFailed { runtime, reason } => {
                tracing::error!(runtime, reason, "a worker cannot load an image");
            }
            FromWorker::Output { run, stream, bytes } => {
                if let Some(live) = lock(&worker.runs).get_mut(&run).and_then(|entry| entry.live.as_mut()) {
                    live(stream, &bytes);
                }
            }
            FromWorker::Finished { run, report } => worker.end_run(run, Ok(RunEnd::Report(report))),
            FromWorker::Failed { run, reason } => worker.end_run(run, Err(Error::host("run a program", reason))),
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
        self.recall();
        let (budget, worker) = (self.budget.clone(), Arc::clone(worker));
        tokio::spawn(async move {
            let share = tokio::time::timeout(RECALL_WAIT, budget.take(bytes)).await.ok().flatten();
            grant(&worker, share);
        });
    }

    /// Asks every worker to give back what it does not use.
    fn recall(&self) {
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
        {
            let mut homes = lock(&self.homes);
            let lost: Vec<_> = homes
                .live
                .iter()
                .filter(|(_, home)| Arc::ptr_eq(&home.worker, worker))
                .map(|(session, _)| session.clone())
                .collect();
            for session in lost {
                homes.live.remove(&session);
                homes.lost.insert(session);
            }
        }
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
            self.spawner.reap(child);
        }
    }

    /// Drops the interpreters of a session that is over.
    pub(crate) fn close_session(&self, session: &SessionId) {
        let home = {
            let mut homes = lock(&self.homes);
            homes.lost.remove(session);
            homes.live.remove(session)
        };
        if let Some(home) = home {
            home.worker.send(&ToWorker::CloseSession { session: session.clone() });
        }
    }

    /// Ends workers that nobody has used for a while, except the last.
    pub(crate) fn evict_idle(&self, now: Instant) {
        let homes = lock(&self.homes);
        let has_session = |worker: &Arc<Worker>| homes.live.values().any(|home| Arc::ptr_eq(&home.worker, worker));
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

async fn write_frames(mut writer: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = frames.recv().await {
        if let Err(error) = writer.write_all(&bytes).await {
            tracing::debug!(%error, "a worker stopped reading");
            return;
        }
    }
}

async fn read_frames(reader: OwnedReadHalf, pool: Weak<Pool>, worker: Arc<Worker>) {
    let mut reader = tokio::io::BufReader::with_capacity(64 << 10, reader);
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
