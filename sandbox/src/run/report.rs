//! How a run ended, as the process that it ran in tells it.

use serde::{Deserialize, Serialize};

use super::limits::Usage;
use super::outcome::{GuestError, MAX_RICH_OUTPUTS, Output, RichOutput, Status, Trap};
use crate::codec::bounded::at_most;
use crate::session::files::Untouched;
use crate::workspace::entry::FileEntry;

/// How many changed files a report names.
pub(crate) const MAX_FILES: usize = 1000;
/// How many bytes of their names.
pub(crate) const MAX_FILES_BYTES: usize = 256 << 10;
/// The most parts of one capture. A memory of 32 bits makes a quarter.
pub(crate) const MAX_PARTS: usize = 4096;

/// How a run ended, as its worker saw it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunReport {
    pub(crate) status: Status,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) result: Option<String>,
    pub(crate) error: Option<GuestError>,
    #[serde(deserialize_with = "at_most::<MAX_RICH_OUTPUTS, _, _>")]
    pub(crate) outputs: Vec<RichOutput>,
    #[serde(deserialize_with = "at_most::<MAX_FILES, _, _>")]
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
    /// Of a native program: files that it left as they were, although their
    /// stamps differ.
    #[serde(skip)]
    pub(crate) untouched: Untouched,
    /// Whether the workspace holds nothing.
    pub(crate) workspace_empty: bool,
}

impl RunReport {
    /// What is known of a run whose process was lost.
    pub(crate) fn lost() -> Self {
        Self {
            status: Status::Trapped(Trap::WorkerLost),
            stdout: Output::default(),
            stderr: Output::default(),
            result: None,
            error: None,
            outputs: Vec::new(),
            files: Vec::new(),
            usage: Usage::default(),
            warm: false,
            capture: None,
            resident_bytes: 0,
            workspace_changed: true,
            untouched: Untouched::default(),
            workspace_empty: false,
        }
    }
}

/// An interpreter as a worker saved it after a run. The bytes are in the
/// transfer; nobody but a worker reads them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Capture {
    /// How many of the parts that were saved before still count.
    pub(crate) keep: usize,
    /// The lengths of new parts, which follow those.
    #[serde(deserialize_with = "at_most::<MAX_PARTS, _, _>")]
    pub(crate) parts: Vec<u32>,
    /// The lengths of the parts of the new tail.
    #[serde(deserialize_with = "at_most::<MAX_PARTS, _, _>")]
    pub(crate) tail: Vec<u32>,
    /// To be given back with [`Interpreter::Saved`].
    pub(crate) state: Vec<u8>,
}
