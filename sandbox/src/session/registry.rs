//! All sessions: which are here, which lie in the store, and how they come and
//! go between the two.
//!
//! The store holds every session as of its last commit, which came before the
//! reply to the last call. What this server holds of a session (interpreters
//! in workers, files in a directory) is only a faster copy: it is dropped when
//! the session hibernates, when something goes wrong, and when another server
//! went on with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::holding::Holding;
use super::in_memory::InMemory;
use super::interpreters::Interpreters;
use super::ledger::Ledger;
use super::load::{self, Fetched, fenced_or, find_snapshot, remembered};
use super::loader::Loader;
use super::save::{Change, Earlier, Saver, SnapshotChange};
use super::snapshot::{SavedInterpreter, SnapshotRecord};
use super::watchers::{FileWatch, Watchers};
use super::workspaces::Workspaces;
use super::{Session, SessionFiles, Turn};
use crate::error::{Error, IoContext as _};
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::{Principal, SessionId, SessionKey, SnapshotId};
use crate::run::limits::Limits;
use crate::run::observer::{Observers, SessionEvent};
use crate::store::{CloseReason, Moment, Store, StoredSession};
use crate::tenancy::TenantBounds;
use crate::worker::{Pool, Transfer, Transfers};
use crate::workspace::empty::EmptyWorkspaces;

/// How many calls may wait for one session.
const QUEUE: usize = 16;
/// How often in its lifetime use of a session is written down at the most.
const TOUCHES: u32 = 64;

/// All sessions of this server.
pub(crate) struct Sessions {
    store: Store,
    holding: Arc<Holding>,
    loader: Loader,
    saver: Saver,
    transfers: Arc<Transfers>,
    settings: SessionSettings,
    watchers: Arc<Watchers>,
}

/// How sessions come and go.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    /// Who is told when they do.
    pub(crate) observers: Observers,
    /// The most that are here at once.
    pub(crate) limit: usize,
    /// What of that each tenant may have.
    pub(crate) bounds: Arc<TenantBounds>,
    /// How long one stays here without use.
    pub(crate) hibernate_after: Duration,
    /// How long one lives without use.
    pub(crate) lifetime: Duration,
    /// The most snapshots of one.
    pub(crate) snapshots: usize,
    /// The most that a run in one may use.
    pub(crate) ceilings: Limits,
}

impl Sessions {
    pub(crate) fn new(
        store: Store,
        (state, empty): (Arc<StateDirectory>, Arc<EmptyWorkspaces>),
        (pool, ledger): (Arc<OnceCell<Arc<Pool>>>, Arc<Ledger>),
        settings: SessionSettings,
    ) -> Self {
        let watchers = Arc::<Watchers>::default();
        let holding = Arc::new(Holding::new(
            InMemory::new(settings.limit, Arc::clone(&settings.bounds)),
            Workspaces::new(state, empty, store.clone()),
            Interpreters::new(pool),
            ledger,
            store.clone(),
            Arc::clone(&watchers),
        ));
        let observers = settings.observers.clone();
        let saver =
            Saver::new(store.clone(), Arc::clone(&holding), settings.ceilings, Arc::clone(&watchers), observers);
        let transfers = Arc::<Transfers>::default();
        let loader = Loader::new(store.clone(), Arc::clone(&holding), Arc::clone(&transfers), Arc::clone(&watchers));
        Self { store, holding, loader, saver, transfers, settings, watchers }
    }

    /// How long a session lives without use.
    pub(crate) const fn lifetime(&self) -> Duration {
        self.settings.lifetime
    }

    /// How many are in memory.
    pub(crate) fn len(&self) -> usize {
        self.holding.in_memory().len()
    }

    /// How many of `owner` are.
    pub(crate) fn count_of(&self, owner: &Principal) -> usize {
        self.holding.in_memory().of(owner).len()
    }

    /// How many of `owner` lie in the store alone, as far as is known.
    pub(crate) fn stored_of(&self, owner: &Principal) -> usize {
        self.store.sessions_of(owner).saturating_sub(self.count_of(owner))
    }

    /// Whether a session is in memory.
    pub(crate) fn is_here(&self, owner: &Principal, id: &SessionId) -> bool {
        self.holding.in_memory().has(&SessionKey { owner: owner.clone(), id: id.clone() })
    }

    /// The files of a session if they are in memory and in order. It does not count as
    /// use.
    pub(crate) fn files_here(&self, owner: &Principal, id: &SessionId) -> Option<SessionFiles> {
        self.holding.in_memory().get(&SessionKey { owner: owner.clone(), id: id.clone() })?.files_to_read()
    }

    /// Watches files of sessions of `owner`.
    pub(crate) fn watch(&self, owner: &Principal) -> FileWatch {
        FileWatch::new(&self.watchers, owner)
    }

