//! Room in the store: removing what no commit of a session refers to.

use std::collections::HashSet;
use std::sync::Arc;

use super::load::{blobs_of, read_snapshot};
use super::registry::Sessions;
use super::snapshot::Saved;
use super::{Life, Turn};
use crate::error::Error;
use crate::store::Store;

impl Sessions {
    /// Checks that `bytes` may be added to the store, if need be once what
    /// nothing refers to was removed.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] with the bound and the value.
    pub(crate) async fn make_room(&self, turn: &mut Turn, bytes: u64) -> Result<(), Error> {
        let owner = turn.session.owner.clone();
        if self.store.room(&owner, bytes).is_ok() {
            return Ok(());
        }
        if let Some(collection) = self.collection(turn) {
            collection.await;
        }
        self.store.room(&owner, bytes)
    }

    /// Tidies the store after a session if there is anything to remove.
    pub(crate) fn collect_rest(&self, turn: &mut Turn) {
        if turn.has_let_go || turn.is_untidy {
            self.collect(turn);
        }
    }

    /// Tidies the store in the background and beside later commits.
    pub(crate) fn collect(&self, turn: &mut Turn) {
        if let Some(collection) = self.collection(turn) {
            tokio::spawn(collection);
        }
    }

    /// The removal of what nothing refers to as of the last commit.
    fn collection(&self, turn: &mut Turn) -> Option<impl Future<Output = ()> + Send + use<>> {
        if turn.life != Life::Loaded {
            return None;
        }
        turn.collected = turn.sequence;
        turn.is_untidy = false;
        turn.has_let_go = false;
        let mut keep: HashSet<_> = turn.tree.blobs().cloned().collect();
        Saved { interpreters: turn.interpreters.clone(), files: turn.files.clone() }.add_blobs(&mut keep);
        let (store, session) = (self.store.clone(), Arc::clone(&turn.session));
        let (sequence, snapshots) = (turn.sequence, turn.snapshots.clone());
        Some(async move {
            let of = Arc::clone(&session);
            let collect = |store: Store| async move {
                for record in &snapshots {
                    keep.insert(record.blob.clone());
                    let saved = read_snapshot(&store, &of, record).await?;
                    keep.extend(blobs_of(&store, &of, &saved).await?);
                }
                store.collect(&of.owner, &of.id, sequence, &keep).await
            };
            if let Err(error) = store.at_once(collect).await {
                tracing::warn!(%error, session = %session.id, "a session in the store was not tidied");
            }
        })
    }

    /// Forgets a new session whose handle nobody knows, with what it stored.
    pub(crate) fn abandon(&self, turn: &mut Turn) {
        self.leave(turn);
        let (store, session) = (self.store.clone(), Arc::clone(&turn.session));
        tokio::spawn(async move {
            if let Err(error) = store.remove_contents(session.owner.directory_name(), &session.id).await {
                tracing::warn!(%error, session = %session.id, "what a session stored was left behind");
            }
        });
    }
}
