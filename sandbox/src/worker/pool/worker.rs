//! One worker as the server sees it: its connection, its process, and the runs
//! that are going on in it.

use std::collections::HashMap;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::allowance::{Allowed, Baseline, Needs};
use super::expected::{Expectation, Expected, Lie};
use super::{CompiledImage, Images};
use crate::error::Error;
use crate::handle::Principal;
use crate::memory_budget::Share;
use crate::run::calls::{Answer, GuestCall};
use crate::run::stream::{LiveOutput, Stream};
use crate::worker::wire::frame;
use crate::worker::wire::protocol::{FromWorker, ToWorker};
use crate::worker::wire::report::WorkerReport;

/// How many messages may wait for a worker that goes on asking: far more than
/// runs, sessions and grants of memory that there are at once.
const MAX_QUEUED: usize = 100_000;

/// How a run that reached a worker ended.
pub(crate) enum RunEnd {
    /// The run ended in order.
    Report(Box<WorkerReport>),
    /// The run was lost with its worker.
    WorkerLost,
}

/// A message that is to be written.
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    /// The descriptor that goes with the message.
    pub(super) attached: Option<Arc<dyn AsFd + Send + Sync>>,
    /// The run and the call that the message answers. Until it is written the call is
    /// in flight: a worker that reads nothing has no more calls held.
    answers: Option<(u64, u32)>,
}

/// A worker process as the server sees it.
pub(super) struct Worker {
    /// Whose runs it has.
    owner: Principal,
    /// How many runs go on in it or are about to.
    claims: AtomicUsize,
    sender: mpsc::UnboundedSender<Frame>,
    /// How many messages wait to be written.
    queued: AtomicUsize,
    /// The images that it was sent: all that it will have.
    images: Images,
    runs: Mutex<HashMap<u64, Entry>>,
    /// Orders that the worker has not answered, also where nobody waits any more.
    expected: Mutex<Expected>,
    /// The run that the worker blamed for its end.
    fault: Mutex<Option<u64>>,
    /// What the guests of the worker have grown by.
    leased: Mutex<Share>,
    /// What the kernel lets the worker use.
    allowed: Allowed,
    child: Mutex<Option<Child>>,
    dead: AtomicBool,
    last_used: Mutex<Instant>,
}

/// A run that is going on in a worker.
pub(super) struct Entry {
    pub(super) done: oneshot::Sender<Result<RunEnd, Error>>,
    pub(super) live: Option<LiveOutput>,
    /// Takes its calls, under their numbers.
    pub(super) calls: mpsc::UnboundedSender<(u32, GuestCall)>,
    pub(super) needs: Needs,
}

/// A run's claim to a worker, which is not ended for want of use meanwhile.
pub(super) struct Claim(Arc<Worker>);

impl Claim {
    /// Claims the worker once more. Only under the lock under which whoever ends it looks.
    pub(super) fn of(worker: &Arc<Worker>) -> Self {
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
    /// A worker that is ready for orders, and the messages that it is to be sent.
    /// `nothing` is the empty share of what its guests will grow by.
    pub(super) fn new(
        owner: Principal,
        child: Option<Child>,
        images: Images,
        baseline: Baseline,
        nothing: Share,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Frame>) {
        let (sender, frames) = mpsc::unbounded_channel();
        let worker = Self {
            owner,
            claims: AtomicUsize::new(0),
            sender,
            queued: AtomicUsize::new(0),
            images,
            runs: Mutex::default(),
            expected: Mutex::default(),
            fault: Mutex::default(),
            leased: Mutex::new(nothing),
            allowed: Allowed::new(baseline),
            child: Mutex::new(child),
            dead: AtomicBool::new(false),
            last_used: Mutex::new(Instant::now()),
        };
        (Arc::new(worker), frames)
    }

    pub(super) const fn owner(&self) -> &Principal {
        &self.owner
    }

    /// The digests of its images.
    pub(super) fn images(&self) -> impl Iterator<Item = &str> {
        self.images.keys().map(String::as_str)
    }

    pub(super) fn image(&self, digest: &str) -> Option<Arc<CompiledImage>> {
        self.images.get(digest).cloned()
    }

    pub(super) fn has_image(&self, digest: &str) -> bool {
        self.images.contains_key(digest)
    }

    /// How many runs go on in it, or are about to.
    pub(super) fn load(&self) -> usize {
        self.claims.load(Ordering::SeqCst)
    }

    /// Whether no run goes on in it, or is about to.
    pub(super) fn is_idle(&self) -> bool {
        self.load() == 0 && self.runs.lock().is_empty()
    }

    pub(super) fn last_used(&self) -> Instant {
        *self.last_used.lock()
    }

    /// Whether nobody has used it for so long.
    pub(super) fn is_unused_for(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.last_used()) >= time
    }

    /// Whether nobody will find it any more.
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Lets nobody find it any more.
    pub(super) fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// Takes its process, for whoever ends it.
    pub(super) fn take_child(&self) -> Option<Child> {
        self.child.lock().take()
    }

    /// Sends a message without waiting.
    pub(super) fn send(&self, message: &ToWorker) {
        self.send_answering(message, None);
    }

    /// Answers a call of a run.
    pub(super) fn answer(&self, run: u64, call: u32, answer: Answer) {
        self.send_answering(&ToWorker::Answer { run, call, answer }, Some((run, call)));
    }

