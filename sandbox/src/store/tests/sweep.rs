//! What is counted, and what is removed that nobody uses.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Has it been steady for long.
async fn trust_the_clock(store: &Store) {
    store.sweep(&at(SystemTime::now() - DAY), &HashSet::new()).await.unwrap();
}

#[tokio::test]
async fn room_is_refused_with_the_bound_and_what_to_do() {
    let (parent, _) = store(Kind::Memory);
    let tight =
        StoreSettings { bytes: 30_000, bounds: TenantBounds::storing(20_000), ..settings(parent.path(), Kind::Memory) };
    let store = Store::open(tight).unwrap();
    let (session, other) = (SessionId::random(), Principal::named("other"));
    store.check_space(&me(), 20_000).unwrap();
    store.commit(&me(), &session, 1, &[0; 1000]).await.unwrap();
    let error = store.check_space(&me(), 10_000).unwrap_err().to_string();
    assert!(error.contains("principal_store_bytes: at most 20000, got 22288; close sessions"), "{error}");
    store.check_space(&other, 30_000 - SMALL).unwrap();
    let error = store.check_space(&other, 30_001 - SMALL).unwrap_err().to_string();
    assert!(error.contains(" store_bytes: at most 30000, got 30001"), "{error}");
    store.close(&me(), &session, CloseReason::Closed).await.unwrap();
    store.check_space(&me(), 15_000).unwrap();
}

#[tokio::test]
async fn a_tenant_is_told_of_its_own_bound_and_nothing_of_what_others_store() {
    let (parent, _) = store(Kind::Memory);
    let shared =
        StoreSettings { bytes: 30_000, bounds: TenantBounds::many(1), ..settings(parent.path(), Kind::Memory) };
    let store = Store::open(shared).unwrap();
    let (session, other) = (SessionId::random(), Principal::named("other"));
    store.commit(&me(), &session, 1, &[0; 1000]).await.unwrap();
    store.check_space(&other, 30_000 - SMALL).unwrap();
    let said = |bytes| store.check_space(&other, bytes).unwrap_err().to_string();
    let refused = said(30_001 - SMALL);
    assert!(refused.contains("the store of this server has no room for it"), "{refused}");
    assert!(!refused.contains(|letter: char| letter.is_ascii_digit()), "{refused}");
    assert_eq!(said(40_000), refused);
    // Past its own bound as well it is told of that alone.
    assert!(said(2 << 30).contains("principal_store_bytes: at most 1073741824, got 2147483648"));
}

#[tokio::test]
async fn a_sweep_ends_what_nobody_uses_and_counts_the_rest() {
    let (parent, store) = store(Kind::Process);
    let (used, uncommitted, closed) = (SessionId::random(), SessionId::random(), SessionId::random());
    store.commit(&me(), &used, 1, &[0; 100]).await.unwrap();
    store.put_blob(&me(), &uncommitted, 1, vec![0; 100]).await.unwrap();
    store.commit(&me(), &closed, 1, &[0; 100]).await.unwrap();
    store.close(&me(), &closed, CloseReason::Closed).await.unwrap();
    // What a writer that did not know of the end left.
    store.put_blob(&me(), &closed, 2, vec![0; 100]).await.unwrap();
    let staged = path_of(&parent, &used, "0000000000000002#1");
    fs::write(&staged, "x").unwrap();

    let other = Store::open(settings(parent.path(), Kind::Process)).unwrap();
    other.check_space(&me(), 60 << 20).unwrap();
    let now = SystemTime::now();
    let swept = other.sweep(&at(now), &HashSet::new()).await.unwrap();
    assert_eq!(swept, Swept { sessions: 1, bytes: 2 * SMALL, ..Swept::default() });
    assert!(other.check_space(&me(), 60 << 20).is_err(), "what another server wrote counts after a sweep");
    assert!(staged.exists());

    let swept = other.sweep(&at(now + 2 * DAY), &HashSet::new()).await.unwrap();
    let bytes = SMALL;
    assert_eq!(swept, Swept { sessions: 1, uncommitted: 1, leftovers: 1, forgotten: 1, bytes, ..Swept::default() });
    assert!(!staged.exists());
    let swept = other.sweep(&at(now + 31 * DAY), &HashSet::new()).await.unwrap();
    assert_eq!((swept.expired.len(), swept.forgotten), (1, 0));
    assert_eq!(store.head(&me(), &closed).await.unwrap(), Head::Absent);
    let Head::Closed(Closed { reason, .. }) = store.head(&me(), &used).await.unwrap() else { panic!() };
    assert_eq!(reason, CloseReason::Expired);
    let swept = other.sweep(&at(now + 62 * DAY), &HashSet::new()).await.unwrap();
    assert_eq!((swept.forgotten, swept.bytes), (1, 0));
    assert!(files(&parent).is_empty());
}

