//! Each image has numbers of its own. `tally` differs from CPython in all.

use serde_json::json;
use tests::{Reply, RuntimesFolder, Server, Tally, eventually};

const MIB: u64 = 1 << 20;

fn server(folder: &RuntimesFolder) -> Server {
    // The memory is a whole number of MiB, which is what the budget counts in.
    Server::with().flag("--workers=1").flag("--memory-bytes=536870912").flag("--runtimes").flag(folder.path()).start()
}

fn run(server: &Server, language: &str, code: &str, limits: serde_json::Value) -> Reply {
    server.call("execute", json!({"language": language, "code": code, "limits": limits}))
}

fn tally(server: &Server, code: &str) -> Reply {
    run(server, "tally", code, json!({}))
}

#[test]
fn a_run_pays_what_its_own_image_starts_with() {
    let folder = RuntimesFolder::with([Tally::default()]);
    let server = server(&folder);
    for (language, code, mebibytes) in [("tally", "l0", 2), ("python", "while True: pass", 40), ("tally", "l0", 2)] {
        let running = server.begin("execute", json!({"language": language, "code": code}));
        server.wait_for_health(language, |health| {
            health["runs_active"] == 1 && health["memory_used_bytes"] == mebibytes * MIB
        });
        server.client.notify("notifications/cancelled", json!({"requestId": running.id()}));
        server
            .wait_for_health("the end of it", |health| health["runs_active"] == 0 && health["memory_used_bytes"] == 0);
    }
}

#[test]
fn a_session_pays_for_each_of_its_interpreters() {
    let folder = RuntimesFolder::with([Tally::default()]);
    let server = server(&folder);
    let call = |language, code: &str, session: &str| {
        let reply = server.call("execute", json!({"language": language, "code": code, "session": session}));
        reply.assert_status("exited 0");
        reply
    };
    let used = || server.health()["memory_used_bytes"].as_u64().unwrap();
    // The server gets a worker that can run both.
    tally(&server, "a1").assert_status("exited 0");
    let session = call("python", "x = b'x' * 3_000_000", "new").session();
    let python = used();
    assert!(python >= 3 * MIB, "{python}");
    assert_eq!(call("tally", "a2", &session).value(), Some("2"));
    let both = used();
    assert!((python..=python + 2 * MIB).contains(&both), "{python} and then {both}");
    server.session("close", &session).result();
    server.wait_for_health("what it held", |health| health["memory_used_bytes"] == 0);
}

#[test]
fn the_lowest_limit_and_what_is_kept_back_of_it_are_the_images() {
    let folder = RuntimesFolder::with([Tally::default()]);
    let server = server(&folder);
    let four = json!({"memory_bytes": 4 * MIB});
    // 32 pages, and 4 of 64 are kept back.
    assert_eq!(run(&server, "tally", "g28", four.clone()).value(), Some("60"));
    run(&server, "tally", "g29", four.clone()).assert_status("limit_exceeded memory_bytes");
    let below = run(&server, "tally", "a1", json!({"memory_bytes": 4 * MIB - 1}));
    assert!(below.refusal().contains("must be between 4194304 and 1073741824, got 4194303"), "{}", below.refusal());
    let python = run(&server, "python", "1", four);
    assert!(python.refusal().contains("must be between 67108864 and 1073741824, got 4194304"), "{}", python.refusal());
}

#[test]
fn a_guest_has_the_stack_of_its_image() {
    let large = Tally { id: "deep", build: 1, ..Tally::default() }.with("stack_bytes", 16 << 20);
    let folder = RuntimesFolder::with([Tally::default(), large]);
    let server = server(&folder);
    assert_eq!(tally(&server, "d1000").value(), Some("1000"));
    tally(&server, "d100000").assert_status("trapped stack_overflow");
    assert_eq!(run(&server, "deep", "d100000", json!({})).value(), Some("100000"));
    server.assert_usable();
}

#[test]
fn no_more_slots_are_warm_than_the_image_says_nor_larger_ones() {
    let none = Tally { id: "cold", build: 2, ..Tally::default() }.with("warm_slots", 0);
    let folder = RuntimesFolder::with([Tally::default(), none]);
    let server = server(&folder);
    let warm_starts = || server.health()["warm_starts"].as_u64().unwrap();
    let is_warm = |language, code| {
        let before = warm_starts();
        run(&server, language, code, json!({})).assert_status("exited 0");
        warm_starts() > before
    };
    // A slot is reset after the reply, so the next run may come too early for it.
    eventually("a warm slot", || is_warm("tally", "t250").then_some(()));
    // A MiB is not too much, and the slot is there once more.
    is_warm("tally", "t300");
    assert!((0..5).all(|_| !is_warm("tally", "t300")), "more than a MiB was kept");
    assert!((0..5).all(|_| !is_warm("cold", "t250")), "one was kept where none is to be");
}
