//! What cannot be confined as it must be is not run, and `python` still is.

use serde_json::json;
use tests::{Restriction, SOME_USER, Server};

use crate::run;

#[test]
fn doctor_shows_that_every_limit_and_wall_holds() {
    let user = || Restriction::user(SOME_USER);
    let shared = Server::with().restricted(user().option("--no-user-namespaces"));
    let user = Server::with().restricted(user());
    for (builder, tier) in [(Server::with(), "isolated"), (user, "namespaced"), (shared, "container")] {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        builder.give(directory.path());
        let output = builder.command(&state).arg("doctor").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !said.contains("FAIL"), "{tier}: {said}");
        assert!(said.contains(&format!("native programs in tier `{tier}`")), "{said}");
        assert!(said.contains("worker processes are confined"), "{said}");
    }
}

#[test]
fn native_languages_can_be_switched_off() {
    let server = Server::with().flag("--native-tier=off").start();
    let reply = run(&server, "bash", "echo hi", json!({}));
    assert!(reply.refusal().contains("switched off"), "{}", reply.text());
    server.assert_usable();
}

#[test]
fn a_host_that_executes_no_memory_is_named_with_the_remedy() {
    // What `vm.memfd_noexec = 2` does; the control is every other test here.
    let server = Server::with().restricted(Restriction::user(SOME_USER).error("memfd_create", "EACCES")).start();
    let reply = run(&server, "bash", "echo hi", json!({}));
    let refusal = reply.refusal();
    assert!(refusal.contains("executed from memory") && refusal.contains("vm.memfd_noexec"), "{refusal}");
    server.assert_usable();
}

#[test]
fn a_tier_that_the_machine_does_not_reach_is_refused_by_name() {
    // An ordinary user may make no control group.
    let server = Server::with().flag("--native-tier=isolated").restricted(Restriction::user(SOME_USER)).start();
    let reply = run(&server, "bash", "echo hi", json!({}));
    let refusal = reply.refusal();
    assert!(refusal.contains("reaches tier `namespaced`, `isolated` is asked for"), "{refusal}");
    assert!(refusal.contains("control group"), "{refusal}");
    assert!(refusal.ends_with("`belljar doctor` says more, and `python` needs less"), "that does not pass: {refusal}");
    server.assert_usable();
    // The user is the same, in the tier that it does reach.
    let server = Server::with().flag("--native-tier=namespaced").restricted(Restriction::user(SOME_USER)).start();
    assert_eq!(run(&server, "bash", "echo hi", json!({})).output(), "hi\n");
    let health =
        server.wait_for_health("the tier", |health| health["protections"].to_string().contains("tier namespaced"));
    assert!(health["protections"].to_string().contains("not here: control groups"), "{health}");
}

#[test]
fn a_program_of_a_language_that_is_none_is_refused_and_named() {
    let server = Server::with().flag("--native-program=bash=/nonexistent/bash").start();
    let reply = run(&server, "bash", "echo hi", json!({}));
    assert!(reply.refusal().contains("/nonexistent/bash is not a program"), "{}", reply.text());
    assert_eq!(run(&server, "python-native", "print(1)", json!({})).output(), "1\n");
}

#[test]
fn so_few_open_files_that_nothing_could_be_confined_are_refused_with_the_bound() {
    let user = || Restriction::user(SOME_USER);
    let shared = Server::with().restricted(user().option("--no-user-namespaces"));
    for (builder, tier) in
        [(Server::with(), "isolated"), (Server::with().restricted(user()), "namespaced"), (shared, "container")]
    {
        let server = builder.start();
        for (language, code) in [("bash", "echo hi"), ("python-native", "print('hi')")] {
            let with = |open_files: u32| run(&server, language, code, json!({"limits": {"open_files": open_files}}));
            let refusal = "limits.open_files must be between 8 and 512, got 7";
            assert_eq!(with(7).refusal(), refusal, "{tier}: {language}");
            assert_eq!(with(8).output(), "hi\n", "{tier}: {language}");
        }
        // A guest opens nothing before it begins.
        let reply = run(&server, "python", "print('hi')", json!({"limits": {"open_files": 0}}));
        assert_eq!(reply.output(), "hi\n", "{tier}");
    }
}
