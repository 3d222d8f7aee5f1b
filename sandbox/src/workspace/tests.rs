#![expect(clippy::disallowed_methods, reason = "looks from outside")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::workspace::entry::FileEntry;

const QUOTA: DiskUse = DiskUse { bytes: 1 << 20, files: 10 };

fn workspace() -> (tempfile::TempDir, Workspace) {
    let parent = tempfile::tempdir().unwrap();
    let workspace = Workspace::create(parent.path().join("w")).unwrap();
    (parent, workspace)
}

fn write(workspace: &Workspace, name: &str, bytes: &[u8], quota: DiskUse) -> Result<(), Error> {
    workspace.write([(&path(name), bytes)], quota)
}

fn path(text: &str) -> WorkspacePath {
    WorkspacePath::new("path", text).unwrap()
}

#[test]
fn links_are_read_as_text_and_never_followed_where_a_plain_file_is_read() {
    let (parent, workspace) = workspace();
    let inside = parent.path().join("w");
    std::fs::write(parent.path().join("secret"), "s").unwrap();
    write(&workspace, "plain", b"p", QUOTA).unwrap();
    write(&workspace, "d/plain", b"p", QUOTA).unwrap();
    for (name, target) in
        [("inner", "plain"), ("outer", "../secret"), ("up", ".."), ("within", "d"), ("x", "/etc/passwd")]
    {
        symlink(target, inside.join(name)).unwrap();
        assert!(matches!(workspace.read(&path(name)).unwrap(), Found::Link { target: found } if found == target));
    }
    nix::unistd::mkfifo(&inside.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for name in ["plain", "d/plain"] {
        assert!(matches!(workspace.read(&path(name)).unwrap(), Found::File { size_bytes: 1, .. }));
    }
    for name in ["up/secret", "within/plain", "within/absent"] {
        let read = workspace.read(&path(name)).unwrap_err().to_string();
        let written = write(&workspace, name, b"mine", QUOTA).unwrap_err().to_string();
        assert!(read.contains("symbolic link") && written.contains("symbolic link"), "{name}: {read}, {written}");
    }
    let Found::Directory(entries) = workspace.read(&path(".")).unwrap() else { panic!() };
    let links: Vec<_> = entries.iter().filter(|entry| entry.is_link).map(|entry| entry.path.as_str()).collect();
    assert_eq!(links, ["inner", "outer", "up", "within", "x"]);
    assert!(workspace.read(&path("fifo")).unwrap_err().to_string().contains("neither a regular file"));
    // Writing to a link replaces the link, not what it names.
    write(&workspace, "outer", b"mine", QUOTA).unwrap();
    assert_eq!(std::fs::read(parent.path().join("secret")).unwrap(), b"s");
    assert!(matches!(workspace.read(&path("outer")).unwrap(), Found::File { size_bytes: 4, .. }));
    assert_eq!(std::fs::read(inside.join("d/plain")).unwrap(), b"p");
}

/// What the server does at a path beneath `d`, and what it says.
fn use_all(workspace: &Workspace) -> Vec<(&'static str, bool)> {
    let stamp = DirectoryStamp { modified: (1, 0), mode: Mode::of(0o777, true) };
    let put = |file: NewFile| file.put(Path::new("d/renamed"));
    vec![
        ("open", workspace.open_file(Path::new("d/file")).is_ok_and(|found| found.is_some())),
        ("read a link", workspace.read_link(Path::new("d/link")).is_ok_and(|found| found.is_some())),
        ("make a file", workspace.start_file_at("d/new".into()).is_ok()),
        ("rename", workspace.start_file().and_then(put).is_ok()),
        ("make a link", workspace.make_link(Path::new("d/new-link"), b"x", (1, 0)).is_ok()),
        ("make a directory", workspace.make_directory(Path::new("d/new-directory")).is_ok()),
        ("set a directory", workspace.set_directory(Path::new("d/directory"), stamp).is_ok()),
        ("remove a directory", workspace.remove_directory(Path::new("d/directory")).is_ok()),
        ("remove a file", workspace.remove_file(Path::new("d/file")).is_ok()),
    ]
}

fn directory_to_use(at: &Path) {
    std::fs::create_dir_all(at.join("directory")).unwrap();
    std::fs::write(at.join("file"), "kept").unwrap();
    symlink("text", at.join("link")).unwrap();
}

#[test]
fn a_link_in_the_place_of_a_directory_leads_the_server_nowhere() {
    let (parent, workspace) = workspace();
    let (outside, d) = (parent.path().join("outside"), parent.path().join("w/d"));
    directory_to_use(&outside);
    let look = || {
        let entries = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap());
        let mut seen: Vec<_> = entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().mode())).collect();
        seen.sort();
        seen
    };
    let before = look();
    for target in [outside.as_path(), Path::new("../outside"), Path::new("/etc"), Path::new("d")] {
        symlink(target, &d).unwrap();
        for (what, is_done) in use_all(&workspace) {
            assert!(!is_done, "{what} through a link to {}", target.display());
        }
        assert!(workspace.survey().unwrap().files.keys().eq([Path::new("d")]));
        std::fs::remove_file(&d).unwrap();
    }
    assert_eq!(look(), before);
    // The control.
    directory_to_use(&d);
    for (what, is_done) in use_all(&workspace) {
        assert!(is_done, "{what} in a directory");
    }
}

