//! The two streams that a program writes to.

use std::path::{Path, PathBuf};

/// A guest's standard stream for output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// Takes output of a run while it goes on. Called on the event loop in the
/// server: must not block.
pub type LiveOutput = Box<dyn FnMut(Stream, &[u8]) + Send>;

/// Where the full text of `stream` lies once it outgrew its budget.
pub(crate) fn spool_path(spool: &Path, stream: Stream) -> PathBuf {
    spool.with_extension(match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    })
}
