#![expect(clippy::disallowed_methods, reason = "looks at the files of a store")]

mod sweep;

use std::collections::HashSet;
use std::error::Error as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::clock::Moment;
use super::ends::Closed;
use super::layout::{Object, place};
use super::sweep::Swept;
use super::usage::SESSION_BYTES;
use super::*;
use crate::error::Error;
use crate::handle::{Principal, SessionId};

/// What a small session takes: two directories and a small object.
const SMALL: u64 = SESSION_BYTES + 4096;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn settings(directory: &Path, durability: Durability) -> StoreSettings {
    let directory = directory.join("store");
    StoreSettings { directory, durability, bytes: 100 << 20, principal_bytes: 60 << 20, lifetime: 30 * DAY }
}

pub(crate) fn store(durability: Durability) -> (TempDir, Store) {
    // As the program does at its start.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let parent = tempfile::tempdir().unwrap();
    let store = Store::open(settings(parent.path(), durability)).unwrap();
    (parent, store)
}

/// Every file of a local store.
pub(crate) fn files(parent: &TempDir) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&parent.path().join("store/objects"), &mut found);
    found.sort();
    found
}

fn path_of(parent: &TempDir, session: &SessionId, name: &str) -> PathBuf {
    parent.path().join("store/objects/local").join(session.as_str()).join(name)
}

fn commit_path(parent: &TempDir, session: &SessionId, sequence: u64) -> PathBuf {
    path_of(parent, session, &format!("{sequence:016x}"))
}

fn blob_path(parent: &TempDir, session: &SessionId, name: &BlobName) -> PathBuf {
    path_of(parent, session, &format!("blobs/{name}"))
}

fn cause(error: &Error) -> String {
    error.source().unwrap().to_string()
}

fn me() -> Principal {
    Principal::local()
}

/// A moment of a clock that nobody set.
fn at(wall: SystemTime) -> Moment {
    let uptime = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Moment { wall, uptime, boot: "this".into() }
}

async fn sequence_of(store: &Store, session: &SessionId) -> Option<u64> {
    match store.head(&me(), session).await.unwrap() {
        Head::At { sequence, .. } => Some(sequence),
        Head::Absent | Head::Closed(_) => None,
    }
}

const EVERY: [Durability; 3] = [Durability::None, Durability::Process, Durability::Disk];

#[tokio::test]
async fn what_is_written_is_read_back_until_the_session_is_closed() {
    for durability in EVERY {
        let (_parent, store) = store(durability);
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
    for durability in EVERY {
        let (_parent, store) = store(durability);
        let (old, new) = (SessionId::random(), SessionId::random());
        let blob = store.put_blob(&me(), &old, 7, b"content".to_vec()).await.unwrap();
        store.copy_blobs(&me(), &old, &new, [blob.clone()].into(), 7).await.unwrap();
        store.close(&me(), &old, CloseReason::Closed).await.unwrap();
        assert_eq!(store.get_blob(&me(), &new, &blob, 7).await.unwrap(), b"content");
    }
}

#[tokio::test]
async fn everything_on_disk_is_for_its_owner_alone() {
    let (parent, store) = store(Durability::Process);
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
    let refused = Store::open(settings(parent.path(), Durability::Process)).unwrap_err().to_string();
    assert!(refused.contains("mode 0700"), "{refused}");
}

#[tokio::test]
async fn damaged_moved_and_swapped_objects_are_refused_and_named() {
    let (parent, store) = store(Durability::Process);
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
    let (parent, store) = store(Durability::Process);
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
    let (parent, store) = store(Durability::Process);
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
    let (parent, first) = store(Durability::Process);
    let session = SessionId::random();
    first.commit(&me(), &session, 1, b"one").await.unwrap();
    let again = Store::open(settings(parent.path(), Durability::Process)).unwrap();
    assert_eq!(again.load(&me(), &session, 1).await.unwrap(), b"one");
    fs::remove_file(parent.path().join("store/key")).unwrap();
    let other = Store::open(settings(parent.path(), Durability::Process)).unwrap();
    let error = other.load(&me(), &session, 1).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }) && error.to_string().contains("sealed with key"), "{error}");
}

