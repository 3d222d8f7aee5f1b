//! Between this server and a bucket: objects that were written or read lately, in the
//! memory of this server, and behind that in what servers share.
//!
//! Nothing here is believed. An object is sealed, and bound to its name: whatever comes from
//! here is opened like what comes from the store, and what does not open counts as absent.
//! What lies at the name of a blob has one content. At that of a commit there is another
//! after a bucket was set back, so one is known by the tag that the store's listing says.
//! Which commit is the newest, and whether a session is over, is never asked here.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::path::Path;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::backend::Tag;
use super::layout::{Object, parse};
use super::seal::OVERHEAD;

/// The largest object that is kept.
const MAX_OBJECT_BYTES: usize = 1 << 20;
/// What all in memory may take.
const MAX_MEMORY_BYTES: usize = 32 << 20;
/// Commits whose tags are known; of more all are forgotten.
const MAX_TAGS: usize = 16_384;
/// Objects on their way to what is shared; more are left out.
const MAX_PUTS: usize = 64;

/// A cache that servers share. It may forget anything at any time, and what it says
/// may be wrong; it takes a bounded time for every answer.
#[async_trait]
pub trait SharedCache: fmt::Debug + Send + Sync {
    /// What was put under a name, unless that is longer.
    async fn get(&self, name: &str, max_bytes: usize) -> Option<Vec<u8>>;

    /// What was put under each of these names, unless one is longer, in one go and beside
    /// what is asked for otherwise. `None` when nobody says.
    async fn get_all(&self, names: &[String], max_bytes: usize) -> Option<Vec<Option<Vec<u8>>>>;

    /// Puts something there, for a while.
    async fn put(&self, name: &str, content: &[u8]);
}

/// What there is of a note that servers leave for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    None,
    /// Something that no server left under this name, as far as the keys here can tell.
    Wrong,
    /// A note.
    Content(Vec<u8>),
}

/// Objects by their names. Of the principal that has the most, the least recently used go
/// first.
#[derive(Default)]
struct Memory {
    objects: HashMap<String, (u64, Arc<[u8]>)>,
    owners: HashMap<String, Own>,
    bytes: usize,
    clock: u64,
}

/// The objects of one principal, by their last use.
#[derive(Default)]
struct Own {
    order: BTreeMap<u64, String>,
    bytes: usize,
}

/// Both tiers.
pub(super) struct Cache {
    memory: Mutex<Memory>,
    /// What the store said last of commits.
    tags: Mutex<HashMap<Path, Tag>>,
    shared: Option<Arc<dyn SharedCache>>,
    puts: Arc<Semaphore>,
}

impl Memory {
    fn get(&mut self, name: &str) -> Option<Arc<[u8]>> {
        let content = self.remove(name)?;
        self.insert(name.to_owned(), Arc::clone(&content));
        Some(content)
    }

