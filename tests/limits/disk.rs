//! Disk space, files and descriptors, by every route there is.

use std::path::Path;

use serde_json::{Value, json};
use tests::{Reply, Server};

const KIB: u64 = 1 << 10;
/// The quota of these tests.
const QUOTA: u64 = 1024 * KIB;

/// Programs that write `SIZE` bytes, each by another route.
const ROUTES: [(&str, &str); 12] = [
    ("write", "with open('f', 'wb') as file:\n    for _ in range(SIZE // 1024): file.write(bytes(1024))"),
    ("one large write", "open('f', 'wb').write(bytes(SIZE))"),
    (
        "unbuffered write",
        "import os\nfd = os.open('f', os.O_WRONLY | os.O_CREAT)\nfor _ in range(SIZE // 4096): os.write(fd, bytes(4096))",
    ),
    (
        "pwrite",
        "import os\nfd = os.open('f', os.O_WRONLY | os.O_CREAT)\nfor n in range(SIZE // 4096): os.pwrite(fd, bytes(4096), n * 4096)",
    ),
    ("truncate", "with open('f', 'wb') as file: file.truncate(SIZE)"),
    ("a hole", "with open('f', 'wb') as file:\n    file.seek(SIZE - 1)\n    file.write(b'x')"),
    ("append", "for _ in range(SIZE // 8192):\n    with open('f', 'ab') as file: file.write(bytes(8192))"),
    ("many files", "for n in range(SIZE // 16384): open(f'f{n}', 'wb').write(bytes(16384))"),
    (
        "rename over",
        "import os\nfor n in range(SIZE // 16384):\n    open('new', 'wb').write(bytes(16384))\n    os.replace('new', f'f{n}')",
    ),
    (
        "copying",
        "import shutil\nopen('f', 'wb').write(bytes(16384))\nfor n in range(SIZE // 16384 - 1): shutil.copy('f', f'g{n}')",
    ),
    ("a folder", "import os\nos.makedirs('a/b/c')\nos.chdir('a/b')\nopen('c/f', 'wb').write(bytes(SIZE))"),
    ("temporary files", "import tempfile\nwith tempfile.TemporaryFile() as file: file.write(bytes(SIZE))"),
];

fn program(template: &str, size: u64) -> String {
    template.replace("SIZE", &size.to_string())
}

fn used_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => used_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

fn with_limit(name: &str, limit: u64, session: &str) -> Value {
    json!({"session": session, "limits": {name: limit}})
}

#[test]
fn a_full_disk_is_a_typed_outcome_by_every_route() {
    let server = Server::start();
    for (what, template) in ROUTES {
        let session = server.new_session();
        let run = |size: u64| server.execute_with(&program(template, size), with_limit("disk_bytes", QUOTA, &session));
        // A program just below the limit has everything, and nothing is refused.
        let below = run(QUOTA - 128 * KIB);
        assert_eq!(below.status(), "exited 0", "{what}: {}", below.message);
        server.execute_in(&session, "import os, shutil\nos.chdir('/workspace')\nfor name in os.listdir():\n    shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)").assert_status("exited 0");
        let over = run(QUOTA + 128 * KIB);
        assert_eq!(over.status(), "limit_exceeded disk_bytes", "{what}: {}", over.message);
        assert_eq!(over.error("name"), "OSError", "{what}");
        let used = used_bytes(&server.workspace(&session));
        assert!(used <= QUOTA, "{what}: {used} bytes are on disk");
        assert_eq!(over.session_state(), "kept", "{what}");
    }
}

#[test]
fn the_quota_holds_while_the_program_tries() {
    let server = Server::start();
    let session = server.new_session();
    let attack = "import os\nprint('begun')\nn = 0\nwhile not os.path.exists('stop'):\n    try:\n        n += 1\n        \
                  with open(f'f{n % 50}', 'ab') as file: file.write(bytes(100_000))\n    except OSError: pass";
    let pending = server.begin_execute(attack, with_limit("disk_bytes", QUOTA, &session));
    server.client.progress(&pending, "begun");
    let directory = server.workspace(&session);
    tests::eventually("the attack to be seen", || (used_bytes(&directory) > QUOTA / 2).then_some(()));
    let largest = (0..500).map(|_| used_bytes(&directory)).max().unwrap();
    std::fs::write(directory.join("stop"), "").unwrap();
    pending.wait().assert_status("exited 0");
    assert!(largest <= QUOTA, "{largest} bytes were seen on disk");
}

