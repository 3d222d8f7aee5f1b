//! A file as it is told of.

use serde::{Deserialize, Serialize};

/// A file of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the workspace, as the text that names it.
    pub path: String,
    /// The apparent size of the file.
    pub size_bytes: u64,
    /// Whether it is a symbolic link, and the size that of its text.
    pub is_link: bool,
}
