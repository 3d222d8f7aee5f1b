//! The server's end: places runs in workers, and knows where sessions are.
//!
//! A principal has several workers and shares none. A session stays with the
//! worker that holds its interpreter, which is saved after every run: so one
//! that nobody uses makes room when memory is short. When a worker dies its
//! runs are told so, and the next run gets a new one.

mod allowance;
mod choice;
mod compiled;
pub(super) mod expected;
pub(crate) mod handle;
mod memory;
mod preparation;
mod sets;
mod workers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(crate) use allowance::saved_bytes;
pub(crate) use allowance::{Allowance, Baseline, Needs};
pub(crate) use compiled::{CompiledImage, Images};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jailer::WorkerWall;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::expected::Order;
use self::handle::{Claim, Entry, Frame, RunEnd, RunGuard, Worker};
use self::sets::ImageSets;
use super::wire::frame;
use super::wire::protocol::{Interpreter, RunOrder, SessionOrder, ToWorker};
use super::wire::transfer::Transfer;
use crate::children::spawner::Spawner;
use crate::error::{Error, IoContext as _};
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::{Principal, SessionKey};
use crate::memory_budget::{MemoryBudget, Share};
use crate::run::calls::{Calls, GuestCall};
use crate::run::follower::Following;
use crate::run::limits::Resource;
use crate::tenancy::TenantBounds;

/// How long a run may overstay its wall time before its worker is ended: it
/// covers the grace periods, and a reply of the largest size.
const OVERDUE: Duration = Duration::from_secs(10);

/// How workers are made.
#[derive(Clone, Debug)]
pub(crate) struct PoolSettings {
    /// The most workers of all tenants together, unless more are in use.
    pub(crate) workers: usize,
    /// The most workers of each tenant, and of its runs at once over all of them.
    pub(crate) bounds: Arc<TenantBounds>,
}

/// All workers of the server.
pub(crate) struct Pool {
    settings: PoolSettings,
    spawner: Arc<Spawner>,
    /// What workers have that start from now on: one takes in no code once it is
    /// confined.
    sets: ImageSets,
    state: Arc<StateDirectory>,
    budget: MemoryBudget,
    workers: Mutex<HashMap<Principal, Vec<Arc<Worker>>>>,
    homes: Mutex<HashMap<SessionKey, Home>>,
    /// Held while a worker of its principal starts, so that two callers never
    /// start two where one more is allowed.
    starting: Mutex<HashMap<Principal, Arc<AsyncMutex<()>>>>,
    /// How many workers are starting.
    being_started: AtomicUsize,
    next_run: AtomicU64,
    resets: AtomicBool,
    wall: OnceLock<WorkerWall>,
}

/// Where the interpreters of a session are.
struct Home {
    worker: Arc<Worker>,
    /// By language.
    interpreters: HashMap<String, KeptInterpreter>,
    /// Pays for what they have made their own of their images.
    share: Option<Share>,
    /// Whether a run is using them.
    running: bool,
    last_used: Instant,
}

/// The memory of an interpreter between two runs.
#[derive(Clone, Copy, Debug)]
struct KeptInterpreter {
    /// What it has made its own of its image.
    own_bytes: u64,
    /// What it has grown by, which its worker pays for.
    grown_bytes: u64,
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
        self.interpreters.contains_key(runtime)
    }

    fn grown_bytes(&self) -> u64 {
        self.interpreters.values().map(|kept| kept.grown_bytes).sum()
    }
}

