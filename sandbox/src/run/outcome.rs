//! What came of a run. A guest that fails, loops or is killed still has an
//! outcome.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::limits::{Limits, Resource};
use super::report::RunReport;
use crate::codec::bounded::at_most;
use crate::handle::{RunId, SessionId};

/// Everything there is to say about a finished run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The handle under which its files and full output can be read.
    pub run: RunId,
    /// What came of the program.
    pub report: RunReport,
    /// The session it ran in.
    pub session: Option<SessionReport>,
    /// What it was allowed to use.
    pub limits: Limits,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The program came to an end of its own: 0, or 1 when it raised, or its own code.
    Exited(i32),
    /// A signal ended the program (native programs only).
    Signaled(i32),
    /// The run was ended because it could not go on.
    Trapped(Trap),
    /// The run reached a limit.
    LimitExceeded(Resource),
    /// The caller or a shutdown cancelled it.
    Cancelled,
}

impl Status {
    /// Whether the program did what it set out to do.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Exited(0))
    }

    /// The name of the status in replies, logs and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exited(_) => "exited",
            Self::Signaled(_) => "signaled",
            Self::Trapped(_) => "trapped",
            Self::LimitExceeded(_) => "limit_exceeded",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a run could not go on. The names are those of the WebAssembly
/// specification, and `worker_lost` is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trap {
    /// `unreachable` was executed, which is how `abort()` ends.
    Unreachable,
    /// The stack of WebAssembly frames ran out.
    StackOverflow,
    /// A load or store outside linear memory.
    OutOfBounds,
    /// Any other trap of the engine.
    Other,
    /// The guest broke its contract with the host.
    GuestFault,
    /// The worker process died with the run.
    WorkerLost,
}

impl Trap {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::StackOverflow => "stack_overflow",
            Self::OutOfBounds => "out_of_bounds",
            Self::Other => "other",
            Self::GuestFault => "guest_fault",
            Self::WorkerLost => "worker_lost",
        }
    }
}

/// One output stream: the beginning and the end of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes; empty when `head` holds everything.
    pub tail: Vec<u8>,
    /// How many bytes the program wrote.
    pub bytes_seen: u64,
}

impl Output {
    /// How many bytes are kept here.
    pub const fn bytes_kept(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64
    }

    /// Whether something lies between head and tail.
    pub const fn is_truncated(&self) -> bool {
        self.bytes_seen > self.bytes_kept()
    }
}

/// An error of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestError {
    /// The class, such as `ValueError`.
    pub name: String,
    /// The message.
    pub value: String,
    /// The traceback, as the language prints it.
    pub traceback: String,
}

/// The most rich results of one run, and the most types of one.
pub(crate) const MAX_RICH_OUTPUTS: usize = 256;

/// A rich result: the same thing in one or more MIME types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichOutput(#[serde(deserialize_with = "at_most::<MAX_RICH_OUTPUTS, _, _>")] pub Vec<(String, String)>);

/// The longest MIME type: one half as long as RFC 6838 allows, which is more than
/// any that is in use.
const MAX_MIME_BYTES: usize = 127;

impl RichOutput {
    /// This output without what has no MIME type that could be one. Names are not
    /// bounded otherwise, and stand in replies.
    pub(crate) fn with_plain_types(mut self) -> Self {
        let is_type = |mime: &str| {
            mime.len() <= MAX_MIME_BYTES && mime.contains('/') && mime.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        self.0.retain(|(mime, _)| is_type(mime));
        self
    }
}

/// What became of the session.
#[derive(Clone, Debug)]
pub struct SessionReport {
    /// The handle for the next call.
    pub id: SessionId,
    /// What became of its state.
    pub state: SessionState,
    /// How many states it has had; every change makes the next.
    pub sequence: u64,
    /// When it ends unless it is used before.
    pub expires_at: SystemTime,
}

/// What a run left of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Variables and files are as the run left them.
    Kept,
    /// Variables and files are as they were before the run.
    RolledBack,
    /// Files are as the run left them; it had no variables to keep.
    FilesOnly,
}

impl SessionState {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::RolledBack => "rolled_back",
            Self::FilesOnly => "files_only",
        }
    }
}
