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
mod homes;
mod memory;
mod preparation;
mod sets;
mod worker;
mod workers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(crate) use allowance::saved_bytes;
use allowance::{Baseline, Needs};
pub(crate) use compiled::{CompiledImage, Images};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jailer::WorkerWall;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::expected::Expectation;
use self::homes::{Homes, Left};
use self::sets::ImageSets;
pub(crate) use self::worker::RunEnd;
use self::worker::{Entry, Worker};
use super::wire::frame;
use super::wire::protocol::{Interpreter, RunOrder, SessionOrder, ToWorker};
use super::wire::transfer::Transfer;
use crate::children::spawner::Spawner;
use crate::error::{Error, IoContext as _};
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::{Principal, SessionKey};
use crate::memory_budget::MemoryBudget;
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
    /// The images that workers have which start from now on: a worker takes in no code
    /// once it is confined.
    sets: ImageSets,
    state: Arc<StateDirectory>,
    budget: MemoryBudget,
    workers: Mutex<HashMap<Principal, Vec<Arc<Worker>>>>,
    homes: Mutex<Homes>,
    /// Held while a worker of its principal starts, so that two callers never
    /// start two where one more is allowed.
    starting: Mutex<HashMap<Principal, Arc<AsyncMutex<()>>>>,
    /// How many workers are starting.
    being_started: AtomicUsize,
    next_run: AtomicU64,
    resets: AtomicBool,
    wall: OnceLock<WorkerWall>,
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
        self.homes.lock().hold(session, runtime)
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
        let at_home = self.homes.lock().enter(&session, &order.runtime);
        let (worker, share) = match at_home {
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
                let joined = self.homes.lock().join(&session, &order.image);
                let worker = match joined {
                    Some(worker) => worker,
                    None => self.least_busy(principal, Some(&order.image)).await?,
                };
                (worker, Some(share))
            }
        };
        let image = worker.image(&order.image);
        let end = self.run_on(&worker, order, transfer, cancel, following).await;
        let left = match (&end, &image) {
            (Ok(RunEnd::Report(report)), Some(image)) if report.capture.is_some() => {
                Ok(Left { runtime, image, report, share })
            }
            _ => Err(&*runtime),
        };
        self.homes.lock().settle(session, &worker, left, &self.budget);
        end
    }

    async fn run_on(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        mut order: RunOrder,
        transfer: Option<&Arc<Transfer>>,
        cancel: &CancellationToken,
        Following { live, calls }: Following,
    ) -> Result<RunEnd, Error> {
        let wall_time = Duration::from_millis(order.task.limits.get(Resource::WallTimeMs));
        order.run = self.next_run.fetch_add(1, Ordering::Relaxed);
        let (number, limits) = (order.run, order.task.limits);
        let brought_bytes = order.session.as_ref().map_or(0, SessionOrder::brought_bytes);
        let expected = Expectation { limits, in_session: order.session.is_some(), live: order.live };
        let bytes = frame::encode(&ToWorker::Run(Box::new(order))).doing(|| "write an order".into())?;
        let (done, mut ended) = oneshot::channel();
        let descriptor = transfer.cloned().map(|transfer| transfer as Arc<dyn AsFd + Send + Sync>);
        let (called, calling) = mpsc::unbounded_channel();
        let needs = Needs { limits, brought_bytes };
        let _guard = worker.begin_run(number, Entry { done, live, calls: called, needs });
        self.allow(worker)?;
        worker.order((number, expected), bytes, descriptor)?;
        let end = tokio::select! {
            end = &mut ended => end,
            never = answer(&calls, calling, worker, number) => match never {},
            () = overdue(cancel, worker, number, wall_time) => {
                tracing::error!(run = number, "a run outstayed every deadline; its worker is ended");
                worker.blame(number);
                self.end_worker(worker);
                ended.await
            }
        };
        end.unwrap_or(Err(Error::Interrupted))
    }

    /// Ends the worker that has the interpreters of a session: it lied about
    /// them.
    pub(crate) fn distrust(&self, session: &SessionKey, reason: &str) {
        let worker = self.homes.lock().worker_of(session);
        if let Some(worker) = worker {
            tracing::error!(session = %session.id, reason, "a worker lied and is ended");
            self.forget_worker(&worker);
        }
    }

    /// Drops the interpreters of a session. None of its runs may be going on.
    pub(crate) fn close_session(&self, session: &SessionKey) {
        self.homes.lock().close(session);
    }

    /// Ends the workers of a principal, who does nothing, and forgets it.
    pub(crate) fn forget(&self, principal: &Principal) {
        self.homes.lock().forget(principal);
        self.sets.forget(principal);
        let workers = self.workers.lock().remove(principal).unwrap_or_default();
        for worker in &workers {
            worker.die();
            self.end_worker(worker);
        }
    }

    /// The state of the pool for people.
    pub(crate) fn health(&self) -> PoolHealth {
        let workers = self.workers.lock().values().map(Vec::len).sum();
        self.health_with(workers, self.budget.used_bytes(), self.budget.total_bytes())
    }

    /// The state of the pool as far as it is of one principal.
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
            // The entry of the run is gone: so is the run.
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
