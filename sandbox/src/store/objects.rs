//! The store itself: where objects lie, and how each is sealed, written, read
//! and removed.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, stream};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use super::clock::Clock;
use super::layout::{Object, blobs_place, parse_sequence, place, session_place};
use super::local::directory;
use super::local::{Local, Placed};
use super::seal::{Binding, Keys, OVERHEAD};
use super::usage::Counted;
use crate::error::{Error, IoContext as _};
use crate::handle::{Principal, SessionId};

/// From here on sealing and opening leave the event loop: a tenth of a
/// millisecond of work costs more than changing threads.
const OFFLOAD_BYTES: usize = 128 << 10;

/// When a write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Written and in its place: survives the end of every process.
    Process,
    /// On disk, with the directory it is in: survives a power failure.
    Disk,
    /// In the memory of this server, and gone with it.
    None,
}

impl Durability {
    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Disk => "disk",
            Self::None => "none",
        }
    }
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    /// Where it lies. Not used with [`Durability::None`].
    pub(crate) directory: PathBuf,
    pub(crate) durability: Durability,
    /// The most bytes of everybody together.
    pub(crate) bytes: u64,
    /// The most bytes of one principal.
    pub(crate) principal_bytes: u64,
    /// How long a session lives without use.
    pub(crate) lifetime: Duration,
}

