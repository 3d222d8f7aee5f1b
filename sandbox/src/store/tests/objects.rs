//! What lies there, and whom it is of use to.

use super::*;

#[tokio::test]
async fn what_is_written_is_read_back_until_the_session_is_closed() {
    for kind in EVERY {
        let (_parent, store) = store(kind);
        let session = SessionId::random();
        assert_eq!(store.head(&me(), &session).await.unwrap(), Head::Absent);
        let large: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let blob = store.put_blob(&me(), &session, 1, large.clone()).await.unwrap();
        assert_eq!(store.blob_hash(&me(), &large), blob.hash());
        assert_eq!(store.commit(&me(), &session, 1, b"one").await.unwrap(), Committed::Done);
        assert_eq!(store.load(&me(), &session, 1).await.unwrap(), b"one");
        assert_eq!(store.commit(&me(), &session, 2, &large).await.unwrap(), Committed::Done);
        assert_eq!(sequence_of(&store, &session).await, Some(2));
        assert_eq!(store.load(&me(), &session, 2).await.unwrap(), large);
        assert_eq!(store.get_blob(&me(), &session, &blob, 1_000_000).await.unwrap(), large);
        let listed = store.list(&me()).await.unwrap();
        assert!(listed.len() == 1 && listed[0].id == session && listed[0].sequence == 2, "{listed:?}");
        assert!(listed[0].bytes > 2_000_000);

        store.close(&me(), &session, CloseReason::Closed).await.unwrap();
        store.close(&me(), &session, CloseReason::Expired).await.unwrap();
        let head = store.head(&me(), &session).await.unwrap();
        let Head::Closed(Closed { reason: CloseReason::Closed, at }) = head else { panic!("{head:?}") };
        assert!(SystemTime::now().duration_since(at).unwrap() < DAY);
        assert!(store.load(&me(), &session, 2).await.unwrap_err().to_string().contains(session.as_str()));
        assert!(store.get_blob(&me(), &session, &blob, 1_000_000).await.is_err());
        assert!(store.list(&me()).await.unwrap().is_empty());
        assert_eq!(store.head(&me(), &SessionId::random()).await.unwrap(), Head::Absent);
    }
}

#[tokio::test]
async fn a_copied_blob_outlives_the_session_it_was_copied_from() {
    for kind in EVERY {
        let (_parent, store) = store(kind);
        let (old, new) = (SessionId::random(), SessionId::random());
        let blob = store.put_blob(&me(), &old, 7, b"content".to_vec()).await.unwrap();
        store.copy_blobs(&me(), &old, &new, [blob.clone()].into(), 7).await.unwrap();
        store.close(&me(), &old, CloseReason::Closed).await.unwrap();
        assert_eq!(store.get_blob(&me(), &new, &blob, 7).await.unwrap(), b"content");
    }
}

#[tokio::test]
async fn everything_on_disk_is_for_its_owner_alone() {
    let (parent, store) = store(Kind::Process);
    let session = SessionId::random();
    store.put_blob(&me(), &session, 1, b"content".to_vec()).await.unwrap();
    store.commit(&me(), &session, 1, b"one").await.unwrap();
    let files = files(&parent);
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{}", file.display());
        for directory in file.ancestors().skip(1).take_while(|directory| *directory != parent.path()) {
            assert_eq!(fs::metadata(directory).unwrap().mode() & 0o777, 0o700, "{}", directory.display());
        }
    }
    let directory = parent.path().join("store");
    fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
    let refused = Store::open(settings(parent.path(), Kind::Process)).unwrap_err().to_string();
    assert!(refused.contains("mode 0700"), "{refused}");
}

