//! Resources, cursors, prompts and changes of another tenant, and of one key of several.

use serde_json::{Value, json};
use tests::http::{Connection, modern};

use crate::caller::{Caller, TENANTS, server};
use crate::keys::id_of;

const NEVER: &str = "s_00000000000000000000000000";

/// What an error says, with one handle in the place of another.
fn said(caller: Caller<'_>, method: &str, params: Value, handle: &str) -> String {
    let answer = caller.ask(&modern(method, params));
    let message = answer.messages().pop().unwrap();
    assert!(message.get("error").is_some() || message["result"].get("completion").is_some(), "{answer:?}");
    message.to_string().replace(handle, "HANDLE")
}

/// Listens for changes of `uris`, and gives the stream past its acknowledgement.
fn listen(caller: Caller<'_>, uris: &[&str]) -> Connection {
    let params = json!({"notifications": {"resourceSubscriptions": uris}});
    let mut connection = caller.server.connect();
    connection.send(&caller.request(&modern("subscriptions/listen", params)));
    assert_eq!(connection.answer_head().unwrap().status, 200);
    let acknowledged = connection.event().unwrap();
    assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!(uris), "{acknowledged}");
    connection
}

#[test]
fn resources_prompts_and_completions_of_another_are_as_those_that_never_were() {
    let server = server(TENANTS);
    let keys =
        ["one", "two"].map(|tenant| server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]));
    let [one, two] = [Caller::new(&server, &keys[0]), Caller::new(&server, &keys[1])];
    let begun = one.execute_in("new", "for n in range(250): open(f'secret {n}', 'w').close()\nprint('a secret')");
    let (session, run) = (begun.session(), begun.structured()["run"].as_str().unwrap().to_owned());
    let other_run = format!("{}00000000", &run[..run.len() - 8]);
    let file = json!({"type": "ref/resource", "uri": "belljar://session/{session}/{+path}"});
    let numbers = json!({"type": "ref/resource", "uri": "belljar://run/{run}/output/{number}"});
    let asked = |session: &str, run: &str| {
        [
            ("resources/read", json!({"uri": format!("belljar://session/{session}/secret%201")})),
            ("resources/read", json!({"uri": format!("belljar://session/{session}/")})),
            ("resources/read", json!({"uri": format!("belljar://run/{run}/stdout")})),
            ("resources/read", json!({"uri": format!("belljar://run/{run}/files/")})),
            ("prompts/get", json!({"name": "analyze_file", "arguments": {"session": session, "path": "secret 1"}})),
            ("prompts/get", json!({"name": "compare_approaches", "arguments": {"session": session, "goal": "x"}})),
            (
                "completion/complete",
                json!({"ref": file, "argument": {"name": "path", "value": "sec"}, "context": {"arguments": {"session": session}}}),
            ),
            ("completion/complete", json!({"ref": file, "argument": {"name": "session", "value": &session[..10]}})),
            ("completion/complete", json!({"ref": numbers, "argument": {"name": "run", "value": &run[..20]}})),
        ]
    };
    for ((method, theirs), (_, nobodys)) in asked(&session, &run).into_iter().zip(asked(NEVER, &other_run)) {
        let theirs = said(two, method, theirs, &session).replace(&run, "RUN");
        let nobodys = said(two, method, nobodys, NEVER).replace(&other_run, "RUN");
        assert!(theirs == nobodys && !theirs.contains("secret 2"), "{method}: {theirs} {nobodys}");
    }
    let listed = |caller: Caller<'_>, params: Value| caller.ask(&modern("resources/list", params)).reply();
    let whole = listed(two, json!({}));
    assert!(whole.result()["resources"].as_array().unwrap().len() == 3, "{}", whole.message);
    // The control, and a cursor for one alone.
    let cursor = listed(one, json!({})).result()["nextCursor"].clone();
    assert!(listed(one, json!({"cursor": cursor})).result().to_string().contains("secret 99"));
    assert_eq!(listed(two, json!({"cursor": cursor})).message["error"]["data"]["reason"], "bad_cursor");
    // Another key of the tenant is the same caller.
    let again = server.add_key(&["--tenant=one", "--scopes=sandbox:read"]);
    assert!(listed(Caller::new(&server, &again), json!({"cursor": cursor})).result().to_string().contains("secret 99"));
}

