//! What a backend has to offer, and what every kind of backend does in
//! the same way.
//!
//! The rest of the store speaks to one [`Backend`], and asks nowhere which.
//! [`Local`](super::local::Local) is a directory, [`Remote`](super::remote::Remote)
//! whatever else `object_store` speaks to.

use std::fmt;
use std::io;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use object_store::client::HttpError;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use crate::error::Error;

/// One object as a listing tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
    pub(super) tag: Option<Tag>,
}

/// By which a backend across a network tells one content of a location from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag([u8; 16]);

impl From<&str> for Tag {
    // Some quote it in one answer and not in the other.
    fn from(text: &str) -> Self {
        let mut tag = [0; 16];
        tag.copy_from_slice(&blake3::hash(text.trim_matches('"').as_bytes()).as_bytes()[..16]);
        Self(tag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl From<&ObjectMeta> for Stored {
    fn from(meta: &ObjectMeta) -> Self {
        Self { bytes: meta.size, modified: meta.last_modified.into(), tag: meta.e_tag.as_deref().map(Tag::from) }
    }
}

/// What became of content that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Created {
    /// Whether it is there, where nothing was.
    pub(super) is_new: bool,
    /// How large the object was whose file it took, and which is gone.
    pub(super) gone_bytes: u64,
}

/// What lies directly in one location, and which mark there was after that.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// By name. Nothing is said of one that vanished after it was listed: it
    /// was there all the same.
    pub(super) names: Vec<(String, Option<Stored>)>,
    /// The first of the marks that is there, by its number, and since when.
    pub(super) mark: Option<(usize, SystemTime)>,
}

/// A backend: objects that servers may share.
///
/// What is written is there for everybody who asks after that, and so is what
/// was removed gone, in listings too. Clocks of backends are their own.
#[async_trait]
pub(super) trait Backend: fmt::Debug + Send + Sync {
    /// Writes an object, unless something is there. Returns whether it did.
    async fn create(&self, path: &Path, content: PutPayload) -> Result<bool, Error>;

    /// Writes a mark, whose name says all, unless it is there. Returns whether it
    /// did.
    async fn create_mark(&self, path: &Path) -> Result<bool, Error>;

    /// Writes a commit of `owner`, unless something is there. It may take the
    /// location of one for which [`Backend::keep_to_reuse`] was true.
    async fn create_commit(&self, _owner: &str, path: &Path, content: PutPayload) -> Result<Created, Error> {
        Ok(Created { is_new: self.create(path, content).await?, gone_bytes: 0 })
    }

    /// Whether a commit that nobody needs any longer is left where it is, for
    /// the next one to take its place; otherwise it is to be removed.
    fn keep_to_reuse(&self, _owner: &str, _commit: &Path, _bytes: u64) -> bool {
        false
    }

    /// Forgets which commits of `owner` are left so.
    fn forget(&self, _owner: &str) {}

    /// Writes an object over what is there.
    async fn replace(&self, path: &Path, content: PutPayload) -> Result<(), Error>;

