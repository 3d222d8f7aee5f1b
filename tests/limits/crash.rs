//! Programs that end without a word, and workers that die under them.

use nix::sys::signal::Signal;
use serde_json::json;
use tests::{Server, eventually};

#[test]
fn ending_the_interpreter_is_a_typed_outcome_and_leaves_the_session_as_it_was() {
    let server = Server::start();
    for (code, status) in [
        ("import os\nprint('before', flush=True)\nos._exit(3)", "exited 3"),
        ("import os\nprint('before', flush=True)\nos._exit(0)", "exited 0"),
        ("import os\nprint('before', flush=True)\nos.abort()", "trapped unreachable"),
    ] {
        let alone = server.execute(code);
        alone.assert_status(status);
        assert_eq!(alone.stdout(), "before\n");
        server.assert_usable();

        let begun = server.execute_in("new", "x = 1\nopen('f', 'w').write('kept')");
        let session = begun.session();
        let change = format!("x = 2\nopen('f', 'w').write('changed')\nopen('g', 'w').close()\n{code}");
        let reply = server.execute_in(&session, &change);
        reply.assert_status(status);
        assert_eq!((reply.session_state(), reply.sequence()), ("rolled_back", begun.sequence()));
        assert_eq!(reply.files(), Vec::<&str>::new(), "what was undone is not reported");
        let after = server.execute_in(&session, "import os\nprint(x, open('f').read(), os.listdir())");
        assert_eq!(after.output(), "1 kept ['f']\n");
    }
}

#[test]
fn deep_recursion_in_c_ends_the_run_at_most() {
    let server = Server::start();
    for code in [
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
        "import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n    def __getattr__(self, name): return getattr(self, name)\nA().x",
        "import json\njson.loads('[' * 100_000)",
        "import ast\nast.parse('-' * 100_000 + '1')",
        "eval('(' * 10_000 + ')' * 10_000)",
        "x = []\nfor _ in range(100_000): x = [x]\nrepr(x)",
        "x = []\ny = []\nfor _ in range(100_000): x, y = [x], [y]\nx == y",
        "import re\nre.compile('(' * 50_000 + ')' * 50_000)",
        "import pickle\nx = []\nfor _ in range(100_000): x = [x]\npickle.dumps(x)",
        "x = ()\nfor _ in range(1_000_000): x = (x,)\ndel x\nprint('freed')",
    ] {
        let reply = server.execute(code);
        let status = reply.status();
        // CPython itself says SystemError when memory for a frame runs out.
        let is_own_error = matches!(
            reply.error("name"),
            "RecursionError" | "MemoryError" | "SyntaxError" | "OverflowError" | "SystemError"
        );
        let is_fine = match status.as_str() {
            "exited 1" => is_own_error,
            "exited 0" => reply.stdout() == "freed\n",
            other => ["trapped stack_overflow", "limit_exceeded memory_bytes"].contains(&other),
        };
        assert!(is_fine, "{code}: {}", reply.message);
        server.assert_usable();
    }
}

#[test]
fn a_killed_worker_is_a_typed_outcome_and_the_next_call_works() {
    let server = Server::with().flag("--workers=1").start();
    let pending = server.begin_execute("print('begun')\nwhile True: pass", json!({}));
    server.client.progress(&pending, "begun");
    let [worker] = server.workers()[..] else { panic!("expected one worker") };
    worker.signal(Signal::SIGKILL);
    let reply = pending.wait();
    reply.assert_status("trapped worker_lost");
    assert!(reply.is_error());
    server.assert_usable();
    // The worker was reaped, and another one took its place.
    worker.wait_until_gone();
    let [other] = server.workers()[..] else { panic!("expected one worker") };
    assert_ne!(other, worker);
}

#[test]
fn every_run_of_a_killed_worker_is_answered_and_others_go_on() {
    let server = Server::with().flag("--workers=2").flag("--runs=8").start();
    let before = server.execute_in("new", "x = 'here'").session();
    let held: Vec<_> = (0..6)
        .map(|number| {
            let code = format!(
                "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\nended = True\nprint({number})"
            );
            let session = server.execute_in("new", &format!("own = {number}")).session();
            let pending = server.begin_execute(&code, json!({"session": session}));
            server.client.progress(&pending, "begun");
            (number, session, pending)
        })
        .collect();
    let workers = server.workers();
    assert_eq!(workers.len(), 2, "{workers:?}");
    workers[0].signal(Signal::SIGKILL);
    workers[0].wait_until_gone();
    // Runs of the other worker go on and are let to their end.
    for (_, session, _) in &held {
        std::fs::write(server.workspace(session).join("go"), "").unwrap();
    }
    let mut lost = 0;
    for (number, session, pending) in held {
        let reply = pending.wait();
        let ended = if reply.status() == "trapped worker_lost" {
            lost += 1;
            assert_eq!(reply.session_state(), "rolled_back");
            false
        } else {
            assert_eq!(reply.output(), format!("begun\n{number}\n"));
            true
        };
        let after = server.execute_in(&session, "print('ended' in globals(), own)");
        assert_eq!(after.output(), format!("{} {number}\n", if ended { "True" } else { "False" }));
    }
    assert!((1..6).contains(&lost), "{lost} of 6 runs were lost with one of two workers");
    // The session that was not running lost nothing, wherever it was.
    assert_eq!(server.execute_in(&before, "print(x)").output(), "here\n");
}

#[test]
fn a_worker_that_no_longer_reacts_is_ended() {
    let server = Server::with().flag("--workers=1").start();
    let pending = server.begin_execute("print('begun')\nwhile True: pass", json!({"limits": {"wall_time_ms": 1000}}));
    server.client.progress(&pending, "begun");
    let [worker] = server.workers()[..] else { panic!("expected one worker") };
    // The worker is stopped, not killed: it neither answers nor ends.
    worker.signal(Signal::SIGSTOP);
    pending.wait().assert_status("trapped worker_lost");
    worker.wait_until_gone();
    server.assert_usable();
}

#[test]
fn workers_that_keep_dying_leave_nothing_behind() {
    let server = Server::with().flag("--workers=1").start();
    server.assert_usable();
    let sockets = server.process().sockets();
    for _ in 0..10 {
        let pending = server
            .begin_execute("print('begun')\nimport time\ntime.sleep(60)", json!({"limits": {"wall_time_ms": 60_000}}));
        server.client.progress(&pending, "begun");
        for worker in server.workers() {
            worker.signal(Signal::SIGKILL);
        }
        pending.wait().assert_status("trapped worker_lost");
    }
    server.assert_usable();
    eventually("connections and zombies to be gone", || {
        let children = tests::Process::children_of(server.process().pid());
        (children.len() == 1 && server.process().sockets() <= sockets).then_some(())
    });
    let health = server.health();
    assert!(health["memory_used_bytes"].as_u64().unwrap() < 256 << 20, "{health}");
}