    fn send_answering(&self, message: &ToWorker, answers: Option<(u64, u32)>) {
        match frame::encode(message) {
            // A worker that is gone is noticed where its output ends.
            Ok(bytes) => drop(self.queue(Frame { bytes, attached: None, answers })),
            Err(error) => tracing::error!(%error, "a message to a worker could not be written"),
        }
    }

    fn queue(&self, frame: Frame) -> Result<(), mpsc::error::SendError<Frame>> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.sender.send(frame)
    }

    /// Takes note that a message is being written.
    pub(super) fn write(&self, frame: &Frame) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        if let Some((run, call)) = frame.answers {
            // The answer counts before it is written: a worker may be fast, and call again.
            self.expected.lock().answer_call(run, call);
        }
    }

    /// Whether the worker asks without reading the answers.
    pub(super) fn is_flooded(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > MAX_QUEUED
    }

    /// The largest message that it may send now.
    pub(super) fn frame_bytes(&self) -> usize {
        self.expected.lock().frame_bytes()
    }

    /// Checks a message of the worker.
    pub(super) fn check(&self, message: &FromWorker) -> Result<(), Lie> {
        self.expected.lock().check(message)
    }

    /// Lets a run begin, which is stopped if the guard is dropped before it has ended.
    pub(super) fn begin_run(self: &Arc<Self>, number: u64, entry: Entry) -> RunGuard {
        self.runs.lock().insert(number, entry);
        RunGuard { worker: Arc::clone(self), number }
    }

    /// Orders a run that was begun.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] when the worker died between choice and use: the order
    /// never reached it.
    pub(super) fn order(
        &self,
        (number, expectation): (u64, Expectation),
        bytes: Vec<u8>,
        attached: Option<Arc<dyn AsFd + Send + Sync>>,
    ) -> Result<(), Error> {
        self.expected.lock().add(number, expectation);
        if self.is_dead() || self.queue(Frame { bytes, attached, answers: None }).is_err() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Passes on what a run wrote.
    pub(super) fn output(&self, run: u64, stream: Stream, bytes: &[u8]) {
        if let Some(live) = self.runs.lock().get_mut(&run).and_then(|entry| entry.live.as_mut()) {
            live(stream, bytes);
        }
    }

    /// Passes on a call of a run.
    pub(super) fn call(&self, run: u64, number: u32, call: GuestCall) {
        // Whoever waited for the run may be gone, and has stopped it then.
        if let Some(entry) = self.runs.lock().get(&run) {
            let _ = entry.calls.send((number, call));
        }
    }

    /// Tells whoever waits for a run how it ended.
    pub(super) fn end_run(&self, run: u64, end: Result<RunEnd, Error>) {
        *self.last_used.lock() = Instant::now();
        if let Some(entry) = self.runs.lock().remove(&run) {
            let _ = entry.done.send(end);
        }
    }

    /// Remembers the run that is to blame when the worker ends.
    pub(super) fn blame(&self, run: u64) {
        *self.fault.lock() = Some(run);
    }

    /// Remembers that the run about which the worker lied is to blame, if that run goes on.
    pub(super) fn blame_known(&self, run: Option<u64>) {
        *self.fault.lock() = run.filter(|run| self.runs.lock().contains_key(run));
    }

    /// Tells everyone who waits for a run that the worker has ended.
    pub(super) fn lose_runs(&self) {
        let fault = *self.fault.lock();
        let runs: Vec<_> = self.runs.lock().drain().collect();
        let pid = self.child.lock().as_ref().map(Child::id);
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
    }

    /// Answers a guest that wants to grow: by `share`, or not.
    pub(super) fn answer_memory(&self, ask: u64, granted: bool) {
        self.expected.lock().answer_memory();
        self.send(&ToWorker::MemoryAnswer { ask, granted });
    }

    /// Takes over what a guest grows by.
    pub(super) fn lease(&self, share: Share) {
        self.leased.lock().merge(share);
    }

    /// Takes back what guests had grown by.
    pub(super) fn give_back(&self, bytes: u64) {
        self.leased.lock().give_back(bytes);
    }

    /// Lets the worker use what its runs, and so many `instances` of sessions, may use now.
    ///
    /// # Errors
    ///
    /// [`Error::Unconfined`] when the kernel does not bound it.
    pub(super) fn allow(&self, instances: u64) -> Result<(), Error> {
        let needed = || self.allowed.needed(&self.needs(), instances, self.leased.lock().bytes());
        self.allowed.raise(needed, &self.child)
    }

    /// Takes back what the worker does not need any more, if it is at rest.
    pub(super) fn tighten(&self, instances: u64, now: Instant) {
        let needed = || {
            let runs = self.needs();
            let is_at_rest = runs.is_empty() && self.is_unused_for(Allowed::REST_TIME, now);
            is_at_rest.then(|| self.allowed.needed(&runs, instances, self.leased.lock().bytes()))
        };
        self.allowed.lower(needed, &self.child);
    }

    fn needs(&self) -> Vec<Needs> {
        self.runs.lock().values().map(|entry| entry.needs).collect()
    }
}

/// Stops a run that nobody waits for any more.
pub(super) struct RunGuard {
    worker: Arc<Worker>,
    number: u64,
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        if self.worker.runs.lock().remove(&self.number).is_some() {
            self.worker.send(&ToWorker::Cancel { run: self.number });
        }
    }
}
