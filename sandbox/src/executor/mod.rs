//! Admits runs, gives each its session and its limits, hands it to a worker,
//! and turns what comes back into an [`Outcome`](crate::Outcome).
//!
//! Every wait here ends by completion, deadline or cancellation. Shutting down
//! is ours, not the transport's: stop admitting, drain, cancel the rest, and
//! answer every one.

mod admission;
mod belongings;
mod events;
mod finished;
mod grants;
mod health;
mod languages;
mod native;
mod notes;
mod run;
mod runtime;
mod scratch;
mod sessions;
mod settings;
mod stop;
mod tenants;
mod wasm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

pub use admission::{Look, Place};
pub use events::{RunEvents, Told};
use guest_runtimes::{Catalogue, GuestRuntime, Kind};
use parking_lot::Mutex;
pub use sessions::{SessionSummary, SnapshotSummary};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::Admission;
use self::events::Events;
pub use self::grants::Reserved;
pub use self::health::Health;
pub use self::languages::Language;
use self::native::NativeRuns;
pub use self::settings::ExecutorSettings;
use self::tenants::{Tenants, Visit};
use self::wasm::WasmRuntime;
use crate::children::spawner::Spawner;
use crate::error::{Error, IoContext as _};
use crate::filesystem::canonical::canonical;
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::Principal;
use crate::images::older::Bases;
use crate::memory_budget::MemoryBudget;
use crate::native::NativeRuntime;
use crate::policy::Policy;
use crate::run::event::Origin;
use crate::run::finished::{Evicted, FinishedRuns};
use crate::run::limits::{Limits, Resource};
use crate::run::observer::{Observer, Observers};
use crate::session::ledger::Ledger;
use crate::session::registry::{SessionSettings, Sessions};
use crate::store::{Store, StoreSettings};
use crate::tenancy::{Tenancy, TenantBounds, TenantLimits};
use crate::wasm::CodeCache;
use crate::worker::PoolSettings;
use crate::workspace::empty::EmptyWorkspaces;

/// How long cancelled runs get to answer during a shutdown: the longest grace
/// period and some.
const CANCEL_WAIT: Duration = Duration::from_secs(3);

/// Runs programs.
pub struct Executor {
    settings: ExecutorSettings,
    wasm: WasmRuntime,
    native: NativeRuns,
    sessions: Arc<Sessions>,
    finished: FinishedRuns,
    bounds: Arc<TenantBounds>,
    tenants: Arc<Tenants>,
    admission: Admission,
    closing: CancellationToken,
    cancel_all: CancellationToken,
    tracker: TaskTracker,
    events: Events,
    state: Arc<StateDirectory>,
    empty_workspaces: Arc<EmptyWorkspaces>,
    sweeping: Arc<AtomicBool>,
    started: Instant,
    last_swept: Mutex<Option<Instant>>,
    stored_sessions: Arc<AtomicUsize>,
    runs_finished: AtomicU64,
    warm_starts: AtomicU64,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every run came to its own end.
    Finished,
    /// Some runs had to be cancelled.
    Cancelled,
}

impl Executor {
    /// Prepares directories. Starts no process.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] or [`Error::Host`] when a directory cannot be used.
    pub fn new(settings: ExecutorSettings) -> Result<Self, Error> {
        let directory = settings.state_directory.clone();
        Self::open(settings).map_err(|error| error.on_disk_of(&directory))
    }

