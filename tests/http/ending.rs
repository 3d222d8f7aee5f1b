//! How a server that speaks HTTP ends, and when it says that it is ready.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::http::{Connection, HttpServer, legacy, modern};
use tests::{Process, Reply, Server, eventually, target_directory};

use crate::eras::{LegacyClient, workspace};

const HOLD: &str =
    "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('ended')";
const ENDLESS: &str = "print('begun', flush=True)\nwhile True: pass";

fn execute(code: &str, session: &str) -> Value {
    let limits = json!({"wall_time_ms": 300_000});
    let arguments = json!({"language": "python", "code": code, "session": session, "limits": limits});
    json!({"name": "execute", "arguments": arguments, "_meta": {"progressToken": "p"}})
}

/// Starts a run and waits until it has begun. `client` is of the `initialize` era.
fn begin(server: &HttpServer, client: Option<&LegacyClient<'_>>, code: &str) -> (String, Connection) {
    let session = server.post(&modern("tools/call", execute("", "new"))).reply().session();
    let params = execute(code, &session);
    let request = match client {
        None => server.request(&modern("tools/call", params)),
        Some(client) => client.request(&legacy(7, "tools/call", params)),
    };
    let mut connection = server.connect();
    connection.send(&request);
    assert_eq!(connection.answer_head().unwrap().status, 200);
    assert!(connection.event().unwrap()["params"]["message"].as_str().unwrap().contains("begun"));
    (session, connection)
}

/// The result of a run, past its progress.
fn result(connection: &mut Connection) -> Reply {
    loop {
        let event = connection.event().expect("a run that was begun is answered");
        if event.get("method").is_none() {
            return Reply::of(event);
        }
    }
}

fn workers(server: &HttpServer) -> Vec<Process> {
    Process::children_of(server.process().pid())
}

#[test]
fn a_signal_lets_runs_finish_admits_no_more_and_ends_with_success() {
    let server = HttpServer::start();
    let client = LegacyClient::hello(&server);
    // Streams without an end keep nothing.
    let mut listening = server.connect();
    listening.send(&client.request(&json!({})).line("GET /mcp HTTP/1.1").field("Content-Length", "0"));
    assert_eq!(listening.answer_head().unwrap().status, 200);
    let mut idle = server.connect();
    let runs: Vec<_> = [None, Some(&client)].map(|client| begin(&server, client, HOLD)).into();
    let workers = workers(&server);
    server.signal(Signal::SIGTERM);
    eventually("the server to be no longer ready", || (server.get("/readyz").status == 503).then_some(()));
    let said = server.get("/readyz");
    assert!(said.json()["reasons"][0].as_str().unwrap().contains("stopping") && said.field("Retry-After").is_some());
    assert_eq!(server.get("/healthz").status, 200, "it lives");
    let listen = format!("--listen={}", server.address());
    let (welcome, said) = server.command(&["health", &listen]);
    assert!(!welcome, "{said}");
    let refused = server.execute("print(1)");
    assert!(refused.refusal().contains("shutting down"), "{}", refused.text());
    let refused = client.ask(&legacy(9, "tools/call", execute("1", "new"))).reply();
    assert!(refused.refusal().contains("shutting down"), "{}", refused.text());
    // Not admitted, but what is there can still be read.
    let read = modern("tools/call", json!({"name": "read", "arguments": {"session": runs[0].0}}));
    assert!(!server.post(&read).reply().is_error());
    for (session, mut run) in runs {
        std::fs::write(workspace(&server, &session).join("go"), "").unwrap();
        assert_eq!(result(&mut run).output(), "begun\nended\n");
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(listening.event().is_none() && idle.is_closed());
    assert!(!workers.is_empty());
    workers.iter().for_each(Process::wait_until_gone);
}

#[test]
fn the_drain_has_a_deadline_and_every_run_is_still_answered() {
    let server = HttpServer::with(Server::with().flag("--drain-seconds=1"));
    server.wait_until_ready();
    let client = LegacyClient::hello(&server);
    let runs: Vec<_> = [None, Some(&client), None].map(|client| begin(&server, client, ENDLESS).1).into();
    let mut silent = server.connect();
    silent.send(&server.request(&modern(
        "tools/call",
        json!({"name": "execute", "arguments": {"language": "python", "code": "while True: pass"}}),
    )));
    server.wait_for_health("four runs", |health| health["runs_active"] == 4);
    let started = Instant::now();
    server.signal(Signal::SIGTERM);
    for mut run in runs {
        result(&mut run).assert_status("cancelled");
    }
    let answer = silent.answer();
    assert_eq!(answer.status, 200);
    answer.reply().assert_status("cancelled");
    assert_eq!(server.wait().code(), Some(0));
    assert!((1..15).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[test]
fn a_second_signal_cuts_short() {
    let server = HttpServer::start();
    let (_, mut run) = begin(&server, None, ENDLESS);
    server.signal(Signal::SIGTERM);
    eventually("the server to be no longer ready", || (server.get("/readyz").status == 503).then_some(()));
    server.signal(Signal::SIGTERM);
    result(&mut run).assert_status("cancelled");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn an_idle_server_ends_at_once() {
    let server = HttpServer::start();
    let _idle: Vec<_> = (0..10).map(|_| server.connect()).collect();
    let mut half = server.connect();
    half.send_bytes(b"POST /mcp HTTP/1.1\r\nHost: ");
    let started = Instant::now();
    server.signal(Signal::SIGINT);
    assert_eq!(server.wait().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_server_is_ready_once_it_has_prepared() {
    // Preparing waits for the lock of the cache, in which nothing lies yet.
    let private = std::fs::Permissions::from_mode(0o700);
    let cache = tempfile::Builder::new().permissions(private).tempdir_in(target_directory()).unwrap();
    let lock = File::create(cache.path().join("lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let server = HttpServer::with(Server::with().env("BELLJAR_CACHE_DIRECTORY", cache.path()));
    assert_eq!(server.get("/healthz").status, 200);
    let warming = server.get("/readyz");
    assert!(warming.status == 503 && warming.json()["reasons"][0].as_str().unwrap().contains("starting"));
    for compiled in std::fs::read_dir(tests::cache_directory()).unwrap() {
        let compiled = compiled.unwrap();
        if compiled.path().extension().is_some_and(|extension| extension == "cwasm") {
            std::fs::hard_link(compiled.path(), cache.path().join(compiled.file_name())).unwrap();
        }
    }
    drop(lock);
    server.wait_until_ready();
    assert_eq!(server.execute("print(1)").output(), "1\n");
}
