//! The number of a state, and calls that name the one they expect.

use serde_json::json;
use tests::{Reply, Server};

fn run_if(server: &Server, session: &str, sequence: u64, code: &str) -> Reply {
    server.execute_with(code, json!({"session": session, "if_sequence": sequence}))
}

#[test]
fn every_change_counts_one_and_looking_counts_nothing() {
    let server = Server::start();
    let begun = server.execute_in("new", "x = 1");
    let session = begun.session();
    assert_eq!(begun.sequence(), 1);
    assert_eq!(server.execute_in(&session, "x = 2").sequence(), 2);
    assert_eq!(server.execute_in(&session, "undefined").sequence(), 3, "a run that raised may have changed things");
    assert_eq!(server.write(&session, "f", "one").sequence(), 4);
    server.read(&session, "f").result();
    assert_eq!(server.session("list", &session).sequence(), 4);
    let snapshot = server.snapshot(&session);
    assert_eq!(server.session("list", &session).sequence(), 5);
    assert_eq!(server.session_at("restore", &session, &snapshot).sequence(), 6);
    assert_eq!(server.session_at("close", &session, &snapshot).sequence(), 7);
    // What is undone counts nothing either.
    assert_eq!(server.execute_in(&session, "import os\nos._exit(0)").sequence(), 7);
    server.execute_with("1", json!({"session": session, "limits": {"fuel": 1}})).refusal();
    assert_eq!(server.execute_in(&session, "x").sequence(), 8);
    let next = server.kill().start();
    assert_eq!(next.execute_in(&session, "x").sequence(), 9);
}

#[test]
fn a_repeated_call_is_carried_out_once_and_told_the_present_number() {
    let server = Server::start();
    let session = server.execute_in("new", "n = 0").session();
    let call = "n += 1\nopen('n', 'a').write('x')\nn";
    let first = run_if(&server, &session, 1, call);
    assert_eq!((first.value(), first.sequence()), (Some("1"), 2));
    // The answer was lost on the way, say, and the client calls again.
    let again = run_if(&server, &session, 1, call);
    assert!(again.refusal().contains("which is 2, got 1"), "{}", again.text());
    let ahead = run_if(&server, &session, 3, call);
    assert!(ahead.refusal().contains("which is 2, got 3"), "{}", ahead.text());
    assert_eq!(server.execute_in(&session, "print(n, open('n').read())").output(), "1 x\n");
    // The answer is lost to a crash this time.
    let next = server.kill().start();
    let again = run_if(&next, &session, 2, call);
    assert!(again.refusal().contains("which is 3, got 2"), "{}", again.text());
    assert_eq!(run_if(&next, &session, 3, call).value(), Some("2"));
}

#[test]
fn a_refused_call_leaves_nothing_of_itself() {
    let server = Server::start();
    let session = server.execute_in("new", "x = 1").session();
    let arguments = json!({"session": session, "if_sequence": 9, "files": [{"path": "f", "text": "new"}]});
    server.execute_with("x = 2", arguments).refusal();
    let look = "import os\nprint(x, os.listdir())";
    assert_eq!(server.execute_in(&session, look).output(), "1 []\n");
}

#[test]
fn of_calls_that_expect_the_same_number_one_is_carried_out() {
    let server = Server::start();
    let session = server.execute_in("new", "ran = []").session();
    let calls: Vec<_> = (0..10)
        .map(|n| server.begin_execute(&format!("ran.append({n})"), json!({"session": session, "if_sequence": 1})))
        .collect();
    let carried_out = calls.into_iter().map(tests::Pending::wait).filter(|reply| !reply.is_error());
    assert_eq!(carried_out.count(), 1);
    assert_eq!(server.execute_in(&session, "len(ran)").value(), Some("1"));
}

#[test]
fn a_new_session_has_no_number_to_expect() {
    let server = Server::start();
    for arguments in [json!({"session": "new", "if_sequence": 0}), json!({"if_sequence": 0})] {
        let refused = server.execute_with("print(1)", arguments);
        assert!(refused.refusal().contains("if_sequence needs `session` with the handle"), "{}", refused.text());
    }
    let listed = server.call("session", json!({"action": "list"}));
    assert_eq!(listed.structured()["sessions"], json!([]), "a refused call begins no session");
}
