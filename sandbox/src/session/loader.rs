//! Brings sessions here from the store, and back to what it has of them.

use std::sync::Arc;

use super::files::Tree;
use super::head::LoadedState;
use super::holding::Holding;
use super::load::{LookedUp, ReadManifest, Stored, large_manifest, look_up};
use super::snapshot::Commit;
use super::watchers::Watchers;
use super::{Turn, not_found};
use crate::error::Error;
use crate::store::Store;
use crate::worker::Transfers;

/// How often a session is loaded before it is given up.
const ATTEMPTS: u32 = 3;

/// Loads sessions.
pub(super) struct Loader {
    store: Store,
    holding: Arc<Holding>,
    transfers: Arc<Transfers>,
    watchers: Arc<Watchers>,
}

impl Loader {
    pub(super) const fn new(
        store: Store,
        holding: Arc<Holding>,
        transfers: Arc<Transfers>,
        watchers: Arc<Watchers>,
    ) -> Self {
        Self { store, holding, transfers, watchers }
    }

    /// Makes this server's copy equal to the last commit. Another server may
    /// go on with the session meanwhile and remove what this one is reading;
    /// looked at again, the store is whole.
    pub(super) async fn refresh(&self, turn: &mut Turn, wanted: Option<&str>) -> Result<(), Error> {
        for _ in 1..ATTEMPTS {
            match self.try_refresh(turn, wanted).await {
                Err(error) if !turn.is_gone() && !matches!(error, Error::Busy { .. }) => {
                    tracing::debug!(error = ?error, session = %turn.session.id, "a session is loaded again");
                }
                done => return done,
            }
        }
        self.try_refresh(turn, wanted).await
    }

    async fn try_refresh(&self, turn: &mut Turn, wanted: Option<&str>) -> Result<(), Error> {
        let (id, owner) = (turn.session.id.clone(), turn.session.owner.clone());
        if turn.is_loaded()
            && !turn.is_ahead()
            && (turn.is_new() || self.store.is_newest(&owner, &id, turn.sequence()).await?)
        {
            return Ok(());
        }
        let known = turn.is_loaded().then_some(turn.sequence());
        let mut large = None;
        let gone = loop {
            let (session, transfers) = (Arc::clone(&turn.session), Arc::clone(&self.transfers));
            let (wanted, right) = (wanted.map(str::to_owned), large.take());
            let look_up =
                |store| async move { look_up(&store, &transfers, &session, known, wanted.as_deref(), right).await };
            match self.store.at_once(look_up).await? {
                LookedUp::Known => return if turn.is_ahead() { self.roll_back(turn).await } else { Ok(()) },
                LookedUp::Large => large = Some(large_manifest(&owner).await?),
                LookedUp::Newer(stored) => {
                    let bytes = stored.heap_bytes();
                    if self.holding.pay_at_once(turn, bytes) {
                        return self.load(turn, *stored).await;
                    }
                    // It is read once more when there is room for it: nothing that is not
                    // paid for waits.
                    drop(stored);
                    self.holding.pay(turn, bytes).await?;
                }
                // Its first run failed.
                LookedUp::Gone(_) if turn.is_loaded() && turn.is_new() => {
                    return self.roll_back(turn).await;
                }
                LookedUp::Gone(why) => break why,
            }
        };
        self.holding.forget(turn);
        self.watchers.gone(&turn.session.key());
        Err(not_found(&id, gone))
    }

    /// Has here what was read, and is paid for.
    async fn load(&self, turn: &mut Turn, stored: Stored) -> Result<(), Error> {
        let session = Arc::clone(&turn.session);
        let Stored { sequence, modified, commit, files, fetched, has_garbage } = stored;
        let ReadManifest { manifest, large } = files;
        let Commit { saved, snapshots, .. } = commit;
        let manifest = Arc::new(manifest);
        self.holding.interpreters().close(&session.key());
        turn.doubt();
        drop(large);
        let is_new = session.workspace().is_none();
        if is_new {
            // Nobody takes the empty directory for that of the session.
            session.set_disordered(true);
            self.holding.admit(&session)?;
            turn.has_no_files_yet();
            self.watchers.came(&session.key(), sequence);
        } else {
            // Another server went on with it.
            self.watchers.changed(session.key(), turn.manifest(), &manifest);
        }
        // Most sessions that come back have no files, and wait for no disk.
        let tree = if is_new && manifest.is_empty() {
            session.set_disordered(false);
            Tree::empty()
        } else {
            self.holding.workspaces().lay_out(turn, manifest).await?
        };
        turn.load(LoadedState { sequence, modified, saved, snapshots, tree, has_garbage });
        turn.fetched = fetched;
        Ok(())
    }

    /// Takes interpreters and files back to the last commit. An interpreter
    /// comes back when it is next wanted.
    pub(super) async fn roll_back(&self, turn: &mut Turn) -> Result<(), Error> {
        turn.begin_roll_back();
        self.holding.interpreters().close(&turn.session.key());
        let tree = self.holding.workspaces().lay_out(turn, Arc::clone(turn.manifest())).await?;
        turn.rolled_back(tree);
        Ok(())
    }
}
