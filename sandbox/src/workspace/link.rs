//! A symbolic link as a worker is told of it, which may not read any.

use serde::{Deserialize, Serialize};

/// How much paths and targets of links may have together: those past it stay untold.
pub(crate) const MAX_LINKS_BYTES: usize = 1 << 20;

/// A symbolic link of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Where it lies in the workspace.
    #[serde(with = "serde_bytes")]
    pub(crate) path: Vec<u8>,
    /// The text of the link.
    #[serde(with = "serde_bytes")]
    pub(crate) target: Vec<u8>,
}
