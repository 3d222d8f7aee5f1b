//! The store itself: where objects lie, and how each is sealed, written, read
//! and removed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::backend::{Backend, Created, Stored};
use super::cache::{Cache, SharedCache};
use super::clock::Clock;
use super::key_file::KeyFile;
use super::key_list::Agreed;
use super::key_ring::KeyRing;
use super::layout::{Object, blobs_location, location, parse_sequence, session_location};
use super::local::{Local, directory};
use super::remote::Remote;
use super::seal::{Binding, OVERHEAD};
use super::usage::Counted;
use crate::error::Error;
use crate::handle::{Principal, SessionId};
use crate::tenancy::TenantBounds;

/// From here on sealing and opening leave the event loop: a tenth of a
/// millisecond of work costs more than changing threads.
const OFFLOAD_BYTES: usize = 128 << 10;

/// Where sessions lie at rest.
#[derive(Clone, Debug)]
pub enum StoreBackend {
    /// In the memory of this server, and gone with it.
    Memory,
    /// In files below the state directory.
    Directory,
    /// In whatever `object_store` speaks to. Servers over one of them share their
    /// keys: a file that each is given, or a copy in their state directories. It must have create-if-absent, and show
    /// what was written to everybody who looks after that.
    Objects(Arc<dyn ObjectStore>),
}

/// When a write to a directory is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Written and in its place: survives the end of every process.
    Process,
    /// On disk, with the directory it is in: survives a power failure.
    Disk,
}

impl Durability {
    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Disk => "disk",
        }
    }
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    pub(crate) backend: StoreBackend,
    /// Where the key lies, the clock, and the files of [`StoreBackend::Directory`].
    pub(crate) directory: PathBuf,
    /// The keys, if they lie in a file of the operator's.
    pub(crate) keys: Option<PathBuf>,
    /// Between this server and [`StoreBackend::Objects`], if servers share one.
    pub(crate) cache: Option<Arc<dyn SharedCache>>,
    pub(crate) durability: Durability,
    /// The most bytes of everybody together.
    pub(crate) bytes: u64,
    /// The most bytes of each principal.
    pub(crate) bounds: Arc<TenantBounds>,
    /// How long a session lives without use.
    pub(crate) lifetime: Duration,
}

/// Sessions at rest. Clones are the same store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) agreed: Arc<Agreed>,
    /// Where the store is across a network.
    pub(super) cache: Option<Arc<Cache>>,
    pub(super) usage: Arc<Counted>,
    pub(super) settings: Arc<StoreSettings>,
    pub(super) clock: Arc<Clock>,
    /// What goes on beside calls. Whoever is about to end waits for it.
    pub(crate) background: TaskTracker,
}

impl Store {
    /// Opens the store, and makes it and its key if they are not there. Looks
    /// at no session. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when others than the user of this process could read
    /// what is or will be in it, [`Error::Host`] when it cannot be made.
    pub(crate) fn open(settings: StoreSettings) -> Result<Self, Error> {
        let (directory, durable) = (&settings.directory, settings.durability == Durability::Disk);
        let keys = || {
            directory::open_beside(directory)?;
            KeyRing::open(settings.keys.as_deref().map_or_else(|| KeyFile::in_store(directory), KeyFile::at))
        };
        let (backend, keys): (Arc<dyn Backend>, _) = match &settings.backend {
            StoreBackend::Memory => (Arc::new(Remote::new(Arc::new(InMemory::new()))), KeyRing::in_memory()?),
            StoreBackend::Directory => {
                let keys = keys()?;
                (Arc::new(Local::open(directory::open(directory, durable)?, durable)?), keys)
            }
            StoreBackend::Objects(objects) => (Arc::new(Remote::new(Arc::clone(objects))), keys()?),
        };
        let is_gone_with_us = matches!(settings.backend, StoreBackend::Memory);
        let is_far = matches!(settings.backend, StoreBackend::Objects(_));
        let clock = Clock::new((!is_gone_with_us).then_some(directory.as_path()));
        Ok(Self {
            backend,
            keys: Arc::new(keys),
            agreed: Arc::default(),
            cache: is_far.then(|| Arc::new(Cache::new(settings.cache.clone()))),
            usage: Arc::default(),
            settings: Arc::new(settings),
            clock: Arc::new(clock),
            background: TaskTracker::new(),
        })
    }

