//! How a server with WebSockets ends.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use tests::websocket::{Came, WebSocket};
use tests::{Reply, Server, eventually};

use crate::{ENDLESS, execute, list, request, server};

#[test]
fn a_signal_lets_runs_finish_answers_them_and_then_says_goodbye() {
    let server = server();
    let (mut socket, mut idle, mut old) = (WebSocket::to(&server), WebSocket::to(&server), WebSocket::to(&server));
    old.hello("2025-11-25");
    assert!(idle.ask(&list(1))["result"].is_object());
    let code = "import time\nprint('begun', flush=True)\ntime.sleep(2)\nprint('x' * 200_000)";
    let arguments = json!({"language": "python", "code": code});
    let call = json!({"name": "execute", "arguments": arguments});
    socket.send(&request(1, "tools/call", call.clone()));
    old.send(&tests::http::legacy(1, "tools/call", call));
    server.wait_for_health("two runs", |health| health["runs_active"] == 2);
    server.signal(Signal::SIGTERM);
    eventually("the server to be no longer ready", || (server.get("/readyz").status == 503).then_some(()));
    let refused = Reply::of(idle.ask(&execute(2, "print(1)")));
    assert!(refused.refusal().contains("shutting down"), "{}", refused.text());
    for socket in [&mut socket, &mut old] {
        assert!(Reply::of(socket.answer(&json!(1))).stdout().starts_with("begun\nxxx"));
    }
    for socket in [&mut socket, &mut old, &mut idle] {
        assert_eq!(socket.goodbye(), (1001, "the server ends".to_owned()));
        assert_eq!(socket.came(), Came::End);
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn the_drain_has_a_deadline_and_every_run_is_answered_before_the_goodbye() {
    let server = tests::http::HttpServer::with(Server::with().flag("--websocket").flag("--drain-seconds=1"));
    server.wait_until_ready();
    let mut sockets: Vec<_> = (0..3).map(|_| WebSocket::to(&server)).collect();
    sockets.iter_mut().for_each(|socket| socket.send(&execute(1, ENDLESS)));
    server.wait_for_health("three runs", |health| health["runs_active"] == 3);
    let started = Instant::now();
    server.signal(Signal::SIGTERM);
    for socket in &mut sockets {
        Reply::of(socket.answer(&json!(1))).assert_status("cancelled");
        assert_eq!(socket.goodbye().0, 1001);
    }
    assert_eq!(server.wait().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}