    fn insert(&mut self, name: String, content: Arc<[u8]>) {
        self.remove(&name);
        self.clock += 1;
        self.bytes += content.len();
        let own = self.owners.entry(owner(&name).to_owned()).or_default();
        own.bytes += content.len();
        own.order.insert(self.clock, name.clone());
        self.objects.insert(name, (self.clock, content));
        while self.bytes > MAX_MEMORY_BYTES
            && let Some(most) = self.owners.values().max_by_key(|own| own.bytes)
            && let Some(oldest) = most.order.values().next().cloned()
        {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, name: &str) -> Option<Arc<[u8]>> {
        let (used, content) = self.objects.remove(name)?;
        self.bytes -= content.len();
        if let Some(own) = self.owners.get_mut(owner(name)) {
            own.order.remove(&used);
            own.bytes -= content.len();
            if own.order.is_empty() {
                self.owners.remove(owner(name));
            }
        }
        Some(content)
    }
}

/// The principal that an object belongs to, which its location begins with.
fn owner(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

impl Cache {
    pub(super) fn new(shared: Option<Arc<dyn SharedCache>>) -> Self {
        Self { memory: Mutex::default(), tags: Mutex::default(), shared, puts: Arc::new(Semaphore::new(MAX_PUTS)) }
    }

    /// Notes what the store says of a commit, before that is read or kept.
    pub(super) fn tagged(&self, commit: &Path, tag: Option<Tag>) {
        let mut tags = self.tags.lock();
        if tags.len() >= MAX_TAGS {
            tags.clear();
        }
        match tag {
            Some(tag) => drop(tags.insert(commit.clone(), tag)),
            None => drop(tags.remove(commit)),
        }
    }

    /// What an object is called here; none of a commit of which the store has not said which it is.
    fn name(&self, path: &Path) -> Option<String> {
        if !matches!(parse(path), Some((_, _, Object::Commit(_)))) {
            return Some(path.to_string());
        }
        let tag = self.tags.lock().get(path).copied()?;
        Some(format!("{path}@{tag}"))
    }

    /// What there is of an object, which need not be right.
    pub(super) fn in_memory(&self, path: &Path) -> Option<Vec<u8>> {
        let name = self.name(path)?;
        self.memory.lock().get(&name).map(|content| content.to_vec())
    }

    /// What servers share has of an object, which need not be right.
    pub(super) async fn shared(&self, path: &Path) -> Option<Vec<u8>> {
        let shared = self.shared.as_ref()?;
        shared.get(&self.name(path)?, MAX_OBJECT_BYTES).await
    }

    /// What servers share has of several objects, none of which need be right. `None` when
    /// that cannot be asked.
    pub(super) async fn all_shared(&self, paths: &[Path], max_content: usize) -> Option<Vec<Option<Vec<u8>>>> {
        let names: Vec<_> = paths.iter().map(Path::to_string).collect();
        let found = self.shared.as_ref()?.get_all(&names, max_content + OVERHEAD).await?;
        (found.len() == names.len()).then_some(found)
    }

    /// Whether other servers see anything of it.
    pub(super) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Gives something to the other servers alone.
    pub(super) async fn put_in_shared(&self, path: &Path, sealed: &[u8]) {
        if let Some(shared) = self.shared.as_ref().filter(|_| Self::takes(sealed)) {
            shared.put(path.as_ref(), sealed).await;
        }
    }

    /// Whether an object is small enough.
    pub(super) const fn takes(sealed: &[u8]) -> bool {
        sealed.len() <= MAX_OBJECT_BYTES
    }

    /// Keeps an object that lies in the store.
    pub(super) fn keep(&self, path: &Path, sealed: Vec<u8>) {
        if let Some(name) = self.name(path).filter(|_| Self::takes(&sealed)) {
            self.memory.lock().insert(name, sealed.into());
        }
    }

    /// Keeps it and gives it to the others, beside what goes on.
    pub(super) fn share(&self, path: &Path, sealed: Vec<u8>, background: &TaskTracker) {
        let copy = self.shared.as_ref().filter(|_| Self::takes(&sealed)).map(|shared| (shared, sealed.clone()));
        self.keep(path, sealed);
        let (Some((shared, sealed)), Some(name)) = (copy, self.name(path)) else { return };
        // One that is slow must not pile up what it is to be given.
        let Ok(permit) = Arc::clone(&self.puts).try_acquire_owned() else { return };
        let shared = Arc::clone(shared);
        background.spawn(async move {
            shared.put(&name, &sealed).await;
            drop(permit);
        });
    }

    /// Drops what is known of objects that are removed, or did not open.
    pub(super) fn forget<'a>(&self, paths: impl IntoIterator<Item = &'a Path>) {
        for path in paths {
            if let Some(name) = self.name(path) {
                self.memory.lock().remove(&name);
            }
            self.tags.lock().remove(path);
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("shared", &self.shared).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_was_not_used_for_long_goes_first() {
        let cache = Cache::new(None);
        let path = |number: usize| Path::from(format!("one/{number}"));
        let content = vec![1; MAX_OBJECT_BYTES];
        for number in 0..MAX_MEMORY_BYTES / MAX_OBJECT_BYTES {
            cache.keep(&path(number), content.clone());
        }
        assert!(cache.in_memory(&path(0)).is_some());
        cache.keep(&path(100), content);
        assert!(cache.in_memory(&path(0)).is_some() && cache.in_memory(&path(1)).is_none());
        cache.keep(&path(0), b"again".to_vec());
        assert_eq!(cache.in_memory(&path(0)).unwrap(), b"again");
        cache.keep(&path(101), vec![1; MAX_OBJECT_BYTES + 1]);
        assert!(cache.in_memory(&path(101)).is_none());
        cache.forget([&path(0)]);
        assert!(cache.in_memory(&path(0)).is_none());
        let memory = cache.memory.lock();
        let objects = memory.objects.len();
        let bytes: usize = memory.objects.values().map(|(_, content)| content.len()).sum();
        assert!(memory.bytes <= MAX_MEMORY_BYTES && memory.bytes == bytes);
        assert_eq!(memory.owners.values().map(|own| own.order.len()).sum::<usize>(), objects);
        assert_eq!(memory.owners.values().map(|own| own.bytes).sum::<usize>(), bytes);
    }

    #[test]
    fn whoever_reads_much_puts_out_its_own_and_nobody_elses() {
        let cache = Cache::new(None);
        let of = |owner: &str, number: usize| Path::from(format!("{owner}/{number}"));
        let content = vec![1; MAX_OBJECT_BYTES];
        cache.keep(&of("quiet", 0), content.clone());
        for number in 0..2 * MAX_MEMORY_BYTES / MAX_OBJECT_BYTES {
            cache.keep(&of("busy", number), content.clone());
        }
        assert!(cache.in_memory(&of("quiet", 0)).is_some());
        assert!(cache.in_memory(&of("busy", 0)).is_none(), "the control");
    }
}
