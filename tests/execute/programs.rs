//! Runs every [`Program`] of `tests/programs`.

use std::sync::Mutex;

use serde_json::{Value, json};
use tests::{Program, Reply, Server};

/// Programs that run at the same time.
const THREADS: usize = 4;

/// What of a reply is not as expected.
fn complaints(program: &Program, reply: &Reply) -> Vec<String> {
    let actual = |field: &str| match field {
        "stdout" => reply.stdout().to_owned(),
        "stderr" => reply.stderr().to_owned(),
        "result" => reply.value().unwrap_or("").to_owned(),
        field => reply.error(field).to_owned(),
    };
    let mut complaints = Vec::new();
    let mut complain = |what: &str, expected: &str, actual: &str| {
        complaints.push(format!("{what}\n  expected {expected:?}\n  got      {actual:?}"));
    };
    if reply.status() != program.status {
        complain("status", &program.status, &format!("{} {}", reply.status(), reply.error("traceback")));
    }
    for (field, expected) in &program.exact {
        if actual(field) != *expected {
            complain(field, expected, &actual(field));
        }
    }
    for (field, part) in &program.parts {
        if !actual(field).contains(part) {
            complain(&format!("part of {field}"), part, &actual(field));
        }
    }
    for part in &program.absent {
        if actual("traceback").contains(part) {
            complain("absence from traceback", part, &actual("traceback"));
        }
    }
    if reply.files() != program.wrote {
        complain("files", &program.wrote.join(" "), &reply.files().join(" "));
    }
    let outputs = &reply.structured()["outputs"];
    for (mime, part) in &program.outputs {
        let bundles = outputs.as_array().map(Vec::as_slice).unwrap_or_default();
        if !bundles.iter().any(|bundle| bundle[mime].as_str().is_some_and(|data| data.contains(part))) {
            complain(&format!("output of type {mime}"), part, &outputs.to_string());
        }
    }
    complaints
}

/// Runs all programs, several at once, with `more` arguments.
fn run_all(server: &Server, more: &Value) {
    let programs = Program::all();
    let queue = Mutex::new(programs.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(program) = queue.lock().unwrap().next() else { return };
                    let mut arguments = program.arguments.clone();
                    arguments.extend(more.as_object().unwrap().clone());
                    let reply = server.execute_with(&program.code, arguments.into());
                    let complaints = complaints(program, &reply);
                    if !complaints.is_empty() {
                        failures.lock().unwrap().push(format!("{}: {}", program.name, complaints.join("\n")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} programs did something else:\n\n{}",
        failures.len(),
        programs.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_program_does_what_its_header_says_without_a_session() {
    run_all(&Server::start(), &json!({}));
}

#[test]
fn every_program_does_what_its_header_says_as_the_first_run_of_a_session() {
    let server = Server::with().flag("--sessions=256").start();
    run_all(&server, &json!({"session": "new"}));
}

#[test]
fn every_program_does_what_its_header_says_after_another_in_the_same_worker_memory() {
    // One worker and one run at a time: every run gets the instance that the
    // one before it left, reset.
    let server = Server::with().flag("--workers=1").flag("--runs=1").start();
    run_all(&server, &json!({}));
    run_all(&server, &json!({}));
}

#[test]
fn a_header_that_cannot_be_understood_is_refused() {
    let parse = |code: &str| Program::parse("p".into(), code.into()).map(drop).unwrap_err();
    assert!(parse("print(1)").contains("sentence"));
    assert!(parse("# A title.\n# stdut: x\n").contains("unknown key `stdut`"));
    assert!(parse("# A title.\n# args: [\n").contains("`args`"));
    assert!(parse("# A title.\n# | x\n").contains("below no key"));
}
