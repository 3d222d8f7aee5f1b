//! What caches in front of a bucket have, and the bucket has no longer.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use parking_lot::Mutex;

use super::*;

/// One that keeps everything for ever.
#[derive(Debug, Default)]
struct Shared(Mutex<HashMap<String, Vec<u8>>>);

#[async_trait]
impl SharedCache for Shared {
    async fn get(&self, name: &str, _: usize) -> Option<Vec<u8>> {
        self.0.lock().get(name).cloned()
    }

    async fn get_all(&self, names: &[String], _: usize) -> Option<Vec<Option<Vec<u8>>>> {
        let kept = self.0.lock();
        Some(names.iter().map(|name| kept.get(name).cloned()).collect())
    }

    async fn put(&self, name: &str, content: &[u8]) {
        self.0.lock().insert(name.to_owned(), content.to_vec());
    }
}

#[tokio::test]
async fn a_note_is_read_by_servers_over_the_store_and_under_its_name_alone() {
    let (parent, _) = store(Kind::Weak);
    let (objects, shared) = (Arc::new(InMemory::new()), Arc::new(Shared::default()));
    let server = |cache: &Arc<Shared>| {
        let backend = StoreBackend::Objects(Arc::clone(&objects) as Arc<dyn object_store::ObjectStore>);
        let cache = Some(Arc::clone(cache) as Arc<dyn SharedCache>);
        Store::open(StoreSettings { backend, cache, ..settings(parent.path(), Kind::Weak) }).unwrap()
    };
    let (one, other) = (server(&shared), server(&shared));
    let names = ["a", "b"].map(str::to_owned);
    assert_eq!(one.notes(&names, 9).await.unwrap(), [Note::None, Note::None]);
    one.leave_note("a", b"swordfish".to_vec()).await.unwrap();
    assert_eq!(other.notes(&names, 9).await.unwrap(), [Note::Content(b"swordfish".to_vec()), Note::None]);
    let sealed = shared.0.lock().get("notes/a").unwrap().clone();
    assert!(!sealed.windows(9).any(|window| window == b"swordfish"));
    shared.0.lock().insert("notes/b".into(), sealed.clone());
    shared.0.lock().insert("notes/a".into(), b"swordfish".to_vec());
    assert_eq!(other.notes(&names, 9).await.unwrap(), [Note::Wrong, Note::Wrong]);
    // The control, and a server over another store.
    shared.0.lock().insert("notes/a".into(), sealed);
    assert_eq!(other.notes(&names[..1], 9).await.unwrap(), [Note::Content(b"swordfish".to_vec())]);
    let elsewhere = tempfile::tempdir().unwrap();
    let backend = StoreBackend::Objects(Arc::new(InMemory::new()));
    let cache = Some(Arc::clone(&shared) as Arc<dyn SharedCache>);
    let stranger = Store::open(StoreSettings { backend, cache, ..settings(elsewhere.path(), Kind::Weak) }).unwrap();
    assert_eq!(stranger.notes(&names[..1], 9).await.unwrap(), [Note::Wrong]);
}

#[tokio::test]
async fn what_was_set_back_and_went_another_way_is_not_answered_by_a_cache() {
    let parent = tempfile::tempdir().unwrap();
    let (objects, shared) = (Arc::new(InMemory::new()), Arc::new(Shared::default()));
    let server = |cache: Option<&Arc<Shared>>| {
        let backend = StoreBackend::Objects(Arc::clone(&objects) as Arc<dyn object_store::ObjectStore>);
        let cache = cache.map(|cache| Arc::clone(cache) as Arc<dyn SharedCache>);
        Store::open(StoreSettings { backend, cache, ..settings(parent.path(), Kind::Weak) }).unwrap()
    };
    let (before, other) = (server(Some(&shared)), server(None));
    let session = SessionId::random();
    let commit = async |store: &Store, sequence, body: &[u8]| {
        assert_eq!(store.commit(&me(), &session, sequence, body).await.unwrap(), Committed::Done);
    };
    let load = async |store: &Store| {
        let sequence = sequence_of(store, &session).await.unwrap();
        store.load(&me(), &session, sequence).await.unwrap()
    };
    commit(&before, 1, b"one").await;
    let mut kept = Vec::new();
    for meta in objects.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let content = objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
        kept.push((meta.location, content));
    }
    commit(&before, 2, b"two, of before").await;
    before.background.close();
    before.background.wait().await;
    assert!(shared.0.lock().keys().any(|name| name.contains("/0000000000000002@")), "the control");
    // The bucket is set back, and somebody goes on who knows nothing of all this.
    for meta in objects.list(None).try_collect::<Vec<_>>().await.unwrap() {
        objects.delete(&meta.location).await.unwrap();
    }
    for (path, content) in kept {
        objects.put(&path, content.into()).await.unwrap();
    }
    commit(&other, 2, b"two, another").await;
    for store in [&before, &server(Some(&shared)), &other] {
        assert_eq!(load(store).await, b"two, another");
    }
    // What was read is kept, and what is kept is used.
    let reader = server(Some(&shared));
    assert_eq!(load(&reader).await, b"two, another");
    objects.delete(&location("local", &session, &Object::Commit(2))).await.unwrap();
    assert_eq!(reader.load(&me(), &session, 2).await.unwrap(), b"two, another", "from memory");
}
