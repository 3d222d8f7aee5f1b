#![expect(clippy::disallowed_methods, reason = "acts as a guest in a workspace")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::error::Error;
use crate::handle::{Principal, SessionId};
use crate::store::tests::Kind;
use crate::store::tests::files as stored_files;
use crate::store::{CloseReason, Store};
use crate::workspace::Workspace;

/// A session whose workspace a test may do anything to.
struct Session {
    parent: TempDir,
    store: Store,
    id: SessionId,
    path: PathBuf,
    workspace: Arc<Workspace>,
}

impl Session {
    fn new() -> Self {
        let (parent, store) = crate::store::tests::store(Kind::Process);
        let path = parent.path().join("w");
        let workspace = Arc::new(Workspace::create(path.clone()).unwrap());
        Self { parent, store, id: SessionId::random(), path, workspace }
    }

    async fn capture(&self, before: &Tree, sequence: u64) -> Tree {
        let me = Principal::local();
        before.capture(&self.workspace, None, &self.store, &me, &self.id, sequence).await.unwrap()
    }

    async fn restore(&self, manifest: &Arc<Manifest>, now: Option<&Tree>) -> Result<Tree, Error> {
        let me = Principal::local();
        Tree::restore(Arc::clone(manifest), now, &self.workspace, &self.store, &me, &self.id).await
    }

    /// Captures until no file has just changed.
    async fn settle(&self, before: &Tree, sequence: u64) -> Tree {
        let mut tree = self.capture(before, sequence).await;
        while !tree.survey.is_all_unchanged(&self.workspace.survey().unwrap()) {
            tree = self.capture(&tree, sequence).await;
        }
        tree
    }

    /// What is there, read anew.
    async fn look(&self, sequence: u64) -> Arc<Manifest> {
        Arc::clone(self.capture(&Tree::empty(), sequence).await.manifest())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path.join(name)).unwrap()
    }

    fn inode(&self, name: &str) -> u64 {
        fs::metadata(self.path.join(name)).unwrap().ino()
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn stored_blobs(&self) -> usize {
        stored_files(&self.parent).iter().filter(|path| path.to_string_lossy().contains("/blobs/")).count()
    }
}

fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn set_time(path: &Path, time: SystemTime) {
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[tokio::test]
async fn a_workspace_goes_to_the_store_and_comes_back_in_every_byte() {
    let session = Session::new();
    session.write("small", "s");
    session.write("empty", "");
    session.write("a/b/c/medium", pattern(5000, 1));
    session.write("large", pattern((17 << 20) + 3, 2));
    session.write("exact", pattern(8 << 20, 3));
    fs::write(session.path.join(OsStr::from_bytes(b"not \xff text")), "x").unwrap();
    fs::create_dir_all(session.path.join("hollow/deep")).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123_456_789);
    let older = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
    set_time(&session.path.join("small"), old);
    set_time(&session.path.join("large"), older);
    symlink("nowhere", session.path.join("a/b/link")).unwrap();
    for (name, mode) in [("small", 0o4755), ("a/b/c/medium", 0o711), ("large", 0o644), ("hollow", 0o1750)] {
        session.set_mode(name, mode);
    }
    set_time(&session.path.join("a/b"), old);
    let tree = session.capture(&Tree::empty(), 1).await;
    assert_eq!(tree.blobs().count(), 1 + 3 + 1);
    assert_eq!(session.stored_blobs(), 5);

    let encoded = postcard::to_stdvec(&**tree.manifest()).unwrap();
    assert!(encoded.len() < 1000, "{}", encoded.len());
    let manifest: Manifest = postcard::from_bytes(&encoded).unwrap();
    assert_eq!(manifest, **tree.manifest());

    let session_path = session.path.clone();
    let elsewhere = Session { path: session.parent.path().join("v"), ..session };
    let workspace = Arc::new(Workspace::create(elsewhere.path.clone()).unwrap());
    let elsewhere = Session { workspace, ..elsewhere };
    let restored = elsewhere.restore(&Arc::new(manifest), None).await.unwrap();
    assert_eq!(elsewhere.read("large"), pattern((17 << 20) + 3, 2));
    assert_eq!(elsewhere.read("a/b/c/medium"), pattern(5000, 1));
    assert!(elsewhere.path.join("hollow/deep").is_dir());
    let metadata = |name| fs::metadata(elsewhere.path.join(name)).unwrap();
    assert_eq!(metadata("small").modified().unwrap(), old);
    assert_eq!(metadata("large").modified().unwrap(), older);
    assert_eq!(metadata("a/b").modified().unwrap(), old);
    for (name, mode) in [("small", 0o755), ("a/b/c/medium", 0o711), ("large", 0o644), ("hollow", 0o750)] {
        assert_eq!(metadata(name).mode() & 0o7777, mode, "{name}");
    }
    let link = elsewhere.path.join("a/b/link");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("nowhere"));
    let time = |path: &Path| fs::symlink_metadata(path).unwrap().modified().unwrap();
    assert_eq!(time(&link), time(&session_path.join("a/b/link")));
    assert_eq!(elsewhere.look(1).await, *tree.manifest());
    assert!(Arc::ptr_eq(elsewhere.capture(&restored, 2).await.manifest(), restored.manifest()));
}

