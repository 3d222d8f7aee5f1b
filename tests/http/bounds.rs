//! What clients may take: bytes, time, connections, requests, sessions.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use tests::http::{HttpServer, Request, legacy, modern};
use tests::{alone, eventually};

use crate::eras::{LegacyClient, initialize};

/// The bounds of the server.
const HEAD_TIME: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 1024;
const REQUESTS: usize = 128;
const MCP_SESSIONS: usize = 256;
const STREAMS: usize = 128;

const MEBIBYTE: usize = 1 << 20;

fn execute(code: &str) -> serde_json::Value {
    modern("tools/call", json!({"name": "execute", "arguments": {"language": "python", "code": code}}))
}

/// A call with an argument that is as long as it may be, and takes a hundred times that
/// once it is read.
fn with_values(count: usize) -> serde_json::Value {
    modern("tools/call", json!({"name": "health_check", "arguments": {"x": vec![0; count]}}))
}

#[test]
fn a_body_with_too_many_values_is_refused_before_they_take_memory_and_time() {
    let _alone = alone();
    let server = HttpServer::start();
    // The control: as many as there may be are looked at.
    let taken = server.post(&with_values(99_900));
    assert!(taken.status == 200 && taken.reply().text().starts_with("ok"), "{taken:?}");
    let before = server.process().peak_bytes();
    for count in [100_001, 12_000_000] {
        let refused = server.post(&with_values(count));
        assert_eq!((refused.status, refused.reason().as_str()), (400, "no_message"));
        assert_eq!(refused.json()["id"], 1);
        let said = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.contains("at most 100000 values of JSON, got "), "{said}");
    }
    let grown = server.process().peak_bytes().saturating_sub(before);
    assert!(grown < 100 * MEBIBYTE as u64, "{grown} bytes");
    // One text of the same length is one value.
    let long = modern("tools/call", json!({"name": "health_check", "arguments": {"x": "0,".repeat(10 << 20)}}));
    assert_eq!(server.post(&long).status, 200);
}

#[test]
fn a_body_that_is_too_long_is_refused_and_takes_no_memory() {
    let _alone = alone();
    let server = HttpServer::start();
    let before = server.process().peak_bytes();
    let head = |fields: &str| {
        let port = server.address().port();
        let token = server.token();
        format!("POST /mcp HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{fields}\r\n\r\n").into_bytes()
    };
    let piece = vec![b' '; MEBIBYTE];
    // The length of a body may be told, or not.
    let mut connection = server.connect();
    connection.send_bytes(&head(&format!("Content-Length: {}", 100 * MEBIBYTE)));
    (0..100).for_each(|_| connection.send_bytes(&piece));
    let answer = connection.answer();
    assert_eq!((answer.status, answer.reason().as_str()), (413, "too_long"));
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("25165824 bytes") && message.contains("several calls"), "{message}");
    // The connection goes on.
    assert_eq!(connection.ask(&server.request(&execute("print(1)"))).reply().output(), "1\n");
    let mut connection = server.connect();
    connection.send_bytes(&head("Transfer-Encoding: chunked"));
    for _ in 0..100 {
        connection.send_bytes(format!("{MEBIBYTE:x}\r\n").as_bytes());
        connection.send_bytes(&piece);
        connection.send_bytes(b"\r\n");
    }
    connection.send_bytes(b"0\r\n\r\n");
    assert_eq!(connection.answer().reason(), "too_long");
    // One who asks first is told at once.
    let mut connection = server.connect();
    connection.send_bytes(&head(&format!("Expect: 100-continue\r\nContent-Length: {}", 100 * MEBIBYTE)));
    assert_eq!(connection.answer().reason(), "too_long");
    // A connection ends past what is thrown away.
    let mut connection = server.connect();
    connection.send_bytes(&head(&format!("Content-Length: {}", 1_u64 << 40)));
    assert!(connection.answer_or_end().is_none_or(|answer| answer.status == 413));
    let grown = server.process().peak_bytes().saturating_sub(before);
    assert!(grown < 64 * MEBIBYTE as u64, "{grown} bytes for 200 MiB");
    // Without a token nothing is read at all.
    let request = Request::post(server.address(), b"").field("Content-Length", &(100 * MEBIBYTE).to_string());
    assert_eq!(server.connect().ask(&request).status, 401);
}

