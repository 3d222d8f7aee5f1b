//! What lists and requests to listen take.

use serde_json::{Value, json};
use tests::http::{HttpServer, modern};
use tests::{Reply, alone};

use crate::listener::Listener;
use crate::wire::Wire;

const MEBIBYTE: u64 = 1 << 20;

/// What becomes of a request of the newer era, which ends.
fn asked(wire: &Wire, message: &Value) -> Reply {
    match wire {
        Wire::Stdio { server, .. } => {
            server.client.request(message["method"].as_str().unwrap(), message["params"].clone()).wait()
        }
        Wire::Http { server, .. } => {
            let mut connection = server.connect();
            connection.send(&server.request(message));
            let answer = connection.answer_head().unwrap();
            assert_eq!(answer.field("Content-Type"), Some("application/json"), "it is listened to");
            let mut connection = server.connect();
            Reply::of(connection.ask(&server.request(message)).json())
        }
    }
}

#[test]
fn a_request_to_listen_is_small_since_it_is_kept_for_as_long_as_its_stream() {
    for way in ["stdio, newer", "http, newer"] {
        let wire = Wire::of(way);
        let session = wire.new_session();
        let uri = format!("belljar://session/{session}/");
        let listen = |uris: &[&str], more: Value| {
            let params = json!({"notifications": {"resourceSubscriptions": uris}, "_meta": {"more": more}});
            modern("subscriptions/listen", params)
        };
        let values: Vec<_> = (0..2000).map(|_| json!([])).collect();
        for (large, reason) in [
            (listen(&["x".repeat(200 << 10).as_str()], Value::Null), "must be at most 131072 bytes, has"),
            (listen(&[&uri], json!("x".repeat(200 << 10))), "must be at most 131072 bytes, has"),
            (listen(&[&uri], json!(values)), "must be at most 1024 values of JSON, has"),
        ] {
            let refused = asked(&wire, &large);
            let (code, message) = refused.protocol_error();
            assert!(code == -32600 && message.contains(reason) && message.contains("the folder"), "{way}: {message}");
        }
        // As many addresses as there may be, and long ones.
        let uris: Vec<_> = (0..256).map(|n| format!("{uri}{n:03}{}", "x".repeat(240))).collect();
        let uris: Vec<_> = uris.iter().map(String::as_str).collect();
        let mut listener = Listener::start(&wire, &uris);
        wire.write(&session, uris[255].strip_prefix(&uri).unwrap(), "x").result();
        assert_eq!(listener.next(1), [uris[255]], "{way}");
    }
}

#[test]
fn a_list_of_many_files_takes_the_memory_of_a_page() {
    let _alone = alone();
    let wire = Wire::of("http, newer");
    let session = wire.new_session();
    let code = "for n in range(6000): open(f'{n:05}' + 'é' * 120, 'w').close()";
    wire.execute(&session, code).assert_status("exited 0");
    let process = wire.http().process();
    let before = process.peak_bytes();
    let list = |cursor: &Value| wire.ask("resources/list", json!({"cursor": cursor}));
    std::thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| {
                let first = list(&Value::Null);
                let second = list(&first.result()["nextCursor"]);
                assert!(second.result()["nextCursor"].is_string(), "{}", second.message);
            });
        }
    });
    let grown = process.peak_bytes().saturating_sub(before);
    assert!(grown < 80 * MEBIBYTE, "it took {} MiB", grown / MEBIBYTE);
}

#[test]
fn a_session_that_cannot_be_looked_over_keeps_no_other_from_the_list() {
    let wire = Wire::of("stdio, initialize");
    let Wire::Stdio { server, .. } = &wire else { panic!("not over stdio") };
    let (deep, other) = (server.new_session(), server.new_session());
    wire.write(&other, "x", "x").result();
    let code = "path=$(printf 'd/%.0s' {1..40})\nmkdir -p $path\necho deep\nwhile [ ! -e go ]; do sleep 0.05; done";
    let asked = json!({"language": "bash", "code": code, "session": deep, "limits": {"wall_time_ms": 120_000}});
    let run = server.begin("execute", asked);
    server.client.progress(&run, "deep");
    let listed = wire.ask("resources/list", json!({}));
    let uris: Vec<_> = listed.result()["resources"].as_array().unwrap().iter().map(|one| one["uri"].clone()).collect();
    for uri in [format!("belljar://session/{deep}/"), format!("belljar://session/{other}/x")] {
        assert!(uris.contains(&json!(uri)), "{uri} of {uris:?}");
    }
    std::fs::write(server.workspace(&deep).join("go"), "").unwrap();
    drop(run.wait());
}

