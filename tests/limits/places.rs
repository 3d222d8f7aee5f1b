//! How many calls go on at once that run nothing.

use serde_json::json;
use tests::{Pending, Server};

/// How many wait for their session at once, and how many more are kept.
const AT_ONCE: usize = 64;
const QUEUE: usize = 256;
/// How many wait for one session at most.
const OF_ONE_SESSION: usize = 16;

const HOLD: &str = "import os, time\nprint('holding')\nwhile not os.path.exists('go'): time.sleep(0.01)";

#[test]
fn every_tool_takes_a_place_and_those_that_wait_are_bounded() {
    let server = Server::with().flag("--runs=8").start();
    let sessions: Vec<_> = (0..AT_ONCE / OF_ONE_SESSION).map(|_| server.new_session()).collect();
    let hold = |session: &String| {
        let pending = server.begin_execute(HOLD, json!({"session": session, "limits": {"wall_time_ms": 120_000}}));
        server.client.progress(&pending, "holding");
        pending
    };
    let held: Vec<_> = sessions.iter().map(hold).collect();
    let write = |number: usize| {
        let session = &sessions[number / OF_ONE_SESSION];
        server.begin("write", json!({"session": session, "path": format!("f{number}"), "text": "x"}))
    };
    let writes: Vec<Pending> = (0..AT_ONCE).map(write).collect();
    let lists: Vec<Pending> = (0..QUEUE).map(|_| server.begin("session", json!({"action": "list"}))).collect();
    let refused = server.call("session", json!({"action": "list"}));
    assert!(
        refused.refusal().contains("busy: too many calls are waiting (256 of 256 in use); try again in a moment"),
        "{}",
        refused.text()
    );
    // Other calls have places of their own.
    assert_eq!(server.health()["runs_active"], 4);
    assert!(server.read(&sessions[0], ".").text().contains("0 entries"), "{}", server.read(&sessions[0], ".").text());
    assert_eq!(server.execute("print(1)").output(), "1\n");
    for session in &sessions {
        std::fs::write(server.workspace(session).join("go"), "").unwrap();
    }
    for pending in held {
        pending.wait().assert_status("exited 0");
    }
    for pending in writes.into_iter().chain(lists) {
        let reply = pending.wait();
        assert!(!reply.is_error(), "{}", reply.text());
    }
    server.assert_usable();
}
