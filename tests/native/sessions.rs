//! Native programs join the files of a session and leave no process behind.

use serde_json::json;

use crate::{run, servers};

#[test]
fn native_programs_and_the_interpreter_of_a_session_share_its_files() {
    for (user, server) in servers(|builder| builder) {
        let reply = server.execute_in("new", "x = 41\nopen('data.txt', 'w').write('from wasm\\n')");
        let session = reply.session();
        let in_session = || json!({"session": session});
        let reply = run(&server, "bash", "cat data.txt; mkdir d; echo shell > d/shell.txt", in_session());
        assert_eq!((reply.output(), reply.session_state()), ("from wasm\n", "files_only"), "{user}");
        assert_eq!(reply.sequence(), 2, "{user}");
        let reply = run(&server, "python-native", "print(open('d/shell.txt').read(), end='')", in_session());
        assert_eq!((reply.output(), reply.session_state()), ("shell\n", "files_only"), "{user}");
        let reply = server.execute_in(&session, "print(x + 1, open('d/shell.txt').read(), end='')");
        assert_eq!((reply.output(), reply.session_state()), ("42 shell\n", "kept"), "{user}");
        assert!(server.read(&session, "d/shell.txt").text().contains("shell"), "{user}");
    }
}

#[test]
fn what_native_programs_leave_is_kept_rewound_and_forked() {
    for (user, server) in servers(|builder| builder) {
        let session = run(&server, "bash", "echo one > f", json!({"session": "new"})).session();
        let snapshot = server.snapshot(&session);
        run(&server, "bash", "echo two > f; echo new > g", json!({"session": session})).assert_status("exited 0");
        let fork = server.session("fork", &session).structured()["session"]["id"].as_str().unwrap().to_owned();
        server.session_at("restore", &session, &snapshot);
        assert_eq!(run(&server, "bash", "cat *", json!({"session": session})).output(), "one\n", "{user}");
        assert_eq!(run(&server, "bash", "cat *", json!({"session": fork})).output(), "two\nnew\n", "{user}");
    }
}

#[test]
fn past_its_disk_limit_a_run_is_undone_and_otherwise_its_files_stay() {
    for (user, server) in servers(|builder| builder) {
        let session = run(&server, "bash", "echo one > f", json!({"session": "new"})).session();
        let code = "for n in 1 2 3 4 5 6 7 8; do head -c 900000 /dev/zero > f$n; done; sleep 30";
        let more = json!({"session": session, "limits": {"disk_bytes": 2_000_000}});
        let reply = run(&server, "bash", code, more);
        reply.assert_status("limit_exceeded disk_bytes");
        assert_eq!(reply.session_state(), "rolled_back", "{user}");
        assert_eq!(run(&server, "bash", "ls", json!({"session": session})).output(), "f\n", "{user}");
        let more = json!({"session": session, "limits": {"wall_time_ms": 300}});
        let reply = run(&server, "bash", "echo two > f; sleep 30", more);
        reply.assert_status("limit_exceeded wall_time_ms");
        assert_eq!(reply.session_state(), "files_only", "{user}");
        assert_eq!(run(&server, "bash", "cat f", json!({"session": session})).output(), "two\n", "{user}");
    }
}

#[test]
fn files_that_nobody_may_read_and_links_do_not_break_a_session() {
    for (user, server) in servers(|builder| builder) {
        let code = "mkdir d; echo x > d/f; chmod 000 d/f; ln -s /etc/passwd link; mkfifo pipe && exit 9; umask 777; echo y > g";
        let reply = run(&server, "bash", code, json!({"session": "new"}));
        // A pipe with a name is no file that could be kept.
        assert!(reply.output().is_empty() && reply.stderr().contains("Operation not permitted"), "{user}");
        let session = reply.session();
        assert!(server.read(&session, "d/f").text().contains('x'), "{user}");
        assert!(server.read(&session, "g").text().contains('y'), "{user}");
        let link = server.read(&session, "link");
        assert_eq!(link.structured()["link_target"], "/etc/passwd", "{user}: {}", link.text());
        let reply = server.execute_in(&session, "print(open('d/f').read(), end='')");
        assert_eq!(reply.output(), "x\n", "{user}");
    }
}
