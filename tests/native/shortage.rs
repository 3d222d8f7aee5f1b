//! A machine that is short of something for a moment says so, and nothing is
//! kept of that.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use serde_json::json;
use tests::{Restriction, Server};

use crate::run;

/// A user of this test alone: the kernel counts all processes of a user.
const USER: u32 = 64_244;
/// How many processes a server may have: more than it needs.
const PROCESSES: u32 = 120;

/// As many processes as the server's user may have, threads included.
struct Crowd(Vec<Child>);

impl Crowd {
    fn start() -> Self {
        let idle = || Command::new("sleep").arg("600").uid(USER).gid(USER).spawn().unwrap();
        Self((0..PROCESSES).map(|_| idle()).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn no_process_to_be_had_is_said_so_and_passes() {
    let short = Restriction::user(USER).option(&format!("--processes={PROCESSES}"));
    let server = Server::with().restricted(short).start();
    assert_eq!(run(&server, "bash", "echo hi", json!({})).output(), "hi\n");
    let session = run(&server, "bash", "echo kept > f", json!({"session": "new"})).session();
    let crowd = Crowd::start();
    for more in [json!({}), json!({"session": session})] {
        let reply = run(&server, "bash", "echo lost > f", more);
        let refusal = reply.refusal();
        assert!(refusal.contains("has no processes or threads left") && refusal.contains("try again"), "{refusal}");
    }
    // The runs are more than there are threads: each runs, or is told the same.
    let begun: Vec<_> = (0..12).map(|_| server.begin_execute("print('hi')", json!({}))).collect();
    for reply in begun.into_iter().map(tests::Pending::wait) {
        if reply.is_error() {
            let refusal = reply.refusal();
            assert!(refusal.contains("try again in a moment"), "{refusal}");
        } else {
            assert_eq!(reply.output(), "hi\n");
        }
    }
    drop(crowd);
    assert_eq!(run(&server, "bash", "cat f", json!({"session": session})).output(), "kept\n");
    server.assert_usable();
}
