//! The audit log: who ran what and what came of it, nothing of it lost, and nothing run
//! that cannot be written down.

use std::collections::BTreeMap;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::http::{HttpServer, modern};
use tests::issuer::Issuer;
use tests::websocket::WebSocket;
use tests::{Builder, Reply, Server, eventually};

use crate::disk::Disk;
use crate::metrics::Collected;

/// The lines of a log, each of which is an object.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The lines of one event.
pub(crate) fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

pub(crate) fn with_log(path: &Path) -> Builder {
    Server::with().env("BELLJAR_AUDIT_LOG", path)
}

pub(crate) fn execute(arguments: Value) -> Value {
    modern("tools/call", json!({"name": "execute", "arguments": arguments}))
}

const CODE: &str = "import os, sys\nprint(os.environ['PASSWORD'], sys.argv[1], input())";

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A run with secrets in everything that is not its program.
fn secretive() -> Value {
    json!({"language": "python", "code": CODE, "session": "new", "env": {"PASSWORD": "s3cret-env"},
        "args": ["s3cret-arg"], "stdin": "s3cret-in", "files": [{"path": "f", "text": "s3cret-file"}],
        "limits": {"wall_time_ms": 4321}})
}

#[test]
fn each_run_has_lines_that_say_who_what_and_what_came_of_it_and_none_has_a_secret() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let builder = with_log(&path).configured("[tenants.acme]\n").flag("--authentication=keys");
    let server = HttpServer::with(builder);
    server.wait_until_ready();
    let key = server.add_key(&["--tenant=acme", "--scopes=sandbox:execute"]);
    let reader = server.add_key(&["--tenant=acme", "--scopes=sandbox:read"]);
    let reply = server.connect().ask(&server.request_with(&key, &execute(secretive()))).reply();
    assert_eq!(reply.output(), "s3cret-env s3cret-arg s3cret-in\n");
    let asked = lines(&path);
    let admitted = of(&asked, "run.admitted")[0];
    for (field, expected) in [
        ("tenant", json!("acme")),
        ("language", json!("python")),
        ("client", json!({"name": "belljar-tests", "version": "0"})),
        ("code_sha256", json!(sha256(CODE))),
        ("code_bytes", json!(CODE.len())),
        ("session", json!("new")),
        ("call", json!(1)),
    ] {
        assert_eq!(admitted[field], expected, "{admitted}");
    }
    assert_eq!(admitted["limits"]["wall_time_ms"], 4321);
    // What a program is given is told from other things, and not told.
    assert_eq!(admitted["stdin_sha256"], sha256("s3cret-in"));
    assert_eq!(admitted["args_sha256"], sha256("s3cret-arg\0"));
    let list = format!("{}  f\n", sha256("s3cret-file"));
    assert_eq!(admitted["files"], json!({"count": 1, "bytes": 11, "sha256": sha256(&list)}));
    let credential = admitted["credential"].as_str().unwrap();
    assert!(credential.starts_with("key ") && credential.len() < 20, "{credential}");
    let ended = of(&asked, "run.ended")[0];
    for field in ["server", "call", "tenant", "credential", "client", "language", "code_sha256", "limits"] {
        assert_eq!(ended[field], admitted[field], "{field}");
    }
    assert_eq!(ended["outcome"], json!({"status": "exited", "exit_code": 0}));
    assert_eq!((&ended["run"], &ended["session"]), (&json!(reply.run()), &json!(reply.session())));
    assert_eq!((&ended["sequence"], &ended["usage"]), (&json!(reply.sequence()), &reply.structured()["usage"]));
    assert!(ended["took_ms"].as_u64() >= ended["waited_ms"].as_u64(), "{ended}");

    // What is refused, too, by whoever does it.
    let refused = |arguments| server.connect().ask(&server.request_with(&key, &execute(arguments)));
    refused(json!({"language": "cobol\n", "code": "1"})).reply();
    refused(json!({"language": "python", "code": "1", "limits": {"wall_time_ms": 1}})).reply();
    let spins = json!({"language": "python", "code": "while True: pass", "limits": {"wall_time_ms": 20}});
    refused(spins).reply().assert_status("limit_exceeded wall_time_ms");
    for _ in 0..3 {
        let call = execute(json!({"language": "python", "code": "1"}));
        assert_eq!(server.connect().ask(&server.request_with(&reader, &call)).status, 403);
        let wrong = "belljar_key_ffffffffffffffffffffffffffffffffffff";
        assert_eq!(server.connect().ask(&server.request_with(wrong, &call)).status, 401);
    }
    let asked = lines(&path);
    let reasons: Vec<_> = of(&asked, "run.refused")
        .iter()
        .map(|line| (line["call"].as_u64().unwrap(), line["reason"].as_str().unwrap(), line["field"].as_str().unwrap()))
        .collect();
    assert_eq!(reasons, [(2, "invalid_request", "language"), (3, "invalid_request", "limits.wall_time_ms")]);
    assert_eq!(of(&asked, "run.ended")[1]["outcome"], json!({"status": "limit_exceeded", "limit": "wall_time_ms"}));
    let requests: Vec<_> = of(&asked, "request.refused")
        .iter()
        .map(|line| (line["reason"].as_str().unwrap(), line["tenant"].as_str(), line["address"].as_str().unwrap()))
        .collect();
    let expected = [("insufficient_scope", Some("acme"), "127.0.0.1"), ("wrong_key", None, "127.0.0.1")];
    assert_eq!(requests, expected, "one line for each caller and reason a minute");
    assert!(of(&asked, "run.refused").iter().all(|line| line["language"].is_null()), "their callers wrote them");
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in ["s3cret", "import os", &key, &reader, "belljar_key_"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    let asked = lines(&path);
    let mut left_out: Vec<_> = of(&asked, "refusals.left_out")
        .iter()
        .map(|line| {
            (line["of"].as_str().unwrap(), line["reason"].as_str().unwrap(), line["left_out"].as_u64().unwrap())
        })
        .collect();
    left_out.sort_unstable();
    let expected = [("request.refused", "insufficient_scope", 2), ("request.refused", "wrong_key", 2)];
    assert_eq!(left_out, expected, "of all others there is the number");
    assert_eq!(of(&asked, "server.ended")[0]["unfinished"], 0);
    let events: Vec<_> = asked.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!((events.first().unwrap().as_str(), events.last().unwrap().as_str()), ("server.started", "server.ended"));
}

