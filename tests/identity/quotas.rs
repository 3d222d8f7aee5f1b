//! What a tenant may use over time, and that one which floods holds up no other.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::alone;
use tests::http::{Answer, HttpServer, legacy, modern};

use crate::caller::{Caller, server, tool};

fn key(server: &HttpServer, tenant: &str) -> String {
    server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"])
}

/// The seconds after which a refusal for this reason says to come again.
fn refused(answer: &Answer, reason: &str) -> u64 {
    assert_eq!((answer.status, answer.reason().as_str()), (429, reason), "{answer:?}");
    let seconds = answer.field("Retry-After").unwrap().parse().unwrap();
    assert_eq!(answer.json()["error"]["data"]["retry_after_seconds"], seconds);
    seconds
}

#[test]
fn calls_past_those_of_a_minute_are_refused_before_they_do_anything_until_there_are_some_again() {
    // The calls are few enough that none comes back meanwhile.
    let server = server("[tenants.one]\ncalls_per_minute = 6\n[tenants.two]\n");
    let (one, two) = (key(&server, "one"), key(&server, "two"));
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    let session = one.hello();
    let handle = one.execute_in("new", "print(1)").session();
    assert_eq!(one.tool("read", json!({"session": handle})).status, 200);
    let old =
        one.in_session(&session, &legacy(3, "tools/call", json!({"name": "session", "arguments": {"action": "list"}})));
    for _ in 0..4 {
        assert_eq!(server.connect().ask(&old).status, 200);
    }
    let write = json!({"session": handle, "path": "f", "text": "x"});
    let answer = one.tool("write", write.clone());
    assert!((1..=10).contains(&refused(&answer, "calls_per_minute")), "{answer:?}");
    let error = answer.json()["error"].clone();
    assert_eq!((&error["data"]["bound"], &error["data"]["used"]), (&json!(6), &json!(6)));
    assert!(error["message"].as_str().unwrap().contains("6 of 6 calls_per_minute; try again in"), "{error}");
    refused(&server.connect().ask(&old), "calls_per_minute");
    refused(&one.ask(&modern("resources/read", json!({"uri": "belljar://guide"}))), "calls_per_minute");
    // A request that does nothing counts as none, and tells what happened to its own tenant alone.
    assert_eq!(one.ask(&modern("tools/list", json!({}))).status, 200);
    assert_eq!(one.health()["refusals"], json!({"calls_per_minute": 3}));
    assert_eq!(two.execute("print(2)").output(), "2\n");
    assert!(two.health().get("refusals").is_none());
    // A call comes back when the refusal said it would, and nothing was written meanwhile.
    let asked = Instant::now();
    let seconds = refused(&one.tool("write", write), "calls_per_minute");
    let again = tests::eventually("a call to be taken again", || {
        let answer = one.tool("read", json!({"session": handle}));
        (answer.status == 200).then_some(answer)
    });
    assert!(!again.body.contains("\"f\""), "{again:?}");
    assert!(asked.elapsed() >= Duration::from_secs(seconds - 1), "{:?} of {seconds} s", asked.elapsed());
}

#[test]
fn time_on_processors_past_that_of_a_day_is_refused_until_midnight() {
    let server = server("[tenants.default]\ncpu_seconds_per_day = 1\n");
    let (one, two) = (key(&server, "one"), key(&server, "two"));
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    let begun = one.execute_in(
        "new",
        "import time\nend = time.process_time() + 1.1\nwhile time.process_time() < end: pass\nprint(1)",
    );
    assert_eq!(begun.output(), "1\n");
    let call = json!({"language": "python", "code": "print(1)"});
    let answer = tests::eventually("the time to be used up", || {
        let answer = one.tool("execute", call.clone());
        (answer.status != 200).then_some(answer)
    });
    assert!((1..=86_400).contains(&refused(&answer, "cpu_seconds_per_day")), "{answer:?}");
    assert_eq!(one.tool("read", json!({"session": begun.session()})).status, 200, "what runs nothing goes on");
    assert_eq!(two.execute("print(2)").output(), "2\n");
}

