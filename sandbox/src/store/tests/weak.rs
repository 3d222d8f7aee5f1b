//! A store in memory that keeps no promise which Amazon S3 does not make, and
//! shows each weakness often.
//!
//! - Whoever asks is answered later than something happened, and others come in
//!   between.
//! - A listing comes in pages of two (S3: a thousand), each of its own moment.
//! - A write that is refused where something is (`If-None-Match`) may be refused
//!   for its own first attempt, whose answer was lost (S3: 412), or beside
//!   another's removal, where nothing is (S3: 409). `object_store` 0.14 says
//!   `AlreadyExists` for both.
//! - Times are whole seconds of a clock of its own.
//! - What is not there is removed with success; nothing is renamed; a copy of an
//!   object onto itself is refused.
//!
//! What S3 promises since 2020 holds: a listing that begins after a write or a
//! removal was answered shows it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use parking_lot::Mutex;

const PAGE: usize = 2;
/// The store. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct WeakStore {
    objects: Arc<InMemory>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// How many seconds its clock is ahead of this machine's, or behind as a negative
    /// number wraps.
    ahead: Arc<AtomicU64>,
    /// How many it was when an object was written.
    written: Mutex<HashMap<Path, u64>>,
    random: AtomicU64,
    asked: AtomicU64,
    lost_answers: AtomicU64,
    conflicts: AtomicU64,
}

impl WeakStore {
    /// An empty one. What it does is another for another seed. Its clock is
    /// `ahead` of this machine's by so many seconds.
    pub(crate) fn new(seed: u64, ahead: Arc<AtomicU64>) -> Self {
        let state = State {
            ahead,
            written: Mutex::default(),
            random: AtomicU64::new(seed | 1),
            asked: AtomicU64::new(0),
            lost_answers: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
        };
        Self { objects: Arc::new(InMemory::new()), state: Arc::new(state) }
    }

    /// How often it was asked, how often the answer to a write was lost, and
    /// how often a write was refused where nothing was.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (get(&self.state.asked), get(&self.state.lost_answers), get(&self.state.conflicts))
    }

    fn random(&self, below: u64) -> u64 {
        let next = |mut number: u64| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            Some(number)
        };
        let number = self.state.random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        (number.unwrap_or_default() >> 20) % below
    }

    /// Lets others come in between.
    async fn wait(&self) {
        for _ in 0..self.random(4) {
            tokio::task::yield_now().await;
        }
        if self.random(32) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A request: what happens does so at one moment between others.
    async fn ask<T>(&self, happens: impl Future<Output = T>) -> T {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        self.wait().await;
        let answer = happens.await;
        self.wait().await;
        answer
    }

    /// One page of what lies beneath `prefix` and behind `last`.
    async fn page(&self, prefix: Option<&Path>, last: &Path) -> Result<Vec<ObjectMeta>> {
        let page = self.objects.list_with_offset(prefix, last).take(PAGE).collect::<Vec<_>>();
        self.ask(page).await.into_iter().map(|meta| meta.map(|meta| self.told(meta))).collect()
    }

    /// Notes when something is written.
    fn note(&self, path: &Path) {
        self.state.written.lock().insert(path.clone(), self.state.ahead.load(Ordering::Relaxed));
    }

    /// An object as this store tells of it.
    fn told(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let ahead = self.state.written.lock().get(&meta.location).copied().unwrap_or_default();
        let time = SystemTime::from(meta.last_modified).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        meta.last_modified = (SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs().wrapping_add(ahead))).into();
        meta
    }
}

fn refused(operation: &str) -> Error {
    Error::Generic { store: "weak", source: operation.into() }
}

impl fmt::Display for WeakStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a weak store")
    }
}

#[async_trait]
impl ObjectStore for WeakStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let exists = || Error::AlreadyExists { path: path.to_string(), source: "412 or 409".into() };
        match options.mode {
            PutMode::Overwrite => {
                self.note(path);
                self.ask(self.objects.put_opts(path, payload, options)).await
            }
            PutMode::Update(_) => Err(refused("not every store has If-Match")),
            PutMode::Create if self.random(8) == 0 => {
                self.state.conflicts.fetch_add(1, Ordering::Relaxed);
                Err(self.ask(async { exists() }).await)
            }
            PutMode::Create => {
                let written = self.ask(self.objects.put_opts(path, payload, options)).await;
                if written.is_ok() {
                    self.note(path);
                }
                if written.is_ok() && self.random(8) == 0 {
                    self.state.lost_answers.fetch_add(1, Ordering::Relaxed);
                    return Err(self.ask(async { exists() }).await);
                }
                written
            }
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(refused("nothing is so large here"))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.ask(self.objects.get_opts(path, options)).await?;
        got.meta = self.told(got.meta);
        Ok(got)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let remove = move |path: Result<Path>| {
            let this = this.clone();
            async move {
                let path = path?;
                let gone = futures_util::stream::iter([Ok(path.clone())]).boxed();
                this.ask(this.objects.delete_stream(gone).for_each(|_| async {})).await;
                Ok(path)
            }
        };
        paths.then(remove).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let pages = unfold(Some(Path::default()), move |last| {
            let (this, prefix) = (this.clone(), prefix.clone());
            async move {
                let page = this.page(prefix.as_ref(), &last?).await;
                let next = page.as_ref().ok().and_then(|page| Some(page.last()?.location.clone()));
                let page = page.map_or_else(|error| vec![Err(error)], |page| page.into_iter().map(Ok).collect());
                Some((futures_util::stream::iter(page), next))
            }
        });
        pages.flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let depth = prefix.map_or(0, |prefix| prefix.parts().count());
        let mut listed =
            ListResult { common_prefixes: Vec::new(), objects: Vec::new(), extensions: Default::default() };
        let mut all = self.list(prefix);
        while let Some(meta) = all.next().await {
            let meta = meta?;
            if meta.location.parts().count() == depth + 1 {
                listed.objects.push(meta);
            } else {
                let directory: Path = meta.location.parts().take(depth + 1).collect();
                if listed.common_prefixes.last() != Some(&directory) {
                    listed.common_prefixes.push(directory);
                }
            }
        }
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        if from == to {
            return Err(refused("a copy onto itself must change something"));
        }
        if !matches!(options.mode, CopyMode::Overwrite) {
            return Err(refused("not every store has copies that are refused where something is"));
        }
        self.note(to);
        self.ask(self.objects.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, _: &Path, _: &Path, _: RenameOptions) -> Result<()> {
        Err(refused("nothing is renamed"))
    }
}
