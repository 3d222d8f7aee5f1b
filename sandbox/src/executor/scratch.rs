//! The workspace of one run, and what is done to workspaces on threads that may
//! block: the event loop waits for no disk.

use std::sync::Arc;

use crate::error::Error;
use crate::run::limits::{Limits, Resource};
use crate::run::request::InputFile;
use crate::workspace::Workspace;
use crate::workspace::survey::DiskUse;

/// The workspace of a run without a session; removed with everything in it
/// unless it is taken out.
pub(crate) struct Scratch(pub(crate) Option<Arc<Workspace>>);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(workspace) = self.0.take() {
            remove_workspace(workspace);
        }
    }
}

/// Removes a workspace on a thread that may block.
pub(crate) fn remove_workspace(workspace: Arc<Workspace>) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = workspace.remove() {
            tracing::warn!(%error, "a workspace was left behind");
        }
    });
}

const fn quota(limits: &Limits) -> DiskUse {
    DiskUse { bytes: limits.get(Resource::DiskBytes), files: limits.get(Resource::DiskFiles) }
}

/// Writes input files on a thread that may block.
pub(crate) async fn write_files(
    workspace: &Arc<Workspace>,
    files: Vec<InputFile>,
    limits: &Limits,
) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let (workspace, quota) = (Arc::clone(workspace), quota(limits));
    let write = move || workspace.write(files.iter().map(|file| (&file.path, file.bytes.as_slice())), quota);
    tokio::task::spawn_blocking(write).await.map_err(|source| Error::host("write input files", source))?
}
