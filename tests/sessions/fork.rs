//! Two sessions out of one.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;

use serde_json::json;
use tests::{Restriction, SOME_USER, Server};

const FILL: &str = "import os\nrows = [1]\nopen('f', 'w').write('one')\nos.mkdir('d')\n\
                    open('d/large', 'wb').write(os.urandom(2_000_000))\nheld = os.urandom(4_000_000)";
const LOOK: &str = "print(rows, open('f').read(), len(held), os.path.getsize('d/large'), sorted(os.listdir()))";

#[test]
fn two_sessions_go_on_from_one_and_share_nothing() {
    let server = Server::start();
    let one = server.execute_in("new", FILL).session();
    let forked = server.session("fork", &one);
    let other = forked.session();
    assert_ne!(one, other);
    assert!(!forked.is_error() && forked.text().contains(&other) && forked.text().contains(&one), "{}", forked.text());
    let change = |session: &str, mark: &str| {
        let code =
            format!("rows.append('{mark}')\nopen('f', 'a').write(' {mark}')\nopen('{mark}', 'w').close()\n{LOOK}");
        server.execute_in(session, &code).output().to_owned()
    };
    assert_eq!(change(&one, "a"), "[1, 'a'] one a 4000000 2000000 ['a', 'd', 'f']\n");
    assert_eq!(change(&other, "b"), "[1, 'b'] one b 4000000 2000000 ['b', 'd', 'f']\n");
    assert_eq!(change(&one, "c"), "[1, 'a', 'c'] one a c 4000000 2000000 ['a', 'c', 'd', 'f']\n");
    // Neither session needs the other.
    server.session("close", &one).result();
    let next = server.kill().start();
    assert_eq!(next.execute_in(&other, LOOK).output(), "[1, 'b'] one b 4000000 2000000 ['b', 'd', 'f']\n");
    assert!(next.execute_in(&one, LOOK).refusal().contains("closed"));
}

#[test]
fn a_fork_of_a_snapshot_is_as_the_session_was_then() {
    let server = Server::start();
    let session = server.execute_in("new", FILL).session();
    let snapshot = server.snapshot(&session);
    server
        .execute_in(
            &session,
            "rows.append(2)\nheld = b''\nopen('f', 'w').write('two')\nos.remove('d/large')\nos.rmdir('d')",
        )
        .assert_status("exited 0");
    // The calls are enough for what only commits name to be removed from the store.
    for _ in 0..20 {
        server.execute_in(&session, "rows.append(0)").assert_status("exited 0");
    }
    let fork = server.session_at("fork", &session, &snapshot).session();
    assert_eq!(server.execute_in(&fork, LOOK).output(), "[1] one 4000000 2000000 ['d', 'f']\n");
    assert!(server.execute_in(&session, "print(open('f').read(), len(held))").output() == "two 0\n");
    // A snapshot belongs to its session alone.
    let listed = server.session("list", &fork);
    assert_eq!(listed.structured()["snapshots"].as_array().map(Vec::len), Some(0));
    let refused = server.session_at("fork", &fork, &snapshot);
    assert!(refused.refusal().contains(&format!("no snapshot `{snapshot}` in this session")), "{}", refused.text());
}

#[test]
fn a_fork_copies_no_content() {
    let server = Server::start();
    let session = server.execute_in("new", FILL).session();
    let store = server.store();
    let before = store.disk_bytes();
    assert!(before > 6_000_000, "too little to measure: {before}");
    let forks: Vec<_> = (0..10).map(|_| server.session("fork", &session).session()).collect();
    let added = store.disk_bytes() - before;
    assert!(added < 200_000 * 10, "ten forks of {before} bytes took {added}");
    let own: HashMap<_, _> = store
        .blobs(&session)
        .into_iter()
        .map(|(path, data)| (path.file_name().unwrap().to_owned(), data.ino()))
        .collect();
    assert!(!own.is_empty());
    for fork in &forks {
        let blobs = store.blobs(fork);
        assert_eq!(blobs.len(), own.len());
        for (path, data) in blobs {
            assert_eq!(Some(&data.ino()), own.get(path.file_name().unwrap()), "{} is a copy", path.display());
        }
    }
    // What one of them ends with does not end with it.
    server.session("close", &session).result();
    assert_eq!(server.execute_in(&forks[0], LOOK).output(), "[1] one 4000000 2000000 ['d', 'f']\n");
}

/// How many files were read to save each state, as the log of a server says.
fn files_read(log: &str) -> Vec<u64> {
    let lines = log.lines().filter(|line| line.contains("files are read to be saved"));
    let number = |line: &str| line.split("read=").nth(1)?.split_whitespace().next()?.parse().ok();
    lines.map(|line| number(line).unwrap_or_else(|| panic!("no number in {line}"))).collect()
}

#[test]
fn a_run_in_a_fork_reads_the_files_that_it_changed_and_no_others() {
    for user in [Restriction::default(), Restriction::user(SOME_USER)] {
        let server = Server::with().restricted(user.clone()).flag("--log=debug").env("NO_COLOR", "1").start();
        let make = "import os\nfor n in range(10): os.mkdir(f'd{n}')\n\
                    for n in range(1500):\n    open(f'd{n % 10}/{n}', 'wb').write(os.urandom(10 if n % 3 else 3000))";
        let session = server.execute_in("new", make).session();
        let fork = server.session("fork", &session).session();
        let before = files_read(&server.log()).len();
        let bash = |code: &str| {
            server
                .call("execute", json!({"language": "bash", "code": code, "session": fork}))
                .assert_status("exited 0");
        };
        server.execute_in(&fork, "print(len(os.listdir('d1')))").output();
        server.execute_in(&fork, "open('d1/1', 'a').write('more')").assert_status("exited 0");
        bash("ls d2 | wc -l");
        bash("echo more >> d2/2; echo new > d2/new");
        // What changes content and size, time of change and all but shows it.
        bash("printf x | dd of=d3/3 conv=notrunc status=none; touch -d @1 d3/3");
        server.execute_in(&fork, "open('d4/new', 'w').close()").assert_status("exited 0");
        let read = files_read(&server.log());
        // What was restored within the last tick of the kernel's clock is looked at
        // once more, and how many files that is depends on the disk.
        assert!(read[before] <= 750, "of 1,500 files were read: {read:?}");
        assert!(read[before + 1..].iter().sum::<u64>() <= 30, "of 1,500 files were read: {read:?}");
        let next = server.kill().restricted(user).start();
        let look = "read = lambda path: open(path, 'rb').read()\n\
                    print(read('d1/1')[-4:], read('d2/2')[-5:-1], read('d3/3')[:1], os.listdir('d4').count('new'))";
        assert_eq!(next.execute_in(&fork, look).output(), "b'more' b'more' b'x' 1\n");
    }
}