    /// Where they lie when nobody uses them.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Every session of `owner`, as the store has it.
    pub(crate) async fn list(&self, owner: &Principal) -> Result<Vec<StoredSession>, Error> {
        let owner = owner.clone();
        // Of thousands it takes milliseconds, which are not for others to wait.
        self.store.at_once(|store| async move { store.list(&owner).await }).await
    }

    /// The first of them in the order of their handles, from one on.
    pub(crate) async fn first_from(
        &self,
        owner: &Principal,
        from: Option<SessionId>,
        most: usize,
    ) -> Result<Vec<SessionId>, Error> {
        let owner = owner.clone();
        self.store.at_once(|store| async move { store.first_from(&owner, from.as_ref(), most).await }).await
    }

    /// Looks over the store, and says how many sessions there are in it. Those
    /// that are in use here, or were not long ago, do not expire.
    pub(crate) fn sweep(&self, now: Instant) -> impl Future<Output = Result<usize, Error>> + Send + use<> {
        let (store, in_use) = (self.store.clone(), self.holding.in_memory().in_use(now, self.settings.lifetime));
        let watchers = Arc::clone(&self.watchers);
        async move {
            let swept = store.sweep(&Moment::now(), &in_use).await?;
            watchers.all_gone(&swept.expired);
            tracing::debug!(?swept, "the store was looked over");
            Ok(swept.sessions)
        }
    }

    /// A new session. It is in the store after its first commit.
    pub(crate) async fn create(&self, owner: &Principal) -> Result<Turn, Error> {
        let session = Session::new(SessionId::random(), owner.clone());
        self.holding.in_memory().add(&session);
        let mut turn = session.turn(1).await?;
        if let Err(error) = self.holding.admit(&session) {
            self.holding.forget(&mut turn);
            return Err(error);
        }
        turn.trust();
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
        wanted: Option<&str>,
    ) -> Result<Turn, Error> {
        loop {
            let session = self.holding.in_memory().find(owner, id);
            let mut turn = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Error::Cancelled),
                turn = session.turn(QUEUE) => turn?,
            };
            if turn.is_gone() {
                continue;
            }
            turn.session.touch();
            let (was_here, began) = (turn.is_loaded(), Instant::now());
            self.loader.refresh(&mut turn, wanted).await?;
            if !was_here {
                self.settings.observers.session(SessionEvent::Resumed { took: began.elapsed() });
            }
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
        let session = self.holding.in_memory().find(owner, id);
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

    /// Has the lifetime of a session that is used begin anew, also when nothing
    /// comes of it that is committed. Not each time: a small part of a lifetime
    /// does not matter.
    async fn touch(&self, turn: &mut Turn) {
        let now = self.store.now();
        let age = now.duration_since(turn.modified()).unwrap_or_default();
        if turn.is_new() || age < self.settings.lifetime / TOUCHES {
            return;
        }
        let touched = self.store.touch(&turn.session.owner, &turn.session.id, turn.sequence(), now).await;
        match touched {
            Ok(()) => turn.used(now),
            // It has lived on until now, and says itself until when.
            Err(error) => tracing::debug!(%error, session = %turn.session.id, "a session was not touched"),
        }
    }