#[test]
fn of_an_access_token_the_subject_is_told_and_a_websocket_is_no_way_around() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let issuer = Issuer::start();
    let builder = issuer.settings().env("BELLJAR_AUDIT_LOG", &path).flag("--websocket");
    let collected = Collected::start(builder);
    let (server, token) = (&collected.server, issuer.token());
    let call = execute(json!({"language": "python", "code": "print(1)"}));
    assert_eq!(server.connect().ask(&server.request_with(&token, &call)).reply().output(), "1\n");
    WebSocket::with(server, &token).ask(&call);
    let wrong = issuer.token_with("aud", json!("https://other.example"));
    assert_eq!(server.connect().ask(&server.request_with(&wrong, &call)).status, 401);
    let said = lines(&path);
    let ended = of(&said, "run.ended");
    assert_eq!(ended.len(), 2);
    let claims = issuer.claims();
    for line in ended {
        assert_eq!(line["subject"]["issuer"], claims["iss"], "{line}");
        assert_eq!(line["subject"]["name"], claims["sub"], "{line}");
        assert_eq!(line["subject"]["client"], claims["client_id"], "{line}");
        assert_eq!(line["client"]["name"], "belljar-tests", "{line}");
    }
    assert_eq!(of(&said, "request.refused")[0]["reason"], "wrong_audience");
    assert!(!std::fs::read_to_string(&path).unwrap().contains(&token[token.len() - 40..]));
    let told = collected.samples();
    assert!(told["belljar_oauth_key_fetches_total{result=\"succeeded\"}"] >= 1.0);
    assert_eq!(told["belljar_refusals_total{reason=\"wrong_audience\"}"], 1.0);
}

