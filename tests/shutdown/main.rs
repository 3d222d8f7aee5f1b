//! How the server ends: who asks, what still gets its answer, and what is left.
//!
//! Order comes from what was observed: a run tells that it began, a call is
//! refused because the server no longer admits, a file lets the run end.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::{Pending, Process, Server, eventually, target_directory};

/// Clients send SIGTERM about two seconds after they closed their end, and
/// SIGKILL later. Ten times the time that the server allows itself.
const SOON: Duration = Duration::from_secs(15);

const HOLD: &str = "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('ended')";
const ENDLESS: &str = "print('begun')\nwhile True: pass";

/// Starts a run in a session and waits until it has begun.
fn begin(server: &Server, code: &str) -> (String, Pending) {
    let session = server.new_session();
    let pending = server.begin_execute(code, json!({"session": session, "limits": {"wall_time_ms": 300_000}}));
    server.client.progress(&pending, "begun");
    (session, pending)
}

fn let_go(server: &Server, session: &str) {
    std::fs::write(server.workspace(session).join("go"), "").unwrap();
}

/// Waits until the server refuses new runs, which is what it does from the
/// beginning of its end.
fn wait_until_closing(server: &Server) {
    server.wait_for_health("the server to close", |health| health["status"] == "shutting_down");
    let reply = server.execute("1");
    assert!(reply.refusal().contains("shutting down"), "{}", reply.text());
}

/// Everything that a server which ended must not leave.
fn assert_nothing_is_left(server: &Server, workers: &[Process]) {
    assert!(!workers.is_empty(), "there was nothing to leave behind");
    for worker in workers {
        worker.wait_until_gone();
    }
    let left = server.server_directories();
    assert!(left.is_empty(), "{left:?} was left behind");
    assert_eq!(server.client.strays(), Vec::<String>::new());
}

#[test]
fn a_signal_lets_runs_finish_admits_no_more_and_ends_with_success() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let server = Server::start();
        let (session, mut run) = begin(&server, HOLD);
        let workers = server.workers();
        server.signal(signal);
        wait_until_closing(&server);
        let write = server.call("write", json!({"session": session, "path": "f", "text": "x"}));
        assert!(write.refusal().contains("shutting down"), "{}", write.text());
        // Not admitted, but what is there can still be read.
        assert!(!server.call("read", json!({"session": session})).is_error());
        assert!(run.is_open() && server.process().is_running());
        let_go(&server, &session);
        assert_eq!(run.wait().output(), "begun\nended\n");
        assert_eq!(server.wait().code(), Some(0));
        assert_nothing_is_left(&server, &workers);
    }
}

#[test]
fn a_second_signal_cuts_short_and_every_run_is_still_answered() {
    let server = Server::start();
    let runs: Vec<_> = [ENDLESS, HOLD, ENDLESS].iter().map(|code| begin(&server, code).1).collect();
    let workers = server.workers();
    server.signal(Signal::SIGTERM);
    wait_until_closing(&server);
    server.signal(Signal::SIGTERM);
    for run in runs {
        run.wait().assert_status("cancelled");
    }
    assert_eq!(server.wait().code(), Some(0));
    assert_nothing_is_left(&server, &workers);
}

