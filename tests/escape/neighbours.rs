//! What other users of a machine, and other servers of root, have to do with a
//! run.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tests::{Pending, Process, SOME_USER, Server, eventually};

use crate::controls::new_secret;
use crate::left::marked;
use crate::place::{Place, begin};

/// Where the server is root, each run is a user of its own.
const PLACES: [Place; 2] = [Place::Root, Place::ContainerRoot];

/// Starts a program that waits in its workspace with a secret in its code, its files
/// and its `/tmp`.
fn waiting(server: &Server, secret: &str) -> (Pending, Process) {
    let code = format!(
        "# {secret}\necho {secret} > kept; echo {secret} > $TMPDIR/kept; echo begun; while [ ! -e go ]; do sleep 0.05; done"
    );
    let run = begin(server, "bash", &code, json!({"env": {"MARK": secret}}));
    server.client.progress(&run, "begun");
    (run, eventually("the run to have a process", || marked(secret).into_iter().next()))
}

fn end(server: &Server, run: &Pending) {
    server.client.notify("notifications/cancelled", json!({"requestId": run.id()}));
    server.wait_for_health("the run to end", |health| health["runs_active"] == 0);
}

/// Files below a directory that hold the secret, as this process sees them.
fn holding(directory: &Path, secret: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            holding(&path, secret, found);
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(secret.len()).any(|seen| seen == secret.as_bytes()))
        {
            found.push(path);
        }
    }
}

/// What becomes of another user who knows the path and reads it.
fn read_as(user: u32, path: &Path) -> String {
    let output = Command::new("/bin/cat").arg(path).env_clear().uid(user).gid(user).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { "read".to_owned() } else { said.trim().to_owned() }
}

#[test]
fn other_users_of_the_machine_read_nothing_of_a_run() {
    for place in PLACES {
        let (server, secret) = (place.server().start(), new_secret());
        let (run, _) = waiting(&server, &secret);
        let mut found = Vec::new();
        holding(server.state_directory(), &secret, &mut found);
        // The control: root finds its file and what is in its `/tmp`. Its code is on
        // the disk only where a program has no root of its own.
        assert!(found.len() >= 2, "{}: {found:?}", place.name());
        for path in found {
            let said = read_as(SOME_USER + 7, &path);
            assert!(said.ends_with("Permission denied"), "{}: {}: {said}", place.name(), path.display());
        }
        end(&server, &run);
    }
}

#[test]
fn two_servers_of_root_never_give_their_runs_one_user() {
    let user = |process: &Process| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    for place in PLACES {
        let servers = [place.server().start(), place.server().start(), Place::Root.server().start()];
        let runs: Vec<_> = servers.iter().map(|server| waiting(server, &new_secret())).collect();
        let users: Vec<_> = runs.iter().map(|(_, process)| user(process)).collect();
        let distinct: std::collections::BTreeSet<_> = users.iter().collect();
        assert!(distinct.len() == users.len() && !users.contains(&"0".to_owned()), "{}: {users:?}", place.name());
        for (server, (run, _)) in servers.iter().zip(&runs) {
            end(server, run);
        }
    }
}
