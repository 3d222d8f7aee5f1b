//! How sessions begin, are counted, and end.

use serde_json::json;
use tests::{Server, eventually};

#[test]
fn an_expired_session_is_told_apart_from_one_that_never_was() {
    let server = Server::with().flag("--session-idle-seconds=2").start();
    let session = server.execute_in("new", "open('f', 'w').close()").session();
    let workspace = server.workspace(&session);
    assert!(workspace.exists());
    server.wait_for_health("the session to expire", |health| health["sessions_live"] == 0);
    let expired = server.execute_in(&session, "1");
    assert!(expired.refusal().contains(&format!("no session `{session}`: it expired")), "{}", expired.text());
    let unknown = server.execute_in("s_00000000000000000000000000", "1");
    assert!(
        unknown.refusal().contains("`session: \"new\"` starts one") && !unknown.text().contains("expired"),
        "{}",
        unknown.text()
    );
    for tool in ["read", "write"] {
        let reply = server.call(tool, json!({"session": session, "path": "f", "text": "x"}));
        let without_text = server.call(tool, json!({"session": session, "path": "f"}));
        let refused = if tool == "read" { without_text } else { reply };
        assert!(refused.refusal().contains("expired"), "{tool}: {}", refused.text());
    }
    eventually("the files of the session to be removed", || (!workspace.exists()).then_some(()));
    let used = server.wait_for_health("its memory to be given back", |health| health["memory_used_bytes"] == 0);
    assert_eq!(used["sessions_live"], 0);
}

#[test]
fn a_session_in_use_does_not_expire() {
    let server = Server::with().flag("--session-idle-seconds=2").start();
    let idle = server.new_session();
    let session = server.execute_in("new", "x = 1").session();
    let run = server.begin_execute(
        "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nx",
        json!({"session": session, "limits": {"wall_time_ms": 120_000}}),
    );
    // The control: the one that is not used goes while the other runs.
    server.wait_for_health("the idle session to expire", |health| health["sessions_live"] == 1);
    assert!(server.execute_in(&idle, "1").refusal().contains("expired"));
    std::fs::write(server.workspace(&session).join("go"), "").unwrap();
    assert_eq!(run.wait().value(), Some("1"));
}

#[test]
fn at_the_limit_no_session_begins_and_a_failed_beginning_takes_no_place() {
    let server = Server::with().flag("--sessions=2").start();
    // None of these begins a session, so that there is room afterwards.
    for refused in [
        server.execute_with("1", json!({"session": "new", "language": "cobol"})),
        server.execute_with("1", json!({"session": "new", "files": [{"path": "../x", "text": ""}]})),
        server.execute_with("1", json!({"session": "new", "limits": {"fuel": 1}})),
        server.call("write", json!({"session": "new", "path": "f/../../g", "text": ""})),
        server.execute_with(
            "1",
            json!({"session": "new", "limits": {"disk_bytes": 1}, "files": [{"path": "x", "text": "xxxx"}]}),
        ),
    ] {
        refused.refusal();
    }
    assert_eq!(server.health()["sessions_live"], 0);
    server.new_session();
    let second = server.new_session();
    let third = server.execute_in("new", "1");
    assert!(third.refusal().contains("all sessions are taken") && third.text().contains("2 of 2"), "{}", third.text());
    assert_eq!(server.execute_in(&second, "1").value(), Some("1"));
}

#[test]
fn a_handle_that_is_none_is_refused_before_it_is_looked_up() {
    let server = Server::start();
    for handle in [
        "",
        "NEW",
        "s_",
        "s_../../../../../../etc/passwd",
        "r_00000000000000000000000000",
        "s_0000000000000000000000000\u{0}",
    ] {
        let reply = server.execute_in(handle, "1");
        assert!(reply.refusal().contains("must be a handle that `execute` returned"), "{handle:?}: {}", reply.text());
    }
}

#[test]
fn two_servers_share_a_state_directory_without_meeting() {
    let one = Server::start();
    let session = one.execute_in("new", "open('f', 'w').write('one')").session();
    let other = Server::with().env("BELLJAR_STATE_DIRECTORY", one.state_directory()).start();
    assert!(other.execute_in(&session, "1").refusal().contains("no session"));
    other.assert_usable();
    drop(other);
    assert_eq!(one.execute_in(&session, "open('f').read()").value(), Some("'one'"));
}
