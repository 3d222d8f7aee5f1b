//! The directory in which sessions lie: how much, for whom, and what it does
//! about damage.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use tests::{Reply, Server, eventually};

/// Takes `megabytes` of the store.
fn fill(server: &Server, session: &str, megabytes: u64) -> Reply {
    server.execute_in(session, &format!("import os\nheld = os.urandom({megabytes} * 1_000_000)\nlen(held)"))
}

fn assert_full(reply: &Reply, name: &str, bound: u64) {
    let (text, bound) = (reply.refusal(), format!("{name}: at most {bound}, got "));
    assert!(text.contains(&bound), "{text}");
    let (_, rest) = text.split_once(&bound).unwrap();
    let got: u64 = rest.split(';').next().unwrap().parse().unwrap();
    assert!(got > 16_000_000 && text.contains("close sessions"), "{text}");
}

#[test]
fn a_full_store_refuses_by_name_and_a_closed_session_makes_room() {
    for (name, flag) in
        [("store_bytes", "--store-bytes=16777216"), ("principal_store_bytes", "--principal-store-bytes=16777216")]
    {
        let server = Server::with().flag(flag).start();
        let (first, second) = (server.new_session(), server.execute_in("new", "x = 1").session());
        assert_eq!(fill(&server, &first, 11).value(), Some("11000000"));
        let sequence = server.execute_in(&second, "x = 2\nopen('f', 'w').write('kept')").sequence();
        // Again and again: what is refused takes no room.
        for _ in 0..4 {
            assert_full(&fill(&server, &second, 6), name, 16_777_216);
            let large = "x = 3\nopen('f', 'w').write('lost')\nimport os\nfor n in range(9): open(f'g{n}', 'wb').write(os.urandom(1_000_000))";
            assert_full(&server.execute_in(&second, large), name, 16_777_216);
            let text = "x".repeat(9_000_000);
            assert_full(&server.write(&second, "h", &text), name, 16_777_216);
        }
        let look = "import os\nprint(x, 'held' in globals(), open('f').read(), os.listdir())";
        let after = server.execute_in(&second, look);
        assert_eq!((after.output(), after.sequence()), ("2 False kept ['f']\n", sequence + 1));
        // Blobs of a refused commit are removed beside later calls.
        eventually("what was refused to be removed", || (server.store().disk_bytes() < 12_000_000).then_some(()));
        // What is gone from the disk is counted as gone a moment later.
        let filled = eventually("room for less", || Some(fill(&server, &second, 4)).filter(|reply| !reply.is_error()));
        assert_eq!(filled.value(), Some("4000000"));
        assert_full(&fill(&server, &second, 6), name, 16_777_216);
        server.session("close", &first).result();
        assert_eq!(fill(&server, &second, 6).value(), Some("6000000"));
    }
}

#[test]
fn what_is_no_longer_needed_is_removed() {
    let server = Server::with().flag("--store-bytes=67108864").start();
    let session = server.new_session();
    // Many times what the store holds, in memory and in files.
    for _ in 0..20 {
        fill(&server, &session, 3).assert_status("exited 0");
        server
            .execute_in(&session, "with open('f', 'wb') as file: file.write(os.urandom(2_000_000))")
            .assert_status("exited 0");
    }
    let bytes = server.store().disk_bytes();
    assert!((5_000_000..67_108_864).contains(&bytes), "the store takes {bytes} bytes");
    assert!(server.store().commits(&session).len() < 20);
    server.session("close", &session).result();
    assert!(server.store().disk_bytes() < 10_000, "{} bytes are left", server.store().disk_bytes());
}