#[tokio::test]
async fn of_commits_with_one_number_exactly_one_is_done() {
    for durability in [Durability::None, Durability::Process] {
        let (parent, store) = store(durability);
        let beside = if durability == Durability::None {
            store.clone()
        } else {
            Store::open(settings(parent.path(), durability)).unwrap()
        };
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
async fn commits_one_after_the_other_take_turns_with_two_files() {
    for durability in [Durability::Process, Durability::Disk] {
        let (parent, store) = store(durability);
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
async fn the_first_commit_of_a_session_here_takes_the_file_that_another_let_go() {
    let (parent, store) = store(Durability::Process);
    let (one, two) = (SessionId::random(), SessionId::random());
    let inode = |session, sequence| fs::metadata(commit_path(&parent, session, sequence)).unwrap().ino();
    for session in [&one, &two] {
        store.commit(&me(), session, 1, b"one").await.unwrap();
    }
    // Another server goes on with both.
    let beside = Store::open(settings(parent.path(), Durability::Process)).unwrap();
    beside.commit(&me(), &one, 2, b"two").await.unwrap();
    let let_go = inode(&one, 1);
    beside.commit(&me(), &two, 2, b"two").await.unwrap();
    assert!(inode(&two, 2) == let_go && !commit_path(&parent, &one, 1).exists());
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
    let (parent, first) = store(Durability::Process);
    let (session, other) = (SessionId::random(), SessionId::random());
    for sequence in 1..=3 {
        first.commit(&me(), &session, sequence, b"x").await.unwrap();
    }
    assert!(first.seems_newest(&me(), &session, 3));
    // Others go on with it one after the other, and with another session.
    let mut sequence = 3;
    for round in 1..=6 {
        let next = Store::open(settings(parent.path(), Durability::Process)).unwrap();
        for _ in 0..round {
            sequence += 1;
            next.commit(&me(), &session, sequence, b"x").await.unwrap();
            next.commit(&me(), &other, sequence, b"x").await.unwrap();
            assert!(!first.seems_newest(&me(), &session, 3), "{sequence}");
            assert!(next.seems_newest(&me(), &session, sequence));
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
    let (parent, store) = store(Durability::Disk);
    let session = SessionId::random();
    store.commit(&me(), &session, 1, b"x").await.unwrap();
    let inode = fs::metadata(commit_path(&parent, &session, 1)).unwrap().ino();
    let owner = me();
    let end = place(owner.directory_name(), &session, &store.end("local", &session, CloseReason::Closed));
    let commit = place("local", &session, &Object::Commit(1));
    store.local.as_ref().unwrap().end_in(&commit, &end).unwrap();
    assert!(matches!(store.head(&owner, &session).await.unwrap(), Head::Closed(_)));
    let path = parent.path().join("store/objects").join(end.as_ref());
    assert_eq!((fs::metadata(&path).unwrap().ino(), fs::metadata(&path).unwrap().len()), (inode, 0));
    assert!(!commit_path(&parent, &session, 1).exists());
}

#[tokio::test]
async fn sessions_that_ended_take_no_room() {
    for durability in EVERY {
        let (parent, store) = store(durability);
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
        if durability != Durability::None {
            assert!(files(&parent).iter().all(|path| fs::metadata(path).unwrap().len() == 0));
        }
    }
}

#[tokio::test]
async fn old_commits_do_not_pile_up_where_no_file_serves_again() {
    let (_parent, store) = store(Durability::None);
    let session = SessionId::random();
    for sequence in 1..=30 {
        store.commit(&me(), &session, sequence, &[0; 1000]).await.unwrap();
    }
    assert_eq!(store.list(&me()).await.unwrap()[0].bytes, 1000 + 56);
    assert_eq!(store.usage.get(me().directory_name()).1, SMALL);
}

#[tokio::test]
async fn a_writer_that_comes_late_is_fenced_even_when_its_number_is_free_again() {
    for durability in EVERY {
        let (_parent, store) = store(durability);
        let session = SessionId::random();
        for sequence in 1..=4 {
            assert_eq!(store.commit(&me(), &session, sequence, b"x").await.unwrap(), Committed::Done);
        }
        store.collect(&me(), &session, 4, &HashSet::new()).await.unwrap();
        assert!(store.load(&me(), &session, 2).await.is_err());
        for late in [1, 2, 4] {
            assert_eq!(store.commit(&me(), &session, late, b"late").await.unwrap(), Committed::Fenced, "{late}");
        }
        assert!(store.load(&me(), &session, 2).await.is_err(), "what a fenced writer wrote must not stay");
        assert_eq!(store.load(&me(), &session, 4).await.unwrap(), b"x");
        // Right below the head it may be an ancestor, and goes with the next collection.
        assert_eq!(store.commit(&me(), &session, 3, b"late").await.unwrap(), Committed::Fenced);
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
async fn a_writer_that_comes_late_is_fenced_while_another_commits_and_tidies() {
    let (parent, store) = store(Durability::Process);
    let late = Store::open(settings(parent.path(), Durability::Process)).unwrap();
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
            let done = late.commit(&me(), &session, sequence, b"late").await.unwrap();
            assert_eq!(done, Committed::Fenced, "{sequence} when the head was at least {head}");
            stale += 1;
        }
    }
    ahead.await.unwrap();
    assert!(stale > 0 && sequence_of(&late, &session).await == Some(400));
}

#[tokio::test]
async fn a_collection_leaves_the_head_and_what_is_still_to_be_committed() {
    for durability in EVERY {
        let (_parent, store) = store(durability);
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
    let (_parent, store) = store(Durability::Process);
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
