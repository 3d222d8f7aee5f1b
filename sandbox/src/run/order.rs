//! One program to run, as every runtime is told.

use std::path::PathBuf;
use std::sync::Arc;

use guest_runtimes::GuestRuntime;

use super::limits::Limits;
use super::program::Program;
use crate::policy::Policy;
use crate::workspace::Workspace;

/// A program, where it runs and how far it may go.
pub(crate) struct Order {
    pub(crate) runtime: Arc<GuestRuntime>,
    pub(crate) program: Program,
    pub(crate) limits: Limits,
    pub(crate) policy: Arc<Policy>,
    pub(crate) workspace: Arc<Workspace>,
    /// Whether the workspace is kept for later runs.
    pub(crate) in_session: bool,
    /// A path of this run's own, to which extensions are added: there output
    /// goes that outgrows its budget, and whatever else a run has on the disk.
    pub(crate) spool: PathBuf,
}
