//! One program to run, as every runtime is told.

use std::path::PathBuf;
use std::sync::Arc;

use guest_runtimes::GuestRuntime;
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::program::Program;
use crate::policy::Policy;
use crate::workspace::Workspace;

/// A program, where it runs and how far it may go.
pub(crate) struct Order {
    pub(crate) runtime: Arc<GuestRuntime>,
    pub(crate) task: Task,
    pub(crate) policy: Arc<Policy>,
    pub(crate) workspace: Arc<Workspace>,
    /// Whether the workspace is kept for later runs.
    pub(crate) in_session: bool,
}

/// What is told of a run to whatever process has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) program: Program,
    pub(crate) limits: Limits,
    /// A path of this run's own, to which extensions are added: there output
    /// goes that outgrows its budget, and whatever else a run has on the disk.
    pub(crate) spool: PathBuf,
}