#[tokio::test]
async fn a_session_that_was_used_before_it_could_expire_lives_on() {
    for kind in [Kind::Memory, Kind::Process, Kind::Disk] {
        let (_parent, store) = store(kind);
        let (used, unused) = (SessionId::random(), SessionId::random());
        let owner = me();
        let (read, owner) = (SessionId::random(), owner.directory_name());
        let mut found = Vec::new();
        for session in [&used, &unused, &read] {
            store.commit(&me(), session, 7, b"x").await.unwrap();
            found.push(store.look_at(owner, session).await.unwrap().commits[&7].unwrap());
        }
        // As if the sweep had looked before that, and was stopped.
        store.commit(&me(), &used, 8, b"y").await.unwrap();
        store.touch(&me(), &read, 7, SystemTime::now() + DAY).await.unwrap();
        assert!(!store.expire(owner, &used, 7, found[0]).await.unwrap());
        assert!(store.expire(owner, &unused, 7, found[1]).await.unwrap());
        assert!(!store.expire(owner, &read, 7, found[2]).await.unwrap());
        assert_eq!(sequence_of(&store, &read).await, Some(7));
        assert_eq!(sequence_of(&store, &used).await, Some(8));
        assert_eq!(store.commit(&me(), &used, 9, b"z").await.unwrap(), Committed::Done);
        assert!(matches!(store.head(&me(), &unused).await.unwrap(), Head::Closed(_)));
        // Somebody else has closed it: that stays.
        store.close(&me(), &used, CloseReason::Closed).await.unwrap();
        assert!(!store.expire(owner, &used, 7, found[0]).await.unwrap());
        assert!(matches!(store.head(&me(), &used).await.unwrap(), Head::Closed(_)));
    }
}

#[tokio::test]
async fn a_session_that_is_closed_while_its_expiry_is_taken_back_stays_closed() {
    for kind in EVERY {
        let (_parent, store) = store(kind);
        let (owner, beside) = (me(), beside(&store));
        let (session, owner) = (SessionId::random(), owner.directory_name());
        store.commit(&me(), &session, 7, b"x").await.unwrap();
        // One server found it unused and marked it, its owner closes it at another, and only
        // then the first looks whether it was used meanwhile, and finds that it was.
        assert!(store.mark_ended(owner, &session, CloseReason::Expired).await.unwrap());
        beside.close(&me(), &session, CloseReason::Closed).await.unwrap();
        store.take_back_expiry(owner, &session).await.unwrap();
        for store in [&store, &beside] {
            let head = store.head(&me(), &session).await.unwrap();
            assert!(matches!(head, Head::Closed(Closed { reason: CloseReason::Closed, .. })), "{kind:?}: {head:?}");
        }
        assert_eq!(store.commit(&me(), &session, 8, b"late").await.unwrap(), Committed::Fenced);
        // The control: an expiry that nobody closed is taken back.
        let other = SessionId::random();
        store.commit(&me(), &other, 7, b"x").await.unwrap();
        assert!(store.mark_ended(owner, &other, CloseReason::Expired).await.unwrap());
        store.take_back_expiry(owner, &other).await.unwrap();
        assert_eq!(sequence_of(&beside, &other).await, Some(7));
    }
}

