//! What an executor is told once, and what of it programs must not see.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use guest_runtimes::Catalogue;

use super::grants::Reserved;
use crate::error::{Error, IoContext as _};
use crate::filesystem::canonical::canonical;
use crate::native::{Kind, NativeSettings, Private};
use crate::policy::Policy;
use crate::run::limits::Limits;
use crate::store::{Durability, SharedCache, StoreBackend};
use crate::tenancy::Tenancy;

/// What an [`Executor`] needs to know. No field has a hidden default.
#[derive(Clone, Debug)]
pub struct ExecutorSettings {
    /// The languages that there are.
    pub catalogue: Catalogue,
    /// Where workspaces lie while the server lives.
    pub state_directory: PathBuf,
    /// Where compiled images lie.
    pub cache_directory: PathBuf,
    /// Limits of a run that asks for none.
    pub default_limits: Limits,
    /// The highest limits that a run may ask for, whoever's it is.
    pub limit_ceilings: Limits,
    /// What programs are granted, where there is one tenant.
    pub policy: Arc<Policy>,
    /// Whether there is one tenant or several.
    pub tenancy: Tenancy,
    /// What no mount may hold, beside what is this executor's own.
    pub reserved: Vec<Reserved>,
    /// The most runs at once.
    pub runs: usize,
    /// The most runs that wait, where there is one tenant.
    pub queue: usize,
    /// The most worker processes, unless more are in use.
    pub workers: usize,
    /// Memory of all runs and sessions together.
    pub memory_bytes: u64,
    /// The most sessions that are in memory at once; the others hibernate.
    pub sessions: usize,
    /// How long a session stays in memory without use.
    pub hibernate_after: Duration,
    /// How long a session lives without use.
    pub session_lifetime: Duration,
    /// Where sessions lie at rest.
    pub store: StoreBackend,
    /// The file with the keys that sessions are sealed with, if it is the operator's;
    /// it must be there.
    pub store_keys: Option<PathBuf>,
    /// A cache in front of the store that servers share.
    pub store_cache: Option<Arc<dyn SharedCache>>,
    /// What a state of a session in a directory outlasts once it was acknowledged.
    pub durability: Durability,
    /// The most that all stored sessions together may take.
    pub store_bytes: u64,
    /// The most that the stored sessions of one principal may take, where there is
    /// one tenant.
    pub principal_store_bytes: u64,
    /// The most snapshots of one session.
    pub snapshots: usize,
    /// How native programs are run.
    pub native: NativeSettings,
    /// Whether clocks and random bytes are the same in every run. For tests:
    /// whoever knows that can guess every secret a program makes.
    pub deterministic: bool,
}

/// What native programs must not see, the server's own first.
pub(super) fn private(settings: &ExecutorSettings) -> Result<Vec<Private>, Error> {
    let state = &settings.state_directory;
    let own = [
        ("the key of the store", state.join("store/key")),
        ("the state directory", state.clone()),
        ("the cache directory", settings.cache_directory.clone()),
    ];
    let secrets = settings.native.secrets.iter().map(|path| ("the file", path.clone()));
    let mut private = Vec::new();
    for (what, path) in own.into_iter().chain(secrets) {
        let path = canonical(&path).doing(|| format!("find {}", path.display()))?;
        private.push(Private { what, path, kind: Kind::Secret });
    }
    private.extend(settings.native.personal.iter().map(|path| {
        // A directory that this process cannot get to holds no interpreter either.
        let path = canonical(path).unwrap_or_else(|_| path.clone());
        Private { what: "the directory", path, kind: Kind::Personal }
    }));
    Ok(private)
}
