//! Empty workspaces that wait for a run.
//!
//! Most runs leave no file, and making and removing a directory costs as much
//! as the rest of the server's work for a small run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::error::Error;
use crate::handle::{Principal, random_name};
use crate::lock::lock;
use crate::state::StateDirectory;
use crate::workspace::Workspace;

/// How many a principal may have: as many as run at once on a large machine.
const MAX_SPARES: usize = 64;

/// Empty workspaces, each of one principal and never of another.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<HashMap<Principal, Vec<Arc<Workspace>>>>);

impl Spares {
    /// An empty workspace.
    pub(crate) fn take(&self, principal: &Principal, state: &StateDirectory) -> Result<Arc<Workspace>, Error> {
        if let Some(spare) = lock(&self.0).get_mut(principal).and_then(Vec::pop) {
            return Ok(spare);
        }
        Workspace::create(state.of_principal(principal)?.join(random_name())).map(Arc::new)
    }

    /// Takes back a workspace that is empty. Returns it when there are enough.
    pub(crate) fn give_back(&self, principal: &Principal, workspace: Arc<Workspace>) -> Option<Arc<Workspace>> {
        let mut spares = lock(&self.0);
        let mine = spares.entry(principal.clone()).or_default();
        if mine.len() >= MAX_SPARES {
            return Some(workspace);
        }
        mine.push(workspace);
        None
    }
}