#[test]
fn nobody_is_told_of_changes_in_a_session_of_another() {
    let server = server(TENANTS);
    let keys =
        ["one", "two"].map(|tenant| server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]));
    let [one, two] = [Caller::new(&server, &keys[0]), Caller::new(&server, &keys[1])];
    let [session, own] = [one, two].map(|caller| caller.execute_in("new", "").session());
    let [theirs, mine] = [&session, &own].map(|id| format!("belljar://session/{id}/"));
    let mut of_one = listen(one, &[&theirs]);
    // That there is such a session is not said: one that never was is accepted as well.
    let never = format!("belljar://session/{NEVER}/");
    let mut of_two = listen(two, &[&theirs, &never, &mine]);
    one.execute_in(&session, "open('x', 'w').close()");
    assert_eq!(of_one.event().unwrap()["params"]["uri"], json!(theirs));
    one.tool("session", json!({"action": "close", "session": session}));
    assert_eq!(of_one.event().unwrap()["params"]["uri"], json!(theirs));
    two.execute_in(&own, "open('x', 'w').close()");
    assert_eq!(of_two.event().unwrap()["params"]["uri"], json!(mine), "the first that it is told of");
    // A session of another is asked for by name in the `initialize` era, and is not there.
    let hello = two.hello();
    let subscribe = |uri: &str| {
        let message = tests::http::legacy(5, "resources/subscribe", json!({"uri": uri}));
        let answer = server.connect().ask(&two.in_session(&hello, &message));
        answer.messages().pop().unwrap()["error"].to_string()
    };
    let session = one.execute_in("new", "").session();
    let theirs = subscribe(&format!("belljar://session/{session}/")).replace(&session, "HANDLE");
    assert!(theirs == subscribe(&never).replace(NEVER, "HANDLE") && theirs.contains("-32002"), "{theirs}");
}

#[test]
fn whoever_listens_is_told_no_more_once_its_key_is_taken_back() {
    let server = server(TENANTS);
    let keep = server.add_key(&["--tenant=one", "--scopes=sandbox:execute"]);
    let revoked = server.add_key(&["--tenant=one", "--scopes=sandbox:read"]);
    let [keep, taken] = [Caller::new(&server, &keep), Caller::new(&server, &revoked)];
    let session = keep.execute_in("new", "").session();
    let uri = format!("belljar://session/{session}/");
    let mut streams = [listen(taken, &[&uri]), listen(keep, &[&uri])];
    keep.execute_in(&session, "open('x', 'w').close()");
    for stream in &mut streams {
        assert_eq!(stream.event().unwrap()["params"]["uri"], json!(uri));
    }
    let (done, said) = server.command(&["keys", "revoke", &id_of(&revoked)]);
    assert!(done, "{said}");
    assert!(streams[0].event().is_none(), "the stream of a key that was taken back goes on");
    keep.execute_in(&session, "open('y', 'w').close()");
    assert_eq!(streams[1].event().unwrap()["params"]["uri"], json!(uri));
}

#[test]
fn limits_and_guide_are_those_of_tenant_and_key() {
    let server = server(
        "[tenants.default]\n[tenants.one]\nlanguages = [\"python\"]\nceilings = { wall_time_ms = 20_000 }\n\
         environment = { WHO = \"one\" }\n",
    );
    let keys = [
        server.add_key(&["--tenant=two", "--scopes=sandbox:read"]),
        server.add_key(&["--tenant=one", "--scopes=sandbox:read"]),
        server.add_key(&["--tenant=one", "--scopes=sandbox:read", "--ceiling=wall_time_ms=5000"]),
    ];
    let read = |key: &str, uri: &str| {
        let reply = Caller::new(&server, key).ask(&modern("resources/read", json!({"uri": uri}))).reply();
        reply.result()["contents"][0]["text"].as_str().unwrap().to_owned()
    };
    for (key, ceiling, default, variables) in [
        (&keys[0], 300_000, 30_000, json!([])),
        (&keys[1], 20_000, 20_000, json!(["WHO"])),
        (&keys[2], 5000, 5000, json!(["WHO"])),
    ] {
        let limits: Value = serde_json::from_str(&read(key, "belljar://limits")).unwrap();
        assert_eq!(limits["limits"]["wall_time_ms"], json!({"ceiling": ceiling, "default": default}));
        assert_eq!(limits["policy"]["environment"], variables);
        let guide = read(key, "belljar://guide");
        assert!(guide.contains(&format!("{} s of time", default / 1000)), "{guide}");
        assert_eq!(guide.contains("bash: "), key == &keys[0], "{guide}");
    }
}