#[tokio::test]
async fn use_without_a_commit_lets_a_session_live_on() {
    for kind in [Kind::Memory, Kind::Process, Kind::Disk] {
        let (_parent, store) = store(kind);
        trust_the_clock(&store).await;
        let session = SessionId::random();
        store.commit(&me(), &session, 1, b"x").await.unwrap();
        let now = SystemTime::now();
        store.touch(&me(), &session, 1, now + 20 * DAY).await.unwrap();
        if kind == Kind::Memory {
            // Its times are those of the clock.
            continue;
        }
        assert_eq!(store.sweep(&at(now + 40 * DAY), &HashSet::new()).await.unwrap().expired.len(), 0);
        assert_eq!(store.sweep(&at(now + 51 * DAY), &HashSet::new()).await.unwrap().expired.len(), 1);
        assert!(store.touch(&me(), &session, 1, now).await.is_err());
    }
}

#[tokio::test]
async fn use_without_a_commit_counts_where_the_time_of_a_commit_cannot_be_set() {
    let (parent, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(0)));
    let backend = StoreBackend::Objects(Arc::new(WeakStore::new(6, Arc::clone(&clock))));
    let store = Store::open(StoreSettings { backend, ..settings(parent.path(), Kind::Weak) }).unwrap();
    trust_the_clock(&store).await;
    let (read, unused) = (SessionId::random(), SessionId::random());
    for session in [&read, &unused] {
        store.commit(&me(), session, 1, b"x").await.unwrap();
    }
    let (now, beside) = (SystemTime::now(), beside(&store));
    trust_the_clock(&beside).await;
    clock.store(20 * DAY.as_secs(), Ordering::Relaxed);
    for _ in 0..2 {
        store.touch(&me(), &read, 1, now).await.unwrap();
    }
    let Head::At { sequence: 1, modified } = beside.head(&me(), &read).await.unwrap() else { panic!() };
    assert!(modified > now + 19 * DAY && beside.is_newest(&me(), &read, 1).await.unwrap());
    assert_eq!(beside.list(&me()).await.unwrap().iter().find(|one| one.id == read).unwrap().modified, modified);
    clock.store(40 * DAY.as_secs(), Ordering::Relaxed);
    beside.sweep(&at(now + 40 * DAY), &HashSet::new()).await.unwrap();
    assert!(matches!(store.head(&me(), &unused).await.unwrap(), Head::Closed(_)), "the control");
    assert_eq!(sequence_of(&store, &read).await, Some(1));
    // It is no blob and no commit, and goes with the session.
    store.collect(&me(), &read, 1, &HashSet::new()).await.unwrap();
    assert_eq!(store.commit(&me(), &read, 2, b"y").await.unwrap(), Committed::Done);
    let Head::At { sequence: 2, modified } = store.head(&me(), &read).await.unwrap() else { panic!() };
    assert!(modified > now + 39 * DAY, "the later of the two");
    store.close(&me(), &read, CloseReason::Closed).await.unwrap();
    assert!(store.see(None).await.unwrap().values().all(|session| session.closed.is_some()));
}

