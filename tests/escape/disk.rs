//! Disk that programs take, and what they leave there: all of it is given back.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;
use tests::eventually;

use crate::place::{Place, run};

/// Directories that cannot be opened, near and deeper than a session may keep.
const SHUT: &str = "import os, sys
at = os.open(os.environ.get(sys.argv[1], '.'), os.O_RDONLY)
near = at
for depth in range(60):
    os.mkdir(b'\\xff', 0o700, dir_fd=at)
    at, above = os.open(b'\\xff', os.O_RDONLY, dir_fd=at), at
    if above != near: os.close(above)
for place in (near, at): os.mkdir('shut', 0o000, dir_fd=place)
os._exit(0)";

/// Whether all directories in this one are empty: such directories wait for the next runs.
fn is_given_back(directory: &Path) -> bool {
    // A directory that is not there, or not any more, is given back.
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter_map(|entry| std::fs::read_dir(entry).ok()).all(|mut within| within.next().is_none())
}

#[test]
fn directories_that_cannot_be_opened_are_given_back_with_all_others() {
    for place in [Place::User, Place::Root, Place::ContainerUser, Place::ContainerRoot] {
        let server = place.server().start();
        let within = server.principal_directory();
        // The files of the last run are kept to be read.
        for variable in ["TMPDIR", "XDG_CACHE_HOME", "workspace"] {
            eventually("what a run left to be gone", || is_given_back(&within).then_some(()));
            let reply = run(&server, "python-native", SHUT, json!({"args": [variable]}));
            // The warden may have seen that it cannot see all of them.
            let said = reply.message.to_string();
            let is_made = said.contains("nest deeper than 32") || said.contains("\"disk_files\"");
            assert!(is_made || variable == "XDG_CACHE_HOME", "{}: {variable}: {said}", place.name());
        }
        // A session that cannot keep them goes on with what it had.
        let session = run(&server, "python-native", "open('kept', 'w').close()", json!({"session": "new"})).session();
        run(&server, "python-native", SHUT, json!({"session": session, "args": ["TMPDIR"]}));
        let listed = run(&server, "python-native", "import os; print(os.listdir())", json!({"session": session}));
        assert_eq!(listed.output(), "['kept']\n", "{}", place.name());
        server.signal(Signal::SIGTERM);
        server.wait();
        assert_eq!(server.server_directories(), Vec::<std::path::PathBuf>::new(), "{}", place.name());
    }
}

#[test]
fn what_a_killed_server_left_is_given_back_by_the_next_one() {
    for place in [Place::User, Place::Root] {
        let server = place.server().start();
        let dead = server.state_directory().join("server-dead");
        let owner = Some(place.server_user());
        let mut deep = dead.clone();
        std::fs::create_dir(&deep).unwrap();
        for level in 0..45 {
            chown(&deep, owner, owner).unwrap();
            deep.push(level.to_string());
            std::fs::create_dir(&deep).unwrap();
        }
        std::fs::write(deep.join("file"), "x").unwrap();
        chown(&deep, owner, owner).unwrap();
        std::fs::set_permissions(&deep, std::fs::Permissions::from_mode(0o000)).unwrap();
        let next = server.kill().restricted(place.restriction()).start();
        assert_eq!(next.server_directories().len(), 1, "{}: {:?}", place.name(), next.server_directories());
        next.assert_usable();
    }
}
