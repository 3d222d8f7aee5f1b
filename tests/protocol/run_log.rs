//! What the log says of runs: one line for each, and nothing of what they were
//! or said.

use serde_json::json;
use tests::{Server, eventually};

/// A text that stands in the code, the input and the output of each run.
const MARK: &str = "marked-by-the-caller";

/// What the log says of runs, with the fields of each line.
fn lines(server: &Server) -> Vec<String> {
    let log = server.log();
    assert!(!log.contains(MARK), "the log says what a program is or says: {log}");
    let of_runs = |line: &&str| ["a run ended", "a run was refused", "a run failed"].iter().any(|it| line.contains(it));
    log.lines().filter(of_runs).map(str::to_owned).collect()
}

/// The one line more that `call` brings.
fn line_of(server: &Server, call: impl FnOnce(&Server)) -> String {
    let before = lines(server).len();
    call(server);
    let after = eventually("a line about the run", || Some(lines(server)).filter(|lines| lines.len() > before));
    // What is logged later would be another line.
    server.assert_usable();
    let all = eventually("a line about the next run", || Some(lines(server)).filter(|all| all.len() > after.len()));
    assert_eq!(all.len(), before + 2, "one line each: {all:#?}");
    all[before].clone()
}

fn assert_has(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} is missing from: {line}");
    }
}

#[test]
fn every_run_is_one_line_of_the_log_that_tells_whose_it_was_and_how_it_ended() {
    let server = Server::with().flag("--log=info").start();
    let code = format!("print('{MARK}')");
    let good = line_of(&server, |server| assert_eq!(server.execute(&code).output(), format!("{MARK}\n")));
    // The beginning of `sha256sum` of the program.
    let digest = "ad1ab810a31195b2";
    let usage = ["wall_time_ms=", "fuel=", "memory_bytes="];
    assert_has(&good, &["INFO", "a run ended", "principal=\"local\"", "language=\"python\"", "run=r_"]);
    assert_has(&good, &["status=exited 0", &format!("code={digest}")]);
    assert_has(&good, &usage);
    let in_session = line_of(&server, |server| drop(server.execute_in("new", &code)));
    assert_has(&in_session, &["a run ended", "session=s_", digest]);
    let raised = line_of(&server, |server| drop(server.execute(&format!("raise ValueError('{MARK}')"))));
    assert_has(&raised, &["a run ended", "status=exited 1"]);

    let more = json!({"limits": {"wall_time_ms": 100}, "stdin": MARK});
    let failed = line_of(&server, |server| {
        server.execute_with(&format!("'{MARK}'\nwhile True: pass"), more).assert_status("limit_exceeded wall_time_ms");
    });
    assert_has(&failed, &["a run ended", "status=limit_exceeded wall_time_ms", "code="]);
    assert_has(&failed, &usage);

    let cancelled = line_of(&server, |server| {
        let run = server.begin_execute(&format!("print('{MARK}')\nwhile True: pass"), json!({}));
        server.client.progress(&run, MARK);
        server.client.notify("notifications/cancelled", json!({"requestId": run.id()}));
    });
    assert_has(&cancelled, &["a run ended", "status=cancelled"]);
}

#[test]
fn every_refusal_is_one_line_of_the_log_that_tells_why() {
    let server = Server::with().flag("--log=info").flag("--runs=1").flag("--queue=0").start();
    let refused = |arguments: serde_json::Value| {
        line_of(&server, |server| assert!(!server.call("execute", arguments).refusal().is_empty()))
    };
    // Not understood, past a ceiling, for a session that is not there.
    let line = refused(json!({"language": "python", "code": ["print"], "stdin": MARK}));
    assert_has(&line, &["a run was refused", "language=\"python\"", "error=\"invalid_request\"", "field=\"code\""]);
    let line = refused(json!({"language": "python", "code": MARK, "limits": {"wall_time_ms": 1_000_000_000}}));
    assert_has(&line, &["error=\"invalid_request\"", "field=\"limits.wall_time_ms\"", "code="]);
    let line = refused(json!({"language": "python", "code": MARK, "session": "s_0123456789abcdefghjkmnpqrs"}));
    assert_has(&line, &["a run was refused", "error=\"not_found\""]);

    // The queue is full.
    let run = server.begin_execute(&format!("print('{MARK}')\nwhile True: pass"), json!({}));
    server.client.progress(&run, MARK);
    assert!(server.execute(MARK).refusal().contains("too many runs are waiting"));
    let busy = eventually("a line about the refusal", || {
        lines(&server).into_iter().find(|line| line.contains("error=\"busy\""))
    });
    assert_has(&busy, &["a run was refused", "principal=\"local\"", "code="]);
}