#[test]
fn as_much_as_over_stdio_is_taken() {
    let _alone = alone();
    let server = HttpServer::start();
    let text = "x".repeat(10 * MEBIBYTE);
    let write =
        modern("tools/call", json!({"name": "write", "arguments": {"session": "new", "path": "f", "text": text}}));
    let reply = server.post(&write).reply();
    assert!(!reply.is_error(), "{}", reply.text());
    assert_eq!(reply.structured()["size_bytes"], 10 * MEBIBYTE);
}

#[test]
fn a_head_is_bounded_in_bytes_and_in_time() {
    let server = HttpServer::start();
    let long = server.request(&execute("1")).field("X-Long", &"x".repeat(17 << 10));
    assert_eq!(server.connect().ask(&long).status, 431);
    let many = (0..65).fold(server.request(&execute("1")), |request, n| request.and(&format!("X-{n}"), "x"));
    assert_eq!(server.connect().ask(&many).status, 431);
    // This connection sends a head that does not come to its end; that drips do not
    // help, `socket.rs` tests.
    let (started, mut watch, mut connection) = (Instant::now(), server.connect(), server.connect());
    connection.send_bytes(b"POST /mcp HTTP/1.1\r\nX-Slow: ");
    assert!(connection.is_closed());
    assert!((HEAD_TIME..5 * HEAD_TIME).contains(&started.elapsed()), "{:?}", started.elapsed());
    // A connection that has said nothing yet is not in a hurry, and one that waits for
    // its next request is not either.
    assert_eq!(watch.ask(&server.request(&execute("print(1)"))).reply().output(), "1\n");
}

#[test]
fn a_thousand_idle_connections_take_little_and_are_in_nobodys_way() {
    let _alone = alone();
    let server = HttpServer::start();
    assert_eq!(server.execute("print(1)").output(), "1\n");
    let before = server.process().resident_bytes();
    let mut idle: Vec<_> = (0..1000).map(|_| server.connect()).collect();
    for (n, connection) in idle.iter_mut().enumerate() {
        // Some have had an answer, some are in the midst of a head.
        match n % 3 {
            0 => assert_eq!(connection.ask(&Request::new("GET", "/healthz", server.address())).status, 200),
            1 => connection.send_bytes(b"POST /mcp HTTP/1.1\r\n"),
            _ => {}
        }
    }
    assert_eq!(server.execute("print(2)").output(), "2\n");
    let grown = server.process().resident_bytes().saturating_sub(before);
    assert!(grown < 20 * MEBIBYTE as u64, "{grown} bytes for 1,000 connections");
}

#[test]
fn where_there_are_too_many_connections_the_one_that_is_idle_for_the_longest_goes() {
    let _alone = alone();
    let server = HttpServer::start();
    let mut busy = server.connect();
    busy.send(&server.request(&execute("print('begun', flush=True)\nwhile True: pass")));
    server.wait_for_health("the run to begin", |health| health["runs_active"] == 1);
    let mut used = server.connect();
    let health = Request::new("GET", "/healthz", server.address());
    let idle: Vec<_> = (0..CONNECTIONS - 2).map(|_| server.connect()).collect();
    assert_eq!(used.ask(&health).status, 200);
    // As many again: the server goes on answering, and what was used last lives the longest.
    let mut more: Vec<_> = (0..CONNECTIONS - 10).map(|_| server.connect()).collect();
    assert_eq!(more.last_mut().unwrap().ask(&health).status, 200);
    eventually("the oldest to be closed", || idle[0].is_over().then_some(()));
    assert_eq!(used.ask(&health).status, 200);
    assert_eq!(server.health()["runs_active"], 1, "a connection with a run stays");
}