    /// Saves what a call made of a session: see [`save`](super::save).
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`] when another server went on with the session,
    /// [`Error::Denied`] when there is no room, [`Error::Busy`] when others have the
    /// memory that it takes. In each case nothing has changed in the store.
    pub(crate) async fn save(&self, turn: &mut Turn, change: Change) -> Result<(), Error> {
        let transfer = change.interpreter.as_ref().map(|captured| Arc::clone(&captured.transfer));
        self.saver.save(turn, change).await?;
        if let Some(transfer) = transfer {
            self.transfers.give_back(&turn.session.owner, transfer);
        }
        Ok(())
    }

    /// An empty transfer for a run in a session.
    pub(crate) fn transfer(&self, owner: &Principal) -> Result<Arc<Transfer>, Error> {
        self.transfers.take(owner).map(Arc::new).doing(|| "make room for the state of a session".into())
    }

    /// Reads a saved interpreter, for a worker to take over.
    pub(crate) async fn fetch(&self, session: &Arc<Session>, saved: &SavedInterpreter) -> Result<Fetched, Error> {
        let (session, saved, transfers) = (Arc::clone(session), saved.clone(), Arc::clone(&self.transfers));
        let fetch = |store| async move { load::fetch(&store, &transfers, &session, &saved).await };
        self.store.at_once(fetch).await
    }

    /// [`fenced_or`], for what was read by [`Sessions::fetch`].
    pub(crate) async fn fenced_or(&self, error: Error, turn: &mut Turn) -> Error {
        fenced_or(&self.store, error, turn).await
    }

    /// [`Store::check_keys`].
    pub(crate) async fn check_keys(&self) -> Result<(), Error> {
        self.store.check_keys().await
    }

    /// Remembers the present state of a session.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when it has as many snapshots as it may have, and as
    /// for [`Sessions::save`].
    pub(crate) async fn take_snapshot<'a>(&self, turn: &'a mut Turn) -> Result<&'a SnapshotRecord, Error> {
        let (count, limit) = (turn.snapshots().len(), self.settings.snapshots);
        if count >= limit {
            return Err(Error::Denied {
                action: "taking a snapshot".into(),
                reason: format!("a session has at most {limit} of them, got {count}; close one that is not needed"),
            });
        }
        self.save(turn, Change { snapshots: Some(SnapshotChange::Take), ..Change::default() }).await?;
        turn.snapshots().last().ok_or_else(|| Error::host("take a snapshot", "it is not there"))
    }

    /// Forgets a snapshot.
    pub(crate) async fn remove_snapshot(&self, turn: &mut Turn, id: &SnapshotId) -> Result<(), Error> {
        find_snapshot(turn, id)?;
        let removed = Some(SnapshotChange::Remove(id.clone()));
        self.save(turn, Change { snapshots: removed, ..Change::default() }).await
    }

    /// Takes interpreters and files back to the last commit.
    pub(crate) async fn roll_back(&self, turn: &mut Turn) -> Result<(), Error> {
        self.loader.roll_back(turn).await
    }

    /// Takes a session back to its last commit if what was done in it was not committed.
    /// What must be loaded anew is, by whoever uses it next.
    pub(crate) async fn settle(&self, turn: &mut Turn) {
        if turn.must_be_taken_back()
            && let Err(error) = self.roll_back(turn).await
        {
            // Whoever uses it next tries again.
            tracing::error!(%error, session = %turn.session.id, "a session could not be taken back to its last state");
        }
    }

    /// Makes the state that a snapshot remembers the next one.
    pub(crate) async fn rewind(&self, turn: &mut Turn, snapshot: &SnapshotId) -> Result<(), Error> {
        let (saved, manifest) = remembered(&self.store, turn, snapshot).await?;
        let earlier = Some(Earlier { saved, files_bytes: manifest.heap_bytes_laid_out() });
        self.save(turn, Change { earlier, ..Change::default() }).await?;
        turn.begin_rewind();
        self.watchers.changed(turn.session.key(), turn.manifest(), &manifest);
        self.holding.interpreters().close(&turn.session.key());
        let tree = self.holding.workspaces().lay_out(turn, manifest).await?;
        turn.rewound(tree);
        let bytes = turn.heap_bytes();
        self.holding.pay(turn, bytes).await?;
        turn.trust();
        Ok(())
    }

    /// Makes a second session of one, as it is now or as a snapshot remembers
    /// it. Returns its handle and sequence.
    pub(crate) async fn fork(&self, turn: &mut Turn, snapshot: Option<&SnapshotId>) -> Result<(SessionId, u64), Error> {
        let (saved, manifest) = match snapshot {
            Some(snapshot) => remembered(&self.store, turn, snapshot).await?,
            None => (turn.saved().clone(), Arc::clone(turn.manifest())),
        };
        self.saver.fork(turn, saved, &manifest).await
    }

    /// Ends a session.
    pub(crate) async fn close(&self, turn: &mut Turn) -> Result<(), Error> {
        self.store.close(&turn.session.owner, &turn.session.id, CloseReason::Closed).await?;
        self.holding.forget(turn);
        self.watchers.gone(&turn.session.key());
        Ok(())
    }

    /// Forgets a new session whose handle nobody knows, with what it stored.
    pub(crate) fn forget_new(&self, turn: &mut Turn) {
        self.holding.forget(turn);
        let (store, session) = (self.store.clone(), Arc::clone(&turn.session));
        self.store.background.spawn(async move {
            if let Err(error) = store.remove_contents(session.owner.directory_name(), &session.id).await {
                tracing::warn!(%error, session = %session.id, "what a session stored was left behind");
            }
        });
    }

    /// Lets sessions hibernate that nobody has used for long enough.
    pub(crate) async fn hibernate_idle(&self, now: Instant) {
        self.holding.hibernate_unused_for(self.settings.hibernate_after, now).await;
    }

    /// Lets sessions hibernate that nobody uses, until `owner` can have `bytes` of
    /// memory.
    pub(crate) fn make_memory(&self, owner: &Principal, bytes: u64) {
        let budget = self.holding.budget();
        self.holding.make_memory(owner, || budget.left_of(owner) >= bytes, || budget.free_bytes() >= bytes);
    }

    /// Forgets what is held of sessions of `owner` that nobody uses: they
    /// hibernate.
    pub(crate) fn forget_all_of(&self, owner: &Principal) {
        self.holding.hibernate_all_of(owner);
        self.transfers.forget(owner);
        self.store.forget_principal(owner);
    }
}