#[test]
fn what_waited_while_the_time_of_a_day_was_used_up_does_not_begin() {
    let server = server("[tenants.one]\ncpu_seconds_per_day = 1\nruns = 1\nqueue = 64\n");
    let one = key(&server, "one");
    let one = Caller::new(&server, &one);
    let burn = "import time\nend = time.process_time() + 1.1\nwhile time.process_time() < end: pass\nprint(1)";
    let call = one.request(&tool("execute", json!({"language": "python", "code": burn})));
    let mut connections: Vec<_> = (0..16)
        .map(|_| {
            let mut connection = server.connect();
            connection.send(&call);
            connection
        })
        .collect();
    // No run was refused when it came: nothing was used by then.
    let answers: Vec<_> = connections.iter_mut().map(tests::http::Connection::answer).collect();
    let (refused, ran): (Vec<_>, Vec<_>) =
        answers.iter().filter(|answer| answer.status == 200).map(Answer::reply).partition(tests::Reply::is_error);
    // Each run began before all was used.
    let used: Vec<_> = ran.iter().map(|reply| reply.usage("cpu_time_ms")).collect();
    let (all, most) = (used.iter().sum::<u64>(), used.iter().max().unwrap());
    assert!(all >= 1000 && all - most < 1000, "{used:?}");
    assert!(!refused.is_empty(), "all came too late to wait");
    for reply in refused {
        assert!(reply.refusal().contains("of 1 cpu_seconds_per_day; try again in"), "{}", reply.text());
    }
}

#[test]
fn a_run_whose_session_cannot_be_stored_has_used_its_time_all_the_same() {
    let server = server("[tenants.one]\ncpu_seconds_per_day = 1\nstore_bytes = 1_048_576\n");
    let one = key(&server, "one");
    let one = Caller::new(&server, &one);
    let session = one.execute_in("new", "x = 1").session();
    let burn = "import os, time\nend = time.process_time() + 1.1\nwhile time.process_time() < end: pass\nx = os.urandom(4 << 20)";
    let failed = one.execute_in(&session, burn);
    assert!(failed.refusal().contains("store"), "{}", failed.text());
    let call = json!({"language": "python", "code": "print(1)"});
    let answer = tests::eventually("the time to be used up", || {
        let answer = one.tool("execute", call.clone());
        (answer.status != 200).then_some(answer)
    });
    refused(&answer, "cpu_seconds_per_day");
}

#[test]
fn every_refusal_is_counted_for_whom_it_was() {
    let server = server(crate::caller::TENANTS);
    let (one, two) = (key(&server, "one"), server.add_key(&["--tenant=two", "--scopes=sandbox:read"]));
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    assert_eq!(two.tool("execute", json!({"language": "python", "code": "1"})).status, 403);
    assert_eq!(
        server.connect().ask(&two.request(&modern("tools/list", json!({}))).field("Content-Type", "text/plain")).status,
        415
    );
    let missing = one.tool("execute", json!({"language": "cobol", "code": "1"})).reply();
    assert!(missing.refusal().contains("language"), "{}", missing.text());
    assert_eq!(server.post(&modern("tools/list", json!({}))).status, 401);
    assert_eq!(two.health()["refusals"], json!({"insufficient_scope": 1, "no_json": 1}));
    let own = tests::eventually("the refusal of a run to be counted", || one.health().get("refusals").cloned());
    assert_eq!(own, json!({"invalid_request": 1}));
    // The user of a server without tenants is told of those as well whom nobody knows.
    let own = HttpServer::start();
    assert_eq!(own.connect().ask(&own.request_with("wrong", &modern("tools/list", json!({})))).status, 401);
    assert_eq!(own.health()["refusals"], json!({"wrong_token": 1}));
}

#[test]
fn a_tenant_that_floods_holds_up_no_other() {
    let _alone = alone();
    let server = server(crate::caller::TENANTS);
    let (one, two) = (key(&server, "one"), key(&server, "two"));
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    let median = || {
        let mut connection = server.connect();
        let call = two.request(&tool("execute", json!({"language": "python", "code": "print('hi')"})));
        let mut times: Vec<_> = (0..40)
            .map(|_| {
                let started = Instant::now();
                assert_eq!(connection.ask(&call).reply().output(), "hi\n");
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    median();
    let alone = median();
    let endless = json!({"language": "python", "code": "while True: pass", "limits": {"wall_time_ms": 300_000, "cpu_time_ms": 300_000}});
    let flood: Vec<_> = (0..64)
        .map(|_| {
            let mut connection = server.connect();
            connection.send(&one.request(&tool("execute", endless.clone())));
            connection
        })
        .collect();
    tests::eventually("the flood to be there", || {
        let health = one.health();
        (health["runs_active"].as_u64() > Some(0) && health["runs_queued"].as_u64() > Some(40)).then_some(())
    });
    let beside = median();
    // A wait for its own turn on a processor may be there, one for a run of another not.
    let bound = (10 * alone).max(Duration::from_millis(20));
    assert!(beside < bound, "{beside:?} beside a flood, {alone:?} alone");
    drop(flood);
}
