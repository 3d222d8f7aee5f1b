//! What the machine is short of while the server finds out what it can enforce.

use std::process::Command;

use serde_json::json;
use tests::{Restriction, Server, eventually};

use super::run;

/// What `health_check` says of native programs.
fn native(server: &Server) -> String {
    let health = server.health();
    let protections = health["protections"].as_array().unwrap().iter().filter_map(|text| text.as_str());
    protections.filter(|text| text.starts_with("native programs: ")).collect()
}

/// Takes the shortage away.
fn give_open_files(server: &Server) {
    let pid = server.process().pid().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--nofile=1024:"]).status().unwrap();
    assert!(raised.success());
}

#[test]
fn a_passing_shortage_of_open_files_neither_refuses_nor_weakens_native_programs_for_good() {
    // The numbers of open files go from nothing that works to a form without namespaces
    // and everything.
    for open_files in [22, 28, 32, 36, 40] {
        let few = Restriction::default().option(&format!("--open-files={open_files}"));
        let server = Server::with().restricted(few).flag("--native-tier=isolated").start();
        let first = run(&server, "bash", "echo hi", json!({}));
        if first.is_error() && first.text().contains("denied") {
            let text = first.refusal();
            assert!(text.contains("no open files left") || text.contains("Too many open files"), "{text}");
            assert!(text.ends_with("call again in a moment"), "{text}");
            // The second answer is no other as long as the shortage lasts.
            assert!(run(&server, "bash", "echo hi", json!({})).is_error());
        }
        give_open_files(&server);
        // The server does not try again at once, but after a second, then after two.
        eventually("native programs to be run as strongly as can be", || {
            let ran = run(&server, "bash", "echo hi", json!({}));
            (!ran.is_error() && native(&server).contains("tier isolated (namespaces, ")).then_some(())
        });
        assert_eq!(run(&server, "bash", "echo hi", json!({})).output(), "hi\n");
    }
}