#[test]
fn sessions_that_come_and_go_leave_a_few_small_commits_and_no_blobs() {
    // Each call makes the other session leave.
    let server = Server::with().flag("--sessions=1").start();
    let small = server.execute_in("new", "x = 0").session();
    let large = server.execute_in("new", "import os; block = os.urandom(1_000_000)").session();
    assert_eq!(server.store().blobs(&large).len(), 1);
    for turn in 1..=20 {
        let counted = server.execute_in(&small, "x += 1\nx");
        assert_eq!(counted.value(), Some(turn.to_string().as_str()));
        // What it replaces is as large as what it keeps.
        let reply = server.execute_in(&large, "block = os.urandom(1_000_000)\nlen(block)");
        assert_eq!(reply.value(), Some("1000000"));
        let commits = server.store().commits(&small).len();
        assert!(commits <= 8, "{commits} commits after {turn} turns");
    }
    server.execute_in(&small, "x").assert_status("exited 0");
    eventually("the large session to be tidied", || (server.store().blobs(&large).len() <= 2).then_some(()));
}

#[test]
fn the_store_is_for_its_owner_alone_and_shows_nothing() {
    let server = Server::start();
    let secret = "a secret that must not be read";
    let code = format!("secret = '{secret}' * 50_000\nimport os\nos.mkdir('d')\nopen('d/f', 'w').write(secret)");
    let session = server.execute_in("new", &code).session();
    server.write(&session, "small", secret).result();
    server.snapshot(&session);
    let store = server.store();
    assert_eq!(std::fs::metadata(store.directory()).unwrap().permissions().mode() & 0o777, 0o700);
    let everything = store.everything();
    assert!(everything.len() > 8, "{everything:?}");
    for (path, metadata) in &everything {
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
        if metadata.is_file() {
            let bytes = std::fs::read(path).unwrap();
            assert!(!bytes.windows(8).any(|window| window == b"a secret"), "{}", path.display());
        }
    }
    assert_eq!(std::fs::metadata(store.key()).unwrap().len(), 32);
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Asserts that nothing of a session is given, and the server goes on.
fn assert_unusable(server: &Server, session: &str, control: &str) {
    for (tool, arguments) in [
        ("execute", json!({"session": session, "language": "python", "code": "print('secret')"})),
        ("read", json!({"session": session, "path": "f"})),
        ("write", json!({"session": session, "path": "f", "text": "x"})),
        ("session", json!({"session": session, "action": "list"})),
        ("session", json!({"session": session, "action": "snapshot"})),
        ("session", json!({"session": session, "action": "fork"})),
    ] {
        let reply = server.call(tool, arguments);
        let failed = reply.message.get("error").is_some() || reply.is_error();
        assert!(failed && !reply.message.to_string().contains("secret"), "{tool}: {}", reply.message);
    }
    assert_eq!(server.execute_in(control, "x").value(), Some("'control'"));
    server.assert_usable();
}

const SECRET: &str = "x = 'secret'\nopen('f', 'w').write('secret')";
const LOOK: &str = "print(x, open('f').read())";

#[test]
fn a_damaged_commit_is_refused_and_a_whole_one_is_not() {
    let server = Server::start();
    let session = server.execute_in("new", SECRET).session();
    let control = server.execute_in("new", "x = 'control'").session();
    let head = server.store().commits(&session).pop().unwrap();
    let whole = std::fs::read(&head).unwrap();
    let mut server = server.kill().start();
    for (what, damage) in [
        ("a flipped bit", &flip as &dyn Fn(&Path)),
        ("a cut", &|path| std::fs::write(path, &whole[..whole.len() / 2]).unwrap()),
        ("nothing left", &|path| std::fs::write(path, []).unwrap()),
        ("something else", &|path| std::fs::write(path, "something else".repeat(100)).unwrap()),
    ] {
        damage(&head);
        assert_unusable(&server, &session, &control);
        assert!(server.log().contains(&session), "{what}: {}", server.log());
        server = server.kill().start();
        assert_unusable(&server, &session, &control);
        // The session is not made worse: whole again, it opens, without a restart too.
        std::fs::write(&head, &whole).unwrap();
        assert_eq!(server.read(&session, "f").text(), "secret\n[lines 1-1 of 1]", "{what}");
        server = server.kill().start();
    }
    assert_eq!(server.execute_in(&session, LOOK).output(), "secret secret\n");
}

#[test]
fn a_commit_opens_in_its_own_place_only() {
    let server = Server::start();
    let session = server.execute_in("new", SECRET).session();
    let control = server.execute_in("new", "x = 'control'").session();
    let stolen = server.new_session();
    server.execute_in(&session, "x = 'newer'").assert_status("exited 0");
    let store = server.store();
    let commits = store.commits(&session);
    let server = server.kill().start();
    // The commit is put under another session, as its newest state.
    let target = store.commits(&stolen).pop().unwrap();
    std::fs::copy(&commits[0], target.with_file_name(format!("{:016x}", 2))).unwrap();
    assert_unusable(&server, &stolen, &control);
    // An old state is brought back as the newest.
    let forged = commits[0].with_file_name(format!("{:016x}", 3));
    std::fs::copy(&commits[0], &forged).unwrap();
    assert_unusable(&server, &session, &control);
    // The control: without the forged commit, the session is what it was.
    std::fs::remove_file(forged).unwrap();
    assert_eq!(server.execute_in(&session, LOOK).output(), "newer secret\n");
}

#[test]
fn a_damaged_blob_is_refused_and_never_content() {
    let server = Server::start();
    let session = server
        .execute_in("new", "import os\nheld = os.urandom(1_500_000)\nopen('f', 'wb').write(held + b'file')")
        .session();
    let control = server.execute_in("new", "x = 'control'").session();
    let blobs = server.store().blobs(&session);
    assert!(blobs.len() >= 2, "{blobs:?}");
    let mut server = server.kill().start();
    for (path, _) in &blobs {
        flip(path);
        let look = server.execute_in(&session, "print(len(held), len(open('f', 'rb').read()))");
        assert!(look.message.get("error").is_some() || look.is_error(), "{}: {}", path.display(), look.message);
        assert_eq!(server.execute_in(&control, "x").value(), Some("'control'"));
        flip(path);
        // What the server has of the session by now needs no blob.
        server = server.kill().start();
    }
    let look = "print(len(held), open('f', 'rb').read() == held + b'file')";
    assert_eq!(server.execute_in(&session, look).output(), "1500000 True\n");
}

#[test]
fn another_key_is_refused_by_name() {
    let server = Server::start();
    let session = server.execute_in("new", SECRET).session();
    let key = server.store().key();
    let own = std::fs::read(&key).unwrap();
    let next = server.kill();
    std::fs::write(&key, tests::store_key(7)).unwrap();
    let server = next.start();
    for refused in [server.execute_in(&session, "x"), server.read(&session, "f")] {
        assert!(refused.refusal().contains("sealed with key"), "{}", refused.text());
    }
    // The new key is one, and good for what is new.
    let control = server.execute_in("new", "x = 'control'").session();
    assert_eq!(server.execute_in(&control, "x").value(), Some("'control'"));
    let next = server.kill();
    std::fs::write(&key, own).unwrap();
    let server = next.start();
    assert_eq!(server.execute_in(&session, LOOK).output(), "secret secret\n");
    assert!(server.execute_in(&control, "x").refusal().contains("sealed with key"));
}

#[test]
fn a_log_that_cannot_be_written_costs_no_answer() {
    let server = Server::start();
    let session = server.execute_in("new", SECRET).session();
    let control = server.execute_in("new", "x = 'control'").session();
    let head = server.store().commits(&session).pop().unwrap();
    let server = server.kill().log_to("/dev/full").start();
    // What is damaged is logged, with every call that meets it.
    flip(&head);
    assert_unusable(&server, &session, &control);
    for worker in server.workers() {
        worker.signal(nix::sys::signal::Signal::SIGKILL);
    }
    server.wait_for_health("the loss of the workers", |health| health["workers"] == 0);
    server.assert_usable();
}