#[tokio::test]
async fn what_has_not_changed_is_not_written_again() {
    let session = Session::new();
    session.write("one", pattern(2000, 1));
    session.write("two", pattern(2000, 2));
    let first = session.settle(&Tree::empty(), 1).await;
    assert_eq!(session.stored_blobs(), 2);
    let survey = session.workspace.survey().unwrap();
    let me = Principal::local();
    let second = first.capture(&session.workspace, Some(survey), &session.store, &me, &session.id, 2).await.unwrap();
    assert!(Arc::ptr_eq(&second.survey, &first.survey), "nothing was to be done");

    session.write("two", pattern(2000, 3));
    fs::copy(session.path.join("two"), session.path.join("three")).unwrap();
    session.write("four", pattern(2000, 2));
    let third = session.capture(&second, 3).await;
    assert_eq!(third.blobs().filter(|name| name.sequence() == 1).count(), 2, "`one`, and what `two` was is `four`");
    assert_eq!(session.stored_blobs(), 3);
    assert_eq!(third.manifest().files.len(), 4);
}

#[tokio::test]
async fn a_change_within_one_tick_of_the_clock_is_seen() {
    let session = Session::new();
    session.write("counter", "000");
    let mut tree = session.capture(&Tree::empty(), 1).await;
    for count in 1..200_u64 {
        session.write("counter", format!("{count:03}"));
        let next = session.capture(&tree, count + 1).await;
        assert_ne!(next.manifest(), tree.manifest(), "change {count}");
        tree = next;
    }
}