/// Sessions at rest. Clones are the same store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) keys: Arc<Keys>,
    pub(super) usage: Arc<Counted>,
    pub(super) settings: Arc<StoreSettings>,
    /// Where objects are files.
    pub(super) local: Option<Arc<Local>>,
    pub(super) clock: Arc<Clock>,
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
        let (objects, local, secret): (Arc<dyn ObjectStore>, _, _) = if settings.durability == Durability::None {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|source| Error::host("make a key", source))?;
            (Arc::new(InMemory::new()), None, secret)
        } else {
            let durable = settings.durability == Durability::Disk;
            let (root, secret) = directory::open(&settings.directory, durable)?;
            let files = LocalFileSystem::new_with_prefix(&root)
                .map_err(|source| failed(format!("open the store {}", root.display()), source))?
                .with_fsync(durable);
            (Arc::new(files), Some(Arc::new(Local::open(root, durable)?)), secret)
        };
        let clock = Clock::new(local.is_some().then_some(settings.directory.as_path()));
        Ok(Self {
            objects,
            keys: Arc::new(Keys::derive(&secret)),
            usage: Arc::default(),
            settings: Arc::new(settings),
            local,
            clock: Arc::new(clock),
        })
    }

    /// Does several things to the store in one go: see [`threads`](super::local::threads).
    pub(crate) async fn at_once<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, Error> {
        let work = work(self.clone());
        match &self.local {
            Some(local) => local.threads.run(work).await,
            None => work.await,
        }
    }

    /// Whether commit `sequence` seems to be the newest still. A cheap hint
    /// that looks at names alone: [`Store::commit`] finds out for certain.
    pub(crate) fn seems_newest(&self, principal: &Principal, session: &SessionId, sequence: u64) -> bool {
        let Some(local) = &self.local else { return true };
        let names = local.names(&session_place(principal.directory_name(), session));
        // One that ended has none.
        names.filter_map(|name| parse_sequence(name.to_str()?)).max() == Some(sequence)
    }

    /// How many blobs of a session there are, where that is cheap to tell.
    pub(crate) fn count_blobs(&self, principal: &Principal, session: &SessionId) -> usize {
        self.local.as_ref().map_or(0, |local| local.names(&blobs_place(principal.directory_name(), session)).count())
    }

    /// Checks that `principal` may store `more` bytes. What other servers
    /// wrote counts from the next sweep on.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] with the bound, the value and what to do.
    pub(crate) fn room(&self, principal: &Principal, more: u64) -> Result<(), Error> {
        let (all, own) = self.usage.get(principal.directory_name());
        let checks = [
            ("store_bytes", all, self.settings.bytes, "close sessions, or ask the operator for a larger store"),
            ("principal_store_bytes", own, self.settings.principal_bytes, "close sessions that are no longer needed"),
        ];
        for (name, used, bound, advice) in checks {
            let value = used.saturating_add(more);
            if value > bound {
                return Err(Error::Denied {
                    action: "keeping this session".into(),
                    reason: format!("the store would exceed {name}: at most {bound}, got {value}; {advice}"),
                });
            }
        }
        Ok(())
    }

    /// Seals `content` for one place.
    pub(super) async fn seal(
        &self,
        binding: Binding,
        content: impl AsRef<[u8]> + Into<Vec<u8>>,
    ) -> Result<Vec<u8>, Error> {
        if content.as_ref().len() < OFFLOAD_BYTES {
            return self.keys.seal(&binding, content.as_ref());
        }
        let (keys, content) = (Arc::clone(&self.keys), content.into());
        blocking("seal an object", move || keys.seal(&binding, &content)).await
    }

    /// Writes what is sealed, unless something is there. Returns whether it
    /// did.
    pub(super) async fn create(
        &self,
        principal: &str,
        path: &Path,
        sealed: impl Into<PutPayload>,
    ) -> Result<bool, Error> {
        let sealed = sealed.into();
        let bytes = sealed.content_length() as u64;
        match self.objects.put_opts(path, sealed, PutMode::Create.into()).await {
            Ok(_) => {
                self.usage.wrote(principal, bytes);
                Ok(true)
            }
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(failed(format!("write {path} to the store"), source)),
        }
    }

    /// The same, in the place of a commit that nobody needs any longer, if
    /// there is one.
    pub(super) async fn create_again(&self, principal: &str, path: &Path, sealed: Vec<u8>) -> Result<bool, Error> {
        let sealed = PutPayload::from(sealed);
        let (owner, content) = (principal.to_owned(), sealed.clone());
        let placed =
            self.place_with(principal, path, &sealed, move |local, new| local.place_again(&owner, new, &content));
        match placed.await? {
            Some(is_new) => Ok(is_new),
            None => self.create(principal, path, sealed).await,
        }
    }

    async fn place_with(
        &self,
        principal: &str,
        path: &Path,
        sealed: &PutPayload,
        place: impl FnOnce(&Local, &Path) -> io::Result<Option<Placed>> + Send + 'static,
    ) -> Result<Option<bool>, Error> {
        let Some(local) = self.local.clone() else { return Ok(None) };
        let (doing, new) = (format!("write {path} to the store"), path.clone());
        let place = move || place(&local, &new).doing(|| doing);
        let Some(placed) = blocking("write to the store", place).await? else { return Ok(None) };
        self.usage.removed(principal, placed.gone_bytes);
        if placed.is_new {
            self.usage.wrote(principal, sealed.content_length() as u64);
        }
        Ok(Some(placed.is_new))
    }

    /// Reads what was sealed for one place, at most `max_bytes` of content.
    /// `None` when nothing is there.
    pub(super) async fn read(&self, path: &Path, binding: Binding, max_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        let doing = || format!("read {path} from the store");
        let found = match self.objects.get(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other.map_err(|source| failed(doing(), source))?,
        };
        let (size, bound) = (found.meta.size, max_bytes.saturating_add(OVERHEAD as u64));
        if size > bound {
            let reason = format!("it is damaged: at most {bound} bytes can be right, got {size}");
            return Err(Error::host(format!("open {binding}"), reason));
        }
        let sealed = Vec::from(found.bytes().await.map_err(|source| failed(doing(), source))?);
        if sealed.len() < OFFLOAD_BYTES {
            return self.keys.open(&binding, sealed).map(Some);
        }
        let keys = Arc::clone(&self.keys);
        blocking("open an object", move || keys.open(&binding, sealed)).await.map(Some)
    }

    /// The time of whatever is used now.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.ahead().unwrap_or_else(SystemTime::now)
    }

    /// Has a commit look as if it was made `now`.
    pub(crate) async fn touch(
        &self,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
        now: SystemTime,
    ) -> Result<(), Error> {
        let path = place(principal.directory_name(), session, &Object::Commit(sequence));
        let doing = format!("touch {path} in the store");
        match self.local.clone() {
            Some(local) => {
                let touch = move || local.touch(&path, now).doing(|| doing);
                blocking("use the store", touch).await
            }
            None => self.objects.copy(&path, &path).await.map_err(|source| failed(doing, source)),
        }
    }

    /// Removes objects of these sizes, in no order. Those that are gone
    /// already are as good as removed.
    pub(super) async fn remove(&self, principal: &str, objects: HashMap<Path, u64>) -> Result<(), Error> {
        let paths: Vec<_> = objects.keys().cloned().map(Ok).collect();
        let mut removals = self.objects.delete_stream(stream::iter(paths).boxed());
        let mut first_failure = None;
        while let Some(removal) = removals.next().await {
            match removal {
                Ok(path) => self.usage.removed(principal, objects.get(&path).copied().unwrap_or(0)),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    first_failure.get_or_insert(failed("remove an object from the store".into(), source));
                }
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

/// Names the operation that failed, and tells a full disk and other shortages
/// from faults.
pub(super) fn failed(doing: String, source: object_store::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&source);
    while let Some(error) = cause {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return match Error::io(doing, io::Error::from_raw_os_error(code)) {
                Error::Host { doing, .. } => Error::host(doing, source),
                other => other,
            };
        }
        cause = error.source();
    }
    Error::host(doing, source)
}
