//! What server and worker say to each other. Nothing else is shared between
//! the two processes, apart from the descriptors of compiled images that come
//! with [`ToWorker::Load`].
//!
//! The server does not trust a worker: frames are bounded, numbers that name
//! nothing are ignored, and nothing in them is a path or a command.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::handle::SessionId;
use crate::limits::{Limits, Usage};
use crate::outcome::{FileEntry, GuestError, Output, RichOutput, Status};
use crate::wasm::Stream;

/// From the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// Load the compiled image whose descriptor comes with this frame.
    Load {
        /// The language id.
        runtime: String,
        /// How many slots to keep warm.
        warm: usize,
    },
    /// Run a program. With one in a session comes the descriptor of a
    /// [`Transfer`](super::Transfer).
    Run(Box<RunOrder>),
    /// Stop a run.
    Cancel { run: u64 },
    /// Drop the interpreter states of a session.
    CloseSession { session: SessionId },
    /// The answer to [`FromWorker::MemoryAsk`].
    MemoryAnswer { ask: u64, granted: bool },
    /// Give unused memory back.
    MemoryRecall,
}

/// One program to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunOrder {
    /// Names the run on this connection.
    pub(crate) run: u64,
    pub(crate) runtime: String,
    pub(crate) session: Option<SessionOrder>,
    pub(crate) workspace: PathBuf,
    /// Where output past its budget goes: a path without extension.
    pub(crate) spool: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) code: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) stdin: Vec<u8>,
    /// Whether to send output as it comes.
    pub(crate) live: bool,
    /// Whether clocks and random bytes are to be the same in every run.
    pub(crate) deterministic: bool,
}

/// The session that a run belongs to, and where its interpreter is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionOrder {
    pub(crate) id: SessionId,
    pub(crate) interpreter: Interpreter,
}

/// Where the interpreter of a session is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Interpreter {
    /// In the worker, as the last run left it.
    Live,
    /// There is none yet.
    New,
    /// In the transfer that comes with the order.
    Saved {
        /// Of its parts, oldest first, the tail last.
        lengths: Vec<u32>,
        /// What the worker said of it when it was saved.
        state: Vec<u8>,
    },
}

/// An interpreter as a worker saved it after a run. The bytes are in the
/// transfer; nobody but a worker reads them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Capture {
    /// How many of the parts that were saved before still count.
    pub(crate) keep: usize,
    /// The lengths of new parts, which follow those.
    pub(crate) parts: Vec<u32>,
    /// The lengths of the parts of the new tail.
    pub(crate) tail: Vec<u32>,
    /// To be given back with [`Interpreter::Saved`].
    pub(crate) state: Vec<u8>,
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// An image is loaded.
    Loaded {
        runtime: String,
        /// How much memory an instance starts with.
        initial_bytes: u64,
        /// Whether slots are reset in place, or made anew for each run.
        resets: bool,
    },
    /// An image cannot be loaded.
    LoadFailed { runtime: String, reason: String },
    /// Output of a run that is going on.
    Output { run: u64, stream: Stream, bytes: Vec<u8> },
    /// A run has ended.
    Finished { run: u64, report: Box<RunReport> },
    /// A run could not be carried out, through a fault of the host.
    Failed { run: u64, reason: String },
    /// There is no memory for the session that a run belongs to.
    NoMemory { run: u64 },
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

/// How a run ended, as its worker saw it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunReport {
    pub(crate) status: Status,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) result: Option<String>,
    pub(crate) error: Option<GuestError>,
    pub(crate) outputs: Vec<RichOutput>,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) usage: Usage,
    /// Whether an instance was there already, reset or with the session's state.
    pub(crate) warm: bool,
    /// The session's interpreter, unless the run destroyed it.
    pub(crate) capture: Option<Capture>,
    /// How much memory of its image that interpreter has made its own.
    pub(crate) resident_bytes: u64,
    /// Whether anything in the workspace is different.
    pub(crate) workspace_changed: bool,
    /// Whether the workspace holds nothing.
    pub(crate) workspace_empty: bool,
}