#[tokio::test]
async fn a_rewind_is_exact() {
    let session = Session::new();
    session.write("stays", "s");
    session.write("deleted", pattern(3000, 1));
    session.write("changed", pattern(3000, 2));
    session.write("touched", "t");
    session.write("becomes-directory", "x");
    session.write("becomes-file/x/y", "z");
    fs::create_dir_all(session.path.join("hollow")).unwrap();
    let before = session.settle(&Tree::empty(), 1).await;
    let spoil = || {
        fs::remove_file(session.path.join("deleted")).unwrap();
        session.write("changed", pattern(3000, 3));
        set_time(&session.path.join("touched"), SystemTime::UNIX_EPOCH);
        fs::remove_file(session.path.join("becomes-directory")).unwrap();
        session.write("becomes-directory/inside", "x");
        fs::remove_dir_all(session.path.join("becomes-file")).unwrap();
        session.write("becomes-file", "x");
        fs::remove_dir(session.path.join("hollow")).unwrap();
        session.write("new/deep/file", pattern(3000, 4));
        symlink("/etc/passwd", session.path.join("link")).unwrap();
        symlink("/etc", session.path.join("hollow")).unwrap();
        nix::unistd::mkfifo(&session.path.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    };
    spoil();
    let after = session.capture(&before, 2).await;
    let names: Vec<_> = after.manifest().files.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(
        names,
        ["becomes-directory/inside", "becomes-file", "changed", "hollow", "link", "new/deep/file", "stays", "touched"],
        "the FIFO is left out"
    );
    let stays = session.inode("stays");
    let rewound = session.restore(before.manifest(), Some(&before)).await.unwrap();
    assert_eq!(session.look(1).await, *before.manifest());
    assert_eq!(fs::read_dir(&session.path).unwrap().count(), 7, "the link and the FIFO are gone");
    assert_eq!(session.inode("stays"), stays);
    assert_eq!(rewound.survey.files.len(), 6);

    spoil();
    session.restore(before.manifest(), None).await.unwrap();
    assert_eq!(session.look(1).await, *before.manifest());
    session.restore(after.manifest(), Some(&before)).await.unwrap();
    assert_eq!(session.look(2).await.files.keys().count(), after.manifest().files.keys().count());
    assert_eq!(session.read("becomes-directory/inside"), b"x");
}

#[tokio::test]
async fn a_restore_touches_only_what_differs() {
    let session = Session::new();
    for name in ["a", "b", "d/c"] {
        session.write(name, pattern(2000, u64::from(name.as_bytes()[0])));
    }
    let tree = session.settle(&Tree::empty(), 1).await;
    let inodes = || ["a", "b", "d/c"].map(|name| session.inode(name));
    let before = inodes();
    let same = session.restore(tree.manifest(), Some(&tree)).await.unwrap();
    assert_eq!(inodes(), before);
    assert!(same.survey.is_all_unchanged(&session.workspace.survey().unwrap()));
    session.write("b", "changed");
    session.restore(tree.manifest(), Some(&same)).await.unwrap();
    let after = inodes();
    assert!(after[0] == before[0] && after[1] != before[1] && after[2] == before[2]);
    assert_eq!(session.look(1).await, *tree.manifest());
    // What is not known to be the same is written.
    session.restore(tree.manifest(), None).await.unwrap();
    assert_ne!(session.inode("a"), before[0]);
}

#[tokio::test]
async fn a_fork_has_the_same_files_when_its_origin_is_gone() {
    let session = Session::new();
    session.write("large", pattern(9 << 20, 1));
    session.write("same", pattern(9 << 20, 1));
    session.write("small", "s");
    let tree = session.capture(&Tree::empty(), 5).await;
    let (me, id) = (Principal::local(), SessionId::random());
    let blobs = tree.blobs().cloned().collect();
    session.store.copy_blobs(&me, &session.id, &id, blobs, 7).await.unwrap();
    session.store.close(&me, &session.id, CloseReason::Closed).await.unwrap();
    assert!(session.restore(tree.manifest(), None).await.is_err());
    let other = Session { id, ..session };
    other.restore(tree.manifest(), None).await.unwrap();
    assert_eq!(other.read("same"), pattern(9 << 20, 1));
    assert_eq!(other.stored_blobs(), 2);
}

#[tokio::test]
async fn a_file_that_vanishes_is_left_out_and_a_damaged_one_is_an_error() {
    let session = Session::new();
    for name in ["small", "large", "kept"] {
        session.write(name, pattern(if name == "small" { 10 } else { 2000 }, 1));
    }
    let survey = session.workspace.survey().unwrap();
    fs::remove_file(session.path.join("small")).unwrap();
    fs::remove_file(session.path.join("large")).unwrap();
    let me = Principal::local();
    let capture = Tree::empty();
    let capture = capture.capture(&session.workspace, Some(survey), &session.store, &me, &session.id, 1);
    let tree = capture.await.unwrap();
    assert!(tree.manifest().files.len() == 1 && tree.survey.files.len() == 1);

    session.restore(tree.manifest(), None).await.unwrap();
    let blob = stored_files(&session.parent).remove(0);
    let mut bytes = fs::read(&blob).unwrap();
    bytes[1000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let error = session.restore(tree.manifest(), None).await.unwrap_err().to_string();
    assert!(error.contains("failed to open blob"), "{error}");
}

#[tokio::test]
async fn what_exceeds_the_store_is_refused_before_it_is_written() {
    let session = Session::new();
    session.write("large", pattern(61 << 20, 1));
    let me = Principal::local();
    let empty = Tree::empty();
    let capture = empty.capture(&session.workspace, None, &session.store, &me, &session.id, 1);
    let error = capture.await.unwrap_err().to_string();
    assert!(error.contains("principal_store_bytes"), "{error}");
    assert_eq!(session.stored_blobs(), 0);
    session.write("large", pattern(49 << 20, 1));
    session.capture(&Tree::empty(), 1).await;
    assert_eq!(session.stored_blobs(), 7);
}

/// The event loop may move these to other threads.
#[test]
fn captures_and_restores_are_tasks() {
    fn assert_send<T: Send>(_: &T) {}
    let session = Session::new();
    let (me, tree) = (Principal::local(), Tree::empty());
    assert_send(&tree.capture(&session.workspace, None, &session.store, &me, &session.id, 1));
    assert_send(&session.restore(tree.manifest(), None));
    assert_send(&session.store.commit(&me, &session.id, 1, b""));
    assert_send(&session.store.sweep(&crate::store::Moment::now(), &std::collections::HashSet::new()));
}

/// What a test makes of a place: nothing, or something of each kind.
fn put(session: &Session, kind: &str) {
    let path = session.path.join("place");
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(&path).unwrap(),
        Ok(_) => fs::remove_file(&path).unwrap(),
        Err(_) => {}
    }
    match kind {
        "file" => session.write("place", "text"),
        "executable" => {
            session.write("place", "text");
            session.set_mode("place", 0o755);
        }
        "large" => session.write("place", pattern(5000, 1)),
        "directory" => session.write("place/inside", "x"),
        "open directory" => {
            session.write("place/inside", "x");
            session.set_mode("place", 0o755);
        }
        "hole" => {}
        target => symlink(target, &path).unwrap(),
    }
}

#[tokio::test]
async fn whatever_takes_the_place_of_another_the_way_back_is_exact() {
    let kinds = [
        "file",
        "executable",
        "large",
        "directory",
        "open directory",
        "hole",
        "/etc/passwd",
        "/etc",
        "..",
        "beside",
        "place",
    ];
    let session = Session::new();
    session.write("beside/file", "beside");
    let mut trees = Vec::new();
    for kind in kinds {
        put(&session, kind);
        trees.push(session.settle(&Tree::empty(), 1).await);
    }
    for (from, _) in kinds.iter().zip(&trees) {
        for (to, tree) in kinds.iter().zip(&trees) {
            put(&session, from);
            let now = session.settle(&Tree::empty(), 1).await;
            let restored = session.restore(tree.manifest(), Some(&now)).await.unwrap();
            assert_eq!(session.look(1).await, *tree.manifest(), "{from} to {to}");
            assert!(Arc::ptr_eq(session.capture(&restored, 1).await.manifest(), tree.manifest()), "{from} to {to}");
        }
    }
    assert_eq!(session.read("beside/file"), b"beside");
}

#[tokio::test]
async fn a_new_mode_and_a_new_target_are_changes() {
    let session = Session::new();
    session.write("script", "x");
    session.write("d/file", "x");
    symlink("aaa", session.path.join("link")).unwrap();
    let mut tree = session.settle(&Tree::empty(), 1).await;
    let changes: [(&str, &dyn Fn()); 4] = [
        ("chmod", &|| session.set_mode("script", 0o700)),
        ("chmod of a directory", &|| session.set_mode("d", 0o711)),
        ("another target", &|| {
            let time = fs::symlink_metadata(session.path.join("link")).unwrap();
            fs::remove_file(session.path.join("link")).unwrap();
            // Of the same length and at the same time.
            session.workspace.make_link(Path::new("link"), b"bbb", (time.mtime(), time.mtime_nsec())).unwrap();
        }),
        ("a file for a link", &|| {
            fs::remove_file(session.path.join("link")).unwrap();
            session.write("link", "bbb");
        }),
    ];
    for (what, change) in changes {
        let before = session.workspace.survey().unwrap();
        change();
        assert!(!before.is_all_unchanged(&session.workspace.survey().unwrap()), "{what}");
        let after = session.settle(&tree, 1).await;
        assert_ne!(after.manifest(), tree.manifest(), "{what}");
        session.restore(tree.manifest(), Some(&after)).await.unwrap();
        assert_eq!(session.look(1).await, *tree.manifest(), "{what}");
        session.restore(after.manifest(), None).await.unwrap();
        assert_eq!(session.look(1).await, *after.manifest(), "{what}");
        tree = session.settle(&Tree::empty(), 1).await;
    }
}

#[tokio::test]
async fn links_to_the_host_are_neither_read_nor_written_through() {
    let session = Session::new();
    let outside = session.parent.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["small", "large", "link"] {
        fs::write(outside.join(name), "of the host").unwrap();
    }
    session.write("d/small", "mine");
    session.write("d/large", pattern(5000, 1));
    symlink("text", session.path.join("d/link")).unwrap();
    symlink("/etc/passwd", session.path.join("x")).unwrap();
    let tree = session.settle(&Tree::empty(), 1).await;
    let survey = session.workspace.survey().unwrap();
    let swap = || {
        fs::rename(session.path.join("d"), session.parent.path().join("aside")).unwrap();
        symlink(&outside, session.path.join("d")).unwrap();
    };
    // The control: nothing took the place of anything.
    let me = Principal::local();
    let empty = Tree::empty();
    let capture = |survey: Survey| empty.capture(&session.workspace, Some(survey), &session.store, &me, &session.id, 1);
    assert_eq!(capture(survey.clone()).await.unwrap().manifest(), tree.manifest());
    swap();
    // Looked at before, read after it.
    let error = capture(survey).await.unwrap_err().to_string();
    assert!(error.contains("of a workspace"), "{error}");
    session.restore(tree.manifest(), Some(&tree)).await.unwrap();
    assert_eq!(session.look(1).await, *tree.manifest());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 3);
    for name in ["small", "large", "link"] {
        assert_eq!(fs::read(outside.join(name)).unwrap(), b"of the host", "{name}");
    }
}

