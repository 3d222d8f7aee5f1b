//! What no commit refers to any more.

use super::*;

#[tokio::test]
async fn a_collection_leaves_the_head_and_what_is_still_to_be_committed() {
    for kind in EVERY {
        let (_parent, store) = store(kind);
        let session = SessionId::random();
        let put = async |sequence, text: &str| {
            store.put_blob(&me(), &session, sequence, text.as_bytes().to_vec()).await.unwrap()
        };
        let get = async |name| store.get_blob(&me(), &session, name, 100).await.map_err(|error| error.to_string());
        let (kept, dropped) = (put(1, "kept").await, put(1, "dropped").await);
        store.commit(&me(), &session, 1, b"1").await.unwrap();
        let orphan = put(2, "orphan").await;
        store.commit(&me(), &session, 2, b"2").await.unwrap();
        let ahead = put(3, "ahead").await;
        // Nothing is known of commit 9, so nothing of what it needs.
        store.collect(&me(), &session, 9, &HashSet::new()).await.unwrap();
        get(&dropped).await.unwrap();
        store.collect(&me(), &session, 2, &HashSet::from([kept.clone()])).await.unwrap();
        get(&kept).await.unwrap();
        get(&ahead).await.unwrap();
        assert!(get(&dropped).await.is_err() && get(&orphan).await.is_err());
        assert!(store.load(&me(), &session, 1).await.is_err());
        assert_eq!(store.load(&me(), &session, 2).await.unwrap(), b"2");
    }
}

#[tokio::test]
async fn collections_beside_a_writer_lose_nothing() {
    let (_parent, store) = store(Kind::Process);
    let session = SessionId::random();
    let mut collections = Vec::new();
    let mut kept = Vec::new();
    for sequence in 1..=40_u64 {
        let content = sequence.to_le_bytes().to_vec();
        kept.push(store.put_blob(&me(), &session, sequence, content).await.unwrap());
        if kept.len() > 3 {
            kept.remove(0);
        }
        assert_eq!(store.commit(&me(), &session, sequence, b"x").await.unwrap(), Committed::Done);
        let (store, session, keep) = (store.clone(), session.clone(), kept.iter().cloned().collect());
        collections.push(tokio::spawn(async move { store.collect(&me(), &session, sequence, &keep).await }));
    }
    for collection in collections {
        collection.await.unwrap().unwrap();
    }
    for name in &kept {
        assert_eq!(store.get_blob(&me(), &session, name, 8).await.unwrap(), name.sequence().to_le_bytes());
    }
    assert_eq!(sequence_of(&store, &session).await, Some(40));
    assert_eq!(store.list(&me()).await.unwrap()[0].bytes, 3 * (8 + 56) + 57, "only what is needed is left");
}
