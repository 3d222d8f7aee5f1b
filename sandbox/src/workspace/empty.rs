//! Empty workspaces that wait for a run or a session.
//!
//! Most runs leave no file, most sessions have none, and making and removing a
//! directory costs as much as the rest of the server's work for a small run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Workspace;
use crate::error::Error;
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::{Principal, random_name};

/// How many a principal may have: as many as run at once on a large machine.
const MAX_EMPTY: usize = 64;

/// Empty workspaces, each of one principal and never of another.
#[derive(Debug, Default)]
pub(crate) struct EmptyWorkspaces(Mutex<HashMap<Principal, Vec<Arc<Workspace>>>>);

impl EmptyWorkspaces {
    /// An empty workspace.
    pub(crate) fn take(&self, principal: &Principal, state: &StateDirectory) -> Result<Arc<Workspace>, Error> {
        if let Some(spare) = self.0.lock().get_mut(principal).and_then(Vec::pop) {
            return Ok(spare);
        }
        Workspace::create(state.shared(principal)?.join(random_name())).map(Arc::new)
    }

    /// An empty workspace that lies at `path`, where nothing is yet.
    pub(crate) fn take_as(&self, principal: &Principal, path: PathBuf) -> Result<Arc<Workspace>, Error> {
        let taken = {
            let mut spares = self.0.lock();
            let mine = spares.get_mut(principal);
            // Somebody may still be about to let go of a workspace, which cannot be moved then.
            mine.and_then(|mine| Some(mine.swap_remove(mine.iter().position(|spare| Arc::strong_count(spare) == 1)?)))
        };
        let Some(mut spare) = taken.and_then(Arc::into_inner) else { return Workspace::create(path).map(Arc::new) };
        spare.rename(path)?;
        Ok(Arc::new(spare))
    }

    /// Forgets the empty workspaces of `principal`, whose directory goes, with them in it.
    pub(crate) fn forget(&self, principal: &Principal) {
        self.0.lock().remove(principal);
    }

    /// Takes over the workspace of a session that keeps no files, whose path is
    /// free then. Returns it when there is something in it, when somebody reads
    /// it still, who must not see what comes next, or when there are enough.
    pub(crate) fn take_over(&self, principal: &Principal, mut workspace: Arc<Workspace>) -> Option<Arc<Workspace>> {
        let Some(own) = Arc::get_mut(&mut workspace).filter(|own| own.is_as_new()) else { return Some(workspace) };
        if let Err(error) = own.rename(own.host_path().with_file_name(random_name())) {
            tracing::warn!(%error, "the workspace of a session cannot be used again");
            return Some(workspace);
        }
        self.give_back(principal, workspace)
    }

    /// Takes back a workspace. Returns it when there is something in it, or
    /// when there are enough.
    pub(crate) fn give_back(&self, principal: &Principal, workspace: Arc<Workspace>) -> Option<Arc<Workspace>> {
        if !workspace.is_as_new() {
            return Some(workspace);
        }
        let mut spares = self.0.lock();
        let mine = spares.entry(principal.clone()).or_default();
        if mine.len() >= MAX_EMPTY {
            return Some(workspace);
        }
        mine.push(workspace);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_workspace_of_a_session_is_used_again_if_it_is_empty_and_nobody_reads_it() {
        let parent = tempfile::tempdir().unwrap();
        let at = |name| parent.path().join(name);
        let (me, other, spares) = (Principal::local(), Principal::named("other"), EmptyWorkspaces::default());
        let one = spares.take_as(&me, at("one")).unwrap();
        let reader = Arc::clone(&one);
        let one = spares.take_over(&me, one).expect("somebody reads it");
        drop(reader);
        one.make_directory(Path::new("left")).unwrap();
        let one = spares.take_over(&me, one).expect("something is in it");
        one.remove_directory(Path::new("left")).unwrap();
        assert!(at("one").exists() && spares.take_over(&me, one).is_none() && !at("one").exists());
        let count = || spares.0.lock().values().map(Vec::len).sum::<usize>();
        drop(spares.take_as(&other, at("theirs")).unwrap());
        assert_eq!(count(), 1, "it is of another principal");
        let two = spares.take_as(&me, at("two")).unwrap();
        assert!(count() == 0 && two.host_path() == at("two") && at("two").is_dir());
        assert!(spares.take_as(&me, at("two")).is_err(), "something is there");
    }
}