#[tokio::test]
async fn files_that_nobody_wrote_to_since_they_were_laid_out_are_at_rest_a_tick_later() {
    let session = Session::new();
    for number in 0..50 {
        session.write(&format!("{number}"), pattern(if number % 2 == 0 { 10 } else { 3000 }, number));
    }
    let tree = session.capture(&Tree::empty(), 1).await;
    let elsewhere = session.parent.path().join("v");
    let workspace = Arc::new(Workspace::create(elsewhere.clone()).unwrap());
    let session = Session { path: elsewhere, workspace, ..session };
    let mut restored = session.restore(tree.manifest(), None).await.unwrap();
    std::thread::sleep(Duration::from_millis(12));
    restored.rest();
    assert!(restored.survey.is_all_unchanged(&session.workspace.survey().unwrap()));
    // A write after that shows.
    session.write("1", pattern(3000, 99));
    let after = session.capture(&restored, 2).await;
    assert!(after.manifest() != restored.manifest());
}

#[tokio::test]
async fn what_differs_between_two_states_is_named_and_nothing_else() {
    let session = Session::new();
    for name in ["a", "d/b", "d/e/c", "gone/x", "same"] {
        session.write(name, pattern(5000, 1));
    }
    let before = session.settle(&Tree::empty(), 1).await;
    session.write("d/b", pattern(5000, 2));
    session.write("new/y", "y");
    fs::remove_dir_all(session.path.join("gone")).unwrap();
    let after = session.settle(&before, 2).await;
    let differing = after.manifest().differing_from(before.manifest());
    let mut named: Vec<_> = differing.iter().map(|path| path.to_str().unwrap()).collect();
    named.sort_unstable();
    // Folders whose entries changed have another time.
    assert_eq!(named, ["d/b", "gone", "gone/x", "new", "new/y"]);
    assert_eq!(after.manifest().differing_from(after.manifest()), Vec::<PathBuf>::new());
}
