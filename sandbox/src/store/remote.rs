//! Stores that are not a directory: the memory of this server, and what
//! `object_store` reaches across a network.
//!
//! What is relied on is what Amazon S3 promises since 2020 and 2024: a listing
//! shows every write and removal that was answered before, and a write can be
//! refused where something is (`If-None-Match`).

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, PutPayload};

use super::backend;
use super::backend::{Backend, Looked, Stored, failed};
use crate::error::Error;

/// A store without files: only what `object_store` offers for all of them.
#[derive(Debug)]
pub(super) struct Remote(Arc<dyn ObjectStore>);

impl Remote {
    pub(super) fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self(objects)
    }
}

#[async_trait]
impl Backend for Remote {
    async fn create(&self, path: &Path, content: PutPayload) -> Result<bool, Error> {
        backend::create(&*self.0, path, content).await
    }

    async fn read(&self, path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        backend::read(&*self.0, path, max_bytes).await
    }

    async fn exists(&self, path: &Path) -> Result<bool, Error> {
        Ok(backend::find(&*self.0, path).await?.is_some())
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<(), Error> {
        backend::copy(&*self.0, from, to).await
    }

    fn remove(&self, paths: Vec<Path>) -> BoxStream<'_, Result<Path, Error>> {
        backend::remove(&*self.0, paths)
    }

    fn list(&self, beneath: Option<&Path>) -> BoxStream<'static, Result<(Path, Stored), Error>> {
        backend::list(&*self.0, beneath)
    }

    async fn look(&self, directory: &Path, marks: Vec<Path>) -> Result<Looked, Error> {
        let names = self.directly_in(directory).await?;
        let found = try_join_all(marks.iter().map(|mark| backend::find(&*self.0, mark))).await?;
        let marks = found.into_iter().enumerate();
        let mark = marks.filter_map(|(number, mark)| Some((number, mark?.modified))).next();
        Ok(Looked { names: names.into_iter().map(|(name, stored)| (name, Some(stored))).collect(), mark })
    }

    async fn names(&self, directory: &Path) -> Result<Vec<String>, Error> {
        Ok(self.directly_in(directory).await?.into_iter().map(|(name, _)| name).collect())
    }

    async fn touch(&self, commit: &Path, _: SystemTime) -> Result<(), Error> {
        self.copy(commit, commit).await
    }
}

impl Remote {
    async fn directly_in(&self, directory: &Path) -> Result<Vec<(String, Stored)>, Error> {
        let listed = self.0.list_with_delimiter(Some(directory)).await;
        let listed = listed.map_err(|source| failed(format!("list {directory} in the store"), source))?;
        let named = listed.objects.iter().filter_map(|meta| Some((meta.location.filename()?.to_owned(), meta.into())));
        Ok(named.collect())
    }
}
