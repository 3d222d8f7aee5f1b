//! Stores that are not a directory: the memory of this server, and what
//! `object_store` reaches across a network.
//!
//! What is relied on is what Amazon S3 promises since 2020 and 2024: a listing
//! shows every write and removal that was answered before, and a write can be
//! refused where something is (`If-None-Match`). A refusal does not say that
//! something is: `object_store` asks again when an answer was lost, and is then
//! refused for what it wrote itself (412), and S3 refuses beside a removal (409).

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

use super::backend;
use super::backend::{Backend, Created, Looked, Stored, failed};
use crate::error::Error;

/// How often a write is tried that is refused where nothing is.
const ATTEMPTS: u32 = 8;
/// How often one is tried that got no answer, each of them with the bounds and
/// repetitions of the client beneath.
const UNANSWERED: u32 = 2;
/// An object that is written to find out what time it is there.
const CLOCK: &str = "clock";
/// What is compared of an object: more than a header with its number.
const BEGINNING: usize = 64;

/// What came of writing an object where nothing was.
enum Tried {
    /// The object is there.
    Ours,
    /// Another object is there. Where the answer to a write was `lost`, this one may have been there before.
    Anothers { lost: Option<Error> },
}

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
        Ok(matches!(self.try_create(path, content).await?, Tried::Ours))
    }

    // What others built on may be gone, and another that came late in its place.
    async fn create_commit(&self, _: &str, path: &Path, content: PutPayload) -> Result<Created, Error> {
        match self.try_create(path, content).await? {
            Tried::Ours => Ok(Created { is_new: true, gone_bytes: 0 }),
            Tried::Anothers { lost: None } => Ok(Created { is_new: false, gone_bytes: 0 }),
            Tried::Anothers { lost: Some(lost) } => Err(lost),
        }
    }

    // Its content is how its writer knows it again.
    async fn create_mark(&self, path: &Path) -> Result<bool, Error> {
        let mut own = [0; 16];
        getrandom::fill(&mut own).map_err(|source| Error::host(format!("write {path} to the store"), source))?;
        self.create(path, own.to_vec().into()).await
    }

    async fn replace(&self, path: &Path, content: PutPayload) -> Result<(), Error> {
        backend::replace(&*self.0, path, content).await
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

    async fn folders(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let listed = self.0.list_with_delimiter(Some(directory)).await;
        let listed = listed.map_err(|source| failed(format!("list {directory} in the store"), source))?;
        Ok(listed.common_prefixes.iter().filter_map(|folder| Some(folder.filename()?.to_owned())).collect())
    }

    // Nobody says it but by the time of what is written now.
    async fn now(&self) -> Result<SystemTime, Error> {
        let clock = Path::from(CLOCK);
        self.replace(&clock, PutPayload::new()).await?;
        let found = backend::find(&*self.0, &clock).await?;
        found.map(|found| found.modified).ok_or_else(|| Error::host("read the clock of the store", "it vanished"))
    }

    // A copy of the commit onto itself would do, and S3 refuses it.
    async fn touch(&self, _: &Path, used: &Path, _: SystemTime) -> Result<(), Error> {
        self.replace(used, PutPayload::new()).await
    }
}

impl Remote {
    /// Writes an object, unless something is there.
    async fn try_create(&self, path: &Path, content: PutPayload) -> Result<Tried, Error> {
        let (mut unanswered, mut last_lost) = (0, None);
        for _ in 0..ATTEMPTS {
            let is_lost = match backend::create(&*self.0, path, content.clone()).await {
                Ok(true) => return Ok(Tried::Ours),
                Ok(false) => false,
                // The object may be there all the same: the answer is what was lost.
                Err(error @ Error::Unreachable { .. }) => {
                    last_lost = Some(error);
                    true
                }
                Err(error) => return Err(error),
            };
            unanswered += u32::from(is_lost);
            match (self.is_there(path, &content).await, last_lost.take()) {
                (Ok(Some(true)), _) => return Ok(Tried::Ours),
                (Ok(Some(false)), lost) => return Ok(Tried::Anothers { lost }),
                (Ok(None), Some(lost)) if unanswered >= UNANSWERED => return Err(lost),
                (Ok(None), lost) => last_lost = lost,
                (Err(_), Some(lost)) => return Err(lost),
                (Err(error), None) => return Err(error),
            }
        }
        let reason = format!("it was refused {ATTEMPTS} times because something is there, and nothing was");
        Err(last_lost.unwrap_or_else(|| Error::host(format!("write {path} to the store"), reason)))
    }

    /// Whether what lies at `path` was written there by whoever has `content`;
    /// `None` if nothing does. What is sealed begins with a number of its own.
    async fn is_there(&self, path: &Path, content: &PutPayload) -> Result<Option<bool>, Error> {
        let Some(there) = backend::find(&*self.0, path).await? else { return Ok(None) };
        let length = content.content_length() as u64;
        if there.bytes != length {
            return Ok(Some(false));
        }
        let wanted: Vec<u8> = content.iter().flatten().copied().take(BEGINNING).collect();
        match self.0.get_range(path, 0..wanted.len() as u64).await {
            Ok(beginning) => Ok(Some(*beginning == *wanted)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed(format!("read {path} from the store"), source)),
        }
    }

    async fn directly_in(&self, directory: &Path) -> Result<Vec<(String, Stored)>, Error> {
        let listed = self.0.list_with_delimiter(Some(directory)).await;
        let listed = listed.map_err(|source| failed(format!("list {directory} in the store"), source))?;
        let named = listed.objects.iter().filter_map(|meta| Some((meta.location.filename()?.to_owned(), meta.into())));
        Ok(named.collect())
    }
}
