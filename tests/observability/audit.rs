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
use tests::{Builder, Server, eventually};

use crate::disk::Disk;
use crate::metrics::Collected;

/// The lines of a log, each of which is an object.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The same of one that was on a disk that was full, where one line may be there in part.
fn whole_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(lines.len() + 1 >= text.lines().count(), "{text}");
    lines
}

/// Those of one event.
fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

fn with_log(path: &Path) -> Builder {
    Server::with().env("BELLJAR_AUDIT_LOG", path)
}

fn execute(arguments: Value) -> Value {
    modern("tools/call", json!({"name": "execute", "arguments": arguments}))
}

const CODE: &str = "import os, sys\nprint(os.environ['PASSWORD'], sys.argv[1], input())";

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
    let digest: String = Sha256::digest(CODE).iter().map(|byte| format!("{byte:02x}")).collect();
    for (field, expected) in [
        ("tenant", json!("acme")),
        ("language", json!("python")),
        ("client", json!({"name": "belljar-tests", "version": "0"})),
        ("code_sha256", json!(digest)),
        ("code_bytes", json!(CODE.len())),
        ("session", json!("new")),
        ("call", json!(1)),
    ] {
        assert_eq!(admitted[field], expected, "{admitted}");
    }
    assert_eq!(admitted["limits"]["wall_time_ms"], 4321);
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
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in ["s3cret", "import os", &key, &reader, "belljar_key_"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    let events: Vec<_> = lines(&path).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
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
    let said = lines(&path);
    let mut ends = BTreeMap::<u64, u32>::new();
    for line in said.iter().filter(|line| line["event"].as_str().unwrap().starts_with("run.")) {
        let is_end = line["event"] != "run.admitted";
        *ends.entry(line["call"].as_u64().unwrap()).or_default() += u32::from(is_end);
    }
    assert_eq!((ends.len(), ends.values().max()), (3000, Some(&1)));
    assert!(ends.values().all(|ends| *ends == 1) && !of(&said, "run.ended").is_empty());
    let spins = server.begin_execute("while True: pass", json!({}));
    let begins = || lines(&path).iter().any(|line| line["call"] == 3001 && line["event"] == "run.admitted");
    eventually("the run to be admitted", || begins().then_some(()));
    server.kill();
    drop(spins);
    assert!(lines(&path).iter().filter(|line| line["call"] == 3001).all(|line| line["event"] == "run.admitted"));
}

#[test]
fn a_file_that_was_rotated_is_left_and_one_that_others_can_write_keeps_the_server_from_starting() {
    let home = tempfile::tempdir().unwrap();
    let (path, old) = (home.path().join("audit.jsonl"), home.path().join("audit.jsonl.1"));
    let server = with_log(&path).start();
    server.assert_usable();
    std::fs::rename(&path, &old).unwrap();
    server.assert_usable();
    assert_eq!((of(&lines(&old), "run.ended").len(), of(&lines(&path), "run.ended").len()), (1, 1));
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(server);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
    let command = with_log(&path).without_handshake().start();
    assert_eq!(command.wait().code(), Some(2));
    assert!(command.log().contains("others may use it (its mode is 622); `chmod 600`"), "{}", command.log());
}

#[test]
fn on_a_full_disk_nothing_runs_that_cannot_be_written_down_and_what_has_run_is_written_later() {
    let disk = Disk::new("size=256k");
    let path = disk.path().join("audit.jsonl");
    let server = HttpServer::with(with_log(&path));
    server.wait_until_ready();
    let waits = "import os\nwhile not os.path.exists('go'): pass\nprint('went')";
    let handle = server.post(&execute(json!({"language": "python", "code": "", "session": "new"}))).reply().session();
    let call = execute(json!({"language": "python", "code": waits, "session": handle}));
    let mut connection = server.connect();
    connection.send(&server.request(&call));
    eventually("the run to be admitted", || (of(&lines(&path), "run.admitted").len() == 2).then_some(()));
    let filler = disk.fill(false);
    // What is left of the last page takes some lines.
    let mut runs = 0;
    let refused = loop {
        let reply = server.execute("print('runs')");
        if reply.is_error() {
            break reply;
        }
        runs += 1;
    };
    let said = refused.refusal();
    assert!(said.contains("what runs here is written down first, and that fails: No space left on device"), "{said}");
    assert!(!said.contains(path.to_str().unwrap()), "{said}");
    let answer = server.get("/readyz");
    assert!(answer.status == 503 && answer.body.contains("audit log"), "{answer:?}");
    assert!(server.log().contains(path.to_str().unwrap()), "{}", server.log());
    // What runs nothing goes on, and what runs comes to its end.
    let read = server.post(&modern("tools/call", json!({"name": "read", "arguments": {"session": handle}})));
    assert_eq!(read.status, 200, "{read:?}");
    drop(connection);
    server.wait_for_health("the run to be cancelled", |health| health["runs_active"] == 0);
    let ended = |lines: &[Value], call: u64| of(lines, "run.ended").iter().any(|line| line["call"] == call);
    assert!(!ended(&whole_lines(&path), 2), "there is no room for it");
    std::fs::remove_dir_all(filler).unwrap();
    assert_eq!(server.execute("print('runs')").output(), "runs\n");
    let said = whole_lines(&path);
    let admitted = of(&said, "run.admitted");
    assert_eq!(admitted.len(), 2 + runs + 1, "{said:?}");
    assert!(admitted.iter().all(|line| ended(&said, line["call"].as_u64().unwrap())), "{said:?}");
    assert_eq!(of(&said, "log.gap")[0]["left_out"], 1, "that a call was refused");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn where_the_operator_says_so_runs_go_on_without_it_and_the_log_says_how_many_lines_it_has_not() {
    let disk = Disk::new("size=256k");
    let path = disk.path().join("audit.jsonl");
    let server = HttpServer::with(with_log(&path).flag("--audit-failure=continue"));
    server.wait_until_ready();
    let filler = disk.fill(false);
    // What is left of the last page takes some lines.
    let refused = || server.log().contains("the audit log cannot be written");
    eventually("the disk to be full", || {
        assert_eq!(server.execute("print('runs')").output(), "runs\n");
        refused().then_some(())
    });
    assert_eq!(server.execute("print('runs')").output(), "runs\n");
    assert_eq!(server.get("/readyz").status, 200);
    std::fs::remove_dir_all(filler).unwrap();
    server.execute("");
    let text = std::fs::read_to_string(&path).unwrap();
    let gap = text.lines().find(|line| line.contains("log.gap")).unwrap();
    assert!(serde_json::from_str::<Value>(gap).unwrap()["left_out"].as_u64() >= Some(2), "{gap}");
}
