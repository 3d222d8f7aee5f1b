//! Who may add the next state of a session, and how one ends.

use super::*;

#[tokio::test]
async fn of_commits_with_one_number_exactly_one_is_done() {
    for kind in [Kind::Memory, Kind::Process, Kind::Weak] {
        let (_parent, store) = store(kind);
        let beside = beside(&store);
        let session = SessionId::random();
        for sequence in 1..=20_u64 {
            let tasks: Vec<_> = (0..16_u8)
                .map(|number| {
                    let store = if number % 2 == 0 { store.clone() } else { beside.clone() };
                    let session = session.clone();
                    // All want the file of an old commit; one gets it.
                    let commit = async move { store.commit(&me(), &session, sequence, &[number]).await };
                    (number, tokio::spawn(commit))
                })
                .collect();
            let mut winners = Vec::new();
            for (number, task) in tasks {
                if task.await.unwrap().unwrap() == Committed::Done {
                    winners.push(number);
                }
            }
            assert_eq!(winners, store.load(&me(), &session, sequence).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_write_that_was_refused_for_itself_or_for_nothing_is_told_from_one_that_lost() {
    let (parent, objects) = (tempfile::tempdir().unwrap(), WeakStore::new(5, Arc::default()));
    let backend = StoreBackend::Objects(Arc::new(objects.clone()));
    let store = Store::open(StoreSettings { backend, ..settings(parent.path(), Kind::Weak) }).unwrap();
    let (session, beside) = (SessionId::random(), beside(&store));
    for sequence in 1..=200_u64 {
        let (here, there) = if sequence % 2 == 0 { (&store, &beside) } else { (&beside, &store) };
        assert!(sequence == 1 || here.is_newest(&me(), &session, sequence - 1).await.unwrap());
        let body = sequence.to_le_bytes();
        assert_eq!(here.commit(&me(), &session, sequence, &body).await.unwrap(), Committed::Done, "{sequence}");
        // The control: another with the same content.
        assert_eq!(there.commit(&me(), &session, sequence, &body).await.unwrap(), Committed::Fenced, "{sequence}");
        assert!(!here.is_newest(&me(), &session, sequence - 1).await.unwrap());
    }
    let (_, lost, conflicts) = objects.counts();
    assert!(lost > 10 && conflicts > 10, "the store was not weak: {lost}, {conflicts}");
    assert_eq!(store.list(&me()).await.unwrap()[0].bytes, 8 + 56);
}

#[tokio::test]
async fn commits_one_after_the_other_take_turns_with_two_files() {
    for kind in [Kind::Process, Kind::Disk] {
        let (parent, store) = store(kind);
        let session = SessionId::random();
        let inodes = || {
            let directory = parent.path().join("store/objects").join(me().directory_name()).join(session.as_str());
            let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
            entries.map(|entry| entry.metadata().unwrap().ino()).collect::<HashSet<_>>()
        };
        let mut first = HashSet::new();
        for sequence in 1..=30_u64 {
            let body = vec![7; 3000 - 50 * sequence as usize];
            assert_eq!(store.commit(&me(), &session, sequence, &body).await.unwrap(), Committed::Done);
            assert_eq!(store.load(&me(), &session, sequence).await.unwrap(), body);
            if sequence == 2 {
                first = inodes();
            }
            assert!(sequence < 2 || inodes() == first, "after {sequence}");
        }
        assert_eq!(store.load(&me(), &session, 29).await.unwrap().len(), 3000 - 50 * 29);
        assert!(store.load(&me(), &session, 28).await.is_err());
        assert_eq!(store.usage.get(me().directory_name()).1, SMALL + 4096, "what served again is counted once");
        assert_eq!(store.commit(&me(), &session, 30, b"late").await.unwrap(), Committed::Fenced);
        assert_eq!(sequence_of(&store, &session).await, Some(30));
        assert_eq!(store.load(&me(), &session, 30).await.unwrap().len(), 3000 - 50 * 30);
    }
}

#[tokio::test]
async fn the_first_commit_of_a_session_here_takes_the_file_that_another_release() {
    let (parent, store) = store(Kind::Process);
    let (one, two) = (SessionId::random(), SessionId::random());
    let inode = |session, sequence| fs::metadata(commit_path(&parent, session, sequence)).unwrap().ino();
    for session in [&one, &two] {
        store.commit(&me(), session, 1, b"one").await.unwrap();
    }
    // Another server goes on with both.
    let beside = Store::open(settings(parent.path(), Kind::Process)).unwrap();
    beside.commit(&me(), &one, 2, b"two").await.unwrap();
    let release = inode(&one, 1);
    beside.commit(&me(), &two, 2, b"two").await.unwrap();
    assert!(inode(&two, 2) == release && !commit_path(&parent, &one, 1).exists());
    for session in [&one, &two] {
        assert_eq!(store.load(&me(), session, 2).await.unwrap(), b"two");
    }
    // What the first one knows of is of no use any more, and no harm.
    assert_eq!(store.commit(&me(), &one, 2, b"late").await.unwrap(), Committed::Fenced);
    assert_eq!(store.commit(&me(), &one, 3, b"three").await.unwrap(), Committed::Done);
    let other = Principal::named("other");
    beside.commit(&other, &SessionId::random(), 1, b"x").await.unwrap();
    assert!(commit_path(&parent, &two, 1).exists(), "it is not theirs");
}

#[tokio::test]
async fn a_server_notices_what_others_added_whatever_serves_again() {
    let (parent, first) = store(Kind::Process);
    let (session, other) = (SessionId::random(), SessionId::random());
    for sequence in 1..=3 {
        first.commit(&me(), &session, sequence, b"x").await.unwrap();
    }
    assert!(first.is_newest(&me(), &session, 3).await.unwrap());
    // Others go on with it one after the other, and with another session.
    let mut sequence = 3;
    for round in 1..=6 {
        let next = Store::open(settings(parent.path(), Kind::Process)).unwrap();
        for _ in 0..round {
            sequence += 1;
            next.commit(&me(), &session, sequence, b"x").await.unwrap();
            next.commit(&me(), &other, sequence, b"x").await.unwrap();
            assert!(!first.is_newest(&me(), &session, 3).await.unwrap(), "{sequence}");
            assert!(next.is_newest(&me(), &session, sequence).await.unwrap());
            let listing = next.look_at(me().directory_name(), &session).await.unwrap();
            let numbers: Vec<_> = listing.commits.keys().copied().collect();
            assert!(
                numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
                "a number is free above another: {numbers:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_ends_under_the_name_of_its_own_commit_where_nothing_new_can_be_made() {
    let (parent, store) = store(Kind::Disk);
    let session = SessionId::random();
    store.commit(&me(), &session, 1, b"x").await.unwrap();
    let inode = fs::metadata(commit_path(&parent, &session, 1)).unwrap().ino();
    let owner = me();
    let end = location(owner.directory_name(), &session, &store.end("local", &session, CloseReason::Closed));
    let commit = location("local", &session, &Object::Commit(1));
    assert!(store.backend.turn_into_mark(&commit, &end).await);
    assert!(matches!(store.head(&owner, &session).await.unwrap(), Head::Closed(_)));
    let path = parent.path().join("store/objects").join(end.as_ref());
    assert_eq!((fs::metadata(&path).unwrap().ino(), fs::metadata(&path).unwrap().len()), (inode, 0));
    assert!(!commit_path(&parent, &session, 1).exists());
}

#[tokio::test]
async fn sessions_that_ended_take_no_room() {
    for kind in EVERY {
        let (parent, store) = store(kind);
        for _ in 0..300 {
            let session = SessionId::random();
            store.put_blob(&me(), &session, 1, b"blob".to_vec()).await.unwrap();
            store.commit(&me(), &session, 1, b"x").await.unwrap();
            store.close(&me(), &session, CloseReason::Closed).await.unwrap();
            assert_eq!(store.commit(&me(), &session, 2, b"late").await.unwrap(), Committed::Fenced);
        }
        assert_eq!(store.usage.get(me().directory_name()), (0, 0));
        let swept = store.sweep(&at(SystemTime::now()), &HashSet::new()).await.unwrap();
        assert_eq!(swept, Swept::default(), "the same before and after");
        if matches!(kind, Kind::Process | Kind::Disk) {
            assert!(files(&parent).iter().all(|path| fs::metadata(path).unwrap().len() == 0));
        }
    }
}

#[tokio::test]
async fn old_commits_do_not_pile_up_where_no_file_serves_again() {
    let (_parent, store) = store(Kind::Memory);
    let session = SessionId::random();
    for sequence in 1..=30 {
        store.commit(&me(), &session, sequence, &[0; 1000]).await.unwrap();
    }
    assert_eq!(store.list(&me()).await.unwrap()[0].bytes, 1000 + 56);
    assert_eq!(store.usage.get(me().directory_name()).1, SMALL);
}

#[tokio::test]
async fn a_writer_that_comes_late_is_not_done_even_when_its_number_is_free_again() {
    for kind in EVERY {
        let (_parent, store) = store(kind);
        let session = SessionId::random();
        for sequence in 1..=4 {
            assert_eq!(store.commit(&me(), &session, sequence, b"x").await.unwrap(), Committed::Done);
        }
        store.collect(&me(), &session, 4, &HashSet::new()).await.unwrap();
        assert!(store.load(&me(), &session, 2).await.is_err());
        let is_late = |done: &Result<Committed, Error>| match store.cache {
            Some(_) => matches!(done, Err(Error::Overtaken { .. })),
            None => matches!(done, Ok(Committed::Fenced)),
        };
        for late in [1, 2] {
            let done = store.commit(&me(), &session, late, b"late").await;
            assert!(is_late(&done), "{late}: {done:?}");
        }
        assert_eq!(store.commit(&me(), &session, 4, b"late").await.unwrap(), Committed::Fenced);
        assert!(store.load(&me(), &session, 2).await.is_err(), "what a fenced writer wrote must not stay");
        assert_eq!(store.load(&me(), &session, 4).await.unwrap(), b"x");
        // Right below the head it may be an ancestor, and goes with the next collection.
        assert!(is_late(&store.commit(&me(), &session, 3, b"late").await));
        assert_eq!(sequence_of(&store, &session).await, Some(4));
        assert_eq!(store.commit(&me(), &session, 5, b"y").await.unwrap(), Committed::Done);
        store.collect(&me(), &session, 5, &HashSet::new()).await.unwrap();
        assert!(store.load(&me(), &session, 3).await.is_err());

        store.close(&me(), &session, CloseReason::Closed).await.unwrap();
        assert_eq!(store.commit(&me(), &session, 6, b"late").await.unwrap(), Committed::Fenced);
        assert!(matches!(store.head(&me(), &session).await.unwrap(), Head::Closed(_)));
        assert!(store.load(&me(), &session, 6).await.is_err());
    }
}

#[tokio::test]
async fn a_writer_that_comes_late_is_not_done_while_another_commits_and_tidies() {
    let (parent, store) = store(Kind::Process);
    let late = Store::open(settings(parent.path(), Kind::Process)).unwrap();
    let session = SessionId::random();
    let id = session.clone();
    let ahead = tokio::spawn(async move {
        for sequence in 1..=400 {
            assert_eq!(store.commit(&me(), &id, sequence, b"x").await.unwrap(), Committed::Done);
            store.collect(&me(), &id, sequence, &HashSet::new()).await.unwrap();
        }
    });
    let mut stale = 0;
    while !ahead.is_finished() {
        let Some(head) = sequence_of(&late, &session).await else { continue };
        for sequence in [head.saturating_sub(3), head.saturating_sub(1), head].into_iter().filter(|one| *one > 0) {
            let done = late.commit(&me(), &session, sequence, b"late").await;
            assert!(matches!(done, Ok(Committed::Fenced)), "{sequence} when the head was at least {head}: {done:?}");
            stale += 1;
        }
    }
    ahead.await.unwrap();
    assert!(stale > 0 && sequence_of(&late, &session).await == Some(400));
}
