//! All sessions: which are here, which lie in the store, and how they come and
//! go between the two.
//!
//! The store holds every session as of its last commit, which came before the
//! reply to the last call. What this server holds of a session (interpreters
//! in workers, files in a directory) is only a faster copy: it is dropped when
//! the session hibernates, when something goes wrong, and when another server
//! went on with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::files::{Manifest, Tree};
use super::ledger::Ledger;
use super::load::{LookedUp, MAX_MANIFEST_BYTES, NEVER, ReadManifest, Stored, large_manifest, look_up};
use super::snapshot;
use super::snapshot::{Commit, Saved, SavedFiles, SavedInterpreter, SnapshotRecord};
use super::{Head, Life, Session, SessionFiles, Turn};
use crate::error::{Error, IoContext as _};
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::{Principal, SessionId};
use crate::lock::lock;
use crate::store::{Committed, Store};
use crate::worker::{Pool, Transfers};
use crate::workspace::empty::EmptyWorkspaces;

/// How many calls may wait for one session.
const QUEUE: usize = 16;
/// How often a session is loaded before it is given up.
const ATTEMPTS: u32 = 3;
/// How often in its lifetime use of a session is written down at the most.
const TOUCHES: u32 = 64;
/// A manifest up to this size lies in the commit itself.
const INLINE_BYTES: usize = 32 << 10;
/// Blobs that nothing refers to any more are removed from the store every so
/// many commits, and after one that failed.
const COLLECT_INTERVAL: u64 = 8;

/// All sessions of this server.
pub(crate) struct Sessions {
    pub(crate) here: Mutex<HashMap<SessionId, Arc<Session>>>,
    pub(crate) store: Store,
    state: Arc<StateDirectory>,
    pub(crate) spares: Arc<EmptyWorkspaces>,
    pub(crate) transfers: Arc<Transfers>,
    pub(crate) pool: Arc<OnceCell<Arc<Pool>>>,
    pub(crate) ledger: Arc<Ledger>,
    settings: SessionSettings,
}

/// How sessions come and go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionSettings {
    /// The most that are here at once.
    pub(crate) limit: usize,
    /// How long one stays here without use.
    pub(crate) hibernate_after: Duration,
    /// How long one lives without use.
    pub(crate) lifetime: Duration,
}

/// What a commit changes. What is absent stays.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) interpreters: Option<BTreeMap<String, SavedInterpreter>>,
    pub(crate) files: Option<SavedFiles>,
    /// What the workspace holds now, unless that is as before.
    pub(crate) tree: Option<Tree>,
    pub(crate) snapshots: Option<Vec<SnapshotRecord>>,
}

impl Sessions {
    pub(crate) fn new(
        store: Store,
        (state, spares): (Arc<StateDirectory>, Arc<EmptyWorkspaces>),
        (pool, ledger): (Arc<OnceCell<Arc<Pool>>>, Arc<Ledger>),
        settings: SessionSettings,
    ) -> Self {
        Self { here: Mutex::default(), store, state, spares, transfers: Arc::default(), pool, ledger, settings }
    }

    pub(crate) const fn settings(&self) -> &SessionSettings {
        &self.settings
    }

    /// How many are here.
    pub(crate) fn len(&self) -> usize {
        lock(&self.here).len()
    }

    /// Whether a session is here.
    pub(crate) fn is_here(&self, id: &SessionId) -> bool {
        lock(&self.here).contains_key(id)
    }

    /// Those that are in use here, or were not long ago: they do not expire.
    pub(crate) fn in_use(&self, now: Instant) -> HashSet<SessionId> {
        let sessions: Vec<_> = lock(&self.here).values().cloned().collect();
        let is_in_use = |session: &&Arc<Session>| {
            now.saturating_duration_since(session.last_used()) < self.settings.lifetime || session.idle_turn().is_none()
        };
        sessions.iter().filter(is_in_use).map(|session| session.id.clone()).collect()
    }

    /// A new session. It is in the store after its first commit.
    pub(crate) async fn create(&self, owner: &Principal) -> Result<Turn, Error> {
        let session = Session::new(SessionId::random(), owner.clone());
        lock(&self.here).insert(session.id.clone(), Arc::clone(&session));
        let mut turn = session.turn(1).await?;
        if let Err(error) = self.make_place().and_then(|()| self.make_workspace(&session)) {
            self.leave(&mut turn);
            return Err(error);
        }
        turn.life = Life::Loaded;
        Ok(turn)
    }