#[test]
fn whatever_programs_call_their_files_what_is_listed_and_completed_can_be_read() {
    let wire = Wire::of("http, newer");
    let made = "mkdir 'd?#' && echo -n deep > 'd?#/a b%41' && echo -n 1 > 'a?b' && echo -n 2 > '50%41' && mkfifo pipe\n\
                long=$(printf 'x%.0s' {1..250}); for n in 1 2 3 4 5; do mkdir $long && cd $long; done; echo -n 3 > file";
    let made = wire.call("execute", json!({"language": "bash", "code": made, "session": "new"}));
    let session = made.assert_status("exited 0").session();
    let listed = wire.ask("resources/list", json!({}));
    let prefix = format!("belljar://session/{session}/");
    let uris: Vec<_> = listed.result()["resources"].as_array().unwrap().iter().map(|one| one["uri"].clone()).collect();
    let uris: Vec<_> = uris.iter().filter_map(|uri| uri.as_str().filter(|uri| uri.starts_with(&prefix))).collect();
    let names: Vec<_> = uris.iter().map(|uri| &uri[prefix.len()..]).collect();
    assert_eq!(names, ["", "50%2541", "a%3Fb", "d%3F%23/a%20b%2541"]);
    for uri in uris {
        wire.contents(uri);
    }
    let template = json!({"type": "ref/resource", "uri": "belljar://session/{session}/{+path}"});
    let prompt = json!({"type": "ref/prompt", "name": "analyze_file"});
    let complete = |reference: &Value, written: &str| {
        let argument = json!({"name": "path", "value": written});
        let context = json!({"arguments": {"session": session}});
        let reply =
            wire.ask("completion/complete", json!({"ref": reference, "argument": argument, "context": context}));
        let values = reply.result()["completion"]["values"].as_array().unwrap().clone();
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete(&prompt, "a"), ["a?b"]);
    assert_eq!(complete(&prompt, "d?#/"), ["d?#/a b%41"]);
    for (written, completed, text) in
        [("a", "a%3Fb", "1"), ("50%2", "50%2541", "2"), ("d%3F%23/", "d%3F%23/a b%2541", "deep")]
    {
        assert_eq!(complete(&template, written), [completed]);
        // A space is written so by whoever fills in a template.
        assert_eq!(wire.contents(&format!("{prefix}{}", completed.replace(' ', "%20")))["text"], text);
    }
}

#[test]
fn whatever_has_the_server_do_something_is_a_call_of_its_tenant() {
    let settings = "[tenants.one]\ncalls_per_minute = 1\n";
    let server = HttpServer::with(tests::Server::with().flag("--authentication=keys").configured(settings));
    server.wait_until_ready();
    let token = server.add_key(&["--tenant=one", "--scopes=sandbox:execute"]);
    let ask = |method: &str, params: Value| server.connect().ask(&server.request_with(&token, &modern(method, params)));
    // This is the one request that there is in this minute.
    assert_eq!(ask("resources/list", json!({})).status, 200);
    let reference = json!({"type": "ref/prompt", "name": "analyze_file"});
    for (method, params) in [
        ("resources/list", json!({})),
        ("subscriptions/listen", json!({"notifications": {}})),
        ("completion/complete", json!({"ref": reference, "argument": {"name": "session", "value": ""}})),
    ] {
        let refused = ask(method, params);
        assert_eq!((refused.status, refused.reason().as_str()), (429, "calls_per_minute"), "{method}: {refused:?}");
    }
    assert_eq!(ask("resources/templates/list", json!({})).status, 200);
}
