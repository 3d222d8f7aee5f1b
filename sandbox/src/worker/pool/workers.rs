//! How workers come and go: each is started, prepared, listened to, and forgotten
//! when its process has ended.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::Pool;
use super::choice::remove;
use super::preparation::{Ready, Unprepared, prepare};
use super::worker::{Claim, Frame, RunEnd, Worker};
use crate::children::spawner::{Role, Spawner, StartedChild};
use crate::error::{Error, IoContext as _};
use crate::handle::Principal;
use crate::tenancy::TenantLimits;
use crate::worker::wire::frame;
use crate::worker::wire::protocol::{Bounds, FromWorker};

/// How long a worker without runs and sessions is kept, beside the first.
const IDLE_WORKER: Duration = Duration::from_secs(60);

impl Pool {
    /// Starts a worker and prepares it.
    pub(super) async fn start(self: &Arc<Self>, principal: &Principal) -> Result<Claim, Error> {
        let TenantLimits { runs, workers, ref policy, .. } = *self.settings.bounds.of(principal);
        // A server that waits for a processor keeps all its tenants waiting, so their workers give
        // way. A single tenant waits for its own runs alone, and for what else the machine does.
        let gives_way = self.settings.bounds.several().is_some();
        let bounds = Bounds { directory: self.state.shared(principal)?, runs, gives_way };
        let images = self.sets.of(principal);
        let StartedChild { child, stream, .. } =
            self.spawner.start(Role::Worker).await.doing(|| "start a worker".into())?;
        let mut unready = Unready { child: Some(child), spawner: &self.spawner };
        let warm = runs.div_ceil(workers);
        let prepared = match prepare(stream, &images, &policy.mounts, warm, bounds).await {
            Err(Unprepared::Other(Error::Interrupted)) => Err(unready.reason().await),
            Err(Unprepared::Other(error)) => Err(error),
            Err(Unprepared::Image { digest, error }) => {
                self.sets.remove(principal, &digest);
                Err(error)
            }
            Ok(ready) => Ok(ready),
        };
        let Ready { reader, writer, wall, baseline, resets } = prepared?;
        self.resets.store(resets, Ordering::Relaxed);
        let _ = self.wall.set(wall);
        let nothing = self
            .budget
            .nothing(principal)
            .ok_or_else(|| Error::host("start a worker", "the memory budget is closed"))?;
        let (worker, frames) = Worker::new(principal.clone(), unready.child.take(), images, baseline, nothing);
        if let Err(error) = self.allow(&worker) {
            tracing::error!(error = error.with_causes(), "the memory of a worker is not bounded and it was ended");
            self.end_worker(&worker);
            return Err(error);
        }
        let claim = Claim::of(&worker);
        self.workers.lock().entry(principal.clone()).or_default().push(Arc::clone(&worker));
        #[expect(clippy::disallowed_methods, reason = "they live as long as the worker, which ends with the server")]
        {
            tokio::spawn(write_frames(writer, frames, Arc::downgrade(&worker)));
            tokio::spawn(read_frames(reader, Arc::downgrade(self), Arc::clone(&worker)));
        }
        Ok(claim)
    }

    fn handle(self: &Arc<Self>, worker: &Arc<Worker>, message: FromWorker) {
        match message {
            FromWorker::Output { run, stream, bytes } => worker.output(run, stream, &bytes),
            FromWorker::Call { run, number, call } => worker.call(run, number, call),
            FromWorker::Finished { run, report } => worker.end_run(run, Ok(RunEnd::Report(report))),
            FromWorker::Failed { run, reason, passes: true } => {
                tracing::warn!(run, reason, "a run could not be carried out at this moment");
                let (doing, what) = ("run a program".to_owned(), "room for it");
                worker.end_run(run, Err(Error::Exhausted { doing, what }));
            }
            FromWorker::Failed { run, reason, .. } => worker.end_run(run, Err(Error::host("run a program", reason))),
            FromWorker::NotHere { run } => worker.end_run(run, Err(Error::Interrupted)),
            FromWorker::NoMemory { run, mebibytes } => {
                worker.end_run(run, Err(self.no_memory_for(worker.owner(), mebibytes)));
            }
            FromWorker::Fault { run } => worker.blame(run),
            FromWorker::MemoryAsk { ask, bytes } => self.answer_memory(worker, ask, bytes),
            FromWorker::MemoryReturn { bytes } => worker.give_back(bytes),
        }
    }