#[test]
fn the_drain_has_a_deadline() {
    let server = Server::with().flag("--drain-seconds=1").start();
    let (_, run) = begin(&server, ENDLESS);
    let workers = server.workers();
    let started = Instant::now();
    server.signal(Signal::SIGTERM);
    run.wait().assert_status("cancelled");
    assert_eq!(server.wait().code(), Some(0));
    assert!((Duration::from_secs(1)..SOON).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert_nothing_is_left(&server, &workers);
}

#[test]
fn queued_runs_are_answered_too() {
    let server = Server::with().flag("--runs=1").flag("--drain-seconds=1").start();
    let (session, run) = begin(&server, ENDLESS);
    let queued: Vec<_> = (0..5).map(|n| server.begin_execute(&n.to_string(), json!({}))).collect();
    let behind = server.begin_execute("1", json!({"session": session}));
    server.wait_for_health("five in the queue", |health| health["runs_queued"] == 5);
    server.signal(Signal::SIGTERM);
    run.wait().assert_status("cancelled");
    for pending in queued.into_iter().chain([behind]) {
        let reply = pending.wait();
        assert!(reply.refusal().contains("shutting down"), "{}", reply.text());
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn queued_runs_that_get_their_place_in_time_run() {
    let server = Server::with().flag("--runs=1").start();
    let (session, run) = begin(&server, HOLD);
    let queued: Vec<_> = (0..5).map(|n| server.begin_execute(&n.to_string(), json!({}))).collect();
    server.wait_for_health("five in the queue", |health| health["runs_queued"] == 5);
    server.signal(Signal::SIGTERM);
    wait_until_closing(&server);
    let_go(&server, &session);
    run.wait().assert_status("exited 0");
    for (n, pending) in queued.into_iter().enumerate() {
        assert_eq!(pending.wait().value(), Some(n.to_string().as_str()));
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_end_of_input_lets_short_runs_finish_and_cancels_long_ones() {
    let server = Server::start();
    let (session, short) = begin(&server, HOLD);
    let (_, long) = begin(&server, ENDLESS);
    let workers = server.workers();
    let started = Instant::now();
    let_go(&server, &session);
    server.client.close();
    let (short, long) = (short.wait(), long.wait());
    assert_eq!(short.output(), "begun\nended\n");
    long.assert_status("cancelled");
    assert!(short.arrival < long.arrival);
    assert_eq!(server.wait().code(), Some(0));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_nothing_is_left(&server, &workers);
}

#[test]
fn a_run_that_has_progress_to_report_when_nobody_takes_it_is_answered() {
    for signal in [None, Some(Signal::SIGTERM)] {
        let server = Server::with().flag("--drain-seconds=1").start();
        let (_, run) = begin(&server, "import time\nprint('begun')\nwhile True: print('on'); time.sleep(0.01)");
        match signal {
            Some(signal) => server.signal(signal),
            None => server.client.close(),
        }
        run.wait().assert_status("cancelled");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_client_that_closes_at_once_is_no_failure() {
    for silent in [true, false] {
        let server = if silent { Server::with().without_handshake().start() } else { Server::start() };
        server.client.close();
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        assert_eq!(server.server_directories(), Vec::<PathBuf>::new());
        assert_eq!(server.log(), "", "a quiet end has nothing to log");
    }
}

#[test]
fn a_request_that_is_followed_by_the_end_of_input_is_answered() {
    // The client does as a shell pipeline does: everything is written, then closed.
    let server = Server::start();
    let pending: Vec<_> = (0..8).map(|n| server.begin_execute(&format!("print({n})"), json!({}))).collect();
    server.client.close();
    for (n, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.wait().output(), format!("{n}\n"));
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_killed_server_leaves_no_process_and_the_next_one_cleans_up() {
    let server = Server::start();
    let runs: Vec<_> = (0..4).map(|_| begin(&server, ENDLESS)).collect();
    let workers = server.workers();
    assert!(!workers.is_empty());
    server.signal(Signal::SIGKILL);
    assert_eq!(server.wait().code(), None, "killed, so without an exit code");
    for worker in &workers {
        worker.wait_until_gone();
    }
    for (_, run) in runs {
        assert!(run.wait_or_end().is_none(), "a killed server cannot answer");
    }
    let [left] = &server.server_directories()[..] else { panic!("expected one directory of the killed server") };
    let next = server.beside().start();
    next.assert_usable();
    assert!(!left.exists(), "the next server left what the killed one had");
    assert_eq!(server.server_directories().len(), 1, "only its own directory is there");
}

#[test]
fn a_killed_worker_during_the_drain_delays_nothing() {
    let server = Server::start();
    let (_, run) = begin(&server, ENDLESS);
    let workers = server.workers();
    server.signal(Signal::SIGTERM);
    wait_until_closing(&server);
    for worker in &workers {
        worker.signal(Signal::SIGKILL);
    }
    run.wait().assert_status("trapped worker_lost");
    assert_eq!(server.wait().code(), Some(0));
    assert_nothing_is_left(&server, &workers);
}

#[test]
fn workers_end_with_the_server_even_when_they_are_busy() {
    let server = Server::start();
    let (_, run) = begin(
        &server,
        "print('begun')\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass",
    );
    let workers = server.workers();
    server.client.close();
    run.wait().assert_status("cancelled");
    assert_eq!(server.wait().code(), Some(0));
    assert_nothing_is_left(&server, &workers);
}

#[test]
fn progress_never_follows_a_result() {
    let server = Server::start();
    let pending: Vec<_> = (0..8)
        .map(|_| {
            server.begin_execute("import time\nfor n in range(60):\n    print(n)\n    time.sleep(0.01)", json!({}))
        })
        .collect();
    for pending in pending {
        let token = pending.id();
        let count =
            |messages: &[Value]| messages.iter().filter(|message| message["params"]["progressToken"] == token).count();
        pending.wait().assert_status("exited 0");
        let at_the_end = count(&server.client.notifications());
        assert!(at_the_end > 0, "a run of more than half a second reports");
        // A round trip later nothing more has come.
        server.health();
        assert_eq!(count(&server.client.notifications()), at_the_end);
    }
}

/// A server that has to compile its guest image first, and is just doing so.
fn compiling() -> (tempfile::TempDir, Server, Pending) {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::with().env("BELLJAR_CACHE_DIRECTORY", cache.path().join("belljar")).start();
    let call = server.begin_execute("print(1)", json!({}));
    eventually("the image to be compiled", || (!server.workers().is_empty()).then_some(()));
    (cache, server, call)
}

fn compiled_images(cache: &tempfile::TempDir) -> usize {
    let entries = std::fs::read_dir(cache.path().join("belljar")).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "cwasm"))
        .count()
}

#[test]
fn a_call_that_waits_for_compilation_is_answered_when_the_client_leaves() {
    let (cache, server, call) = compiling();
    server.client.close();
    let reply = call.wait_or_end().expect("the call got no answer");
    assert!(reply.is_error(), "{}", reply.message);
    assert_eq!(server.wait().code(), Some(0));
    drop(cache);
}

#[test]
fn a_server_that_is_killed_while_it_compiles_leaves_no_process() {
    let (cache, server, call) = compiling();
    let compilers = server.workers();
    server.signal(Signal::SIGKILL);
    server.wait();
    for compiler in &compilers {
        compiler.wait_until_gone();
    }
    // The compile process was ended, and did not just come to its end.
    assert_eq!(compiled_images(&cache), 0);
    assert!(call.wait_or_end().is_none());
}

#[test]
fn a_server_is_ready_once_it_has_prepared_and_answers_before() {
    // Preparing waits for the lock of the cache, in which nothing lies yet.
    let private = std::fs::Permissions::from_mode(0o700);
    let cache = tempfile::Builder::new().permissions(private).tempdir_in(target_directory()).unwrap();
    let lock = File::create(cache.path().join("lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let server = Server::with().env("BELLJAR_CACHE_DIRECTORY", cache.path()).start();
    assert_eq!(server.health()["status"], "starting");
    for compiled in std::fs::read_dir(tests::cache_directory()).unwrap() {
        let compiled = compiled.unwrap();
        if compiled.path().extension().is_some_and(|extension| extension == "cwasm") {
            std::fs::hard_link(compiled.path(), cache.path().join(compiled.file_name())).unwrap();
        }
    }
    assert_eq!(server.health()["status"], "starting");
    drop(lock);
    server.wait_for_health("it to be ready", |health| health["status"] == "ok");
    server.assert_usable();
}
