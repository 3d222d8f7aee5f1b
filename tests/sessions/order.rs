//! One run at a time in a session: who waits, in which order, and who does not.

use serde_json::json;
use tests::{Pending, Server};

/// Starts a run that goes on until the file `go` is there, and waits until it
/// does.
fn hold(server: &Server, session: &str) -> Pending {
    let code = "import os, time\nprint('holding')\nwhile not os.path.exists('go'): time.sleep(0.01)\nos.remove('go')\nprint('over')";
    let pending = server.begin_execute(code, json!({"session": session, "limits": {"wall_time_ms": 120_000}}));
    server.client.progress(&pending, "holding");
    pending
}

fn let_go(server: &Server, session: &str) {
    std::fs::write(server.workspace(session).join("go"), "").unwrap();
}

#[test]
fn calls_to_one_session_run_in_the_order_they_came() {
    let server = Server::start();
    let session = server.execute_in("new", "order = []").session();
    let first = hold(&server, &session);
    let others: Vec<_> = (0..10)
        .map(|n| server.begin_execute(&format!("order.append({n})\norder"), json!({"session": session})))
        .collect();
    let_go(&server, &session);
    assert_eq!(first.wait().output(), "holding\nover\n");
    for (n, pending) in others.into_iter().enumerate() {
        let reply = pending.wait();
        let expected: Vec<_> = (0..=n).map(|n| n.to_string()).collect();
        assert_eq!(reply.value(), Some(format!("[{}]", expected.join(", ")).as_str()));
    }
}

#[test]
fn a_session_has_room_for_sixteen_that_wait() {
    let server = Server::start();
    let session = server.new_session();
    let first = hold(&server, &session);
    let waiting: Vec<_> = (0..16).map(|n| server.begin_execute(&n.to_string(), json!({"session": session}))).collect();
    let refused = server.execute_in(&session, "17");
    assert!(
        refused.refusal().contains("busy: this session already has calls waiting (16 of 16 in use)"),
        "{}",
        refused.text()
    );
    let_go(&server, &session);
    first.wait().assert_status("exited 0");
    for (n, pending) in waiting.into_iter().enumerate() {
        assert_eq!(pending.wait().value(), Some(n.to_string().as_str()));
    }
    assert_eq!(server.execute_in(&session, "17").value(), Some("17"));
}

#[test]
fn a_session_that_runs_keeps_no_other_waiting() {
    let server = Server::start();
    let (busy, free) = (server.new_session(), server.new_session());
    let mut pending = hold(&server, &busy);
    // The call is answered while the other goes on.
    assert_eq!(server.execute_in(&free, "print(1)").output(), "1\n");
    server.assert_usable();
    assert!(pending.is_open());
    let_go(&server, &busy);
    pending.wait().assert_status("exited 0");
}

#[test]
fn read_does_not_wait_for_a_run_and_write_does() {
    let server = Server::start();
    let session = server.execute_in("new", "open('f', 'w').write('old')").session();
    let code =
        "import os, time\nprint('holding')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint(open('f').read())";
    let mut run = server.begin_execute(code, json!({"session": session, "limits": {"wall_time_ms": 120_000}}));
    server.client.progress(&run, "holding");
    let mut write = server.begin("write", json!({"session": session, "path": "f", "text": "new"}));
    let read = server.call("read", json!({"session": session, "path": "f"}));
    assert!(read.text().starts_with("old\n"), "{}", read.text());
    assert!(run.is_open() && write.is_open());
    let_go(&server, &session);
    // The run still saw the old content at its end, and only then it was replaced.
    assert_eq!(run.wait().output(), "holding\nold\n");
    assert!(!write.wait().is_error());
    assert_eq!(server.execute_in(&session, "open('f').read()").value(), Some("'new'"));
}

#[test]
fn a_cancelled_call_that_waits_for_its_turn_never_runs() {
    let server = Server::start();
    let session = server.execute_in("new", "ran = []").session();
    let first = hold(&server, &session);
    let second = server.begin_execute("ran.append('second')", json!({"session": session}));
    let third = server.begin_execute("ran.append('third')", json!({"session": session}));
    server.client.notify("notifications/cancelled", json!({"requestId": second.id()}));
    // Calls are handled in order: once this is answered, the cancellation was seen.
    server.health();
    let_go(&server, &session);
    first.wait().assert_status("exited 0");
    third.wait().assert_status("exited 0");
    assert_eq!(server.execute_in(&session, "ran").value(), Some("['third']"));
}

#[test]
fn a_cancelled_change_that_waits_for_its_turn_is_never_made() {
    let server = Server::start();
    let session = server.new_session();
    let first = hold(&server, &session);
    let write = |name: &str| json!({"session": session, "path": name, "text": ""});
    let cancelled = [
        server.begin("write", write("cancelled")),
        server.begin("session", json!({"action": "fork", "session": session})),
        server.begin("session", json!({"action": "snapshot", "session": session})),
        server.begin("session", json!({"action": "close", "session": session})),
    ];
    let written = server.begin("write", write("written"));
    for call in &cancelled {
        server.client.notify("notifications/cancelled", json!({"requestId": call.id()}));
    }
    server.health();
    let_go(&server, &session);
    first.wait().assert_status("exited 0");
    assert!(!written.wait().is_error());
    assert_eq!(server.execute_in(&session, "sorted(os.listdir('.'))").value(), Some("['written']"));
    let sessions = server.call("session", json!({"action": "list"})).structured()["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
}
