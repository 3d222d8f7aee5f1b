//! An executor for several tenants, and one of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sandbox::{
    Catalogue, Durability, Error, ExecuteRequest, Executor, ExecutorSettings, Follower, Limits, MinimumTier,
    NativeSettings, Outcome, Policy, Principal, Program, SessionChoice, SessionId, Status, StoreBackend, Tenancy,
    TenantLimits, Tenants,
};
use tempfile::TempDir;
use tests::Process;
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1 << 20;

/// How many workers all tenants have together.
pub(crate) const WORKERS: usize = 8;

/// How long a tenant is known who does nothing.
pub(crate) const IDLE: Duration = Duration::from_secs(600);

/// An executor for several tenants.
pub(crate) struct House {
    pub(crate) executor: Arc<Executor>,
    state: TempDir,
}

/// One tenant of the house.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) executor: Arc<Executor>,
    pub(crate) principal: Principal,
}

/// What a tenant may use unless a test says otherwise.
pub(crate) fn some() -> TenantLimits {
    TenantLimits {
        runs: 2,
        queue: 8,
        workers: 1,
        memory_bytes: 320 * MIB,
        sessions: 4,
        store_bytes: 16 * MIB,
        limit_ceilings: Limits::ceilings(),
        policy: Arc::new(Policy::default()),
    }
}

impl House {
    /// A house with four places, for as many as `most` tenants with these limits.
    pub(crate) fn new(most: usize, default: TenantLimits, named: &[(&str, TenantLimits)]) -> Self {
        Self::with_native(MinimumTier::Off, most, default, named).unwrap()
    }

    pub(crate) fn with_native(
        tier: MinimumTier,
        most: usize,
        default: TenantLimits,
        named: &[(&str, TenantLimits)],
    ) -> Result<Self, Error> {
        let state = tempfile::tempdir().unwrap();
        let named: HashMap<_, _> =
            named.iter().map(|(name, limits)| (Principal::new(name).unwrap(), limits.clone())).collect();
        let settings = ExecutorSettings {
            catalogue: Catalogue::built_in(),
            state_directory: state.path().to_path_buf(),
            cache_directory: tests::cache_directory().to_path_buf(),
            default_limits: Limits::defaults(),
            limit_ceilings: Limits::ceilings(),
            policy: Arc::default(),
            reserved: Vec::new(),
            tenancy: Tenancy::Many(Tenants { most, idle: IDLE, default, named }),
            runs: 4,
            queue: 0,
            workers: WORKERS,
            memory_bytes: 4096 * MIB,
            sessions: 256,
            hibernate_after: Duration::from_secs(300),
            session_lifetime: Duration::from_secs(86_400),
            store: StoreBackend::Directory,
            store_keys: None,
            store_cache: None,
            durability: Durability::Process,
            store_bytes: 1 << 30,
            principal_store_bytes: 0,
            snapshots: 64,
            native: NativeSettings { tier, programs: BTreeMap::new(), secrets: Vec::new(), personal: Vec::new() },
            deterministic: false,
        };
        Ok(Self { executor: Arc::new(Executor::new(settings)?), state })
    }

    pub(crate) fn tenant(&self, name: &str) -> Tenant {
        Tenant { executor: Arc::clone(&self.executor), principal: Principal::new(name).unwrap() }
    }

    /// The directory of this server beneath the state directory.
    fn directory(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.state.path()).unwrap().map(|entry| entry.unwrap().path());
        let is_ours = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("server-");
        entries.into_iter().find(is_ours).unwrap()
    }

    /// What tenants have beneath the directory of this server, which has hidden ones of its own.
    pub(crate) fn directories(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory()).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<_> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// The workers of a tenant, which have its directory open.
    pub(crate) fn workers_of(&self, name: &str) -> Vec<Process> {
        let directory = self.directory().canonicalize().unwrap().join(name);
        let has = |process: &Process| process.open_files().iter().any(|path| path.starts_with(&directory));
        self.workers().into_iter().filter(has).collect()
    }

    /// All workers of this executor.
    pub(crate) fn workers(&self) -> Vec<Process> {
        let directory = self.directory().canonicalize().unwrap();
        let is_ours = |process: &Process| process.open_files().iter().any(|path| path.starts_with(&directory));
        let children = Process::children_of(i32::try_from(std::process::id()).unwrap());
        children.into_iter().filter(|child| child.is_running() && is_ours(child)).collect()
    }

    /// The files of a session, wherever they lie.
    pub(crate) fn files_of(&self, session: &SessionId) -> Option<PathBuf> {
        find(&self.directory(), session.as_str())
    }
}

/// The memory files of sessions that this process has open.
pub(crate) fn memory_files() -> usize {
    let own = Process::find(i32::try_from(std::process::id()).unwrap()).unwrap();
    own.open_files().iter().filter(|path| path.to_string_lossy().starts_with("/memfd:session")).count()
}

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir());
    folders.into_iter().find_map(|path| if path.ends_with(name) { Some(path) } else { find(&path, name) })
}

impl Tenant {
    pub(crate) fn name(&self) -> &str {
        self.principal.directory_name()
    }

    pub(crate) async fn execute(&self, session: SessionChoice, code: &str) -> Result<Outcome, Error> {
        let program = Program { code: code.into(), ..Program::default() };
        self.request(ExecuteRequest { language: "python".into(), program, session, ..Default::default() }).await
    }

    pub(crate) async fn request(&self, request: ExecuteRequest) -> Result<Outcome, Error> {
        self.executor.execute(&self.principal, request, &CancellationToken::new(), Follower::default()).await
    }

    /// What `code` prints, in a session or alone.
    pub(crate) async fn prints(&self, session: SessionChoice, code: &str) -> String {
        let outcome = self.execute(session, code).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        assert_eq!(outcome.report.status, Status::Exited(0), "{}: {:?}", self.name(), outcome.report.error);
        String::from_utf8(outcome.report.stdout.head).unwrap().trim_end().to_owned()
    }

    /// What `code` prints in the session `id`.
    pub(crate) async fn prints_in(&self, id: &SessionId, code: &str) -> String {
        self.prints(SessionChoice::Existing(id.clone()), code).await
    }

    pub(crate) async fn begin(&self, code: &str) -> SessionId {
        let outcome = self.execute(SessionChoice::New, code).await;
        outcome.unwrap_or_else(|error| panic!("{}: {error}", self.name())).session.unwrap().id
    }
}