    fn open(mut settings: ExecutorSettings) -> Result<Self, Error> {
        // Each directory has one name from here on, whatever links lead to it.
        for directory in [&mut settings.state_directory, &mut settings.cache_directory] {
            let doing = || format!("find {}", directory.display());
            *directory = canonical(directory).doing(doing)?;
        }
        let whole = TenantLimits {
            runs: settings.runs,
            queue: settings.queue,
            workers: settings.workers,
            memory_bytes: settings.memory_bytes,
            sessions: settings.sessions,
            store_bytes: match settings.tenancy {
                Tenancy::One => settings.principal_store_bytes,
                Tenancy::Many(_) => settings.store_bytes,
            },
            limit_ceilings: settings.limit_ceilings,
            policy: Arc::clone(&settings.policy),
        };
        let bounds = Arc::new(TenantBounds::new(settings.tenancy.clone(), whole)?);
        let state = Arc::new(StateDirectory::create(&settings.state_directory)?);
        let pool = Arc::default();
        let store = Store::open(StoreSettings {
            backend: settings.store.clone(),
            directory: settings.state_directory.join("store"),
            keys: settings.store_keys.clone(),
            cache: settings.store_cache.clone(),
            durability: settings.durability,
            bytes: settings.store_bytes,
            bounds: Arc::clone(&bounds),
            lifetime: settings.session_lifetime,
        })?;
        let observers = Observers::default();
        let session_settings = SessionSettings {
            observers: observers.clone(),
            limit: settings.sessions,
            bounds: Arc::clone(&bounds),
            hibernate_after: settings.hibernate_after,
            lifetime: settings.session_lifetime,
            snapshots: settings.snapshots,
            ceilings: settings.limit_ceilings,
        };
        let empty_workspaces = Arc::new(EmptyWorkspaces::default());
        let directories = (Arc::clone(&state), Arc::clone(&empty_workspaces));
        let cache = CodeCache::open(settings.cache_directory.clone())?;
        let spawner = Arc::new(Spawner::new().doing(|| "start the thread that starts processes".into())?);
        let mut private = settings::private(&settings)?;
        for policy in bounds.policies() {
            grants::check(&policy.mounts, &settings.reserved, &private)?;
        }
        // An interpreter that programs could change is none.
        private.extend(bounds.policies().flat_map(|policy| grants::changeable(&policy.mounts)));
        // What the store does in the background is waited for as runs are.
        let tracker = store.background.clone();
        let cancel_all = CancellationToken::new();
        let budget = MemoryBudget::new(settings.memory_bytes, Arc::clone(&bounds));
        let ledger = Ledger::new(budget.clone());
        let sessions =
            Arc::new(Sessions::new(store.clone(), directories, (Arc::clone(&pool), ledger), session_settings));
        let holders = Arc::downgrade(&sessions);
        budget.set_giver(move |principal, bytes| {
            if let Some(sessions) = holders.upgrade() {
                sessions.make_memory(principal, bytes);
            }
        });
        let native = Arc::new(NativeRuntime::new(
            (settings.native.clone(), settings.native.tier.of(bounds.several().is_some())?),
            &settings.catalogue,
            Arc::clone(&state),
            Arc::clone(&spawner),
            private,
            settings.cache_directory.clone(),
            cancel_all.clone(),
        ));
        Ok(Self {
            native: NativeRuns {
                runtime: Arc::clone(&native),
                budget: budget.clone(),
                state: Arc::clone(&state),
                pool: Arc::clone(&pool),
            },
            wasm: WasmRuntime {
                settings: PoolSettings { workers: settings.workers, bounds: Arc::clone(&bounds) },
                deterministic: settings.deterministic,
                disk_bytes: settings.limit_ceilings.get(Resource::DiskBytes),
                bases: Bases::new(store, cache),
                spawner,
                budget,
                state: Arc::clone(&state),
                sessions: Arc::clone(&sessions),
                native,
                pool,
            },
            sessions,
            state,
            finished: FinishedRuns::new(),
            admission: Admission::new(settings.runs, Arc::clone(&bounds)),
            tenants: Tenants::new(Arc::clone(&bounds)),
            bounds,
            closing: CancellationToken::new(),
            cancel_all,
            tracker,
            events: Events::told_to(observers),
            empty_workspaces,
            sweeping: Arc::default(),
            started: Instant::now(),
            last_swept: Mutex::new(None),
            stored_sessions: Arc::default(),
            runs_finished: AtomicU64::new(0),
            warm_starts: AtomicU64::new(0),
            settings,
        })
    }

    /// The languages that there are, whether or not this machine can run them.
    pub const fn catalogue(&self) -> &Catalogue {
        &self.settings.catalogue
    }

    /// What `principal` is granted.
    pub fn policy(&self, principal: &Principal) -> &Policy {
        &self.bounds.of(principal).policy
    }

    /// Limits of a run that asks for none.
    pub const fn default_limits(&self) -> &Limits {
        &self.settings.default_limits
    }