#[test]
fn where_no_descriptor_is_left_the_one_that_is_idle_for_the_longest_goes() {
    let _alone = alone();
    let server = HttpServer::start();
    let few = Some(server.process().open_files().len() as u64 + 40);
    let pid = Pid::from_raw(server.process().pid());
    prlimit(pid, Resource::Nofile, Rlimit { current: few, maximum: few }).unwrap();
    let idle: Vec<_> = (0..100).map(|_| server.connect()).collect();
    assert_eq!(server.get("/healthz").status, 200);
    eventually("the oldest to be closed", || idle[0].is_over().then_some(()));
    assert_eq!(server.log().matches("no connection can be accepted").count(), 1, "{}", server.log());
    drop(idle);
    assert_eq!(server.execute("print(1)").output(), "1\n");
}

#[test]
fn requests_at_once_are_bounded_and_the_next_is_told_to_come_again() {
    let _alone = alone();
    let server = HttpServer::with(tests::Server::with().flag("--queue=1000"));
    server.wait_until_ready();
    let endless = server.request(&execute("while True: pass"));
    let send = || {
        let mut connection = server.connect();
        connection.send(&endless);
        connection
    };
    let mut connections: Vec<_> = (0..REQUESTS).map(|_| send()).collect();
    let refused = eventually("a request to be refused", || {
        let answer = server.post(&modern("tools/list", json!({})));
        if answer.status == 200 {
            // The request may have had the place of one of those, which was refused in its stead.
            connections.push(send());
        }
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((refused.status, refused.reason().as_str()), (429, "too_many_requests"));
    assert_eq!(refused.field("Retry-After"), Some("1"));
    // Health is no request of anybody's.
    assert_eq!(server.get("/readyz").status, 200);
    drop(connections);
    eventually("room for requests", || (server.post(&modern("tools/list", json!({}))).status == 200).then_some(()));
    server
        .wait_for_health("all runs to be cancelled", |health| health["runs_active"] == 0 && health["runs_queued"] == 0);
}

#[test]
fn streams_that_wait_are_bounded() {
    let _alone = alone();
    let server = HttpServer::start();
    let listen =
        |client: &LegacyClient<'_>| client.request(&json!({})).line("GET /mcp HTTP/1.1").field("Content-Length", "0");
    let clients: Vec<_> = (0..STREAMS).map(|_| LegacyClient::hello(&server)).collect();
    let mut connections: Vec<_> = clients.iter().map(|client| (client, server.connect())).collect();
    for (client, connection) in &mut connections {
        connection.send(&listen(client));
        assert_eq!(connection.answer_head().unwrap().status, 200);
    }
    let refused = server.connect().ask(&listen(&clients[0]));
    assert_eq!((refused.status, refused.reason().as_str()), (429, "too_many_streams"));
    assert_eq!(server.execute("print(1)").output(), "1\n", "calls go on");
}

#[test]
fn sessions_of_the_initialize_era_are_bounded_and_the_one_that_was_not_used_makes_room() {
    let server = HttpServer::start();
    let (first, second) = (LegacyClient::hello(&server), LegacyClient::hello(&server));
    let mut connection = server.connect();
    for _ in 0..MCP_SESSIONS - 2 {
        assert_eq!(connection.ask(&server.request(&initialize("2025-11-25"))).status, 200);
    }
    let list = legacy(3, "tools/list", json!({}));
    assert_eq!(first.ask(&list).status, 200);
    assert_eq!(connection.ask(&server.request(&initialize("2025-11-25"))).status, 200);
    assert_eq!(first.ask(&list).status, 200, "it was used since");
    assert_eq!(second.ask(&list).status, 404, "its client says hello again");
    let before = server.process().resident_bytes();
    for _ in 0..4 * MCP_SESSIONS {
        assert_eq!(connection.ask(&server.request(&initialize("2025-11-25"))).status, 200);
    }
    let grown = server.process().resident_bytes().saturating_sub(before);
    assert!(grown < 20 * MEBIBYTE as u64, "{grown} bytes for 1,024 sessions, of which 256 are left");
}
