//! How sessions begin, are counted, and end.

use serde_json::json;
use tests::{Server, eventually};

/// Waits until a session is over, without using it.
fn wait_until_expired(server: &Server, session: &str) {
    eventually("the session to expire", || {
        let list = server.call("session", json!({"action": "list"}));
        let sessions = list.structured()["sessions"].as_array().unwrap();
        sessions.iter().all(|listed| listed["id"] != session).then_some(())
    });
}

#[test]
fn an_expired_session_is_told_apart_from_one_that_never_was_and_one_that_was_closed() {
    let server = Server::with().flag("--session-lifetime-seconds=2").start();
    let session = server.execute_in("new", "open('f', 'w').close()").session();
    let workspace = server.workspace(&session);
    assert!(workspace.exists());
    wait_until_expired(&server, &session);
    let closed = server.new_session();
    server.session("close", &closed).result();
    let expired = server.execute_in(&session, "1");
    assert!(expired.refusal().contains(&format!("no session `{session}`: it expired")), "{}", expired.text());
    let closed = server.execute_in(&closed, "1");
    assert!(closed.refusal().contains("it was closed") && !closed.text().contains("expired"), "{}", closed.text());
    let unknown = server.execute_in("s_00000000000000000000000000", "1");
    assert!(
        unknown.refusal().contains("`session: \"new\"` starts one") && !unknown.text().contains("expired"),
        "{}",
        unknown.text()
    );
    for refused in [
        server.read(&session, "f"),
        server.write(&session, "f", "x"),
        server.session("list", &session),
        server.session("snapshot", &session),
        server.session("fork", &session),
        server.session("close", &session),
    ] {
        assert!(refused.refusal().contains("expired"), "{}", refused.text());
    }
    assert!(!workspace.exists(), "the files of the session are still there");
    assert_eq!(server.store().commits(&session), Vec::<std::path::PathBuf>::new());
    let used = server.wait_for_health("its memory to be given back", |health| health["memory_used_bytes"] == 0);
    assert_eq!(used["sessions_live"], 0);
    // The session is as over for a server that never had it.
    let next = server.kill().start();
    assert!(next.execute_in(&session, "1").refusal().contains("it expired"));
}

#[test]
fn a_session_in_use_does_not_expire() {
    let server = Server::with().flag("--session-lifetime-seconds=2").start();
    let idle = server.new_session();
    let session = server.execute_in("new", "x = 1").session();
    let run = server.begin_execute(
        "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\nx",
        json!({"session": session, "limits": {"wall_time_ms": 120_000}}),
    );
    server.client.progress(&run, "begun");
    // The control: the one that is not used goes while the other runs.
    wait_until_expired(&server, &idle);
    let expired = server.execute_in(&idle, "1");
    assert!(expired.refusal().contains("expired"), "{}", expired.text());
    std::fs::write(server.workspace(&session).join("go"), "").unwrap();
    assert_eq!(run.wait().value(), Some("1"));
}

#[test]
fn use_puts_the_end_of_a_session_off() {
    let server = Server::with().flag("--session-lifetime-seconds=4").start();
    let used = server.execute_in("new", "n = 0").session();
    let mut calls = 0;
    // Several lifetimes of others, one after the other.
    for _ in 0..2 {
        let idle = server.new_session();
        eventually("an idle session to expire", || {
            calls += 1;
            assert_eq!(server.execute_in(&used, "n += 1\nn").value(), Some(calls.to_string().as_str()));
            std::thread::sleep(std::time::Duration::from_millis(50));
            let list = server.call("session", json!({"action": "list"}));
            let sessions = list.structured()["sessions"].as_array().unwrap();
            sessions.iter().all(|listed| listed["id"] != idle.as_str()).then_some(())
        });
    }
}

#[test]
fn a_failed_beginning_begins_no_session() {
    let server = Server::with().flag("--sessions=2").start();
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
    let list = server.call("session", json!({"action": "list"}));
    assert_eq!(list.structured()["sessions"], json!([]));
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
        assert!(reply.refusal().contains("must be a handle that a tool returned"), "{handle:?}: {}", reply.text());
    }
}

#[test]
fn a_session_that_is_only_read_lives_on_and_says_until_when() {
    let server = Server::with().flag("--session-lifetime-seconds=2").start();
    // The other server knows nothing of what the first has in memory, and sweeps as well.
    let beside = server.beside().flag("--session-lifetime-seconds=2").start();
    let session = server.execute_in("new", "open('f', 'w').write('x')").session();
    let idle = server.new_session();
    let expires_at = || {
        let list = server.session("list", &session);
        list.structured()["session"]["expires_at"].as_str().unwrap().to_owned()
    };
    let first = expires_at();
    eventually("the session that nobody reads to expire", || {
        assert!(server.read(&session, "f").text().starts_with("x\n"));
        let list = beside.call("session", json!({"action": "list"}));
        let sessions = list.structured()["sessions"].as_array().unwrap();
        sessions.iter().all(|listed| listed["id"] != idle.as_str()).then_some(())
    });
    assert!(expires_at() > first);
    assert!(beside.read(&session, "f").text().starts_with("x\n"));
}

#[test]
fn sessions_that_come_and_go_never_fill_a_small_store() {
    let flags = ["--principal-store-bytes=1048576", "--session-lifetime-seconds=400"];
    let start = |server: tests::Builder| flags.iter().fold(server, |server, flag| server.flag(*flag)).start();
    let server = start(Server::with());
    // Each session took three blocks, of which there are 256.
    let pairs = |server: &Server, count: usize| {
        let mut last = String::new();
        for _ in 0..count {
            last = server.write("new", "f", "x").session();
            server.session("close", &last).result();
        }
        last
    };
    let last = pairs(&server, 300);
    assert!(server.execute_in(&last, "1").refusal().contains("it was closed"));
    assert_eq!(server.store().disk_bytes(), 32, "the key alone");
    // A server that finds the store so counts the same.
    let next = start(server.kill().env("BELLJAR_LOG", "debug"));
    eventually("the store to be looked over", || next.log().contains("the store was looked over").then_some(()));
    assert!(next.execute_in(&last, "1").refusal().contains("it was closed"));
    pairs(&next, 100);
}

/// Has a session look as if nobody had used it for so long, which is what a
/// clock does that jumps ahead.
fn make_old(server: &Server, session: &str, seconds: u64) {
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
    for commit in server.store().commits(session) {
        std::fs::File::options().write(true).open(commit).unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn nothing_expires_before_the_clock_was_steady_for_long_enough() {
    // Half of the lifetime is 100 seconds.
    let flag = "--session-lifetime-seconds=200";
    let server = Server::with().flag(flag).start();
    let session = server.execute_in("new", "x = 'kept'").session();
    make_old(&server, &session, 31 * 86_400);
    let next = server.kill().flag(flag).env("BELLJAR_LOG", "debug").start();
    eventually("the store to be looked over", || next.log().contains("the store was looked over").then_some(()));
    assert!(next.log().contains("sessions: 1, expired: {}"), "{}", next.log());
    assert_eq!(next.execute_in(&session, "x").value(), Some("'kept'"));
}

#[test]
fn what_is_old_by_a_steady_clock_expires() {
    let flag = "--session-lifetime-seconds=8";
    let server = Server::with().flag(flag).start();
    let session = server.execute_in("new", "x = 'kept'").session();
    make_old(&server, &session, 86_400);
    let next = server.kill().flag(flag).start();
    wait_until_expired(&next, &session);
    assert!(next.execute_in(&session, "x").refusal().contains("it expired"));
}