impl Pool {
    pub(crate) fn new(
        settings: PoolSettings,
        spawner: Arc<Spawner>,
        budget: MemoryBudget,
        state: Arc<StateDirectory>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            spawner,
            sets: ImageSets::default(),
            state,
            budget,
            workers: Mutex::default(),
            homes: Mutex::default(),
            starting: Mutex::default(),
            being_started: AtomicUsize::new(0),
            next_run: AtomicU64::new(0),
            resets: AtomicBool::new(false),
            wall: OnceLock::new(),
        })
    }

    /// Starts a worker for `principal`, so that its first run finds one.
    pub(crate) async fn warm_up(self: &Arc<Self>, principal: &Principal) -> Result<(), Error> {
        self.least_busy(principal, None).await.map(drop)
    }

    /// Whether runs of `principal` may name the image of this digest, which it
    /// wants now.
    pub(crate) fn wants_image(&self, principal: &Principal, digest: &str) -> bool {
        self.sets.wanted(principal, digest, Instant::now()).is_some()
    }

    /// Lets runs of `principal` name an image.
    pub(crate) fn add_image(&self, principal: &Principal, digest: &str, image: Arc<CompiledImage>) {
        self.sets.add(principal, digest, image, Instant::now());
    }

    fn image(&self, principal: &Principal, digest: &str) -> Result<Arc<CompiledImage>, Error> {
        let found = self.sets.wanted(principal, digest, Instant::now());
        found.ok_or_else(|| Error::host("run a program", "its guest image is not there"))
    }

    /// Whether a run of `runtime` in `session` will find its interpreter. If
    /// so, it is there until that run has ended, unless its worker dies.
    pub(crate) fn hold(&self, session: &SessionKey, runtime: &str) -> bool {
        let mut homes = self.homes.lock();
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
        following: Following,
    ) -> Result<RunEnd, Error> {
        let key = |session: &SessionOrder| SessionKey { owner: principal.clone(), id: session.id.clone() };
        let Some(session) = order.session.as_ref().map(key) else {
            let image = self.image(principal, &order.image)?;
            let share = self.admit(principal, &image, cancel).await?;
            let worker = self.least_busy(principal, Some(&order.image)).await?;
            let end = self.run_on(&worker, order, transfer, cancel, following).await;
            drop(share);
            return end;
        };
        let runtime = order.runtime.clone();
        let (worker, share) = match self.go_home(&session, &order) {
            Some(worker) => {
                self.sets.wanted(principal, &order.image, Instant::now());
                (worker, None)
            }
            None if matches!(order.session, Some(SessionOrder { interpreter: Interpreter::Live, .. })) => {
                return Err(Error::Interrupted);
            }
            None => {
                let image = self.image(principal, &order.image)?;
                let share = self.admit(principal, &image, cancel).await?;
                let worker = match self.join_home(&session, &order.image) {
                    Some(worker) => worker,
                    None => self.least_busy(principal, Some(&order.image)).await?,
                };
                (worker, Some(share))
            }
        };
        let image = worker.images.get(&order.image).cloned();
        let mut end = self.run_on(&worker, order, transfer, cancel, following).await;
        self.settle(session, (runtime, image), &mut end, &worker, share);
        end
    }

    /// The worker that holds the interpreter which `order` goes on with. It
    /// stays there until the run has ended.
    fn go_home(&self, session: &SessionKey, order: &RunOrder) -> Option<Claim> {
        let mut homes = self.homes.lock();
        let home = homes.get_mut(session).filter(|home| home.has(&order.runtime))?;
        home.running = true;
        Some(Claim::of(&home.worker))
    }

    /// The worker in which a session goes on with another language, if that
    /// worker can run it. If not, the session leaves it: what it has there is
    /// saved, and comes back wherever it goes.
    fn join_home(&self, session: &SessionKey, image: &str) -> Option<Claim> {
        let mut homes = self.homes.lock();
        let home = homes.get_mut(session)?;
        if home.worker.images.contains_key(image) {
            home.running = true;
            return Some(Claim::of(&home.worker));
        }
        if let Some(left) = homes.remove(session) {
            left.worker.send(&ToWorker::CloseSession { session: session.id.clone() });
        }
        None
    }

    async fn run_on(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        mut order: RunOrder,
        transfer: Option<&Arc<Transfer>>,
        cancel: &CancellationToken,
        Following { live, calls }: Following,
    ) -> Result<RunEnd, Error> {
        let wall_time = Duration::from_millis(order.limits.get(Resource::WallTimeMs));
        order.run = self.next_run.fetch_add(1, Ordering::Relaxed);
        let (number, limits) = (order.run, order.limits);
        let brought_bytes = order.session.as_ref().map_or(0, SessionOrder::brought_bytes);
        let expected = Order { limits, in_session: order.session.is_some(), live: order.live };
        let bytes = frame::encode(&ToWorker::Run(Box::new(order))).doing(|| "write an order".into())?;
        let (done, mut ended) = oneshot::channel();
        let descriptor = transfer.cloned().map(|transfer| transfer as Arc<dyn AsFd + Send + Sync>);
        let (called, calling) = mpsc::unbounded_channel();
        let needs = Needs { limits, brought_bytes };
        worker.runs.lock().insert(number, Entry { done, live, calls: called, needs });
        let _guard = RunGuard { worker: Arc::clone(worker), number };
        self.allow(worker)?;
        worker.expected.lock().add(number, expected);
        worker.queued.fetch_add(1, Ordering::Relaxed);
        let frame = Frame { bytes, attached: descriptor, answers: None };
        if worker.dead.load(Ordering::SeqCst) || worker.sender.send(frame).is_err() {
            // It died between choice and use; the order never reached it.
            return Err(Error::Interrupted);
        }
        let end = tokio::select! {
            end = &mut ended => end,
            never = answer(&calls, calling, worker, number) => match never {},
            () = overdue(cancel, worker, number, wall_time) => {
                tracing::error!(run = number, "a run outstayed every deadline; its worker is ended");
                *worker.fault.lock() = Some(number);
                self.end_worker(worker);
                ended.await
            }
        };
        end.unwrap_or(Err(Error::Interrupted))
    }

    /// Remembers where a session's interpreter is now, or that there is none.
    fn settle(
        &self,
        session: SessionKey,
        (runtime, image): (String, Option<Arc<CompiledImage>>),
        end: &mut Result<RunEnd, Error>,
        worker: &Arc<Worker>,
        share: Option<Share>,
    ) {
        let mut homes = self.homes.lock();
        let mut home = homes.remove(&session).unwrap_or_else(|| Home {
            worker: Arc::clone(worker),
            interpreters: HashMap::new(),
            share: None,
            running: false,
            last_used: Instant::now(),
        });
        // It may have died with the report on its way.
        let dead = worker.dead.load(Ordering::SeqCst);
        match (end, image) {
            (Ok(RunEnd::Report(report)), Some(image)) if report.capture.is_some() && !dead => {
                self.pay_for_home(&mut home, (runtime, &image), report, share);
            }
            _ => {
                home.interpreters.remove(&runtime);
                self.charge(&mut home);
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
            homes.insert(session, home);
        }
    }

    /// Ends the worker that has the interpreters of a session: it lied about
    /// them.
    pub(crate) fn distrust(&self, session: &SessionKey, reason: &str) {
        let worker = self.homes.lock().get(session).map(|home| Arc::clone(&home.worker));
        if let Some(worker) = worker {
            tracing::error!(session = %session.id, reason, "a worker lied and is ended");
            self.bury(&worker);
        }
    }

    /// Drops the interpreters of a session. None of its runs may be going on.
    pub(crate) fn close_session(&self, session: &SessionKey) {
        if let Some(home) = self.homes.lock().remove(session) {
            home.worker.send(&ToWorker::CloseSession { session: session.id.clone() });
        }
    }

    /// Ends the workers of a principal, who does nothing, and forgets it.
    pub(crate) fn forget(&self, principal: &Principal) {
        self.homes.lock().retain(|session, _| session.owner != *principal);
        self.sets.forget(principal);
        let workers = self.workers.lock().remove(principal).unwrap_or_default();
        for worker in &workers {
            worker.dead.store(true, Ordering::SeqCst);
            self.end_worker(worker);
        }
    }

    /// The state of the pool for people.
    pub(crate) fn health(&self) -> PoolHealth {
        let workers = self.workers.lock().values().map(Vec::len).sum();
        self.health_with(workers, self.budget.used_bytes(), self.budget.total_bytes())
    }

    /// What of it is of one principal.
    pub(crate) fn health_of(&self, principal: &Principal) -> PoolHealth {
        let workers = self.workers.lock().get(principal).map_or(0, Vec::len);
        self.health_with(workers, self.budget.used_by(principal), self.budget.most_of(principal))
    }

    fn health_with(&self, workers: usize, memory_used_bytes: u64, memory_total_bytes: u64) -> PoolHealth {
        PoolHealth {
            workers,
            memory_used_bytes,
            memory_total_bytes,
            resets: self.resets.load(Ordering::Relaxed),
            wall: self.wall.get().copied(),
        }
    }
}

/// Answers the calls of a run, until it is dropped.
async fn answer(
    calls: &Calls,
    mut calling: mpsc::UnboundedReceiver<(u32, GuestCall)>,
    worker: &Worker,
    run: u64,
) -> Infallible {
    let mut answering = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some((number, call)) = calling.recv() => answering.push(async move { (number, calls.answer(call).await) }),
            Some((number, answer)) = answering.next() => {
                worker.answer(run, number, answer);
            }
            // Its entry is gone: so is the run.
            else => std::future::pending().await,
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
