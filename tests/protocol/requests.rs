//! Calls, progress, cancellation and errors on the wire.

use serde_json::{Value, json};
use tests::Server;

#[test]
fn only_the_protocol_is_on_standard_output_whatever_programs_print() {
    let server = Server::start();
    let forged = "import os, sys\nline = '{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{\"forged\":true}}'\n\
                  for fd in (1, 2): os.write(fd, (line + '\\n').encode())\nprint(line, file=sys.__stdout__)\nsys.stderr.write('\\x00\\xff\\n')";
    let reply = server.execute(forged);
    reply.assert_status("exited 0");
    assert_eq!(reply.stdout().lines().count(), 2);
    assert_eq!(reply.stderr().lines().count(), 2);
    server.execute("import os\nos.abort()").assert_status("trapped unreachable");
    server.assert_usable();
    assert_eq!(server.client.strays(), Vec::<String>::new());
    assert!(server.client.notifications().iter().all(|message| message["method"] == "notifications/progress"));
}

#[test]
fn tool_errors_are_results_and_protocol_errors_are_not() {
    let server = Server::start();
    // An error for the model is about what it can change.
    assert!(server.execute_with("1", json!({"limits": {"fuel": 1}})).refusal().contains("limits.fuel must be between"));
    assert!(server.call("execute", json!({})).refusal().contains("code is missing; it must be a string"));
    // An error for the client is about what no model can change.
    assert_eq!(server.call("exec", json!({})).protocol_error(), (-32602, "unknown tool \"exec\""));
    let nameless = server.client.request("tools/call", json!({})).wait();
    assert!([-32602, -32601].contains(&nameless.protocol_error().0), "{}", nameless.message);
    assert_eq!(server.client.request("tasks/get", json!({"taskId": "x"})).wait().protocol_error().0, -32601);
    // A program that fails has run, and is an error for neither.
    let failed = server.execute("1 / 0");
    assert!(failed.is_error());
    failed.assert_status("exited 1");
}

#[test]
fn progress_comes_only_to_those_who_asked_and_under_their_token() {
    let server = Server::start();
    let code = "import os, time\nprint('tick')\nwhile not os.path.exists('go'): time.sleep(0.01)";
    let session = server.new_session();
    let arguments = json!({"language": "python", "code": code, "session": session});
    for token in [json!("a text"), json!(7_000)] {
        let params = json!({"name": "execute", "arguments": arguments, "_meta": {"progressToken": token}});
        let pending = server.client.request("tools/call", params);
        let progress = server.client.notification(|message| message["params"]["progressToken"] == token);
        assert_eq!(progress["params"]["message"], "tick\n");
        std::fs::write(server.workspace(&session).join("go"), "").unwrap();
        pending.wait().assert_status("exited 0");
        std::fs::remove_file(server.workspace(&session).join("go")).unwrap();
    }
    let before = server.client.notifications().len();
    let quiet = server.client.request("tools/call", json!({"name": "execute", "arguments": {"language": "python", "code": "import time\nfor n in range(60):\n    print(n)\n    time.sleep(0.01)"}}));
    quiet.wait().assert_status("exited 0");
    assert_eq!(server.client.notifications().len(), before);
}

#[test]
fn a_cancelled_call_frees_its_place_and_others_are_not_touched() {
    let server = Server::with().flag("--runs=2").start();
    let other = server.begin_execute("import time\nprint('other')\ntime.sleep(2)\nprint('done')", json!({}));
    server.client.progress(&other, "other");
    for round in 0..3 {
        let pending =
            server.begin_execute("print('begun')\nwhile True: pass", json!({"limits": {"wall_time_ms": 300_000}}));
        server.client.progress(&pending, "begun");
        server
            .client
            .notify("notifications/cancelled", json!({"requestId": pending.id(), "reason": "the user pressed Esc"}));
        // A call would never be answered with both places taken.
        assert_eq!(server.execute(&format!("print({round})")).output(), format!("{round}\n"));
    }
    assert_eq!(other.wait().output(), "other\ndone\n");
    let health = server.wait_for_health("all runs to end", |health| health["runs_active"] == 0);
    assert_eq!(health["runs_queued"], 0);
}

#[test]
fn cancelling_what_is_over_or_never_was_changes_nothing() {
    let server = Server::start();
    let done = server.begin_execute("print(1)", json!({}));
    let id = done.id();
    assert_eq!(done.wait().output(), "1\n");
    for request in [json!(id), json!(123_456), json!("x"), Value::Null] {
        server.client.notify("notifications/cancelled", json!({"requestId": request}));
    }
    server.assert_usable();
}

#[test]
fn health_check_counts_what_goes_on() {
    let server = Server::start();
    server.assert_usable();
    let session = server.new_session();
    let pending = server.begin_execute(
        "import os, time\nprint('on')\nwhile not os.path.exists('go'): time.sleep(0.01)",
        json!({"session": session}),
    );
    server.client.progress(&pending, "on");
    let health = server.health();
    assert_eq!(
        (&health["status"], &health["runs_active"], &health["sessions_live"]),
        (&json!("ok"), &json!(1), &json!(1))
    );
    assert!(health["memory_used_bytes"].as_u64().unwrap() > 0);
    assert!(health["memory_used_bytes"].as_u64().unwrap() < health["memory_total_bytes"].as_u64().unwrap());
    let workers = health["workers"].as_u64().unwrap();
    assert_eq!(workers, server.workers().len() as u64);
    std::fs::write(server.workspace(&session).join("go"), "").unwrap();
    pending.wait().assert_status("exited 0");
    let after = server.health();
    assert_eq!(
        (&after["runs_active"], after["runs_finished"].as_u64().unwrap()),
        (&json!(0), health["runs_finished"].as_u64().unwrap() + 1)
    );
}
