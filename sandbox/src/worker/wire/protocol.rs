//! What server and worker say to each other. Nothing else is shared between
//! the two processes, apart from the descriptors of compiled images that come
//! with [`Preparation::Load`].
//!
//! A worker is prepared first, by [`Preparation`] and [`Prepared`]; from then
//! on it is confined, and the two speak [`ToWorker`] and [`FromWorker`].
//!
//! The server does not trust a worker: frames and lists are bounded, what was not
//! asked for ends it (`worker/pool/expected.rs`), and nothing in them is a path or a command.

use std::path::PathBuf;

use guest_runtimes::Instance;
use jailer::{Refusal, WorkerWall};
use serde::{Deserialize, Serialize};

use crate::handle::SessionId;
use crate::mounts::{HeldMount, MountAccess};
use crate::run::calls::{Answer, GuestCall};
use crate::run::order::Task;
use crate::run::stream::Stream;
use crate::worker::wire::report::WorkerReport;
use crate::workspace::link::Link;

/// How much output one message has at most.
pub(crate) const OUTPUT_CHUNK_BYTES: usize = 64 << 10;
/// What the server says to a worker that is not confined yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Preparation {
    /// Load the compiled image whose descriptor comes with this frame.
    Load {
        /// The digest of the image that it was compiled from.
        image: String,
        /// How many slots to keep warm at most.
        warm: usize,
        /// The version of the guest ABI that it should speak.
        abi: u32,
        /// What an instance takes.
        instance: Instance,
    },
    /// Show guests the folder whose descriptor comes with this frame.
    Mount(MountName),
    /// All has been sent; no code can be loaded after it.
    Confine(Bounds),
}

/// What a mount is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountName {
    /// Where guests see it.
    pub(crate) destination: PathBuf,
    pub(crate) access: MountAccess,
}

impl From<&HeldMount> for MountName {
    fn from(mount: &HeldMount) -> Self {
        Self { destination: mount.destination.clone(), access: mount.access }
    }
}

/// What a worker is to keep itself to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// What runs will name as their files lies below it.
    pub(crate) directory: PathBuf,
    /// How many runs there are at once at most.
    pub(crate) runs: usize,
    /// Whether it gives way to the server on the processors.
    pub(crate) gives_way: bool,
}

/// What a worker says that is not confined yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Prepared {
    /// An image is loaded, and none of it has run.
    Loaded {
        image: String,
        /// How much memory an instance starts with.
        initial_bytes: u64,
        /// Whether slots are reset in place, or made anew for each run.
        resets: bool,
    },
    /// An image cannot be loaded.
    LoadFailed { image: String, reason: String },
    /// The worker takes orders from now on.
    Confined {
        wall: WorkerWall,
        /// How much memory of its own it has mapped.
        data_bytes: u64,
    },
    /// The worker cannot be confined, and ends.
    Refused(Refusal),
}

/// What the server says to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// Run a program. With one in a session comes the descriptor of a
    /// [`Transfer`](crate::worker::Transfer).
    Run(Box<RunOrder>),
    /// Stop a run.
    Cancel { run: u64 },
    /// Drop the interpreter states of a session.
    CloseSession { session: SessionId },
    /// The answer to [`FromWorker::MemoryAsk`].
    MemoryAnswer { ask: u64, granted: bool },
    /// Give unused memory back.
    MemoryRecall,
    /// The answer to [`FromWorker::Call`].
    Answer { run: u64, call: u32, answer: Answer },
}

/// One program to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunOrder {
    /// Names the run on this connection.
    pub(crate) run: u64,
    pub(crate) runtime: String,
    /// The digest of the image to run in, which was loaded before.
    pub(crate) image: String,
    pub(crate) session: Option<SessionOrder>,
    pub(crate) workspace: PathBuf,
    /// The symbolic links in the workspace.
    pub(crate) links: Vec<Link>,
    pub(crate) task: Task,
    /// Whether to send output as it comes.
    pub(crate) live: bool,
    /// Whether somebody sees what is displayed while the run goes on.
    pub(crate) shown: bool,
    /// Other languages and the packages that each has, as a guest is told.
    pub(crate) elsewhere: String,
    /// Whether clocks and random bytes are to be the same in every run.
    pub(crate) deterministic: bool,
    /// What the program sees beside its workspace: all that this worker was given,
    /// or it does not run here.
    pub(crate) mounts: Vec<MountName>,
}

/// The session that a run belongs to, and where its interpreter is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionOrder {
    pub(crate) id: SessionId,
    pub(crate) interpreter: Interpreter,
}

impl SessionOrder {
    /// How many bytes of an interpreter come with the order.
    pub(crate) fn brought_bytes(&self) -> u64 {
        match &self.interpreter {
            Interpreter::Saved { lengths, .. } => lengths.iter().map(|length| u64::from(*length)).sum(),
            Interpreter::Live | Interpreter::New => 0,
        }
    }
}

/// Where the interpreter of a session is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Interpreter {
    /// The interpreter is in the worker, as the last run left it.
    Live,
    /// There is no interpreter yet.
    New,
    /// The interpreter is in the transfer that comes with the order.
    Saved {
        /// The lengths of the parts, oldest first, the tail last.
        lengths: Vec<u32>,
        /// What the worker said of it when it was saved.
        state: Vec<u8>,
    },
}