    /// Does several things to the store in one go: see [`Backend::carry_out`].
    pub(crate) async fn at_once<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let work = work(self.clone());
        // Whoever asked may be gone by then.
        self.backend.carry_out(Box::pin(async move { drop(reply.send(work.await)) })).await;
        answer.await.map_err(|_| Error::host("use the store", "its thread failed"))?
    }

    /// Whether commit `sequence` is the newest still. Looks at names alone, and
    /// others may go on at any time: [`Store::commit`] finds out for certain.
    pub(crate) async fn is_newest(
        &self,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
    ) -> Result<bool, Error> {
        let names = self.backend.names(&session_location(principal.directory_name(), session)).await?;
        // One that ended has none.
        Ok(names.iter().filter_map(|name| parse_sequence(name)).max() == Some(sequence))
    }

    /// How many blobs of a session there are, where that is cheap to tell.
    pub(crate) fn count_blobs(&self, principal: &Principal, session: &SessionId) -> usize {
        self.backend.count(&blobs_location(principal.directory_name(), session)).unwrap_or(0)
    }

    /// Checks that `principal` may store `more` bytes. What other servers
    /// wrote counts from the next sweep on.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] with the bound, the value and what to do.
    pub(crate) fn check_space(&self, principal: &Principal, more: u64) -> Result<(), Error> {
        let (all, own) = self.usage.get(principal.directory_name());
        let own_bound = self.settings.bounds.of(principal).store_bytes;
        let denied = |reason| Err(Error::Denied { action: "keeping this session".into(), reason });
        let full = |name: &str, used: u64, bound: u64, advice: &str| {
            let value = used.saturating_add(more);
            (value > bound).then(|| format!("the store would exceed {name}: at most {bound}, got {value}; {advice}"))
        };
        if let Some(reason) = full("principal_store_bytes", own, own_bound, "close sessions that are no longer needed")
        {
            return denied(reason);
        }
        let of_all =
            full("store_bytes", all, self.settings.bytes, "close sessions, or ask the operator for a larger store");
        match of_all {
            None => Ok(()),
            // What all store together tells one what the others do.
            Some(_) if self.settings.bounds.several().is_some() => denied(
                "the store of this server has no room for it; close sessions, or ask the operator for a larger store"
                    .into(),
            ),
            Some(reason) => denied(reason),
        }
    }

    /// Forgets what is known of `principal` to write faster for it.
    pub(crate) fn forget_principal(&self, principal: &Principal) {
        self.backend.forget(principal.directory_name());
    }

    /// How many sessions `principal` had when the store was last looked over.
    pub(crate) fn sessions_of(&self, principal: &Principal) -> usize {
        self.usage.sessions_of(principal.directory_name())
    }

    /// Seals `content` for one location.
    pub(super) async fn seal(
        &self,
        binding: Binding,
        content: impl AsRef<[u8]> + Into<Vec<u8>>,
    ) -> Result<Vec<u8>, Error> {
        // A key that was forgotten seals nothing more.
        self.keys.refresh();
        let keys = self.keys.current();
        if content.as_ref().len() < OFFLOAD_BYTES {
            return keys.seal(&binding, content.as_ref());
        }
        let content = content.into();
        blocking("seal an object", move || keys.seal(&binding, &content)).await
    }

    /// Writes what is sealed, unless something is there. Returns whether it
    /// did.
    pub(super) async fn create(&self, principal: &str, path: &Path, sealed: Vec<u8>) -> Result<bool, Error> {
        let (bytes, copy) = (sealed.len() as u64, self.copy_to_share(&sealed));
        let is_new = self.backend.create(path, sealed.into()).await?;
        if is_new {
            self.usage.wrote(principal, bytes);
            self.share(path, copy);
        }
        Ok(is_new)
    }

    /// What is sealed, where that is kept beside the store.
    pub(super) fn copy_to_share(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.cache.as_ref().filter(|_| Cache::takes(sealed)).map(|_| sealed.to_vec())
    }

    /// Notes which content a commit has.
    pub(super) fn note_tag(&self, commit: &Path, found: Option<Stored>) {
        if let Some(cache) = &self.cache {
            cache.tagged(commit, found.and_then(|found| found.tag));
        }
    }

    /// Keeps what lies in the store now beside it, too.
    pub(super) fn share(&self, path: &Path, copy: Option<Vec<u8>>) {
        if let (Some(cache), Some(copy)) = (&self.cache, copy) {
            cache.share(path, copy, &self.background);
        }
    }

    /// Writes a sealed commit, unless something is there. Returns whether it
    /// did.
    pub(super) async fn create_commit(&self, principal: &str, path: &Path, sealed: Vec<u8>) -> Result<bool, Error> {
        let bytes = sealed.len() as u64;
        let Created { is_new, gone_bytes } = self.backend.create_commit(principal, path, sealed.into()).await?;
        self.usage.removed(principal, gone_bytes);
        if is_new {
            self.usage.wrote(principal, bytes);
        }
        Ok(is_new)
    }

    /// Reads what was sealed for one location, at most `max_bytes` of content.
    /// `None` when nothing is there.
    pub(super) async fn read(&self, path: &Path, binding: Binding, max_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        if let Some(content) = self.read_cached(path, &binding, max_bytes).await {
            return Ok(Some(content));
        }
        let bound = max_bytes.saturating_add(OVERHEAD as u64);
        let Some(sealed) = self.backend.read(path, bound).await? else { return Ok(None) };
        let copy = self.copy_to_share(&sealed);
        let content = self.open_sealed(binding, sealed).await?;
        self.share(path, copy);
        Ok(Some(content))
    }

    /// What was kept beside the store, if it is right. If it is not, nobody is told but
    /// the log: what counts is in the store.
    async fn read_cached(&self, path: &Path, binding: &Binding, max_bytes: u64) -> Option<Vec<u8>> {
        let cache = self.cache.as_ref()?;
        let right = async |sealed| {
            let opened = self.open_sealed(binding.clone(), sealed).await;
            opened.ok().filter(|content| content.len() as u64 <= max_bytes)
        };
        if let Some(sealed) = cache.in_memory(path)
            && let Some(content) = right(sealed).await
        {
            return Some(content);
        }
        let sealed = cache.shared(path).await?;
        let content = right(sealed.clone()).await;
        match content {
            Some(_) => cache.keep(path, sealed),
            None => tracing::warn!(%path, "what the cache between servers has of an object is not that object"),
        }
        content
    }

    /// The content of what was sealed for one location.
    pub(super) async fn open_sealed(&self, binding: Binding, sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
        if sealed.len() < OFFLOAD_BYTES {
            return self.keys.open_sealed(&binding, sealed);
        }
        let keys = Arc::clone(&self.keys);
        blocking("open an object", move || keys.open_sealed(&binding, sealed)).await
    }

    /// The time of whatever is used now.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.ahead().unwrap_or_else(SystemTime::now)
    }

    /// Has the session of a commit look as if it was used `now`.
    pub(crate) async fn touch(
        &self,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
        now: SystemTime,
    ) -> Result<(), Error> {
        let [commit, used] = [Object::Commit(sequence), Object::Used]
            .map(|object| location(principal.directory_name(), session, &object));
        self.backend.touch(&commit, &used, now).await
    }

    /// Removes objects of these sizes, in no order. Those that are gone
    /// already are as good as removed.
    pub(super) async fn remove(&self, principal: &str, objects: HashMap<Path, u64>) -> Result<(), Error> {
        if let Some(cache) = &self.cache {
            cache.forget(objects.keys());
        }
        let mut removals = self.backend.remove(objects.keys().cloned().collect());
        let mut first_failure = None;
        while let Some(removal) = removals.next().await {
            match removal {
                Ok(path) => self.usage.removed(principal, objects.get(&path).copied().unwrap_or(0)),
                Err(error) => drop(first_failure.get_or_insert(error)),
            }
        }
        first_failure.map_or(Ok(()), Err)
    }
}

/// Runs `work` on a thread that may block, which this one may be.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if tokio::runtime::Handle::try_current().is_err() {
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::host(doing, source))?
}
