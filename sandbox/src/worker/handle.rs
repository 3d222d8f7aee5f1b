//! One worker as the server sees it: its connection, its process, and the runs
//! that are going on in it.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::expected::Expected;
use super::frame;
use super::pool::{Allowance, Baseline, Needs};
use super::protocol::ToWorker;
use crate::error::Error;
use crate::executor::memory_budget::Share;
use crate::handle::SessionId;
use crate::lock::lock;
use crate::run::report::RunReport;
use crate::run::stream::LiveOutput;

/// How a run that reached a worker ended.
pub(crate) enum RunEnd {
    /// In order.
    Report(Box<RunReport>),
    /// With its worker.
    WorkerLost,
}

/// The bytes of a message, and the descriptor that goes with it.
pub(super) type Frame = (Vec<u8>, Option<Arc<dyn AsFd + Send + Sync>>);

/// A worker process as the server sees it.
pub(super) struct Worker {
    pub(super) sender: mpsc::UnboundedSender<Frame>,
    /// How many messages wait to be written.
    pub(super) queued: Arc<AtomicUsize>,
    /// The digests of the images that it was sent: all that it will have.
    pub(super) images: HashSet<String>,
    pub(super) runs: Mutex<HashMap<u64, Entry>>,
    /// What it has not answered, also where nobody waits any more.
    pub(super) expected: Mutex<Expected>,
    /// The run that the worker blamed for its end.
    pub(super) fault: Mutex<Option<u64>>,
    /// What its guests have grown by.
    pub(super) leased: Mutex<Share>,
    /// What it had mapped before it took orders.
    pub(super) baseline: Baseline,
    /// The most runs that it had at once.
    pub(super) most_runs: AtomicU64,
    /// What the kernel lets it use.
    pub(super) allowance: Mutex<Allowance>,
    pub(super) child: Mutex<Option<Child>>,
    pub(super) dead: AtomicBool,
    pub(super) last_used: Mutex<Instant>,
    /// Sessions that left it, which it has not been told yet.
    pub(super) left: Mutex<Vec<SessionId>>,
}

/// A run that is going on in a worker.
pub(super) struct Entry {
    pub(super) done: oneshot::Sender<Result<RunEnd, Error>>,
    pub(super) live: Option<LiveOutput>,
    pub(super) needs: Needs,
}

impl Worker {
    /// Sends a message without waiting.
    pub(super) fn send(&self, message: &ToWorker) {
        match frame::encode(message) {
            // A worker that is gone is noticed where its output ends.
            Ok(bytes) => {
                self.queued.fetch_add(1, Ordering::Relaxed);
                drop(self.sender.send((bytes, None)));
            }
            Err(error) => tracing::error!(%error, "a message to a worker could not be written"),
        }
    }

    /// Tells whoever waits for a run how it ended.
    pub(super) fn end_run(&self, run: u64, end: Result<RunEnd, Error>) {
        *lock(&self.last_used) = Instant::now();
        if let Some(entry) = lock(&self.runs).remove(&run) {
            let _ = entry.done.send(end);
        }
    }
}

/// Stops a run that nobody waits for any more.
pub(super) struct RunGuard {
    pub(super) worker: Arc<Worker>,
    pub(super) number: u64,
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        if lock(&self.worker.runs).remove(&self.number).is_some() {
            self.worker.send(&ToWorker::Cancel { run: self.number });
        }
    }
}