/// What a worker says to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// Output of a run that is going on.
    Output { run: u64, stream: Stream, bytes: Vec<u8> },
    /// The program of a run that is going on calls its host.
    Call {
        run: u64,
        /// Names the call in its run.
        number: u32,
        call: GuestCall,
    },
    /// A run has ended.
    Finished { run: u64, report: Box<WorkerReport> },
    /// A run could not be carried out, through a fault of the host, or because
    /// the machine is short of something that others give back.
    Failed { run: u64, reason: String, passes: bool },
    /// A run goes on with an interpreter that is not in this worker. It has not
    /// begun.
    NotHere { run: u64 },
    /// There is no memory for the session that a run belongs to, and how large
    /// that is.
    NoMemory { run: u64, mebibytes: u64 },
    /// The worker is about to end because of this run.
    Fault { run: u64 },
    /// May this worker use so many more bytes?
    MemoryAsk {
        /// Names the question.
        ask: u64,
        bytes: u64,
    },
    /// So many bytes are not needed any more.
    MemoryReturn { bytes: u64 },
}

impl FromWorker {
    /// The run that the message is about.
    pub(crate) const fn run(&self) -> Option<u64> {
        match self {
            Self::Output { run, .. }
            | Self::Call { run, .. }
            | Self::Finished { run, .. }
            | Self::Failed { run, .. }
            | Self::NotHere { run }
            | Self::NoMemory { run, .. }
            | Self::Fault { run } => Some(*run),
            Self::MemoryAsk { .. } | Self::MemoryReturn { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::damage::try_damaged;
    use crate::run::limits::{Resource, Usage};
    use crate::run::outcome::{GuestError, MAX_RICH_OUTPUTS, Output, RichOutput, Status, Trap};
    use crate::run::report::{MAX_FILES, RunReport};
    use crate::worker::wire::report::{Capture, MAX_PARTS};
    use crate::workspace::entry::FileEntry;

    fn report() -> Box<WorkerReport> {
        let mut usage = Usage::default();
        usage.set(Resource::Fuel, u64::MAX);
        let text = |count: usize| "text ".repeat(count);
        let ran = RunReport {
            status: Status::Trapped(Trap::WorkerLost),
            stdout: Output { head: vec![1; 300], tail: vec![2; 20], bytes_seen: 1 << 40 },
            stderr: Output::default(),
            result: Some(text(4)),
            error: Some(GuestError { name: text(1), value: text(2), traceback: text(30) }),
            outputs: vec![RichOutput(vec![("text/plain".into(), text(3)), ("image/png".into(), text(20))]); 3],
            files: (0..20).map(|size| FileEntry { path: text(1), size_bytes: size << 20, is_link: false }).collect(),
            usage,
            workspace_changed: true,
            workspace_empty: false,
        };
        let capture = Some(Capture { keep: 3, parts: vec![1 << 20; 5], tail: vec![300; 2], state: vec![7; 200] });
        Box::new(WorkerReport { ran, warm: true, capture, resident_bytes: 1 << 30 })
    }

    fn encode(message: &FromWorker) -> Vec<u8> {
        postcard::to_stdvec(message).unwrap()
    }

    #[test]
    fn a_damaged_message_of_a_worker_is_an_error_or_another_message() {
        let reason = || "because ".repeat(9);
        let messages = [
            FromWorker::Output { run: 300, stream: Stream::Stderr, bytes: vec![0xff; 500] },
            FromWorker::Call { run: 7, number: 9, call: GuestCall { name: reason(), bytes: vec![1; 300] } },
            FromWorker::Finished { run: 7, report: report() },
            FromWorker::Failed { run: 1 << 50, reason: reason(), passes: false },
            FromWorker::NotHere { run: 1 << 50 },
            FromWorker::NoMemory { run: 9, mebibytes: 300 },
            FromWorker::Fault { run: 9 },
            FromWorker::MemoryAsk { ask: 1, bytes: 1 << 25 },
            FromWorker::MemoryReturn { bytes: 1 << 25 },
        ];
        try_damaged(&messages.each_ref().map(encode), |bytes| postcard::from_bytes::<FromWorker>(bytes));
    }

    #[test]
    fn a_report_with_longer_lists_than_any_run_makes_is_refused() {
        type Change = fn(&mut WorkerReport, usize);
        let changes: [(Change, usize); 5] = [
            (|report, count| report.ran.files = vec![report.ran.files[0].clone(); count], MAX_FILES),
            (|report, count| report.ran.outputs = vec![RichOutput(Vec::new()); count], MAX_RICH_OUTPUTS),
            (|report, count| report.ran.outputs[0].0 = vec![Default::default(); count], MAX_RICH_OUTPUTS),
            (|report, count| report.capture.as_mut().unwrap().parts = vec![0; count], MAX_PARTS),
            (|report, count| report.capture.as_mut().unwrap().tail = vec![0; count], MAX_PARTS),
        ];
        for (change, bound) in changes {
            let decode_with = |count| {
                let mut report = report();
                change(&mut report, count);
                postcard::from_bytes::<FromWorker>(&encode(&FromWorker::Finished { run: 7, report }))
            };
            decode_with(bound).unwrap();
            decode_with(bound + 1).unwrap_err();
        }
    }
}