#[tokio::test]
async fn one_session_that_cannot_be_swept_is_nothing_to_the_others() {
    let (parent, store) = store(Kind::Process);
    let (bad, good, other) = (SessionId::random(), SessionId::random(), Principal::named("other"));
    store.commit(&other, &bad, 1, b"x").await.unwrap();
    store.commit(&me(), &good, 1, b"x").await.unwrap();
    // What says that it is over cannot be made where its directory would be.
    let ended = parent.path().join("store/objects").join(other.directory_name()).join("ended");
    fs::write(&ended, "").unwrap();
    let beside = Store::open(settings(parent.path(), Kind::Process)).unwrap();
    trust_the_clock(&beside).await;
    let swept = beside.sweep(&at(SystemTime::now() + 31 * DAY), &HashSet::new()).await.unwrap();
    assert_eq!(swept.expired.len(), 1);
    assert!(matches!(store.head(&me(), &good).await.unwrap(), Head::Closed(_)));
    assert!(beside.usage.get(other.directory_name()).1 >= SMALL, "it is counted");
    // The control.
    fs::remove_file(&ended).unwrap();
    let swept = beside.sweep(&at(SystemTime::now() + 31 * DAY), &HashSet::new()).await.unwrap();
    assert_eq!(swept.expired.len(), 1);
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_only_looks_old() {
    let (parent, store) = store(Kind::Process);
    let session = SessionId::random();
    store.commit(&me(), &session, 1, b"x").await.unwrap();
    let staged = path_of(&parent, &session, "0000000000000002#1");
    fs::write(&staged, "x").unwrap();
    let now = SystemTime::now();
    fs::File::options().write(true).open(&staged).unwrap().set_modified(now - 2 * DAY).unwrap();
    assert_eq!(store.sweep(&at(now), &HashSet::new()).await.unwrap().leftovers, 0);
    assert_eq!(store.sweep(&at(now + DAY), &HashSet::new()).await.unwrap().leftovers, 1);
}

#[tokio::test]
async fn a_fork_of_old_blobs_is_not_swept_before_its_first_commit() {
    let (parent, store) = store(Kind::Process);
    let (old, fork) = (SessionId::random(), SessionId::random());
    let blob = store.put_blob(&me(), &old, 1, b"content".to_vec()).await.unwrap();
    store.commit(&me(), &old, 1, b"one").await.unwrap();
    let now = SystemTime::now();
    fs::File::open(blob_path(&parent, &old, &blob)).unwrap().set_modified(now - 9 * DAY).unwrap();
    store.copy_blobs(&me(), &old, &fork, [blob.clone()].into(), 7).await.unwrap();
    assert_eq!(store.sweep(&at(now), &HashSet::new()).await.unwrap().uncommitted, 0);
    store.get_blob(&me(), &fork, &blob, 7).await.unwrap();
    assert_eq!(store.sweep(&at(now + 2 * DAY), &HashSet::new()).await.unwrap().uncommitted, 1);
    assert!(store.get_blob(&me(), &fork, &blob, 7).await.is_err());
}

#[tokio::test]
async fn a_base_is_kept_once_and_is_nobodys_session() {
    let digest = "0123456789abcdef".repeat(4);
    let (parent, store) = store(Kind::Process);
    let (session, namesake) = (SessionId::random(), Principal::named("bases"));
    store.commit(&namesake, &session, 1, &[0; 100]).await.unwrap();
    assert_eq!(store.base(&digest).await.unwrap(), None);
    store.keep_base(&digest, || Ok(Cow::Borrowed(b"image"))).await.unwrap();
    store.keep_base(&digest, || Ok(Cow::Borrowed(b"another"))).await.unwrap();
    assert_eq!(store.base(&digest).await.unwrap().unwrap(), b"image");
    assert_eq!(store.base("../local").await.unwrap(), None);
    let path = parent.path().join("store/objects/bases").join(&digest);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

    let now = SystemTime::now();
    assert_eq!(store.list(&namesake).await.unwrap().len(), 1);
    assert_eq!(
        store.sweep(&at(now), &HashSet::new()).await.unwrap(),
        Swept { sessions: 1, bytes: SMALL, ..Swept::default() }
    );
    assert_eq!(store.sweep(&at(now + 90 * DAY), &HashSet::new()).await.unwrap().expired.len(), 1);
    assert!(path.exists(), "another server may need it");

    let (_parent, gone_with_us) = self::store(Kind::Memory);
    gone_with_us.keep_base(&digest, || Ok(Cow::Borrowed(b"image"))).await.unwrap();
    assert_eq!(gone_with_us.base(&digest).await.unwrap(), None);
}

#[tokio::test]
async fn a_clock_that_is_set_ahead_for_a_moment_ends_nothing() {
    let (parent, store) = store(Kind::Process);
    let (used, closed, beginning) = (SessionId::random(), SessionId::random(), SessionId::random());
    trust_the_clock(&store).await;
    store.commit(&me(), &used, 1, b"x").await.unwrap();
    store.commit(&me(), &closed, 1, b"x").await.unwrap();
    store.close(&me(), &closed, CloseReason::Closed).await.unwrap();
    let blob = store.put_blob(&me(), &beginning, 1, b"y".to_vec()).await.unwrap();
    let staged = path_of(&parent, &used, "0000000000000002#1");
    fs::write(&staged, "x").unwrap();

    let now = SystemTime::now();
    let later = |wall: Duration, uptime: u64| {
        let Moment { uptime: started, boot, .. } = at(now);
        Moment { wall: now + wall, uptime: started + Duration::from_secs(uptime), boot }
    };
    // For a moment; for longer than servers live; and again once it was set back.
    for (wall, uptime) in [(31 * DAY, 4), (31 * DAY, 1800), (Duration::from_secs(1804), 1804), (90 * DAY, 1808)] {
        for store in [&store, &Store::open(settings(parent.path(), Kind::Process)).unwrap()] {
            let swept = store.sweep(&later(wall, uptime), &HashSet::new()).await.unwrap();
            assert_eq!(swept, Swept { sessions: 1, bytes: 2 * SMALL, ..Swept::default() });
        }
    }
    assert_eq!(sequence_of(&store, &used).await, Some(1));
    assert!(matches!(store.head(&me(), &closed).await.unwrap(), Head::Closed(_)) && staged.exists());
    store.get_blob(&me(), &beginning, &blob, 1).await.unwrap();
    // The control: the same moment, come to by a clock that was not set.
    store.sweep(&later(Duration::ZERO, 0), &HashSet::new()).await.unwrap();
    let swept = store.sweep(&later(31 * DAY, 31 * 24 * 3600), &HashSet::new()).await.unwrap();
    assert_eq!((swept.expired.len(), swept.uncommitted, swept.leftovers), (1, 1, 1));
}

#[tokio::test]
async fn a_store_whose_clock_is_behind_or_ahead_ends_nothing_early() {
    let days = |count: u64| u32::try_from(count).unwrap() * DAY;
    // As this machine counts: expired at the first of these days, and not at the one before.
    for (offset, expires) in [(-days(60).as_secs().cast_signed(), 31), (days(60).as_secs().cast_signed(), 91)] {
        let (parent, _) = store(Kind::Memory);
        let clock = Arc::new(AtomicU64::new(offset.cast_unsigned()));
        let backend = StoreBackend::Objects(Arc::new(WeakStore::new(7, clock)));
        let store = Store::open(StoreSettings { backend, ..settings(parent.path(), Kind::Weak) }).unwrap();
        trust_the_clock(&store).await;
        store.commit(&me(), &SessionId::random(), 1, b"x").await.unwrap();
        for (day, is_over) in [(0, false), (expires - 2, false), (expires, true)] {
            let swept = store.sweep(&at(SystemTime::now() + days(day)), &HashSet::new()).await.unwrap();
            assert_eq!((swept.sessions, swept.expired.len()), if is_over { (0, 1) } else { (1, 0) }, "{offset}, {day}");
        }
    }
}

#[tokio::test]
async fn of_what_ended_only_so_much_is_known() {
    let (_parent, store) = store(Kind::Process);
    let sessions: Vec<_> = (0..5).map(|_| SessionId::random()).collect();
    for (number, session) in sessions.iter().enumerate() {
        store.commit(&me(), session, 1, b"x").await.unwrap();
        store.close(&me(), session, CloseReason::Closed).await.unwrap();
        let end = location("local", session, &store.end("local", session, CloseReason::Closed));
        let ended = SystemTime::now() - (5 - number as u32) * Duration::from_secs(60);
        store.backend.set_time(&end, ended).await.unwrap();
    }
    let mut swept = Swept::default();
    store.forget(&store.see(None).await.unwrap(), SystemTime::now(), 2, &mut swept).await.unwrap();
    assert_eq!(swept.forgotten, 3);
    for (number, session) in sessions.iter().enumerate() {
        let is_known = matches!(store.head(&me(), session).await.unwrap(), Head::Closed(_));
        assert_eq!(is_known, number >= 3, "{number}");
    }
}