    /// Reads an object of at most `max_bytes`. `None` when nothing is there.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] also when it is larger.
    async fn read(&self, path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, Error>;

    /// Whether something is there.
    async fn exists(&self, path: &Path) -> Result<bool, Error>;

    /// Gives an object another name as well.
    async fn copy(&self, from: &Path, to: &Path) -> Result<(), Error>;

    /// Removes objects, in no order. Says of each that it is gone now, or why
    /// it is not; of those that were gone already nothing need be said.
    fn remove(&self, paths: Vec<Path>) -> BoxStream<'_, Result<Path, Error>>;

    /// Every object beneath a location, or of all.
    fn list(&self, beneath: Option<&Path>) -> BoxStream<'static, Result<(Path, Stored), Error>>;

    /// What lies directly in `directory`, and only then which of `marks` there
    /// is: what comes to the directory after a mark was set is seen with it.
    async fn look(&self, directory: &Path, marks: Vec<Path>) -> Result<Looked, Error>;

    /// The names directly in `directory`; none where there is no such.
    async fn names(&self, directory: &Path) -> Result<Vec<String>, Error>;

    /// The names of locations directly in `directory` in which something lies, perhaps
    /// among others.
    async fn folders(&self, directory: &Path) -> Result<Vec<String>, Error>;

    /// How many lie directly in `directory`, where that is cheap to tell.
    fn count(&self, _directory: &Path) -> Option<usize> {
        None
    }

    /// Notes that the session of `commit` was used `now`: by the time of that
    /// commit where it can be set, otherwise by that of the object `used`.
    async fn touch(&self, commit: &Path, used: &Path, now: SystemTime) -> Result<(), Error>;

    /// What time it is by the clock that gives objects theirs.
    async fn now(&self) -> Result<SystemTime, Error> {
        Ok(SystemTime::now())
    }

    /// Corrects the time of an object that was just made, where times are
    /// those of this server and its clock was set back.
    async fn set_time(&self, _object: &Path, _now: SystemTime) -> Result<(), Error> {
        Ok(())
    }

    /// Has a commit become a mark, where nothing new can be made.
    /// Returns whether it did.
    async fn turn_into_mark(&self, _commit: &Path, _end: &Path) -> bool {
        false
    }

    /// When something was last made in `directory`, where the time of an object
    /// does not tell.
    async fn last_addition(&self, _directory: &Path) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    /// Removes locations in which nothing lies, where they take room.
    async fn remove_empty(&self, _directories: Vec<Path>) {}

    /// Removes what interrupted writes left. Returns how many files.
    async fn remove_leftovers(&self, _now: SystemTime) -> Result<usize, Error> {
        Ok(0)
    }

    /// Does work that asks this backend for several things, from beginning to
    /// end where that is cheapest. Dropping the future may end it or not.
    fn carry_out(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        work
    }
}

/// Writes an object by create-if-absent.
pub(super) async fn create(objects: &dyn ObjectStore, path: &Path, content: PutPayload) -> Result<bool, Error> {
    match objects.put_opts(path, content, PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(source) => Err(failed(format!("write {path} to the store"), source)),
    }
}

/// Writes an object over what is there.
pub(super) async fn replace(objects: &dyn ObjectStore, path: &Path, content: PutPayload) -> Result<(), Error> {
    let written = objects.put(path, content).await;
    written.map(drop).map_err(|source| failed(format!("write {path} to the store"), source))
}

/// Reads an object, unless it is larger than it may be.
pub(super) async fn read(objects: &dyn ObjectStore, path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
    let doing = || format!("read {path} from the store");
    let found = match objects.get(path).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        other => other.map_err(|source| failed(doing(), source))?,
    };
    if found.meta.size > max_bytes {
        let reason = format!("it is damaged: at most {max_bytes} bytes can be right, got {}", found.meta.size);
        return Err(Error::host(doing(), reason));
    }
    Ok(Some(Vec::from(found.bytes().await.map_err(|source| failed(doing(), source))?)))
}

/// Looks for an object.
pub(super) async fn find(objects: &dyn ObjectStore, path: &Path) -> Result<Option<Stored>, Error> {
    match objects.head(path).await {
        Ok(meta) => Ok(Some((&meta).into())),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(failed(format!("look for {path} in the store"), source)),
    }
}

/// Copies an object to another location.
pub(super) async fn copy(objects: &dyn ObjectStore, from: &Path, to: &Path) -> Result<(), Error> {
    objects.copy(from, to).await.map_err(|source| failed(format!("copy {from} in the store"), source))
}

/// Removes objects, and is silent on those that are not there.
pub(super) fn remove(objects: &dyn ObjectStore, paths: Vec<Path>) -> BoxStream<'static, Result<Path, Error>> {
    let removals = objects.delete_stream(futures_util::stream::iter(paths).map(Ok).boxed());
    let answer = |removal| async move {
        match removal {
            Err(object_store::Error::NotFound { .. }) => None,
            other => Some(other.map_err(|source| failed("remove an object from the store".into(), source))),
        }
    };
    removals.filter_map(answer).boxed()
}

/// Every object beneath a location.
pub(super) fn list(
    objects: &dyn ObjectStore,
    beneath: Option<&Path>,
) -> BoxStream<'static, Result<(Path, Stored), Error>> {
    let listed = |meta: Result<ObjectMeta, _>| match meta {
        Ok(meta) => Ok((meta.location.clone(), Stored::from(&meta))),
        Err(source) => Err(failed("list the store".into(), source)),
    };
    objects.list(beneath).map(listed).boxed()
}

/// Names the operation that failed, and tells a full disk, a network and other
/// shortages from faults.
pub(super) fn failed(doing: String, source: object_store::Error) -> Error {
    // What S3 refuses for good has an error of its own there.
    if matches!(&source, object_store::Error::Generic { store: "S3", .. }) {
        return Error::Unreachable { doing, source: source.into() };
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&source);
    while let Some(error) = cause {
        if error.is::<HttpError>() {
            return Error::Unreachable { doing, source: source.into() };
        }
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
