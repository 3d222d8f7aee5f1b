//! What a principal has here, for those who list it and watch it.

use std::sync::Arc;

use super::Executor;
use crate::error::Error;
use crate::handle::{Principal, RunId, SessionId};
use crate::run::finished::FinishedRun;
use crate::run::limits::Limits;
use crate::session::SessionFiles;
use crate::session::watchers::FileWatch;
use crate::tenancy::TenantLimits;

impl Executor {
    /// What `principal` may use of what all share, and what it is granted.
    pub fn granted(&self, principal: &Principal) -> &TenantLimits {
        self.bounds.of(principal)
    }

    /// Limits of a run of `principal` that asks for none.
    pub fn default_limits_of(&self, principal: &Principal) -> Limits {
        self.settings.default_limits.at_most(&self.granted(principal).limit_ceilings)
    }

    /// The highest limits that a run of `principal` may ask for.
    pub fn limit_ceilings_of(&self, principal: &Principal) -> Limits {
        self.settings.limit_ceilings.at_most(&self.granted(principal).limit_ceilings)
    }

    /// The finished runs of `principal` that are kept here, by their handles.
    pub fn finished_runs(&self, principal: &Principal) -> Vec<(RunId, Arc<FinishedRun>)> {
        let mut runs = self.finished.all_of(principal);
        runs.sort_by(|(one, _), (other, _)| one.cmp(other));
        runs
    }

    /// The first sessions of `principal` in the order of their handles, from one on and
    /// at most so many.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the store cannot be read.
    pub async fn sessions_from(
        &self,
        principal: &Principal,
        from: Option<SessionId>,
        most: usize,
    ) -> Result<Vec<SessionId>, Error> {
        self.sessions.first_from(principal, from, most).await
    }

    /// The files of a session of `principal` if they are here and in order: nothing
    /// is waited for or brought here, and it does not count as use.
    pub fn session_files_here(&self, principal: &Principal, id: &SessionId) -> Option<SessionFiles> {
        self.sessions.files_here(principal, id)
    }

    /// Watches files of sessions of `principal`. Only what is stored counts: what a
    /// run did is told of when it is over, and not if it is rolled back.
    pub fn watch_files(&self, principal: &Principal) -> FileWatch {
        self.sessions.watch(principal)
    }

    /// The signature by which servers over this store know again what one of them gave
    /// to `principal`.
    pub fn sign(&self, principal: &Principal, content: &[u8]) -> [u8; 32] {
        self.sessions.store().sign(principal, content)
    }

    /// Whether a server over this store signed `content` for `principal`, with a key
    /// that is still there.
    pub fn has_signed(&self, principal: &Principal, content: &[u8], signature: [u8; 32]) -> bool {
        self.sessions.store().has_signed(principal, content, signature)
    }
}
