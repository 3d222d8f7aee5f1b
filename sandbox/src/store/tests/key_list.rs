//! Servers over one bucket whose keys are not the same.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Servers over one store, each with a file of keys of its own.
fn servers(rings: [&[u8]; 2]) -> (TempDir, [Store; 2]) {
    let parent = tempfile::tempdir().unwrap();
    let backend = StoreBackend::Objects(Arc::new(WeakStore::new(11, Arc::default())));
    let stores = [0, 1].map(|number| {
        let keys = parent.path().join(format!("keys {number}"));
        put(&keys, rings[number]);
        let settings = settings(&parent.path().join(number.to_string()), Kind::Weak);
        fs::create_dir_all(&settings.directory).unwrap();
        fs::set_permissions(&settings.directory, fs::Permissions::from_mode(0o700)).unwrap();
        Store::open(StoreSettings { backend: backend.clone(), keys: Some(keys), ..settings }).unwrap()
    });
    (parent, stores)
}

fn put(path: &Path, ring: &[u8]) {
    fs::write(path.with_extension("new"), ring).unwrap();
    fs::set_permissions(path.with_extension("new"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
}

fn secret() -> Vec<u8> {
    secret::random_secret().unwrap().to_vec()
}

#[tokio::test]
async fn a_server_that_lacks_a_key_commits_and_ends_nothing_until_it_has_it() {
    let (old, new) = (secret(), secret());
    let (parent, [late, early]) = servers([&old, &old]);
    let (session, other) = (SessionId::random(), SessionId::random());
    late.commit(&me(), &session, 1, b"one").await.unwrap();
    late.commit(&me(), &other, 1, b"one").await.unwrap();
    put(&parent.path().join("keys 1"), &[&new[..], &old].concat());
    // Whoever seals with a new key says so before, and the other hears of it at its next look.
    early.close(&me(), &session, CloseReason::Closed).await.unwrap();
    let lacks = late.check_keys().await.unwrap_err().to_string();
    assert!(lacks.contains("servers over this store seal with key") && lacks.contains("`store_keys` names"), "{lacks}");
    for session in [&session, &other] {
        assert!(matches!(late.commit(&me(), session, 2, b"late").await, Err(Error::Denied { .. })));
    }
    assert!(matches!(late.close(&me(), &other, CloseReason::Closed).await, Err(Error::Denied { .. })));
    put(&parent.path().join("keys 0"), &[&old[..], &new].concat());
    assert_eq!(late.commit(&me(), &session, 2, b"late").await.unwrap(), Committed::Fenced, "it is over");
    assert_eq!(late.commit(&me(), &other, 2, b"two").await.unwrap(), Committed::Done, "the control");
    // Both seal now, each with its own, and need those of each other.
    early.check_keys().await.unwrap();
    put(&parent.path().join("keys 1"), &new);
    let lacks = early.check_keys().await.unwrap_err().to_string();
    assert!(lacks.contains("opening the list of keys in the store is denied"), "{lacks}");
}

#[tokio::test]
async fn a_key_that_seals_no_longer_is_not_asked_for_once_nothing_is_left_of_it() {
    let (old, new) = (secret(), secret());
    let (parent, [one, _]) = servers([&old, &old]);
    one.check_keys().await.unwrap();
    let months = settings(parent.path(), Kind::Weak).lifetime + 3 * DAY;
    put(&parent.path().join("keys 0"), &[&new[..], &old].concat());
    one.check_keys().await.unwrap();
    put(&parent.path().join("keys 0"), &new);
    assert!(one.check_keys().await.is_err(), "it sealed a moment ago");
    let sealed = one.backend.read(&"keys".into(), 4096).await.unwrap().unwrap();
    let listed = one.keys.open_sealed(&seal::Binding::KeyList, sealed).unwrap();
    assert_eq!(one.entries(&listed, SystemTime::now() + DAY).len(), 2);
    assert!(one.entries(&listed, SystemTime::now() + months).is_empty());
}
