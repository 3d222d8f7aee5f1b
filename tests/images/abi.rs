//! Sessions outlast a new version of the guest ABI.

use serde_json::json;
use tests::{Reply, RuntimesFolder, Server, Tally};

const FIRST: Tally =
    Tally { id: "tally", text: Tally::COUNTS, abi: 1, build: 10, pages: 32, besides: "", instance: Tally::INSTANCE };

fn call(server: &Server, session: &str, code: &str) -> Reply {
    server.call("execute", json!({"language": "tally", "code": code, "session": session}))
}

#[test]
fn a_session_of_the_first_abi_goes_on_when_the_language_has_gone_on_to_the_second() {
    let folder = RuntimesFolder::with([FIRST]);
    let server = Server::with().flag("--runtimes").flag(folder.path()).start();
    let old = call(&server, "new", "a40").session();
    let snapshot = server.snapshot(&old);
    assert_eq!(call(&server, &old, "a1").value(), Some("41"));

    // The next version of the language speaks ABI 2, and starts with more memory.
    folder.add(&Tally { abi: 2, build: 11, besides: "(data (i32.const 48) \"2\")", ..FIRST });
    let server = server.kill().flag("--runtimes").flag(folder.path()).start();
    assert_eq!(call(&server, &old, "a1").value(), Some("42"));
    let new = call(&server, "new", "a7").session();
    assert_eq!(call(&server, &new, "a1").value(), Some("8"));
    // The sessions go on in turn, and as forks.
    let fork = server.session("fork", &old).session();
    for (session, expected) in [(&old, "43"), (&new, "9"), (&fork, "43"), (&old, "44")] {
        let reply = call(&server, session, "a1");
        assert_eq!((reply.value(), reply.session_state()), (Some(expected), "kept"));
    }
    // A session that was saved anew by a server that speaks both is still what it was.
    let server = server.kill().flag("--runtimes").flag(folder.path()).start();
    for (session, expected) in [(&old, "45"), (&new, "10"), (&fork, "44")] {
        assert_eq!(call(&server, session, "a1").value(), Some(expected));
    }
    server.session_at("restore", &old, &snapshot).result();
    assert_eq!(call(&server, &old, "a0").value(), Some("40"));
}

#[test]
fn two_abis_run_beside_each_other_and_in_one_session() {
    let second = Tally { id: "second", abi: 2, build: 12, ..FIRST };
    let folder = RuntimesFolder::with([FIRST, second]);
    let server = Server::with().flag("--runtimes").flag(folder.path()).start();
    let run = |language: &str, session: &str| {
        server.call("execute", json!({"language": language, "code": "a1", "session": session}))
    };
    let session = run("tally", "new").session();
    for (language, expected) in [("second", "1"), ("tally", "2"), ("second", "2")] {
        assert_eq!(run(language, &session).value(), Some(expected), "{language}");
    }
    assert_eq!(server.execute_in(&session, "n = 1; n").value(), Some("1"), "and Python, which speaks the second");
}
