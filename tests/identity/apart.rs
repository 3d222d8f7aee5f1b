//! What one tenant has is to another as if it had never been.

use std::time::Instant;

use serde_json::json;
use tests::Process;
use tests::http::{Answer, legacy};

use crate::caller::{Caller, TENANTS, server};

/// What an answer says, with one handle in the place of another.
fn said(answer: &Answer, handle: &str) -> (u16, String) {
    (answer.status, answer.body.replace(handle, "HANDLE"))
}

#[test]
fn sessions_and_runs_of_another_answer_as_those_that_never_were() {
    let server = server(TENANTS);
    let (one, two) = (
        server.add_key(&["--tenant=one", "--scopes=sandbox:admin"]),
        server.add_key(&["--tenant=two", "--scopes=sandbox:admin"]),
    );
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    let begun = one.execute_in("new", "x = 'secret of one'\nprint(x)");
    let (session, run) = (begun.session(), begun.structured()["run"].as_str().unwrap().to_owned());
    let never = |handle: &str| {
        // The handle is of the same form, of a run of the same server.
        let (kept, last) = handle.split_at(handle.len() - 8);
        format!("{kept}{}", if last == "00000000" { "11111111" } else { "00000000" })
    };
    let calls = |session: &str, run: &str| {
        [
            ("execute", json!({"language": "python", "code": "print(x)", "session": session})),
            ("read", json!({"session": session})),
            ("read", json!({"session": session, "path": "f"})),
            ("read", json!({"run": run, "stream": "stdout"})),
            ("read", json!({"run": run})),
            ("write", json!({"session": session, "path": "f", "text": "mine"})),
            ("session", json!({"action": "snapshot", "session": session})),
            ("session", json!({"action": "fork", "session": session})),
            ("session", json!({"action": "close", "session": session})),
        ]
    };
    let (other_session, other_run) = (never(&session), never(&run));
    for ((name, theirs), (_, nobodys)) in calls(&session, &run).into_iter().zip(calls(&other_session, &other_run)) {
        let theirs = two.tool(name, theirs);
        let nobodys = two.tool(name, nobodys);
        let theirs = said(&theirs, &session).1.replace(&run, "RUN");
        let nobodys = said(&nobodys, &other_session).1.replace(&other_run, "RUN");
        assert_eq!(theirs, nobodys, "{name}");
        assert!(!theirs.contains("secret"), "{name}");
    }
    // As soon, too: what is another's is looked for nowhere else than what never was.
    let calls = calls(&session, &run).into_iter().zip(calls(&other_session, &other_run));
    for ((name, theirs), (_, nobodys)) in calls {
        let took = |arguments: &serde_json::Value| {
            let began = Instant::now();
            two.tool(name, arguments.clone());
            began.elapsed()
        };
        let mut pairs: Vec<_> = (0..15).map(|_| (took(&theirs), took(&nobodys))).collect();
        pairs.sort_unstable_by_key(|(theirs, _)| *theirs);
        let theirs = pairs[7].0;
        pairs.sort_unstable_by_key(|(_, nobodys)| *nobodys);
        let nobodys = pairs[7].1;
        assert!(theirs < 10 * nobodys && nobodys < 10 * theirs, "{name}: {theirs:?} and {nobodys:?}");
    }
    let listed = two.tool("session", json!({"action": "list"}));
    assert!(!listed.body.contains(&session), "{listed:?}");
    let health = two.health();
    assert_eq!((&health["sessions_live"], &health["runs_finished"]), (&json!(0), &json!(0)), "{health}");
    // Another key of the same tenant finds all of it: it is there for whom it belongs to.
    let again = server.add_key(&["--tenant=one", "--scopes=sandbox:execute"]);
    let again = Caller::new(&server, &again);
    assert_eq!(again.execute_in(&session, "print(x)").output(), "secret of one\n");
    assert!(again.tool("read", json!({"run": run, "stream": "stdout"})).body.contains("secret of one"));
}

