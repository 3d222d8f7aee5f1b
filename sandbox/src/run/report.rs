//! How a run ended, as every runtime tells it.

use serde::{Deserialize, Serialize};

use super::limits::Usage;
use super::outcome::{GuestError, MAX_RICH_OUTPUTS, Output, RichOutput, Status, Trap};
use crate::codec::bounded::at_most;
use crate::workspace::entry::FileEntry;

/// How many changed files a report names.
pub(crate) const MAX_FILES: usize = 1000;
/// How many bytes the names of these files have at most.
pub(crate) const MAX_FILES_BYTES: usize = 256 << 10;

/// What came of a program, in whichever runtime.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// How it ended.
    pub status: Status,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// Representation of the last expression.
    pub result: Option<String>,
    /// What the program raised.
    pub error: Option<GuestError>,
    /// Rich results, in order.
    #[serde(deserialize_with = "at_most::<MAX_RICH_OUTPUTS, _, _>")]
    pub outputs: Vec<RichOutput>,
    /// Files that it created or changed.
    #[serde(deserialize_with = "at_most::<MAX_FILES, _, _>")]
    pub files: Vec<FileEntry>,
    /// What it used.
    pub usage: Usage,
    /// Whether anything in the workspace is different.
    pub(crate) workspace_changed: bool,
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
            workspace_changed: true,
            workspace_empty: false,
        }
    }
}
