//! What runs programs, as the executor sees it: WebAssembly guests and native
//! programs behind one trait.

use std::path::PathBuf;

use super::stop::Stop;
use crate::error::Error;
use crate::handle::Principal;
use crate::run::follower::Following;
use crate::run::order::Order;
use crate::run::report::RunReport;
use crate::session::Turn;
use crate::session::save::Change;

/// Runs programs of some languages.
pub(super) trait Runtime: Send + Sync {
    /// Where runs of `principal` have what they write beside their workspace.
    fn directory(&self, principal: &Principal) -> Result<PathBuf, Error>;

    /// Runs one program, in the session whose `turn` it is if it is anyone's.
    /// What it made of the session is for the caller to save, or to undo.
    ///
    /// # Cancellation
    ///
    /// `caller.stop` ends the run and the answer still comes.
    fn run(
        &self,
        order: Order,
        caller: Caller<'_>,
        turn: Option<&mut Turn>,
    ) -> impl Future<Output = Result<Ran, Error>> + Send;
}

/// Whom a run is for.
pub(super) struct Caller<'a> {
    pub(super) principal: &'a Principal,
    pub(super) stop: &'a Stop,
    pub(super) following: Following,
}

/// What came of a run.
pub(super) struct Ran {
    pub(super) report: RunReport,
    /// Whether it found an instance ready.
    pub(super) is_warm: bool,
    /// What it made of its session; `None` when that cannot be kept.
    pub(super) change: Option<Change>,
    /// Whether it may have written to files without a trace in their stamps.
    pub(super) hides_writes: bool,
}
