//! Finished runs: those of this server, and those that another over the same store
//! handed on.

use std::sync::Arc;

use super::scratch::Scratch;
use super::{Executor, remove_later};
use crate::error::Error;
use crate::handle::{Principal, RunId};
use crate::run::finished::FinishedRun;
use crate::run::shared::SharedRun;
use crate::store::blocking;

impl Executor {
    /// A finished run of `principal`, to read from. One that another server ran is brought
    /// here, if servers share finished runs and it is small enough.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and [`Error::OfAnotherServer`] for what can be read at the server
    /// that ran it alone.
    pub async fn finished_run(&self, principal: &Principal, id: &RunId) -> Result<Arc<FinishedRun>, Error> {
        let error = match self.finished.get(principal, id) {
            Err(error @ Error::OfAnotherServer { .. }) if self.sessions.store().is_shared() => error,
            found => return found,
        };
        match self.bring(principal, id).await {
            Ok(true) => self.finished.get(principal, id),
            Ok(false) => Err(error),
            Err(failure) => {
                tracing::warn!(error = failure.with_causes(), run = %id, "a run that another server handed on cannot be kept");
                Err(error)
            }
        }
    }

    /// The finished run, if it is here.
    pub fn finished_run_here(&self, principal: &Principal, id: &RunId) -> Option<Arc<FinishedRun>> {
        self.finished.get(principal, id).ok()
    }

    /// Keeps here what another server handed on of a run. Returns whether there was anything.
    async fn bring(&self, principal: &Principal, id: &RunId) -> Result<bool, Error> {
        let Some(bytes) = self.sessions.store().shared_run(principal, id).await else { return Ok(false) };
        let shared: SharedRun =
            postcard::from_bytes(&bytes).map_err(|source| Error::host("read a run of another server", source))?;
        if !shared.is_kept() {
            return Ok(false);
        }
        // Removed unless the run is kept.
        let mut own = Scratch(match shared.has_files() {
            true => Some(self.empty_workspaces.take(principal, &self.state)?),
            false => None,
        });
        let workspace = own.0.clone();
        let spool = self.state.shared(principal)?.join(id.as_str());
        let (owner, state) = (principal.clone(), Arc::clone(&self.state));
        let kept =
            blocking("keep a run of another server", move || shared.keep(&owner, workspace, spool, state.path()));
        let kept = kept.await?;
        own.0 = None;
        remove_later(self.finished.keep(id.clone(), kept));
        Ok(true)
    }

    /// Hands a run on to the other servers, if they share any and it is small enough.
    pub(super) async fn hand_on(&self, principal: &Principal, id: &RunId) {
        let store = self.sessions.store();
        if !store.is_shared() {
            return;
        }
        let Some(run) = self.finished_run_here(principal, id) else { return };
        let encoded = blocking("hand on a run", move || {
            let encode = |shared| postcard::to_stdvec(&shared);
            let encoded = SharedRun::of(&run)?.map(encode).transpose();
            encoded.map_err(|source| Error::host("hand on a run", source))
        });
        let handed_on = match encoded.await {
            Ok(Some(encoded)) => store.share_run(principal, id, encoded).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = handed_on {
            tracing::warn!(error = error.with_causes(), run = %id, "a run was not handed on to other servers");
        }
    }
}
