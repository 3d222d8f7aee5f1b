//! What the server itself holds for sessions and finished runs.

use serde_json::{Value, json};
use tests::{Pending, Server, alone};

const MIB: u64 = 1 << 20;

/// Files with paths of 3.6 kB, which are 18 MB in all.
const LONG_PATHS: &str = "d=$(printf 'x%.0s' {1..200}); for i in {1..17}; do mkdir $d; cd $d; done; \
    for i in {1..5000}; do : > $i; done";

/// Links with texts of 4 kB, 24 MB in all: what they lead to is kept in memory.
const LONG_LINKS: &str = "import os\nfor i in range(6000): os.symlink('x' * 4000, f'{i}')";

fn begin(server: &Server, language: &str, code: &str, more: Value) -> Pending {
    let mut arguments = json!({"language": language, "code": code});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.begin("execute", arguments)
}

fn used(server: &Server) -> u64 {
    server.health()["memory_used_bytes"].as_u64().unwrap()
}

#[test]
fn what_files_of_sessions_are_known_by_is_small_counted_and_given_back() {
    let _alone = alone();
    let server = Server::with().flag("--runs=4").start();
    begin(&server, "bash", "true", json!({})).wait().assert_status("exited 0");
    let before = server.own_process().peak_bytes();
    let runs = [(); 4].map(|()| begin(&server, "bash", LONG_PATHS, json!({"session": "new"})));
    let sessions = runs.map(|run| run.wait().assert_status("exited 0").session());
    let (held, peak) = (server.own_process().resident_bytes(), server.own_process().peak_bytes());
    // 92 MiB for each, when every path stood alone, and 130 to make it.
    assert!(held < before + 48 * MIB, "{} MiB are held, {} before", held / MIB, before / MIB);
    // One list at a time is on its way to the store: 18 MB, the same sealed, and
    // what a copy takes.
    assert!(peak < before + 120 * MIB, "{} MiB at the most, {} before", peak / MIB, before / MIB);
    // Names and stamps of 20,000 files.
    let counted = used(&server);
    assert!((2 * MIB..32 * MIB).contains(&counted), "{counted} bytes are counted");
    for session in sessions {
        server.session("close", &session);
    }
    assert_eq!(used(&server), 0);
}

#[test]
fn sessions_that_nobody_uses_give_back_what_they_are_held_in() {
    let _alone = alone();
    // Half of that is for what is held: enough for two of these sessions.
    let server = Server::with().flag("--memory-bytes=134217728").flag("--limit=memory_bytes=67108864").start();
    let links = |session: &str| {
        let run = begin(&server, "python-native", LONG_LINKS, json!({"session": session})).wait();
        run.assert_status("exited 0").session()
    };
    let first = links("new");
    let counted = used(&server);
    assert!(counted > 20 * MIB, "{counted} bytes are counted");
    let second = links("new");
    assert_eq!(server.health()["sessions_live"], 2);
    let third = links("new");
    assert_eq!(server.health()["sessions_live"], 2, "the first made room");
    assert!(used(&server) <= 64 * MIB);
    // A run gets what it needs, and nobody's files are lost.
    begin(&server, "bash", "true", json!({"limits": {"memory_bytes": 125_829_120}})).wait().assert_status("exited 0");
    for session in [first, second, third] {
        let count = begin(&server, "bash", "ls | wc -l; readlink 5999 | wc -c", json!({"session": session})).wait();
        assert_eq!(count.output(), "6000\n4001\n");
    }
}
