//! Snapshots, and the way back to them.

use serde_json::Value;
use tests::{Reply, Server};

const LISTING: &str = "import os, hashlib\n\
     print(x, name, sorted(n for n in globals() if n.startswith('new')))\n\
     for folder, folders, files in sorted(os.walk('.')):\n    \
         print(folder, sorted(folders))\n    \
         for file in sorted(files):\n        \
             path = os.path.join(folder, file)\n        \
             print(path, os.stat(path).st_mtime_ns, hashlib.sha256(open(path, 'rb').read()).hexdigest())";

fn snapshots(reply: &Reply) -> &[Value] {
    reply.structured()["snapshots"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn what_was_deleted_returns_what_is_new_goes_and_what_changed_is_back() {
    let server = Server::start();
    let session = server
        .execute_in(
            "new",
            "import os\nx = {'a': [1]}\nname = 'before'\nos.makedirs('kept/deep')\nos.mkdir('gone')\n\
             for n in range(30): open(f'kept/{n}', 'w').write(str(n) * n)\n\
             open('gone/file', 'w').write('gone')\nopen('changed', 'w').write('before')\nopen('same', 'w').write('same')\n\
             open('large', 'wb').write(os.urandom(1_500_000))\nopen('turned', 'w').write('a file')",
        )
        .session();
    let before = server.execute_in(&session, LISTING).output().to_owned();
    assert!(before.lines().count() > 38, "{before}");
    let snapshot = server.snapshot(&session);
    let sequence = server.execute_in(&session, "1").sequence();
    server
        .execute_in(
            &session,
            "import shutil\nx['a'].append(2)\nname = 'after'\nnew_variable = 1\nshutil.rmtree('gone')\nos.makedirs('new/deep')\n\
             open('new/deep/file', 'w').write('new')\nopen('changed', 'w').write('after!')\nos.remove('kept/7')\n\
             with open('large', 'r+b') as file: file.seek(700_000); file.write(b'xxxx')\n\
             os.remove('turned')\nos.mkdir('turned')\nopen('turned/inside', 'w').close()\nos.replace('kept/8', 'kept/9')",
        )
        .assert_status("exited 0");
    server.write(&session, "written", "by write").result();
    let after = server.execute_in(&session, LISTING).output().to_owned();
    assert!(after.contains("new/deep") && after.contains("written") && !after.contains("gone"), "{after}");
    for round in 0..2 {
        let restored = server.session_at("restore", &session, &snapshot);
        assert!(!restored.is_error(), "{}", restored.text());
        assert!(restored.sequence() > sequence, "a way back is a change too");
        // Nothing but the files is looked at first.
        assert!(server.read(&session, "gone/file").text().starts_with("gone\n"));
        assert!(server.read(&session, "written").refusal().contains("no file `written`"));
        assert_eq!(server.execute_in(&session, LISTING).output(), before, "round {round}");
        server.execute_in(&session, "name = 'again'\nos.remove('changed')").assert_status("exited 0");
    }
    let next = server.kill().start();
    next.session_at("restore", &session, &snapshot).result();
    assert_eq!(next.execute_in(&session, LISTING).output(), before, "after a restart");
}

#[test]
fn a_session_can_go_to_and_fro_between_its_snapshots() {
    let server = Server::start();
    let session = server.execute_in("new", "n = 0").session();
    let marks: Vec<_> = (1..=5)
        .map(|n| {
            server.execute_in(&session, &format!("n = {n}\nopen('n', 'w').write('{n}')")).assert_status("exited 0");
            server.snapshot(&session)
        })
        .collect();
    for n in [1, 5, 3, 3, 2, 4] {
        server.session_at("restore", &session, &marks[n - 1]).result();
        assert_eq!(server.execute_in(&session, "print(n, open('n').read())").output(), format!("{n} {n}\n"));
        // Enough changes for the store to be tidied.
        for _ in 0..5 {
            server.execute_in(&session, "n += 100").assert_status("exited 0");
        }
    }
    assert_eq!(snapshots(&server.session("list", &session)).len(), 5, "a way back costs no snapshot");
}

#[test]
fn snapshots_are_listed_bounded_and_closed() {
    let server = Server::with().flag("--snapshots=3").start();
    let session =
        server.execute_in("new", "import os\nheld = os.urandom(500_000)\nopen('f', 'wb').write(held)").session();
    assert_eq!(snapshots(&server.session("list", &session)).len(), 0);
    let made: Vec<_> = (0..3).map(|_| server.snapshot(&session)).collect();
    let list = server.session("list", &session);
    let listed = snapshots(&list);
    let ids: Vec<_> = listed.iter().map(|snapshot| snapshot["id"].as_str().unwrap()).collect();
    assert_eq!(ids, made.iter().map(String::as_str).collect::<Vec<_>>(), "the oldest first");
    for snapshot in listed {
        assert!((1_000_000..10_000_000).contains(&snapshot["size_bytes"].as_u64().unwrap()), "{snapshot}");
        assert!(snapshot["age_seconds"].as_u64().unwrap() < 60, "{snapshot}");
        assert_eq!(snapshot["expires_at"], list.structured()["session"]["expires_at"]);
        assert!(list.text().contains(snapshot["id"].as_str().unwrap()), "{}", list.text());
    }
    let fourth = server.session("snapshot", &session);
    assert!(fourth.refusal().contains("at most 3"), "{}", fourth.text());
    server.session_at("close", &session, &made[1]).result();
    let fourth = server.snapshot(&session);
    let refused = server.session_at("restore", &session, &made[1]);
    assert!(refused.refusal().contains(&format!("no snapshot `{}` in this session", made[1])), "{}", refused.text());
    for snapshot in [&made[0], &made[2], &fourth] {
        server.session_at("restore", &session, snapshot).result();
        assert_eq!(server.execute_in(&session, "open('f', 'rb').read() == held").value(), Some("True"));
    }
}

#[test]
fn a_refused_call_says_what_to_change() {
    let server = Server::start();
    let (session, other) = (server.new_session(), server.new_session());
    let snapshot = server.snapshot(&other);
    let unknown = "p_00000000000000000000000000";
    for action in ["restore", "fork", "close"] {
        for name in [&snapshot, unknown] {
            let reply = server.session_at(action, &session, name);
            assert!(reply.refusal().contains(&format!("no snapshot `{name}`")), "{action}: {}", reply.text());
        }
        let broken = server.session_at(action, &session, "../..");
        assert!(broken.refusal().contains("snapshot must be a handle"), "{}", broken.text());
    }
    assert!(server.session("restore", &session).refusal().contains("snapshot must be the handle"));
    for action in ["list", "snapshot"] {
        let reply = server.session_at(action, &session, &snapshot);
        assert!(reply.refusal().contains("goes with fork, restore and close only"), "{}", reply.text());
    }
    for action in ["snapshot", "fork", "restore", "close"] {
        let reply = server.call("session", serde_json::json!({"action": action}));
        assert!(reply.refusal().contains("session must be the handle of a session"), "{}", reply.text());
        let reply = server.session_at(action, "s_00000000000000000000000000", &snapshot);
        assert!(reply.is_error(), "{action}: {}", reply.text());
    }
    // Nothing of that closed anything.
    server.execute_in(&session, "1").assert_status("exited 0");
    server.session_at("restore", &other, &snapshot).result();
}

#[test]
fn sessions_are_listed_the_last_used_first() {
    let server = Server::start();
    let list = |server: &Server| {
        server.call("session", serde_json::json!({"action": "list"})).structured()["sessions"].clone()
    };
    assert_eq!(list(&server), serde_json::json!([]));
    let (one, two) = (server.new_session(), server.new_session());
    server.execute_in(&one, "x = 1").assert_status("exited 0");
    let sessions = list(&server);
    let ids: Vec<_> = sessions.as_array().unwrap().iter().map(|listed| listed["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&one, &two]);
    assert_eq!((&sessions[0]["sequence"], &sessions[0]["live"]), (&2.into(), &true.into()));
    assert!(sessions[0]["size_bytes"].as_u64().unwrap() > 1000, "{sessions}");
    server.session("close", &one).result();
    let next = server.kill().start();
    let sessions = list(&next);
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");
    assert_eq!((&sessions[0]["id"], &sessions[0]["live"]), (&two.as_str().into(), &false.into()));
}