#[test]
fn workers_of_several_tenants_give_way_to_the_server_and_those_of_one_do_not() {
    for (configured, steps) in [(TENANTS, 5), ("", 0)] {
        let server = server(configured);
        let tenant: &[&str] = if configured.is_empty() { &[] } else { &["--tenant=one"] };
        let key = server.add_key(&[tenant, &["--scopes=sandbox:execute"]].concat());
        assert_eq!(Caller::new(&server, &key).execute_in("new", "print(1)").output(), "1\n");
        let workers = Process::children_of(server.process().pid());
        let workers: Vec<_> =
            workers.iter().filter(|child| child.arguments().iter().any(|word| word == "worker-process")).collect();
        assert!(!workers.is_empty(), "a worker ran it");
        for worker in workers {
            assert_eq!(worker.nice(), (server.process().nice() + steps).min(19), "{configured}");
        }
    }
}

#[test]
fn a_session_of_the_initialize_era_is_bound_to_its_tenant() {
    let server = server(TENANTS);
    let (one, two) = (
        server.add_key(&["--tenant=one", "--scopes=sandbox:admin"]),
        server.add_key(&["--tenant=two", "--scopes=sandbox:admin"]),
    );
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    let theirs = one.hello();
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let call = legacy(7, "tools/call", json!({"name": "session", "arguments": {"action": "list"}}));
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    for line in ["POST /mcp HTTP/1.1", "GET /mcp HTTP/1.1", "DELETE /mcp HTTP/1.1"] {
        for message in [&call, &cancel, &legacy(8, "tools/list", json!({}))] {
            let ask = |session: &str| {
                let request = two.in_session(session, message).line(line);
                let answer = server.connect().ask(&request);
                (answer.status, answer.body)
            };
            assert_eq!(ask(&theirs), ask(nobodys), "{line}");
            assert_ne!(ask(&theirs).0, 200, "{line}");
        }
    }
    // The session has outlived all that, and is of its own tenant: another key of it may use it.
    let again = server.add_key(&["--tenant=one", "--scopes=sandbox:read"]);
    for caller in [one, Caller::new(&server, &again)] {
        let answer = server.connect().ask(&caller.in_session(&theirs, &legacy(9, "tools/list", json!({}))));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn each_tenant_has_the_tools_limits_and_variables_of_its_own_section() {
    let server = server(
        "[environment]\nALL = \"all\"\n[tenants.default]\nenvironment = { WHO = \"any\" }\n[tenants.one]\nlanguages = [\"python\"]\n\
         ceilings = { wall_time_ms = 20_000 }\nenvironment = { WHO = \"one\" }\n",
    );
    let key = |tenant: &str| server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]);
    let (one, any) = (key("one"), key("three"));
    let (one, any) = (Caller::new(&server, &one), Caller::new(&server, &any));
    let languages = |caller: &Caller<'_>| {
        let tools = caller.ask(&tests::http::modern("tools/list", json!({}))).reply().result()["tools"].clone();
        tools[0]["inputSchema"]["properties"]["language"]["enum"].clone()
    };
    assert_eq!(languages(&one), json!(["python"]));
    assert!(!languages(&any).as_array().unwrap().is_empty());
    let show = "import os\nprint(os.environ['ALL'], os.environ['WHO'])";
    assert_eq!(one.execute(show).output(), "all one\n");
    assert_eq!(any.execute(show).output(), "all any\n");
    let refused = one.tool("execute", json!({"language": "bash", "code": "true"})).reply();
    assert!(refused.refusal().contains("allows python"), "{}", refused.text());
    let long = |caller: &Caller<'_>| {
        let arguments = json!({"language": "python", "code": "print(1)", "limits": {"wall_time_ms": 30_000}});
        caller.tool("execute", arguments).reply()
    };
    assert!(long(&one).refusal().contains("between 10 and 20000, got 30000"), "{}", long(&one).text());
    assert_eq!(long(&any).output(), "1\n");
}