    /// Forgets a worker that lied about a run, which is lost for that.
    fn lost_to(&self, worker: &Arc<Worker>, run: Option<u64>) {
        worker.blame_known(run);
        self.forget_worker(worker);
    }

    /// Forgets a worker that has ended, and tells everyone who waited for it.
    pub(super) fn forget_worker(&self, worker: &Arc<Worker>) {
        remove(&mut self.workers.lock(), worker);
        self.homes.lock().leave(worker);
        worker.lose_runs();
        self.end_worker(worker);
    }

    /// Ends the process of a worker.
    pub(super) fn end_worker(&self, worker: &Worker) {
        if let Some(child) = worker.take_child() {
            drop(self.spawner.reap(child));
        }
    }

    /// Lets a worker use what its runs and sessions may use now.
    ///
    /// # Errors
    ///
    /// [`Error::Unconfined`] when the kernel does not bound it.
    pub(super) fn allow(&self, worker: &Arc<Worker>) -> Result<(), Error> {
        let instances = self.homes.lock().instances_at(worker);
        worker.allow(instances)
    }

    /// Takes back from workers at rest what they do not need any more.
    fn tighten(&self, now: Instant) {
        let all: Vec<_> = self.workers.lock().values().flatten().cloned().collect();
        for worker in all {
            let instances = self.homes.lock().instances_at(&worker);
            worker.tighten(instances, now);
        }
    }

    /// Ends workers that nobody has used for a while, except the last of each
    /// principal; and that too if it has images which its principal does not use any more.
    pub(crate) fn evict_idle(&self, now: Instant) {
        self.tighten(now);
        self.sets.shrink(now);
        let homes = self.homes.lock();
        let is_idle =
            |worker: &Arc<Worker>| worker.is_idle() && !homes.any_at(worker) && worker.is_unused_for(IDLE_WORKER, now);
        let mut idle = Vec::new();
        for (principal, mine) in self.workers.lock().iter() {
            let (current, outdated): (Vec<_>, Vec<_>) =
                mine.iter().partition(|worker| worker.images().all(|digest| self.sets.has(principal, digest)));
            let outdated: Vec<_> = outdated.into_iter().filter(|worker| is_idle(worker)).cloned().collect();
            // One worker stays, whether or not it is idle.
            let spared = mine.len() - outdated.len();
            idle.extend(current.into_iter().filter(|worker| is_idle(worker)).take(spared.saturating_sub(1)).cloned());
            idle.extend(outdated);
        }
        drop(homes);
        idle.iter().for_each(|worker| self.evict(worker));
        self.evict_surplus(None);
    }
}

/// A worker process that takes no orders yet. Ended when dropped.
struct Unready<'a> {
    child: Option<Child>,
    spawner: &'a Spawner,
}

impl Unready<'_> {
    /// Why the worker is gone. One that was killed from outside is no sign of what will
    /// become of the next.
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

async fn write_frames(writer: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Frame>, worker: Weak<Worker>) {
    while let Some(frame) = frames.recv().await {
        if let Some(worker) = worker.upgrade() {
            worker.write(&frame);
        }
        let Frame { bytes, attached, .. } = frame;
        let descriptor = attached.as_ref().map(|attached| attached.as_fd());
        if let Err(error) = frame::write_async(&writer, &bytes, descriptor).await {
            tracing::debug!(%error, "a worker stopped reading");
            return;
        }
    }
}

async fn read_frames(mut reader: BufReader<OwnedReadHalf>, pool: Weak<Pool>, worker: Arc<Worker>) {
    loop {
        let message = frame::read_async::<FromWorker>(&mut reader, || worker.frame_bytes()).await;
        let Some(pool) = pool.upgrade() else { return };
        match message {
            Ok(Some(_)) if worker.is_flooded() => {
                tracing::error!("a worker asks without reading the answers");
                return pool.forget_worker(&worker);
            }
            Ok(Some(message)) => {
                if let Err(lie) = worker.check(&message) {
                    tracing::error!(%lie, "a worker lied and is ended");
                    return pool.lost_to(&worker, message.run());
                }
                pool.handle(&worker, message);
            }
            Ok(None) => return pool.forget_worker(&worker),
            Err(error) => {
                tracing::error!(%error, "a worker broke the protocol and is ended");
                return pool.forget_worker(&worker);
            }
        }
    }
}