#[test]
fn a_file_that_is_written_again_keeps_its_mode() {
    let (parent, workspace) = workspace();
    let mode = |name: &str| std::fs::metadata(parent.path().join("w").join(name)).unwrap().mode() & 0o7777;
    write(&workspace, "script", b"old", QUOTA).unwrap();
    assert_eq!(mode("script"), 0o644);
    let all = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(parent.path().join("w/script"), all).unwrap();
    workspace.write([(&path("script"), &b"new"[..]), (&path("script"), b"newer")], QUOTA).unwrap();
    assert_eq!(mode("script"), 0o755, "without what gives rights");
}

#[test]
fn writes_stop_at_the_quota_and_keep_the_old_content() {
    let (_parent, workspace) = workspace();
    let small = DiskUse { bytes: 16 << 10, files: 2 };
    write(&workspace, "a", b"old", small).unwrap();
    let error = write(&workspace, "a", &[0; 20 << 10], small).unwrap_err().to_string();
    assert!(error.contains("disk_bytes") && error.contains("16384"), "{error}");
    write(&workspace, "b", b"", small).unwrap();
    let error = write(&workspace, "c/d", b"", small).unwrap_err().to_string();
    assert!(error.contains("disk_files"), "{error}");
    let Found::File { mut file, .. } = workspace.read(&path("a")).unwrap() else { panic!() };
    assert_eq!(read_range(&mut file, 0, 10).unwrap(), b"old");
}

#[test]
fn a_survey_tells_what_changed() {
    let (_parent, workspace) = workspace();
    write(&workspace, "same", b"1", QUOTA).unwrap();
    let before = workspace.survey().unwrap();
    write(&workspace, "d/new", b"22", QUOTA).unwrap();
    let changes = workspace.survey().unwrap().changes_since(&before);
    assert_eq!(changes, [FileEntry { path: "d/new".into(), size_bytes: 2, is_link: false }]);
}

#[test]
fn a_workspace_stays_the_directory_that_was_opened_whatever_takes_its_place() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    std::fs::create_dir(at("outside")).unwrap();
    let workspace = Workspace::create(at("w")).unwrap();
    // The workspace is renamed as a worker does it that was broken into.
    std::fs::rename(at("w"), at("away")).unwrap();
    symlink(at("outside"), at("w")).unwrap();
    std::fs::write(at("w").join("by-path"), "x").unwrap();
    assert!(at("outside/by-path").exists(), "a path alone leads there");
    write(&workspace, "made/file", b"x", QUOTA).unwrap();
    assert!(at("away/made/file").exists() && !at("outside/made").exists());
    Workspace::open(at("w")).unwrap_err();
    // Only the link is removed.
    workspace.remove().unwrap();
    assert!(std::fs::symlink_metadata(at("w")).is_err() && at("outside/by-path").exists());
}
