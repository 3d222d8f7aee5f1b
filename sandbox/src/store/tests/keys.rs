//! Keys that are added and go while servers are at work.

use super::*;
use crate::store::seal::id_of;

#[tokio::test]
async fn a_key_is_added_without_a_stop_and_the_old_one_opens_what_it_sealed() {
    let (parent, first) = store(Kind::Process);
    let (keys, second) = (KeyFile::of(parent.path()), beside(&first));
    let (session, ended) = (SessionId::random(), SessionId::random());
    let blob = first.put_blob(&me(), &session, 1, b"content".to_vec()).await.unwrap();
    first.commit(&me(), &session, 1, b"one").await.unwrap();
    first.commit(&me(), &ended, 1, b"x").await.unwrap();
    first.close(&me(), &ended, CloseReason::Closed).await.unwrap();
    assert_eq!(second.load(&me(), &session, 1).await.unwrap(), b"one");
    let sealed_with = |sequence| id_of(&fs::read(commit_path(&parent, &session, sequence)).unwrap()).unwrap();
    let old = sealed_with(1);
    assert_eq!(keys.ids().unwrap(), [old]);

    let new = keys.rotate().unwrap();
    assert_eq!(keys.ids().unwrap(), [new, old]);
    // One goes on with the new key, and the other, which has not looked since, opens it.
    assert_eq!(first.commit(&me(), &session, 2, b"two").await.unwrap(), Committed::Done);
    assert_eq!((sealed_with(2), sealed_with(1)), (new, old));
    assert_eq!(second.load(&me(), &session, 2).await.unwrap(), b"two");
    for store in [&first, &second, &beside(&first)] {
        assert_eq!(store.load(&me(), &session, 1).await.unwrap(), b"one");
        assert_eq!(store.get_blob(&me(), &session, &blob, 7).await.unwrap(), b"content");
        assert!(matches!(store.head(&me(), &ended).await.unwrap(), Head::Closed(_)), "with the old key");
        assert_eq!(store.list(&me()).await.unwrap().len(), 1);
    }
    assert_eq!(second.commit(&me(), &session, 3, b"three").await.unwrap(), Committed::Done);
    assert_eq!(sealed_with(3), new);
    assert_ne!(second.blob_hash(&me(), b"content"), blob.hash(), "names follow the key that seals");

    // What ended with the new key is over for a server that knows the old one alone.
    let third = SessionId::random();
    first.commit(&me(), &third, 1, b"x").await.unwrap();
    keys.rotate().unwrap();
    second.close(&me(), &third, CloseReason::Closed).await.unwrap();
    assert_eq!(first.commit(&me(), &third, 2, b"late").await.unwrap(), Committed::Fenced);
}

/// As if the keys had not been changed for a while.
fn long_ago(parent: &TempDir) {
    let key = fs::File::open(parent.path().join("store/key")).unwrap();
    key.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
}

#[tokio::test]
async fn a_key_that_was_forgotten_seals_nothing_that_is_stored_later() {
    let (parent, store) = store(Kind::Process);
    let keys = KeyFile::of(parent.path());
    let old = keys.ids().unwrap()[0].to_string();
    keys.rotate().unwrap();
    long_ago(&parent);
    keys.forget(&old).unwrap();
    let session = SessionId::random();
    let content = vec![7; 3000];
    let hash = store.blob_hash(&me(), &content);
    let blob = store.put_hashed_blob(&me(), &session, 1, hash, content.clone()).await.unwrap();
    store.commit(&me(), &session, 1, b"one").await.unwrap();
    assert_eq!(beside(&store).get_blob(&me(), &session, &blob, 3000).await.unwrap(), content);
}

#[tokio::test]
async fn a_key_is_forgotten_once_nothing_needs_it() {
    let (parent, store) = store(Kind::Process);
    let keys = KeyFile::of(parent.path());
    let (session, ended) = (SessionId::random(), SessionId::random());
    let blob = store.put_blob(&me(), &session, 1, b"content".to_vec()).await.unwrap();
    store.commit(&me(), &session, 1, b"one").await.unwrap();
    store.commit(&me(), &ended, 1, b"x").await.unwrap();
    store.close(&me(), &ended, CloseReason::Closed).await.unwrap();
    let old = keys.ids().unwrap()[0].to_string();
    keys.rotate().unwrap();
    store.commit(&me(), &session, 2, b"two").await.unwrap();
    let refused = || keys.forget(&old).unwrap_err().to_string();
    // The blob, the commit below the head, and that the other session is over.
    assert!(refused().contains("3 objects of 2 sessions are sealed with it") && refused().contains(session.as_str()));
    store.commit(&me(), &session, 3, b"three").await.unwrap();
    store.collect(&me(), &session, 3, &HashSet::from([blob.clone()])).await.unwrap();
    assert!(refused().contains("2 objects of 2 sessions"), "{}", refused());
    store.collect(&me(), &session, 3, &HashSet::new()).await.unwrap();
    assert!(refused().contains("1 objects of 1 sessions"), "{}", refused());
    store.unmark(me().directory_name(), &ended).await.unwrap();
    assert!(refused().contains("a server may still store what it sealed before"), "{}", refused());
    long_ago(&parent);
    keys.forget(&old).unwrap();
    assert_eq!(keys.ids().unwrap().len(), 1);
    for store in [&store, &beside(&store)] {
        assert_eq!(store.load(&me(), &session, 3).await.unwrap(), b"three");
    }
}

#[tokio::test]
async fn a_key_that_was_moved_away_or_spoiled_stays_in_use_until_the_server_ends() {
    let (parent, store) = store(Kind::Process);
    let (session, path) = (SessionId::random(), parent.path().join("store/key"));
    store.commit(&me(), &session, 1, b"one").await.unwrap();
    let key = fs::read(&path).unwrap();
    for spoiled in [None, Some("short")] {
        fs::remove_file(&path).unwrap();
        if let Some(text) = spoiled {
            fs::write(&path, text).unwrap();
        }
        let sequence = sequence_of(&store, &session).await.unwrap();
        assert_eq!(store.commit(&me(), &session, sequence + 1, b"next").await.unwrap(), Committed::Done);
        fs::write(&path, &key).unwrap();
        assert_eq!(beside(&store).load(&me(), &session, sequence + 1).await.unwrap(), b"next");
    }
}