#[tokio::test]
async fn damaged_moved_and_swapped_objects_are_refused_and_named() {
    let (parent, store) = store(Kind::Process);
    let (one, other) = (SessionId::random(), SessionId::random());
    store.commit(&me(), &one, 1, b"first").await.unwrap();
    let of_before = fs::read(commit_path(&parent, &one, 1)).unwrap();
    store.commit(&me(), &other, 1, b"first").await.unwrap();
    store.commit(&me(), &one, 2, b"second").await.unwrap();
    store.commit(&me(), &other, 2, b"second").await.unwrap();
    let load = async |session, sequence| store.load(&me(), session, sequence).await.map_err(|error| error.to_string());
    assert_eq!(load(&one, 2).await.unwrap(), b"second");

    let (place, good) = (commit_path(&parent, &one, 2), fs::read(commit_path(&parent, &one, 2)).unwrap());
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let of_other = fs::read(commit_path(&parent, &other, 2)).unwrap();
    for bad in [flipped, of_other, of_before, Vec::new()] {
        fs::write(&place, bad).unwrap();
        assert_eq!(load(&one, 2).await.unwrap_err(), format!("failed to open commit 2 of session {one}"));
    }
    fs::write(&place, good).unwrap();
    assert_eq!(load(&one, 2).await.unwrap(), b"second");

    // The end of one session is not the end of another.
    store.close(&me(), &other, CloseReason::Closed).await.unwrap();
    let end = files(&parent).into_iter().find(|path| path.to_string_lossy().contains("ended/")).unwrap();
    let forged = end.to_string_lossy().replace(other.as_str(), one.as_str());
    fs::copy(&end, forged).unwrap();
    assert_eq!(sequence_of(&store, &one).await, Some(2));
    assert_eq!(store.list(&me()).await.unwrap().len(), 1);
    let swept = store.sweep(&at(SystemTime::now()), &HashSet::new()).await.unwrap();
    assert_eq!((swept.sessions, sequence_of(&store, &one).await), (1, Some(2)));
}

#[tokio::test]
async fn a_blob_is_what_its_name_says_or_an_error() {
    let (parent, store) = store(Kind::Process);
    let session = SessionId::random();
    let one = store.put_blob(&me(), &session, 1, b"one".to_vec()).await.unwrap();
    let two = store.put_blob(&me(), &session, 1, b"two".to_vec()).await.unwrap();
    assert_eq!(store.get_blob(&me(), &session, &one, 3).await.unwrap(), b"one");
    let too_large = store.get_blob(&me(), &session, &one, 2).await.unwrap_err();
    assert!(cause(&too_large).contains("at most"), "{too_large:?}");
    fs::copy(blob_path(&parent, &session, &two), blob_path(&parent, &session, &one)).unwrap();
    let swapped = store.get_blob(&me(), &session, &one, 3).await.unwrap_err();
    assert!(swapped.to_string().contains(&one.hash().to_string()), "{swapped}");
    fs::remove_file(blob_path(&parent, &session, &one)).unwrap();
    let missing = store.get_blob(&me(), &session, &one, 3).await.unwrap_err();
    assert!(missing.to_string().contains(&one.to_string()) && cause(&missing).contains("missing"), "{missing}");
    assert_eq!(store.get_blob(&me(), &session, &two, 3).await.unwrap(), b"two");
}

#[tokio::test]
async fn what_one_principal_has_is_of_no_use_to_another() {
    let (parent, store) = store(Kind::Process);
    let (session, other) = (SessionId::random(), Principal::named("other"));
    let blob = store.put_blob(&me(), &session, 1, b"content".to_vec()).await.unwrap();
    store.commit(&me(), &session, 1, b"one").await.unwrap();
    assert_ne!(store.blob_hash(&other, b"content"), blob.hash());
    assert_eq!(store.head(&other, &session).await.unwrap(), Head::Absent);
    assert!(store.list(&other).await.unwrap().is_empty());
    let objects = parent.path().join("store/objects");
    fs::rename(objects.join("local"), objects.join("other")).unwrap();
    assert!(matches!(store.head(&other, &session).await.unwrap(), Head::At { .. }));
    assert!(store.load(&other, &session, 1).await.unwrap_err().to_string().contains("failed to open commit 1"));
    assert!(store.get_blob(&other, &session, &blob, 7).await.unwrap_err().to_string().contains("failed to open blob"));
    fs::rename(objects.join("other"), objects.join("local")).unwrap();
    assert_eq!(store.load(&me(), &session, 1).await.unwrap(), b"one");
    assert_eq!(store.get_blob(&me(), &session, &blob, 7).await.unwrap(), b"content");
}

#[tokio::test]
async fn another_key_is_refused_by_its_id_and_the_same_key_opens_after_a_restart() {
    let (parent, first) = store(Kind::Process);
    let session = SessionId::random();
    first.commit(&me(), &session, 1, b"one").await.unwrap();
    let again = Store::open(settings(parent.path(), Kind::Process)).unwrap();
    assert_eq!(again.load(&me(), &session, 1).await.unwrap(), b"one");
    fs::remove_file(parent.path().join("store/key")).unwrap();
    let other = Store::open(settings(parent.path(), Kind::Process)).unwrap();
    let error = other.load(&me(), &session, 1).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }) && error.to_string().contains("sealed with key"), "{error}");
}