#[test]
fn programs_are_in_it_when_that_is_asked_for_and_never_their_variables() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let server = with_log(&path).flag("--audit-code").start();
    assert_eq!(server.call("execute", secretive()).output(), "s3cret-env s3cret-arg s3cret-in\n");
    server.execute(&format!("#{}\nprint(1)", "é".repeat(100_000)));
    let lines = lines(&path);
    let admitted = of(&lines, "run.admitted");
    assert_eq!(admitted[0]["code"], CODE);
    assert_eq!(admitted[0]["client"], json!({"name": "belljar-tests", "version": "0"}), "of the first message");
    let cut = admitted[1]["code"].as_str().unwrap();
    assert!(cut.len() <= 64 << 10 && admitted[1]["code_bytes"] == 200_010, "{}", cut.len());
    assert!(!std::fs::read_to_string(&path).unwrap().contains("s3cret"));
}

#[test]
fn of_thousands_of_calls_at_once_each_has_its_end_and_one_that_a_kill_took_its_beginning() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let server = with_log(&path).flag("--queue=8").start();
    let calls: Vec<_> = (0..3000)
        .map(|number| {
            let language = if number % 10 == 0 { "python" } else { "cobol" };
            server.begin("execute", json!({"language": language, "code": number.to_string()}))
        })
        .collect();
    calls.into_iter().for_each(|call| drop(call.wait()));
    let spins = server.begin_execute("while True: pass", json!({}));
    let begins = || lines(&path).iter().any(|line| line["call"] == 3001 && line["event"] == "run.admitted");
    eventually("the run to be admitted", || begins().then_some(()));
    // Two signals have the server wait for nobody.
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGINT);
    assert!(server.wait().success());
    drop(spins);
    let said = lines(&path);
    let call = |line: &Value| line["call"].as_u64().unwrap();
    let mut ends: BTreeMap<_, _> = of(&said, "run.admitted").into_iter().map(|line| (call(line), 0)).collect();
    let mut refused = 0;
    for line in said.iter().filter(|line| line["event"] != "run.admitted") {
        match ends.get_mut(&line["call"].as_u64().unwrap_or(0)) {
            Some(ends) => *ends += 1,
            None if line["event"] == "run.refused" => refused += 1,
            None => refused += line["left_out"].as_u64().unwrap_or(0),
        }
    }
    assert_eq!(ends.len() as u64 + refused, 3001, "each is told, or counted");
    assert!(refused >= 2700 && ends.values().all(|ends| *ends == 1), "{ends:?}");
    assert!(!of(&said, "run.ended").is_empty());
    assert!(said.len() < 800, "calls that are refused by the thousand fill no disk: {} lines", said.len());
    let last = said.last().unwrap();
    assert_eq!((&last["event"], &last["unfinished"]), (&json!("server.ended"), &json!(0)), "after all that ran");

    // A run that nobody could end in order has a beginning in the log.
    let server = with_log(&path).start();
    let before = lines(&path).len();
    let spins = server.begin_execute("while True: pass", json!({}));
    eventually("the run to be admitted", || (lines(&path).len() > before).then_some(()));
    server.kill();
    drop(spins);
    assert_eq!(lines(&path).last().unwrap()["event"], "run.admitted");
}

#[test]
fn what_a_caller_calls_things_is_not_in_it_and_what_it_says_of_itself_moves_no_cursor() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let server = HttpServer::with(with_log(&path));
    server.wait_until_ready();
    for (arguments, field) in [
        (json!({"language": "python", "code": "1", "env": {"API_KEY=s3cret": 1}}), "env.*"),
        (json!({"language": "python", "code": "1", "s3cret-argument": 1}), "arguments.*"),
        (json!({"language": "python", "code": "1", "limits": {"s3cret": 1}}), "limits.*"),
        (json!({"language": "python", "code": "1", "files": [{"path": "a", "s3cret": ""}]}), "files[].*"),
        (json!({"language": "python", "code": "1", "files": [{"path": "../s3cret", "text": ""}]}), "files[].path"),
        (json!({"language": "s3cret", "code": "1"}), "language"),
    ] {
        assert!(server.post(&execute(arguments)).reply().is_error());
        assert_eq!(of(&lines(&path), "run.refused").last().unwrap()["field"], field);
    }
    let name = "\u{9b}31m\u{85}\u{2028}\u{202e}\u{2066}é\n";
    let mut call = execute(json!({"language": "python", "code": "print(1)"}));
    call["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] =
        json!({"name": name, "version": "v".repeat(100_000)});
    assert_eq!(server.post(&call).reply().output(), "1\n");
    let said = lines(&path);
    let client = &of(&said, "run.ended")[0]["client"];
    assert_eq!((client["name"].as_str(), client["version"].as_str().unwrap().len()), (Some(name), 100));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let plain = |letter: char| letter == 'é' || letter == '\n' || letter == ' ' || letter.is_ascii_graphic();
    assert!(text.chars().all(plain), "{text}");
}

