//! One worker as the server sees it: its connection, its process, and the runs
//! that are going on in it.

use std::collections::HashMap;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::expected::Expected;
use super::{Allowance, Baseline, Images, Needs};
use crate::error::Error;
use crate::handle::Principal;
use crate::memory_budget::Share;
use crate::run::calls::{Answer, GuestCall};
use crate::run::stream::LiveOutput;
use crate::worker::wire::frame;
use crate::worker::wire::protocol::ToWorker;
use crate::worker::wire::report::WorkerReport;

/// How a run that reached a worker ended.
pub(crate) enum RunEnd {
    /// In order.
    Report(Box<WorkerReport>),
    /// With its worker.
    WorkerLost,
}

/// A message that is to be written.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// The descriptor that goes with it.
    pub(crate) attached: Option<Arc<dyn AsFd + Send + Sync>>,
    /// The call of a run that it answers. Until it is written that is in flight: a
    /// worker that reads nothing has no more of them held.
    pub(crate) answers: Option<(u64, u32)>,
}

/// A worker process as the server sees it.
pub(crate) struct Worker {
    /// Whose runs it has.
    pub(crate) owner: Principal,
    /// How many runs go on in it or are about to.
    pub(crate) claims: AtomicUsize,
    pub(crate) sender: mpsc::UnboundedSender<Frame>,
    /// How many messages wait to be written.
    pub(crate) queued: Arc<AtomicUsize>,
    /// The images that it was sent: all that it will have.
    pub(crate) images: Images,
    pub(crate) runs: Mutex<HashMap<u64, Entry>>,
    /// What it has not answered, also where nobody waits any more.
    pub(crate) expected: Mutex<Expected>,
    /// The run that the worker blamed for its end.
    pub(crate) fault: Mutex<Option<u64>>,
    /// What its guests have grown by.
    pub(crate) leased: Mutex<Share>,
    /// What it had mapped before it took orders.
    pub(crate) baseline: Baseline,
    /// The most runs that it had at once.
    pub(crate) most_runs: AtomicU64,
    /// What the kernel lets it use.
    pub(crate) allowance: Mutex<Allowance>,
    pub(crate) child: Mutex<Option<Child>>,
    pub(crate) dead: AtomicBool,
    pub(crate) last_used: Mutex<Instant>,
}

/// A run that is going on in a worker.
pub(crate) struct Entry {
    pub(crate) done: oneshot::Sender<Result<RunEnd, Error>>,
    pub(crate) live: Option<LiveOutput>,
    /// Takes its calls, under their numbers.
    pub(crate) calls: mpsc::UnboundedSender<(u32, GuestCall)>,
    pub(crate) needs: Needs,
}

/// A run's claim to a worker, which is not ended for want of use meanwhile.
pub(crate) struct Claim(Arc<Worker>);

impl Claim {
    /// One more. Only under the lock under which whoever ends it looks.
    pub(crate) fn of(worker: &Arc<Worker>) -> Self {
        worker.claims.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(worker))
    }
}

impl Deref for Claim {
    type Target = Arc<Worker>;

    fn deref(&self) -> &Arc<Worker> {
        &self.0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.claims.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Worker {
    /// How many runs go on in it, or are about to.
    pub(crate) fn load(&self) -> usize {
        self.claims.load(Ordering::SeqCst)
    }

    /// Whether no run goes on in it, or is about to.
    pub(crate) fn is_idle(&self) -> bool {
        self.load() == 0 && self.runs.lock().is_empty()
    }

    /// Sends a message without waiting.
    pub(crate) fn send(&self, message: &ToWorker) {
        self.send_answering(message, None);
    }

    /// Answers a call of a run.
    pub(crate) fn answer(&self, run: u64, call: u32, answer: Answer) {
        self.send_answering(&ToWorker::Answer { run, call, answer }, Some((run, call)));
    }

    fn send_answering(&self, message: &ToWorker, answers: Option<(u64, u32)>) {
        match frame::encode(message) {
            // A worker that is gone is noticed where its output ends.
            Ok(bytes) => {
                self.queued.fetch_add(1, Ordering::Relaxed);
                drop(self.sender.send(Frame { bytes, attached: None, answers }));
            }
            Err(error) => tracing::error!(%error, "a message to a worker could not be written"),
        }
    }

    /// Tells whoever waits for a run how it ended.
    pub(crate) fn end_run(&self, run: u64, end: Result<RunEnd, Error>) {
        *self.last_used.lock() = Instant::now();
        if let Some(entry) = self.runs.lock().remove(&run) {
            let _ = entry.done.send(end);
        }
    }
}

/// Stops a run that nobody waits for any more.
pub(crate) struct RunGuard {
    pub(crate) worker: Arc<Worker>,
    pub(crate) number: u64,
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        if self.worker.runs.lock().remove(&self.number).is_some() {
            self.worker.send(&ToWorker::Cancel { run: self.number });
        }
    }
}
