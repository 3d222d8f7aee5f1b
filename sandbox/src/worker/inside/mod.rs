//! The worker's loop, once it is prepared: takes orders, runs each, and keeps the slots of sessions
//! and the warm ones.
//!
//! Every thread can take orders, one at a time does: the one that gets work to
//! do passes the connection on to another and does it itself, so that a run
//! costs no hand-over between threads. Some thread always reads, so a
//! cancellation always gets through: the last one leaves work for the next that
//! is free. All threads are started before the process confines itself. When the
//! server is gone the process ends at once, whatever its guests do.

mod lease;
mod preparation;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use nix::sys::prctl::set_thp_disable;
use nix::sys::resource::{Resource as KernelResource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use parking_lot::Mutex;
use wasmtime::Engine;

use self::lease::{Lease, Writer, send};
use self::preparation::Loaded;
use super::wire::frame;
use super::wire::protocol::{FromWorker, Interpreter, MountName, OUTPUT_CHUNK_BYTES, RunOrder, SessionOrder, ToWorker};
use super::wire::report::{Capture, WorkerReport};
use super::wire::transfer::Transfer;
use crate::error::{Error, IoContext as _};
use crate::handle::SessionId;
use crate::mounts::HeldMount;
use crate::run::abi::GuestRequest;
use crate::run::limits::Resource;
use crate::run::report::{MAX_FILES, MAX_FILES_BYTES, RunReport};
use crate::run::stream::LiveOutput;
use crate::sys;
use crate::wasm::calls::RunCalls;
use crate::wasm::{Determinism, DiskQuota, Image, Links, MemoryLease, RunControl, RunParts, Slot, Stdio};
use crate::workspace::Workspace;
use crate::workspace::entry::FileEntry;

/// The process of a worker. Returns when the server closes the connection.
pub(crate) fn main() -> ExitCode {
    let stream = UnixStream::from(sys::own_standard_input());
    let Ok(writer) = stream.try_clone() else { return ExitCode::FAILURE };
    // Files that guests make may be read by others, who get no further than the workspace.
    umask(Mode::from_bits_truncate(0o022));
    // Guests of all runs share this process's descriptors; each has a limit of
    // its own. And a crash must not write their memory to disk.
    // And a huge page that the kernel puts in the place of small ones takes in
    // pages that no guest ever had a page fault for: see `wasm/memory/dirty.rs`.
    let limited = getrlimit(KernelResource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(KernelResource::RLIMIT_NOFILE, hard, hard))
        .and_then(|()| setrlimit(KernelResource::RLIMIT_CORE, 0, 0))
        .and_then(|()| set_thp_disable(true));
    if let Err(error) = limited {
        tracing::error!(%error, "a worker cannot set its own limits");
        return ExitCode::FAILURE;
    }
    match prepare(stream, writer) {
        Ok(Some(shared)) => {
            shared.take_orders();
            ExitCode::FAILURE
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(reason = error.with_causes(), "a worker cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Loads what the server sends, starts all threads, and confines this process.
/// `None` when the server went away instead.
fn prepare(stream: UnixStream, writer: UnixStream) -> Result<Option<Arc<Shared>>, Error> {
    let Some(Loaded { images, abis, mounts, bounds }) = preparation::load_all(&stream)? else { return Ok(None) };
    let shared = Arc::new(Shared::new(images, mounts, stream, writer));
    // No other thread takes an order before this process is confined.
    let reader = shared.reader.lock();
    preparation::confine(&reader, &bounds, &shared.mounts, (&shared.images, &abis), || {
        shared.start_threads(bounds.runs)
    })?;
    drop(reader);
    Ok(Some(shared))
}

/// Work for a thread that has passed the connection on.
enum Work {
    /// A run that this process was asked for.
    Run { order: Box<RunOrder>, control: Arc<RunControl>, transfer: Option<Transfer> },
    /// Interpreters of closed sessions are to be reset.
    ResetClosed,
}

/// The interpreter of a session between two runs.
struct Kept {
    image: Arc<Image>,
    slot: Slot,
}

/// What the threads of a worker share.
struct Shared {
    /// The connection; whoever holds it takes orders.
    reader: Mutex<UnixStream>,
    /// How many threads wait to take orders.
    waiting: AtomicUsize,
    writer: Arc<Writer>,
    lease: Arc<Lease>,
    /// Loaded images by digest.
    images: HashMap<String, Arc<Image>>,
    /// What guests see beside their workspace.
    mounts: Arc<[HeldMount]>,
    sessions: Mutex<HashMap<SessionId, HashMap<String, Kept>>>,
    /// Interpreters of sessions that were closed, yet to be reset.
    closed: Mutex<Vec<Kept>>,
    controls: Mutex<HashMap<u64, Arc<RunControl>>>,
    /// Work that no thread was left for but the one that reads.
    backlog: Mutex<VecDeque<Work>>,
}

impl Shared {
    fn new(
        images: HashMap<String, Arc<Image>>,
        mounts: Arc<[HeldMount]>,
        reader: UnixStream,
        writer: UnixStream,
    ) -> Self {
        let writer = Arc::new(Mutex::new(writer));
        Self {
            reader: Mutex::new(reader),
            waiting: AtomicUsize::new(0),
            lease: Arc::new(Lease::new(Arc::clone(&writer))),
            writer,
            images,
            mounts,
            sessions: Mutex::default(),
            closed: Mutex::default(),
            controls: Mutex::default(),
            backlog: Mutex::default(),
        }
    }

    /// Starts as many threads as there are runs at once: with the first thread
    /// there is one more, which reads.
    fn start_threads(self: &Arc<Self>, runs: usize) -> io::Result<()> {
        Engine::tls_eager_initialize();
        let ready = Arc::new(Barrier::new(runs + 1));
        for _ in 0..runs {
            let (shared, begun) = (Arc::clone(self), Arc::clone(&ready));
            std::thread::Builder::new().name("run".into()).spawn(move || {
                // The engine asks for memory of each thread that it could not get behind the wall.
                Engine::tls_eager_initialize();
                begun.wait();
                shared.take_orders();
            })?;
        }
        ready.wait();
        Ok(())
    }

    fn take_orders(self: &Arc<Self>) {
        loop {
            let work = self.next_work();
            let number = if let Work::Run { order, .. } = &work { Some(order.run) } else { None };
            // A panic in a host function is a bug of ours: its instance is in
            // an unknown state, and so may be what it shares with others.
            let outcome = catch_unwind(AssertUnwindSafe(|| match work {
                Work::Run { order, control, transfer } => self.run_one(*order, control, transfer),
                Work::ResetClosed => self.reset_closed(),
            }));
            if outcome.is_err() {
                if let Some(run) = number {
                    send(&self.writer, &FromWorker::Fault { run });
                }
                std::process::abort();
            }
        }
    }

    /// Takes messages until one is work, and leaves another thread to take the
    /// next: where there is none, it leaves the work. Does not return when the
    /// connection ends.
    fn next_work(self: &Arc<Self>) -> Work {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // The backlog is looked at after this thread said that it waits: whoever leaves
        // work looks at that after.
        if let Some(left) = self.take_backlog() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return left;
        }
        let stream = self.reader.lock();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        loop {
            let (message, descriptor) = match frame::read::<ToWorker>(&stream) {
                Ok(Some(message)) => message,
                Ok(None) => std::process::exit(0),
                Err(error) => {
                    tracing::error!(%error, "the connection to the server broke");
                    std::process::exit(1);
                }
            };
            let work = match message {
                ToWorker::Run(order) => {
                    let control = Arc::new(RunControl::default());
                    self.controls.lock().insert(order.run, Arc::clone(&control));
                    Work::Run { order, control, transfer: descriptor.map(Transfer::received) }
                }
                ToWorker::CloseSession { session } => {
                    self.forget(&session);
                    // The reading thread drops them where no thread is free: many
                    // sessions may end at once.
                    if self.waiting.load(Ordering::SeqCst) == 0 {
                        self.take_closed().for_each(|kept| self.drop_slot(kept.slot));
                        continue;
                    }
                    Work::ResetClosed
                }
                message => {
                    // A thread that fails here leaves nobody to read.
                    if catch_unwind(AssertUnwindSafe(|| self.obey(message))).is_err() {
                        std::process::abort();
                    }
                    continue;
                }
            };
            if self.waiting.load(Ordering::SeqCst) == 0 {
                // A thread that took this work would leave nobody to hear a cancellation.
                self.backlog.lock().push_back(work);
                if self.waiting.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                match self.take_backlog() {
                    Some(left) => return left,
                    None => continue,
                }
            }
            return work;
        }
    }

    fn take_backlog(&self) -> Option<Work> {
        self.backlog.lock().pop_front()
    }

    /// Does at once what a message says that is no run. Never waits for a guest.
    fn obey(&self, message: ToWorker) {
        match message {
            ToWorker::Cancel { run } => {
                if let Some(control) = self.controls.lock().get(&run) {
                    control.cancel();
                }
            }
            ToWorker::MemoryAnswer { ask, granted } => self.lease.answer(ask, granted),
            ToWorker::MemoryRecall => self.lease.release_all(),
            ToWorker::Answer { run, call, answer } => {
                // The run may have ended meanwhile.
                if let Some(control) = self.controls.lock().get(&run) {
                    control.answer(call, answer);
                }
            }
            ToWorker::Run(_) | ToWorker::CloseSession { .. } => {}
        }
    }

    fn run_one(&self, order: RunOrder, control: Arc<RunControl>, transfer: Option<Transfer>) {
        let number = order.run;
        let image = self.images.get(&order.image).cloned();
        let result = match image {
            Some(image) => self
                .run_in(&image, order, control, transfer.as_ref())
                .map(|(report, leftover)| (report, Some((image, leftover)))),
            None => Err(Error::host("run a program", "its guest image is not loaded")),
        };
        self.controls.lock().remove(&number);
        match result {
            Ok((report, leftover)) => {
                send(&self.writer, &FromWorker::Finished { run: number, report: Box::new(report) });
                // Closed sessions are reset after the reply: cleaning up is not the caller's time.
                self.reset_closed();
                match leftover {
                    Some((image, Some(slot))) => self.reuse(&image, slot),
                    // The session kept its own slot.
                    Some((image, None)) => {
                        let lease: Arc<dyn MemoryLease> = Arc::clone(&self.lease) as _;
                        image.make_ready(&lease);
                    }
                    None => {}
                }
            }
            Err(Error::Busy { limit, .. }) => {
                send(&self.writer, &FromWorker::NoMemory { run: number, mebibytes: limit as u64 });
            }
            Err(Error::Interrupted) => send(&self.writer, &FromWorker::NotHere { run: number }),
            Err(error) => {
                let passes = matches!(error, Error::Exhausted { .. });
                send(&self.writer, &FromWorker::Failed { run: number, reason: error.with_causes(), passes });
            }
        }
    }

    /// Runs an order, and gives back the slot if no session keeps it.
    fn run_in(
        &self,
        image: &Arc<Image>,
        mut order: RunOrder,
        control: Arc<RunControl>,
        transfer: Option<&Transfer>,
    ) -> Result<(WorkerReport, Option<Slot>), Error> {
        if !self.mounts.iter().map(MountName::from).eq(order.mounts.iter().cloned()) {
            return Err(Error::host("run a program", "its worker has not the mounts that it is granted"));
        }
        let workspace = Arc::new(Workspace::open(order.workspace.clone())?);
        let before = workspace.survey()?;
        let mut slot = self.slot(image, &order, &workspace, transfer)?;
        let warm = slot.uses() > 0;
        let live: Option<LiveOutput> = order.live.then(|| {
            let (writer, run) = (Arc::clone(&self.writer), order.run);
            let sink: LiveOutput = Box::new(move |stream, bytes| {
                for bytes in bytes.chunks(OUTPUT_CHUNK_BYTES) {
                    send(&writer, &FromWorker::Output { run, stream, bytes: bytes.to_vec() });
                }
            });
            sink
        });
        let (writer, run) = (Arc::clone(&self.writer), order.run);
        let call = move |number, call| send(&writer, &FromWorker::Call { run, number, call });
        let parts = RunParts {
            control,
            stdio: Stdio::new(
                std::mem::take(&mut order.task.program.stdin),
                order.task.limits.get(Resource::OutputBytes),
                &order.task.spool,
                live,
            ),
            quota: DiskQuota::new(Arc::clone(&workspace), &order.task.limits, before.disk_use),
            links: Links::new(std::mem::take(&mut order.links)),
            calls: RunCalls::new(Box::new(call)),
            limits: order.task.limits,
        };
        let mut request = GuestRequest {
            last: order.session.is_none(),
            shown: order.shown,
            elsewhere: &order.elsewhere,
            disk_bytes: order.task.limits.get(Resource::DiskBytes),
            disk_files: order.task.limits.get(Resource::DiskFiles),
            ..GuestRequest::new(&order.task.program, &order.task.limits)
        };
        let mut finished = match slot.run(&mut request, parts, order.session.is_some()) {
            Ok(finished) => finished,
            Err(error) => {
                self.drop_slot(slot);
                return Err(error);
            }
        };
        // The run has happened: what cannot be counted now is left out.
        let after = if finished.reached_files { workspace.survey() } else { Ok(before.clone()) };
        let (after, is_counted) = match after {
            Ok(after) => (after, true),
            Err(error) => {
                tracing::warn!(%error, "the files of a run could not be counted");
                (before.clone(), false)
            }
        };
        finished.usage.set(Resource::DiskBytes, after.disk_use.bytes);
        finished.usage.set(Resource::DiskFiles, after.disk_use.files);
        let capture = match transfer.filter(|_| finished.intact && order.session.is_some()) {
            Some(transfer) => match capture(&mut slot, image, transfer) {
                Ok(capture) => Some(capture),
                Err(error) => {
                    self.drop_slot(slot);
                    return Err(error);
                }
            },
            None => None,
        };
        let ran = RunReport {
            files: some_of(after.changes_since(&before)),
            workspace_empty: is_counted && after.is_empty(),
            status: finished.status,
            stdout: finished.stdout,
            stderr: finished.stderr,
            result: finished.result,
            error: finished.error,
            outputs: finished.outputs,
            usage: finished.usage,
            workspace_changed: !is_counted || !before.is_all_unchanged(&after),
        };
        let report = WorkerReport { ran, warm, capture, resident_bytes: slot.own_bytes() };
        match order.session.filter(|_| report.capture.is_some()) {
            Some(session) => {
                let kept = Kept { image: Arc::clone(image), slot };
                self.sessions.lock().entry(session.id).or_default().insert(order.runtime, kept);
                Ok((report, None))
            }
            None => Ok((report, Some(slot))),
        }
    }

    /// The slot that an order asks for: the session's, one with its saved
    /// state, or one in the state of the image.
    fn slot(
        &self,
        image: &Image,
        order: &RunOrder,
        workspace: &Workspace,
        transfer: Option<&Transfer>,
    ) -> Result<Slot, Error> {
        let mut saved = None;
        if let Some(SessionOrder { id, interpreter }) = &order.session {
            let live = self.sessions.lock().get_mut(id).and_then(|slots| slots.remove(&order.runtime));
            match (interpreter, live) {
                (Interpreter::Live, Some(kept)) => return Ok(kept.slot),
                (Interpreter::Live, None) => {
                    tracing::error!(session = %id, "the interpreter of a session is not where it was");
                    return Err(Error::Interrupted);
                }
                (_, Some(outdated)) => self.drop_slot(outdated.slot),
                (_, None) => {}
            }
            if let Interpreter::Saved { lengths, state } = interpreter {
                saved = Some((lengths, state));
            }
        }
        let lease: Arc<dyn MemoryLease> = Arc::clone(&self.lease) as _;
        let mut slot = image.take(&lease)?;
        let determinism = order.deterministic.then(Determinism::default);
        let opened = slot.open(workspace, &self.mounts, determinism).and_then(|()| match (saved, transfer) {
            (Some((lengths, state)), Some(transfer)) => {
                let doing = || "take over a saved session".to_owned();
                let parts = transfer.parts(lengths.clone()).collect::<io::Result<Vec<_>>>().doing(doing)?;
                transfer.clear().doing(doing)?;
                slot.restore(state, &parts)
            }
            (Some(_), None) => Err(Error::host("take over a saved session", "nothing came with the order")),
            (None, _) => Ok(()),
        });
        match opened {
            Ok(()) => Ok(slot),
            Err(error) => {
                self.drop_slot(slot);
                Err(error)
            }
        }
    }

    /// Takes the interpreters of a session out of the way.
    fn forget(&self, session: &SessionId) {
        let kept = self.sessions.lock().remove(session);
        self.closed.lock().extend(kept.into_iter().flat_map(HashMap::into_values));
    }

    fn take_closed(&self) -> impl Iterator<Item = Kept> + use<> {
        std::mem::take(&mut *self.closed.lock()).into_iter()
    }

    /// Resets the interpreters of closed sessions, for others to use.
    fn reset_closed(&self) {
        self.take_closed().for_each(|kept| self.reuse(&kept.image, kept.slot));
    }

    fn reuse(&self, image: &Image, slot: Slot) {
        if slot.grown_bytes() > 0 {
            self.drop_slot(slot);
        } else {
            image.give_back(slot);
        }
    }

    fn drop_slot(&self, slot: Slot) {
        let grown = slot.grown_bytes();
        drop(slot);
        self.lease.release(grown);
    }
}

/// Saves the interpreter in `slot` into the transfer.
fn capture(slot: &mut Slot, image: &Image, transfer: &Transfer) -> Result<Capture, Error> {
    let (delta, state) = slot.capture(image)?;
    let append = |parts: &[Vec<u8>]| parts.iter().map(|part| transfer.append(part)).collect::<io::Result<_>>();
    let handed_over = transfer.clear().and_then(|()| Ok((append(&delta.parts)?, append(&delta.tail)?)));
    let (parts, tail) = handed_over.doing(|| "hand over the state of a session".into())?;
    Ok(Capture { keep: delta.keep, parts, tail, state })
}

fn some_of(files: Vec<FileEntry>) -> Vec<FileEntry> {
    let mut bytes = 0;
    let fits = |file: &FileEntry| {
        bytes += file.path.len();
        bytes <= MAX_FILES_BYTES
    };
    files.into_iter().take(MAX_FILES).take_while(fits).collect()
}