#[test]
fn a_program_from_the_command_line_is_in_it_too_and_does_not_run_without() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let run =
        |code: &str| with_log(&path).command(&home.path().join("state")).args(["run", "-c", code]).output().unwrap();
    assert_eq!(run("print(6 * 7); raise SystemExit(3)").status.code(), Some(3));
    let said = lines(&path);
    let events: Vec<_> = said.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["server.started", "run.admitted", "run.ended", "server.ended"]);
    assert_eq!((&said[1]["credential"], &said[2]["outcome"]["exit_code"]), (&json!("command"), &json!(3)));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let output = run("print(6 * 7)");
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed to write the audit log"), "{output:?}");
}

#[test]
fn what_changes_a_session_without_a_run_has_a_line() {
    let disk = Disk::new("size=256k");
    let path = disk.path().join("audit.jsonl");
    let server = with_log(&path).start();
    let done = |reply: &Reply| assert!(!reply.is_error(), "{}", reply.text());
    let session = server.new_session();
    done(&server.write(&session, "f", "s3cret"));
    let snapshot = server.snapshot(&session);
    let fork = server.session("fork", &session).session();
    done(&server.session_at("restore", &session, &snapshot));
    done(&server.session("close", &fork));
    done(&server.session("list", &session));
    let said = lines(&path);
    let changed = of(&said, "session.changed");
    let told: Vec<_> = changed
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            (text("change"), text("session"), text("from"), text("snapshot"))
        })
        .collect();
    let (session, fork, snapshot) = (session.as_str(), fork.as_str(), snapshot.as_str());
    let expected = [
        ("write", session, "", ""),
        ("snapshot", session, "", snapshot),
        ("fork", fork, session, ""),
        ("restore", session, "", snapshot),
        ("close", fork, "", ""),
    ];
    assert_eq!(told, expected);
    assert_eq!((&changed[0]["file_sha256"], &changed[0]["file_bytes"]), (&json!(sha256("s3cret")), &json!(6)));
    assert!(changed.iter().all(|line| line["tenant"].is_string() && line["client"]["name"] == "belljar-tests"));
    assert!(!std::fs::read_to_string(&path).unwrap().contains("s3cret"));
    let _filler = disk.fill(false);
    // What is left of the last page takes some lines.
    eventually("the disk to be full", || server.execute("1").is_error().then_some(()));
    let refused = server.write(session, "f", "other");
    assert!(refused.refusal().contains("written down first"), "{}", refused.text());
    assert!(server.read(session, "f").text().contains("s3cret"), "nothing was changed");
}

#[test]
fn what_is_refused_over_a_websocket_has_an_address() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    let builder = with_log(&path).configured("[tenants.acme]\n").flag("--authentication=keys").flag("--websocket");
    let server = HttpServer::with(builder);
    server.wait_until_ready();
    let reader = server.add_key(&["--tenant=acme", "--scopes=sandbox:read"]);
    let mut socket = WebSocket::with(&server, &reader);
    let refused = socket.ask(&execute(json!({"language": "python", "code": "1"})));
    assert_eq!(refused["error"]["data"]["reason"], "insufficient_scope", "{refused}");
    let said = lines(&path);
    let line = of(&said, "request.refused")[0];
    assert_eq!((&line["address"], &line["tenant"]), (&json!("127.0.0.1"), &json!("acme")));
}
