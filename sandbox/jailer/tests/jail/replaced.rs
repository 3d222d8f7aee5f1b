//! The workspace is taken away once it was opened to be handed over, and
//! something else put in its place, as a worker that was broken into does it
//! between two steps of the server.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use jailer::Step;

use crate::Test;
use crate::jail::Jail;

pub(crate) const TESTS: &[Test] =
    &[("only_what_was_handed_over_is_written_to", only_what_was_handed_over_is_written_to)];

fn beside(workspace: &Path, name: &str) -> PathBuf {
    workspace.with_extension(name)
}

fn move_away(workspace: &Path) {
    let owner = fs::metadata(workspace).unwrap().uid();
    fs::rename(workspace, beside(workspace, "away")).unwrap();
    let other = beside(workspace, "other");
    fs::create_dir(&other).unwrap();
    std::os::unix::fs::chown(&other, Some(owner), Some(owner)).unwrap();
}

fn put_directory(workspace: &Path) {
    move_away(workspace);
    fs::rename(beside(workspace, "other"), workspace).unwrap();
}

fn put_link(workspace: &Path) {
    move_away(workspace);
    symlink(beside(workspace, "other"), workspace).unwrap();
}

fn only_what_was_handed_over_is_written_to() {
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            for replacing in [put_directory, put_link] {
                let mut jail = Jail::bash(namespaces, *host, "echo x > made; echo $?");
                jail.replacing = Some(replacing);
                let path = jail.workspace.path().to_owned();
                let names = |path: &Path| fs::read_dir(path).unwrap().count();
                match jail.start() {
                    // Without a mount there is nothing to look up: the program
                    // is where it was to be, and only there.
                    Ok(running) if !namespaces => {
                        let finished = running.finish();
                        assert_eq!(finished.output, "0\n", "{finished:?}");
                        assert!(beside(&path, "away").join("made").exists());
                    }
                    Err((refusal, _)) if namespaces => {
                        assert_eq!(refusal.step, Step::Filesystem, "{refusal}");
                        assert!(refusal.detail.contains("something took its place"), "{refusal}");
                        assert_eq!(names(&beside(&path, "away")), 0);
                    }
                    other => panic!("{namespaces} {host:?}: {:?}", other.err()),
                }
                assert_eq!(names(&path), 0, "what took its place was written to");
                let _ = fs::remove_file(&path);
                let _ = fs::remove_dir_all(beside(&path, "away"));
                let _ = fs::remove_dir_all(beside(&path, "other"));
            }
        }
    }
}
