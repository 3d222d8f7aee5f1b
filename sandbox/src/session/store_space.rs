//! Space in the store: garbage collection of what no commit of a session refers
//! to.

use std::collections::HashSet;
use std::sync::Arc;

use super::Turn;
use super::load::{blobs_of, read_snapshot};
use crate::error::Error;
use crate::store::Store;

/// Checks that `bytes` may be added to the store, if need be once what
/// nothing refers to was removed.
///
/// # Errors
///
/// [`Error::Denied`] with the bound and the value.
pub(super) async fn make_space(store: &Store, turn: &mut Turn, bytes: u64) -> Result<(), Error> {
    let owner = turn.session.owner.clone();
    if store.check_space(&owner, bytes).is_ok() {
        return Ok(());
    }
    if let Some(collection) = collection(store, turn) {
        collection.await;
    }
    store.check_space(&owner, bytes)
}

/// Collects what a session no longer needs, if there is any of it.
pub(super) fn collect_rest(store: &Store, turn: &mut Turn) {
    if turn.may_have_garbage() {
        collect(store, turn);
    }
}

/// Collects in the background and beside later commits.
pub(super) fn collect(store: &Store, turn: &mut Turn) {
    if let Some(collection) = collection(store, turn) {
        store.background.spawn(collection);
    }
}

/// The removal of what nothing refers to as of the last commit.
fn collection(store: &Store, turn: &mut Turn) -> Option<impl Future<Output = ()> + Send + use<>> {
    if !turn.is_loaded() {
        return None;
    }
    turn.collected();
    let mut keep: HashSet<_> = turn.tree().blobs().cloned().collect();
    turn.saved().add_blobs(&mut keep);
    let (store, session) = (store.clone(), Arc::clone(&turn.session));
    let (sequence, snapshots) = (turn.sequence(), turn.snapshots().to_vec());
    Some(async move {
        let collect = async {
            for record in &snapshots {
                keep.insert(record.blob.clone());
                let saved = read_snapshot(&store, &session, record).await?;
                keep.extend(blobs_of(&store, &session, &saved).await?);
            }
            let of = Arc::clone(&session);
            store.at_once(|store| async move { store.collect(&of.owner, &of.id, sequence, &keep).await }).await
        };
        if let Err(error) = collect.await {
            tracing::warn!(%error, session = %session.id, "the garbage of a session was not collected");
        }
    })
}
