//! A store whose objects are files: their directory, threads that work on it,
//! and files that take in another object.

pub(super) mod directory;
mod files;
mod reusable;
mod threads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use object_store::PutPayload;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use self::directory::remove_leftovers;
use self::files::Files;
use self::threads::Threads;
use super::backend;
use super::backend::{Backend, Created, Looked, Stored, failed};
use super::objects::blocking;
use crate::error::{Error, IoContext as _};

/// A directory, as a backend.
#[derive(Debug)]
pub(super) struct Local {
    files: Arc<Files>,
    objects: LocalFileSystem,
    threads: Threads,
}

impl Local {
    /// Opens the directory `root`, which is there.
    pub(super) fn open(root: PathBuf, durable: bool) -> Result<Self, Error> {
        let objects = LocalFileSystem::new_with_prefix(&root)
            .map_err(|source| failed(format!("open the store {}", root.display()), source))?
            .with_fsync(durable);
        Ok(Self { files: Arc::new(Files::new(root, durable)), objects, threads: Threads::start()? })
    }

    /// Does something to files on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        doing: impl FnOnce() -> String + Send + 'static,
        work: impl FnOnce(&Files) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let files = Arc::clone(&self.files);
        blocking("use the store", move || work(&files).doing(doing)).await
    }
}

#[async_trait]
impl Backend for Local {
    async fn create(&self, path: &Path, content: PutPayload) -> Result<bool, Error> {
        backend::create(&self.objects, path, content).await
    }

    // Without content it takes no room on a disk.
    async fn create_mark(&self, path: &Path) -> Result<bool, Error> {
        self.create(path, PutPayload::new()).await
    }

    async fn create_commit(&self, owner: &str, path: &Path, content: PutPayload) -> Result<Created, Error> {
        let (owner, new, same) = (owner.to_owned(), path.clone(), content.clone());
        let doing = format!("write {path} to the store");
        match self.blocking(move || doing, move |files| files.put_reusing(&owner, &new, &same)).await? {
            Some(placed) => Ok(placed),
            None => Ok(Created { is_new: self.create(path, content).await?, gone_bytes: 0 }),
        }
    }

    fn keep_to_reuse(&self, owner: &str, commit: &Path, bytes: u64) -> bool {
        self.files.reusable.add(owner, commit.clone(), bytes)
    }

    fn forget(&self, owner: &str) {
        self.files.reusable.forget(owner);
    }

    async fn replace(&self, path: &Path, content: PutPayload) -> Result<(), Error> {
        backend::replace(&self.objects, path, content).await
    }

    async fn read(&self, path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        backend::read(&self.objects, path, max_bytes).await
    }

    async fn exists(&self, path: &Path) -> Result<bool, Error> {
        Ok(backend::find(&self.objects, path).await?.is_some())
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<(), Error> {
        backend::copy(&self.objects, from, to).await
    }

    fn remove(&self, paths: Vec<Path>) -> BoxStream<'_, Result<Path, Error>> {
        backend::remove(&self.objects, paths)
    }

    fn list(&self, beneath: Option<&Path>) -> BoxStream<'static, Result<(Path, Stored), Error>> {
        backend::list(&self.objects, beneath)
    }

    // What `object_store` asks of a directory takes several times as long.
    async fn look(&self, directory: &Path, marks: Vec<Path>) -> Result<Looked, Error> {
        let (listed, directory) = (directory.clone(), directory.clone());
        let doing = move || format!("list {directory} in the store");
        self.blocking(doing, move |files| files.look(&listed, &marks)).await
    }

    // On the thread that asks: two names are read faster than a thread is woken.
    async fn names(&self, directory: &Path) -> Result<Vec<String>, Error> {
        self.files.names(directory).doing(|| format!("list {directory} in the store"))
    }

    async fn folders(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let (listed, directory) = (directory.clone(), directory.clone());
        let doing = move || format!("list {directory} in the store");
        self.blocking(doing, move |files| files.names(&listed)).await
    }

    fn count(&self, directory: &Path) -> Option<usize> {
        self.files.names(directory).ok().map(|names| names.len())
    }

    async fn touch(&self, commit: &Path, _: &Path, now: SystemTime) -> Result<(), Error> {
        self.set_time(commit, now).await
    }

    async fn set_time(&self, object: &Path, now: SystemTime) -> Result<(), Error> {
        let (touched, object) = (object.clone(), object.clone());
        let doing = move || format!("set the time of {object} in the store");
        self.blocking(doing, move |files| files.touch(&touched, now)).await
    }

    async fn turn_into_mark(&self, commit: &Path, end: &Path) -> bool {
        let (commit, end) = (commit.clone(), end.clone());
        self.blocking(|| "end a session".into(), move |files| files.end_in(&commit, &end)).await.is_ok()
    }

    async fn last_addition(&self, directory: &Path) -> SystemTime {
        let directory = directory.clone();
        let looked = self.blocking(|| "sweep the store".into(), move |files| Ok(files.last_addition(&directory))).await;
        looked.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    async fn remove_empty(&self, directories: Vec<Path>) {
        let remove = move |files: &Files| {
            directories.iter().for_each(|directory| files.remove_empty(directory));
            Ok(())
        };
        if let Err(error) = self.blocking(|| "remove a session".into(), remove).await {
            tracing::warn!(%error, "empty directories were left in the store");
        }
    }

    async fn remove_leftovers(&self, now: SystemTime) -> Result<usize, Error> {
        let files = Arc::clone(&self.files);
        blocking("sweep the store", move || remove_leftovers(&files.root, now)).await
    }

    fn carry_out(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.threads.start_work(work);
        Box::pin(std::future::ready(()))
    }
}
