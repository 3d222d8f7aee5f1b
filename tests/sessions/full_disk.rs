//! A disk that takes nothing more: what is refused and how, and what makes room.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;

use serde_json::json;
use tests::{LoopDisk, Reply, Restriction, Server};

use super::disk::Disk;

fn assert_full(reply: &Reply, what: &str, disk: &Disk) {
    let text = reply.refusal();
    let directory = format!(", in {}; close sessions or remove files", disk.path().display());
    assert!(text.contains(what) && text.contains(&directory), "{text}");
}

#[test]
fn a_full_disk_is_told_by_name_and_a_session_can_be_closed_on_it() {
    for (options, files, what) in [
        ("size=256m,nr_inodes=300", true, "the disk is full: it has no inodes left for more files"),
        ("size=24m", false, "the disk is full"),
    ] {
        let disk = Disk::new(options);
        let server = Server::with().env("BELLJAR_STATE_DIRECTORY", disk.path()).start();
        let kept = server.execute_in("new", "open('f', 'w').write('kept')\nx = 1").session();
        let closed = [(); 2].map(|()| server.execute_in("new", "open('f', 'w').write('x' * 5000)\nx = 2").session());
        let bash = || server.call("execute", json!({"language": "bash", "code": "echo"}));
        server.execute("print('warm')").output();
        bash().assert_status("exited 0");
        let filler = disk.fill(files);
        let refused = |what: &str, call: &dyn Fn() -> Reply| {
            disk.fill(files);
            assert_full(&call(), what, &disk);
        };
        refused("the disk is full", &|| server.write(&kept, "g", &"x".repeat(9000)));
        // The program hears of it first. What it leaves may fit into the place of what
        // it had, and is refused otherwise.
        disk.fill(files);
        let told = server.execute_in(&kept, "y = 3\nopen('g', 'w').write('x' * 9000)");
        if told.is_error() && told.result().get("structuredContent").is_none() {
            assert_full(&told, "the disk is full", &disk);
        } else {
            told.assert_status("exited 1");
            assert!(told.text().contains("No space left on device"), "{}", told.text());
        }
        refused(what, &|| server.session("snapshot", &kept));
        // A native run needs a directory, and no room for what is in it.
        if files {
            refused(what, &bash);
        } else {
            disk.fill(files);
            bash().assert_status("exited 0");
        }
        // What needs no disk goes on.
        assert!(server.read(&kept, "f").text().starts_with("kept"));
        let ids = |server: &Server| {
            let list = server.call("session", json!({"action": "list"}));
            list.structured()["sessions"].as_array().unwrap().len()
        };
        assert_eq!(ids(&server), 3);
        for session in &closed {
            server.session("close", session).result();
            assert!(server.execute_in(session, "1").refusal().contains("it was closed"));
        }
        assert_eq!(ids(&server), 1);
        // The removal made room for one more small state, and nothing was lost.
        assert_eq!(server.execute_in(&kept, "print(x, open('f').read())").output(), "1 kept\n");
        std::fs::remove_dir_all(filler).unwrap();
        assert_eq!(server.execute_in(&kept, "x += 1\nprint(x, open('f').read())").output(), "2 kept\n");
        server.assert_usable();
    }
}

#[test]
fn a_disk_that_is_read_only_is_told_by_name_when_a_server_starts() {
    let try_to_start = |options: &str| {
        let disk = Disk::new(options);
        let started = Server::with().command(disk.path()).arg("doctor").output().unwrap();
        (started.status.success(), String::from_utf8_lossy(&started.stderr).into_owned())
    };
    let (_, text) = try_to_start("size=16m");
    assert!(!text.contains("read-only"), "{text}");
    let (is_started, text) = try_to_start("size=16m,ro");
    assert!(!is_started && text.contains("failed to use the state directory"), "{text}");
    assert!(text.contains("the disk is read-only, in "), "{text}");
    assert!(text.contains("; nothing can be kept there until the operator mounts it to be written to"), "{text}");
}

const READ_ONLY: &str = "; nothing can be kept there until the operator mounts it to be written to";

#[test]
fn a_disk_that_becomes_read_only_is_told_by_name_and_what_is_there_can_be_read() {
    let Some(disk) = LoopDisk::new("ext4", 64 << 20) else { return };
    let state = disk.path().join("state");
    DirBuilder::new().mode(0o700).create(&state).unwrap();
    let server = Server::with().env("BELLJAR_STATE_DIRECTORY", &state).start();
    let kept = server.execute_in("new", "open('f', 'w').write('kept')\nx = 1").session();
    let closed = server.new_session();
    server.execute("print('warm')").output();
    let bash = |session: &str| server.call("execute", json!({"language": "bash", "code": "echo", "session": session}));
    bash(&kept).assert_status("exited 0");
    // The disk is remounted as the kernel does when it finds damage.
    assert!(disk.remount("abort"));
    let calls: [(&str, &dyn Fn() -> Reply); 7] = [
        ("a session", &|| server.execute_in("new", "1")),
        ("a run in a session", &|| server.execute_in(&kept, "x = 2")),
        ("a native run", &|| bash("new")),
        ("a native run in a session", &|| bash(&kept)),
        ("write", &|| server.write(&kept, "g", "more")),
        ("snapshot", &|| server.session("snapshot", &kept)),
        ("close", &|| server.session("close", &closed)),
    ];
    let place = format!(": the disk is read-only, in {}{READ_ONLY}", state.display());
    for (what, call) in calls {
        let reply = call();
        assert!(reply.refusal().ends_with(&place), "{what}: {}", reply.text());
        assert!(!reply.text().contains("close sessions"), "{what}: {}", reply.text());
    }
    assert!(server.read(&kept, "f").text().starts_with("kept"));
    let list = server.call("session", json!({"action": "list"}));
    assert_eq!(list.structured()["sessions"].as_array().unwrap().len(), 2);
}

#[test]
fn each_fault_of_a_disk_has_advice_that_fits() {
    let room = "; close sessions or remove files that are no longer needed, or ask the operator to make room there";
    for (error, what, advice) in [
        ("EIO", "the disk does not work as it should", "; ask the operator to look after it"),
        ("EDQUOT", "the disk quota of the server's user is used up", room),
        ("ENOSPC", "the disk is full", room),
    ] {
        let server = Server::with().restricted(Restriction::default().error("linkat", error)).start();
        let reply = server.execute_in("new", "1");
        let said = format!(": {what}, in {}{advice}", server.state_directory().display());
        assert!(reply.refusal().contains(&said), "{error}: {}", reply.text());
        // What needs no store goes on.
        server.assert_usable();
    }
}