    /// Compiles the image of the first language that may be run, if it is not
    /// compiled yet, and starts a worker that has it, so that the first run does
    /// not wait for either. What `compiling` makes of the language is held while it
    /// is compiled.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the image cannot be compiled or the worker not started.
    pub async fn warm_up<G>(
        &self,
        principal: &Principal,
        compiling: impl FnOnce(&GuestRuntime) -> G + Send + 'static,
    ) -> Result<(), Error> {
        let _visit = self.enter(principal)?;
        let policy = &self.bounds.of(principal).policy;
        let may_run = |runtime: &&Arc<GuestRuntime>| policy.languages.allow(runtime.id());
        let Some(runtime) = self.settings.catalogue.iter().find(may_run) else { return Ok(()) };
        let Kind::Wasm(image) = runtime.kind() else { return Ok(()) };
        let (pool, shown) = (self.wasm.pool().await, Arc::clone(runtime));
        self.wasm.bases.open_current(pool, principal, runtime, image, move || compiling(&shown)).await?;
        pool.warm_up(principal).await
    }

    /// Finds out what native programs can be run under, so that the first of
    /// them does not wait for it.
    pub async fn probe_native(&self) {
        // A drain waits for it: it has processes and files of its own.
        let _running = self.tracker.token();
        self.native.runtime.probe().await;
    }

    /// Finds out what native programs can be run under, and which native languages there are.
    pub async fn probe_native_languages(&self) {
        let _running = self.tracker.token();
        self.native.runtime.probe_languages().await;
    }

    /// A place for a call of `principal` that runs nothing, among its own, which is held
    /// until its answer is with the client. [`Executor::execute`] takes places by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when too many wait, [`Error::Cancelled`] by `cancel`.
    pub async fn place(&self, principal: &Principal, look: Look, cancel: &CancellationToken) -> Result<Place, Error> {
        let visit = self.enter(principal)?;
        self.admission.look(principal, look, visit, cancel).await
    }

    /// Takes note of a call, for as long as what this returns is kept.
    fn enter(&self, principal: &Principal) -> Result<Option<Visit>, Error> {
        self.tenants.enter(principal, |longest_unused| {
            remove_later(self.finished.take_all_of(longest_unused));
            self.forget(longest_unused)
        })
    }

    /// Forgets a tenant that does nothing, unless something of it is still in use.
    fn forget(&self, principal: &Principal) -> bool {
        self.sessions.forget_all_of(principal);
        if self.finished.has_any_of(principal) || self.sessions.count_of(principal) > 0 {
            return false;
        }
        if let Some(pool) = self.wasm.known_pool() {
            pool.forget(principal);
        }
        self.empty_workspaces.forget(principal);
        if let Some(gone) = self.state.forget(principal) {
            tokio::task::spawn_blocking(move || StateDirectory::remove(&gone));
        }
        true
    }

    /// What happens to runs from here on.
    pub fn events(&self) -> RunEvents {
        self.events.read()
    }

    /// Has `observers` watch runs from here on. Observers that were set before stay.
    pub fn observe_with(&self, observers: Vec<Arc<dyn Observer>>) {
        self.events.observe_with(observers);
    }

    /// Tells those who watch runs of a call that was refused before it came to
    /// [`Executor::execute`], because it was not understood.
    pub fn refuse(&self, principal: &Principal, language: &str, origin: Option<Origin>, error: &Error) {
        self.events.refuse(principal, language, origin, error);
    }

    /// Lets sessions hibernate, and ends what has lived long enough. Call it
    /// every few seconds.
    pub async fn tidy(&self, now: Instant) {
        self.sessions.hibernate_idle(now).await;
        self.sweep_if_due(now);
        remove_later(self.finished.take_expired(now));
        for principal in self.tenants.idle(now) {
            self.tenants.forget(&principal, || self.forget(&principal));
            // To forget a tenant is to rename directories, and calls in between do not
            // wait for all.
            tokio::task::yield_now().await;
        }
        if let Some(pool) = self.wasm.known_pool() {
            pool.evict_idle(now);
        }
    }

    /// Stops admitting, waits for runs until `deadline`, cancels the rest and
    /// waits for their answers.
    pub async fn drain(&self, deadline: impl Future<Output = ()>) -> Drained {
        self.closing.cancel();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => Drained::Finished,
            () = deadline => {
                self.cancel_all.cancel();
                if tokio::time::timeout(CANCEL_WAIT, self.tracker.wait()).await.is_err() {
                    tracing::error!("a run did not answer its cancellation, or clearing up after one takes long");
                }
                Drained::Cancelled
            }
        }
    }
}

fn remove_later(evicted: Evicted) {
    if !evicted.is_empty() {
        tokio::task::spawn_blocking(move || evicted.remove());
    }
}
