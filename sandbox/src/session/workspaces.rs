//! The directories in which the files of sessions lie while they are in memory.

use std::sync::Arc;

use super::files::{Manifest, Tree};
use super::{Session, Turn};
use crate::error::Error;
use crate::filesystem::state_directory::StateDirectory;
use crate::store::Store;
use crate::workspace::empty::EmptyWorkspaces;

/// Makes, fills and takes away the workspaces of sessions.
pub(super) struct Workspaces {
    state: Arc<StateDirectory>,
    empty: Arc<EmptyWorkspaces>,
    store: Store,
}

impl Workspaces {
    pub(super) const fn new(state: Arc<StateDirectory>, empty: Arc<EmptyWorkspaces>, store: Store) -> Self {
        Self { state, empty, store }
    }

    /// Gives a session a workspace with nothing in it.
    pub(super) fn make(&self, session: &Session) -> Result<(), Error> {
        let path = self.state.shared(&session.owner)?.join(session.id.as_str());
        session.set_workspace(Some(self.empty.take_as(&session.owner, path)?));
        Ok(())
    }

    /// Makes the workspace of a session hold exactly what `manifest` says.
    pub(super) async fn lay_out(&self, turn: &Turn, manifest: Arc<Manifest>) -> Result<Tree, Error> {
        let session = &turn.session;
        // Nobody may read the workspace between two of its states.
        let hidden = session.hide_files().await;
        let restore = |tree: Tree| {
            let manifest = Arc::clone(&manifest);
            async move {
                let workspace = session
                    .workspace()
                    .ok_or_else(|| Error::host("restore the files of a session", "it has no workspace"))?;
                Tree::restore(manifest, Some(&tree), &workspace, &self.store, &session.owner, &session.id).await
            }
        };
        let mut tree = restore(turn.tree().clone()).await;
        if let Err(error) = &tree {
            // A new directory is as good, whatever a program did to the old one.
            tracing::warn!(error = ?error, session = %session.id, "the files of a session are laid out anew");
            if let Some(workspace) = session.set_workspace(None) {
                workspace.remove_later();
            }
            self.make(session)?;
            tree = restore(Tree::empty()).await;
        }
        session.set_disordered(tree.is_err());
        drop(hidden);
        tree
    }

    /// Takes away the workspace of a session. One without files serves another session.
    pub(super) fn take_away(&self, session: &Session, has_files: bool) {
        let Some(workspace) = session.set_workspace(None) else { return };
        let left = if has_files { Some(workspace) } else { self.empty.take_over(&session.owner, workspace) };
        if let Some(workspace) = left {
            // Whoever still reads the workspace keeps what is open.
            workspace.remove_later();
        }
    }
}