    /// Waits for a session of `owner`, and has it here. `wanted` is the runtime
    /// of the run that is to come.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], which says "expired" and "closed" only to the
    /// owner; [`Error::Busy`] when too many wait.
    ///
    /// # Cancellation
    ///
    /// `stop` ends the waiting. Once it has its turn a session must be brought
    /// here completely, so this future must not be dropped.
    pub(crate) async fn turn(
        &self,
        owner: &Principal,
        id: &SessionId,
        stop: &CancellationToken,
        wanted: Option<&'static str>,
    ) -> Result<Turn, Error> {
        loop {
            let session = self.find(owner, id)?;
            let mut turn = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Error::Cancelled),
                turn = session.turn(QUEUE) => turn?,
            };
            if turn.life == Life::Gone {
                continue;
            }
            turn.session.touch();
            self.refresh(&mut turn, wanted).await?;
            self.touch(&mut turn).await;
            return Ok(turn);
        }
    }

    /// The files of a session of `owner`, to read while others may use it. As
    /// with [`Sessions::turn`], this future must not be dropped.
    pub(crate) async fn files(
        &self,
        owner: &Principal,
        id: &SessionId,
        stop: &CancellationToken,
    ) -> Result<SessionFiles, Error> {
        let session = self.find(owner, id)?;
        session.touch();
        // While a run is going on, its files are those that it sees.
        if session.is_in_use()
            && let Some(files) = session.files_to_read()
        {
            return Ok(files);
        }
        let turn = self.turn(owner, id, stop, None).await?;
        let files = turn.session.files().await;
        files.ok_or_else(|| Error::host("read the files of a session", "it has no workspace"))
    }

    /// The session as it is known here; one that is not known is looked up by
    /// whoever gets the turn.
    fn find(&self, owner: &Principal, id: &SessionId) -> Result<Arc<Session>, Error> {
        let known = lock(&self.here).get(id).cloned();
        match known {
            Some(session) if session.owner == *owner => Ok(session),
            Some(_) => {
                tracing::warn!(session = %id, "a principal asked for a session of another");
                Err(not_found(id, NEVER))
            }
            None => {
                let session = Session::new(id.clone(), owner.clone());
                lock(&self.here).insert(id.clone(), Arc::clone(&session));
                Ok(session)
            }
        }
    }

    /// Makes this server's copy equal to the last commit. Another server may
    /// go on with the session meanwhile and remove what this one is reading;
    /// looked at again, the store is whole.
    async fn refresh(&self, turn: &mut Turn, wanted: Option<&'static str>) -> Result<(), Error> {
        for _ in 1..ATTEMPTS {
            match self.try_refresh(turn, wanted).await {
                Err(error) if turn.life != Life::Gone && !matches!(error, Error::Busy { .. }) => {
                    tracing::debug!(error = ?error, session = %turn.session.id, "a session is loaded again");
                }
                done => return done,
            }
        }
        self.try_refresh(turn, wanted).await
    }

    /// Has the lifetime of a session that is used begin anew, also when nothing
    /// comes of it that is committed. Not each time: a small part of a lifetime
    /// does not matter.
    async fn touch(&self, turn: &mut Turn) {
        let now = self.store.now();
        let age = now.duration_since(turn.modified).unwrap_or_default();
        if turn.sequence == 0 || age < self.settings.lifetime / TOUCHES {
            return;
        }
        let touched = self.store.touch(&turn.session.owner, &turn.session.id, turn.sequence, now).await;
        match touched {
            Ok(()) => turn.modified = now,
            // It has lived on until now, and says itself until when.
            Err(error) => tracing::debug!(%error, session = %turn.session.id, "a session was not touched"),
        }
    }

    /// Why what the last commit refers to could not be read: because it is not
    /// the last any more, perhaps.
    pub(crate) async fn fenced_or(&self, error: Error, turn: &mut Turn) -> Error {
        let is_newest = self.store.is_newest(&turn.session.owner, &turn.session.id, turn.sequence).await;
        if !matches!(is_newest, Ok(false)) {
            return error;
        }
        turn.life = Life::Unknown;
        Error::Fenced { session: turn.session.id.to_string() }
    }

    async fn try_refresh(&self, turn: &mut Turn, wanted: Option<&'static str>) -> Result<(), Error> {
        let (id, owner) = (turn.session.id.clone(), turn.session.owner.clone());
        if turn.life == Life::Loaded
            && !turn.is_ahead
            && (turn.sequence == 0 || self.store.is_newest(&owner, &id, turn.sequence).await?)
        {
            return Ok(());
        }
        let (session, known) = (Arc::clone(&turn.session), (turn.life == Life::Loaded).then_some(turn.sequence));
        let transfers = Arc::clone(&self.transfers);
        let look_up = |store| async move { look_up(&store, &transfers, &session, known, wanted).await };
        let head = self.store.at_once(look_up).await?;
        let gone = match head {
            LookedUp::Known => return if turn.is_ahead { self.roll_back(turn).await } else { Ok(()) },
            LookedUp::Newer(stored) => return self.load(turn, *stored).await,
            // Its first run failed.
            LookedUp::Gone(_) if turn.life == Life::Loaded && turn.sequence == 0 => return self.roll_back(turn).await,
            LookedUp::Gone(why) => why,
        };
        self.leave(turn);
        Err(not_found(&id, gone))
    }

    async fn load(&self, turn: &mut Turn, stored: Stored) -> Result<(), Error> {
        let session = Arc::clone(&turn.session);
        let Stored { sequence, modified, commit, files, fetched, is_tidy } = stored;
        let ReadManifest { manifest, large } = files;
        let Commit { saved: Saved { interpreters, files }, snapshots, .. } = commit;
        let manifest = Arc::new(manifest);
        self.drop_interpreters(&session.id);
        turn.life = Life::Unknown;
        let is_new = session.workspace().is_none();
        if is_new {
            self.make_place()?;
            self.make_workspace(&session)?;
            turn.tree = Tree::empty();
        }
        self.hold(turn, manifest.heap_bytes_laid_out()).await?;
        drop(large);
        // Most sessions that come back have no files, and wait for no disk.
        let tree = if is_new && manifest.is_empty() { Tree::empty() } else { self.lay_out(turn, manifest).await? };
        let head = Head {
            life: Life::Loaded,
            sequence,
            modified,
            interpreters,
            files,
            seen: Arc::clone(tree.manifest()),
            tree,
            held: turn.held.take(),
            snapshots,
            is_ahead: false,
            collected: sequence,
            is_untidy: turn.is_untidy,
            has_let_go: turn.has_let_go || !is_tidy,
        };
        **turn = head;
        turn.fetched = fetched;
        Ok(())
    }

    /// Makes the workspace hold exactly what `manifest` says.
    async fn lay_out(&self, turn: &Turn, manifest: Arc<Manifest>) -> Result<Tree, Error> {
        let session = &turn.session;
        // Nobody may read it in between.
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
        let mut tree = restore(turn.tree.clone()).await;
        if let Err(error) = &tree {
            // Whatever a program did to its directory, a new one is as good.
            tracing::warn!(error = ?error, session = %session.id, "the files of a session are laid out anew");
            if let Some(workspace) = session.set_workspace(None) {
                workspace.discard();
            }
            self.make_workspace(session)?;
            tree = restore(Tree::empty()).await;
        }
        session.set_disordered(tree.is_err());
        drop(hidden);
        tree
    }

    /// Takes interpreters and files back to the last commit. An interpreter
    /// comes back when it is next wanted.
    pub(crate) async fn roll_back(&self, turn: &mut Turn) -> Result<(), Error> {
        turn.is_ahead = true;
        turn.is_untidy = true;
        self.drop_interpreters(&turn.session.id);
        turn.tree = self.lay_out(turn, Arc::clone(turn.tree.manifest())).await?;
        turn.is_ahead = false;
        Ok(())
    }

    /// Commits what has changed. Only then may it be acknowledged.
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`] when another server went on with the session,
    /// [`Error::Denied`] when there is no room. Either way nothing has changed,
    /// and this server's copy is dropped.
    pub(crate) async fn commit(&self, turn: &mut Turn, change: Change) -> Result<(), Error> {
        let committed = self.try_commit(turn, change).await;
        if committed.is_err() {
            self.drop_interpreters(&turn.session.id);
            turn.session.set_disordered(true);
            turn.is_ahead = true;
            turn.life = if turn.sequence == 0 { turn.life } else { Life::Unknown };
        }
        committed
    }

    async fn try_commit(&self, turn: &mut Turn, change: Change) -> Result<(), Error> {
        let session = Arc::clone(&turn.session);
        let sequence = turn.sequence + 1;
        let commit = Commit {
            parent: turn.sequence,
            saved: Saved {
                interpreters: change.interpreters.unwrap_or_else(|| turn.interpreters.clone()),
                files: change.files.unwrap_or_else(|| turn.files.clone()),
            },
            snapshots: change.snapshots.unwrap_or_else(|| turn.snapshots.clone()),
        };
        let files = change.tree.as_ref().unwrap_or(&turn.tree).heap_bytes_with(&turn.seen);
        self.hold(turn, files).await?;
        let body = snapshot::encode(&commit)?;
        // Fewer snapshots than before are a step to more room.
        if commit.snapshots.len() >= turn.snapshots.len() {
            self.make_room(turn, body.len() as u64).await?;
        }
        let to = Arc::clone(&session);
        let write = |store: Store| async move { store.commit(&to.owner, &to.id, sequence, &body).await };
        let committed = self.store.at_once(write).await?;
        if committed == Committed::Fenced {
            return Err(Error::Fenced { session: session.id.to_string() });
        }
        turn.has_let_go |= change.tree.is_some()
            || commit.snapshots.len() < turn.snapshots.len()
            || turn.lets_go(&commit.saved.interpreters);
        turn.sequence = sequence;
        turn.modified = self.store.now();
        turn.interpreters = commit.saved.interpreters;
        turn.files = commit.saved.files;
        turn.snapshots = commit.snapshots;
        if let Some(tree) = change.tree {
            turn.tree = tree;
        }
        turn.is_ahead = false;
        let is_due = sequence - turn.collected >= COLLECT_INTERVAL;
        if turn.is_untidy || (turn.has_let_go && is_due) {
            self.collect(turn);
        }
        Ok(())
    }

    /// Makes an earlier state the next one.
    pub(crate) async fn rewind(&self, turn: &mut Turn, saved: Saved, manifest: Arc<Manifest>) -> Result<(), Error> {
        let Saved { interpreters, files } = saved;
        self.hold(turn, manifest.heap_bytes_laid_out()).await?;
        let change = Change { interpreters: Some(interpreters), files: Some(files), ..Change::default() };
        self.commit(turn, change).await?;
        turn.has_let_go = true;
        // It is so from here on. If its files cannot be laid out now, they
        // will be when it is loaded.
        turn.life = Life::Unknown;
        self.drop_interpreters(&turn.session.id);
        turn.tree = self.lay_out(turn, manifest).await?;
        turn.seen = Arc::clone(turn.tree.manifest());
        turn.life = Life::Loaded;
        Ok(())
    }

    /// The same after something else than an interpreter changed files. One of
    /// a session may have a file open, and knows it by its size and time when it
    /// comes back: another with the same gets the next time there is.
    pub(crate) async fn captured_files_apart(&self, turn: &Turn) -> Result<Change, Error> {
        let change = self.captured_files(turn).await?;
        let (Some(tree), Some(workspace)) = (&change.tree, turn.session.workspace()) else { return Ok(change) };
        let doubles = tree.manifest().doubles(&turn.seen);
        if turn.interpreters.is_empty() || doubles.is_empty() {
            return Ok(change);
        }
        for (path, (seconds, nanoseconds)) in doubles {
            let next = if nanoseconds < 999_999_999 { (seconds, nanoseconds + 1) } else { (seconds + 1, 0) };
            workspace.set_modified(&path, next).doing(|| format!("set the time of {}", path.display()))?;
        }
        self.captured_files(turn).await
    }

    /// What files there are now, as a change to commit.
    pub(crate) async fn captured_files(&self, turn: &Turn) -> Result<Change, Error> {
        let session = &turn.session;
        let workspace =
            session.workspace().ok_or_else(|| Error::host("save the files of a session", "it has no workspace"))?;
        let sequence = turn.sequence + 1;
        let tree = turn.tree.capture(&workspace, None, &self.store, &session.owner, &session.id, sequence).await?;
        if Arc::ptr_eq(tree.manifest(), turn.tree.manifest()) {
            return Ok(Change { tree: Some(tree), ..Change::default() });
        }
        let length = snapshot::encoded_bytes(&**tree.manifest())?;
        if length as u64 > MAX_MANIFEST_BYTES {
            return Err(Error::Denied {
                action: "keeping the files of this session".into(),
                reason: format!(
                    "their names, links and small contents must be at most {MAX_MANIFEST_BYTES} bytes together, got \
                     {length}; keep fewer files, or pack them"
                ),
            });
        }
        let _large = if length > INLINE_BYTES { Some(large_manifest().await) } else { None };
        let bytes = snapshot::encode_in(&**tree.manifest(), length)?;
        let files = if bytes.len() <= INLINE_BYTES {
            SavedFiles::Inline(bytes)
        } else {
            SavedFiles::Blob(self.store.put_blob(&session.owner, &session.id, sequence, bytes).await?)
        };
        Ok(Change { files: Some(files), tree: Some(tree), ..Change::default() })
    }

    fn make_workspace(&self, session: &Session) -> Result<(), Error> {
        let path = self.state.shared(&session.owner)?.join(session.id.as_str());
        session.set_workspace(Some(self.spares.take_as(&session.owner, path)?));
        Ok(())
    }

    pub(crate) fn drop_interpreters(&self, id: &SessionId) {
        if let Some(pool) = self.pool.get() {
            pool.close_session(id);
        }
    }
}

fn not_found(id: &SessionId, advice: &'static str) -> Error {
    Error::NotFound { kind: "session", id: id.to_string(), advice }
}