#[test]
fn overwriting_and_deleting_give_space_back() {
    let server = Server::start();
    let code = "import os\nfor n in range(100):\n    open('new', 'wb').write(bytes(200_000))\n    os.replace('new', 'same')\n\
                for n in range(100):\n    open('gone', 'wb').write(bytes(200_000))\n    os.remove('gone')\nprint(os.listdir())";
    assert_eq!(server.execute_with(code, with_limit("disk_bytes", QUOTA, "new")).output(), "['same']\n");
}

#[test]
fn many_empty_files_and_folders_reach_the_limit_on_files() {
    let server = Server::start();
    for (what, make) in [("files", "open(f'f{n}', 'w').close()"), ("folders", "os.mkdir(f'd{n}')")] {
        let session = server.new_session();
        let run = |count: u64| {
            let code = format!("import os\nfor n in range({count}): {make}");
            server.execute_with(&code, with_limit("disk_files", 100, &session))
        };
        let over = run(101);
        assert_eq!(over.status(), "limit_exceeded disk_files", "{what}: {}", over.message);
        assert_eq!(std::fs::read_dir(server.workspace(&session)).unwrap().count(), 100, "{what}");
        let session = server.new_session();
        let code = format!("import os\nfor n in range(100): {make}");
        let below = server.execute_with(&code, with_limit("disk_files", 100, &session));
        assert_eq!(below.status(), "exited 0", "{what}: {}", below.message);
    }
}

#[test]
fn a_database_that_fills_the_disk_fails_cleanly_and_keeps_what_was_committed() {
    let server = Server::start();
    let session = server.new_session();
    let fill = "import sqlite3\ndb = sqlite3.connect('d.db')\ndb.execute('create table t (v)')\n\
                while True:\n    with db: db.execute('insert into t values (zeroblob(20000))')";
    let full = server.execute_with(fill, with_limit("disk_bytes", QUOTA, &session));
    full.assert_status("limit_exceeded disk_bytes");
    assert!(used_bytes(&server.workspace(&session)) <= QUOTA);
    let look = server.execute_with(
        "db.close()\ndb = sqlite3.connect('d.db')\nprint(db.execute('pragma integrity_check').fetchone()[0], db.execute('select count(*) > 20 from t').fetchone()[0])",
        with_limit("disk_bytes", 2 * QUOTA, &session),
    );
    assert_eq!(look.output(), "ok 1\n");
    let few = server
        .execute_with(&fill.replace("while True:", "for _ in range(20):"), with_limit("disk_bytes", QUOTA, "new"));
    few.assert_status("exited 0");
}

#[test]
fn open_files_are_counted_exactly() {
    let server = Server::start();
    let session = server.new_session();
    let run = |count: u64| {
        let code = format!("files = []\nfor n in range({count}): files.append(open('f', 'w'))\nprint(len(files))");
        let reply = server.execute_with(&code, with_limit("open_files", 10, &session));
        server.execute_in(&session, "for file in files: file.close()\nfiles = []").assert_status("exited 0");
        reply
    };
    let over = run(11);
    over.assert_status("limit_exceeded open_files");
    assert_eq!(over.usage("open_files"), 10);
    assert_eq!(run(10).output(), "10\n");
}

#[test]
fn files_that_come_from_outside_obey_the_same_quota() {
    let server = Server::with().flag("--limit=disk_bytes=100000").start();
    let session = server.new_session();
    let write = |size: usize| server.call("write", json!({"session": session, "path": "f", "text": "x".repeat(size)}));
    assert!(write(100_001).refusal().contains("disk_bytes: at most 100000, got 100001"));
    assert_eq!(write(100_000).structured()["size_bytes"], 100_000);
    let input = |size: usize| -> Reply {
        server.execute_with(
            "import os\nprint(os.path.getsize('g'))",
            json!({"files": [{"path": "g", "text": "x".repeat(size)}]}),
        )
    };
    assert!(input(100_001).refusal().contains("disk_bytes"));
    assert_eq!(input(100_000).output(), "100000\n");
}
