//! A connection that breaks takes its run with it, in both eras.

use serde_json::{Value, json};
use tests::Server;
use tests::http::{Connection, HttpServer, legacy, modern};

use crate::eras::LegacyClient;

const ENDLESS: &str = "print('begun', flush=True)\nwhile True: pass";

fn call(code: &str, progress: bool) -> Value {
    let arguments = json!({"language": "python", "code": code, "limits": {"wall_time_ms": 300_000}});
    let mut params = json!({"name": "execute", "arguments": arguments});
    if progress {
        params["_meta"]["progressToken"] = "p".into();
    }
    modern("tools/call", params)
}

/// Asserts that one run goes on, lets `end` end it, and waits until none does.
fn assert_ends(server: &HttpServer, end: impl FnOnce()) {
    server.wait_for_health("the run to begin", |health| health["runs_active"] == 1);
    end();
    // Far sooner than the run would end by itself.
    server.wait_for_health("the run to be cancelled", |health| health["runs_active"] == 0);
}

#[test]
fn a_run_of_the_newer_era_ends_with_its_connection() {
    let server = HttpServer::start();
    for progress in [false, true] {
        let mut connection = server.connect();
        connection.send(&server.request(&call(ENDLESS, progress)));
        if progress {
            connection.answer_head().unwrap();
            connection.event().unwrap();
        }
        assert_ends(&server, || drop(connection));
    }
    assert_eq!(server.execute("print(1)").output(), "1\n");
}

#[test]
fn a_run_of_the_initialize_era_ends_with_its_connection_and_its_session_stays() {
    let server = HttpServer::start();
    let client = LegacyClient::hello(&server);
    for progress in [false, true] {
        let mut connection = server.connect();
        connection.send(&client.request(&client.execute(7, ENDLESS)));
        connection.answer_head().unwrap();
        if progress {
            connection.event().unwrap();
        }
        assert_ends(&server, || drop(connection));
    }
    assert_eq!(client.ask(&legacy(8, "tools/list", json!({}))).status, 200);
    // Nobody comes back to the stream either.
    let resume = client.request(&json!({})).line("GET /mcp HTTP/1.1").field("Last-Event-ID", "0/0");
    let mut connection = server.connect();
    connection.send(&resume.field("Content-Length", "0"));
    let answer = connection.answer();
    assert!(answer.messages().is_empty(), "{answer:?}");
}

#[test]
fn an_id_that_a_session_uses_already_is_refused_and_the_first_goes_on() {
    let server = HttpServer::start();
    let client = LegacyClient::hello(&server);
    let mut first = server.connect();
    first.send(&client.request(&client.execute(7, ENDLESS)));
    first.answer_head().unwrap();
    first.event().unwrap();
    let second = client.ask(&client.execute(7, "print(1)"));
    let error = &second.messages()[0]["error"];
    assert!(error["code"] == -32600 && error["message"].as_str().unwrap().contains("ids must differ"), "{second:?}");
    // The connection ends the first request, and then the id is free.
    assert_ends(&server, || drop(first));
    assert_eq!(client.ask(&client.execute(7, "print(1)")).reply().output(), "1\n");
}

#[test]
fn a_run_ends_when_its_client_says_so_or_ends_its_session() {
    let server = HttpServer::start();
    let client = LegacyClient::hello(&server);
    let begin = |id: u64| {
        let mut connection = server.connect();
        connection.send(&client.request(&client.execute(id, ENDLESS)));
        connection.answer_head().unwrap();
        connection
    };
    let mut connection = begin(7);
    assert_ends(&server, || {
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
        assert_eq!(client.ask(&cancel).status, 202);
    });
    while connection.event().is_some() {}
    let _connection = begin(8);
    assert_ends(&server, || {
        let end = client.request(&json!({})).line("DELETE /mcp HTTP/1.1");
        assert_eq!(server.connect().ask(&end).status, 204);
    });
}

#[test]
fn a_client_that_closes_its_half_has_left() {
    let server = HttpServer::start();
    let mut connection = server.connect();
    connection.send(&server.request(&call(ENDLESS, false)));
    assert_ends(&server, || connection.close_half());
    assert!(connection.is_closed());
    // A connection that closes in the midst of a head or of a body has said nothing.
    let request = server.request(&call("print(1)", false)).bytes();
    for bytes in [20, request.len() - 5] {
        let mut connection = server.connect();
        connection.send_bytes(&request[..bytes]);
        connection.close_half();
        assert!(connection.answer_or_end().is_none_or(|answer| answer.status == 400));
    }
    assert_eq!(server.health()["runs_finished"], 1);
}

#[test]
fn runs_that_wait_in_the_queue_leave_it_with_their_connections() {
    let server = HttpServer::with(Server::with().flag("--runs=1"));
    server.wait_until_ready();
    let begin = || {
        let mut connection = server.connect();
        connection.send(&server.request(&call(ENDLESS, false)));
        connection
    };
    let first = begin();
    server.wait_for_health("the run to begin", |health| health["runs_active"] == 1);
    let waiting: Vec<Connection> = (0..5).map(|_| begin()).collect();
    server.wait_for_health("five in the queue", |health| health["runs_queued"] == 5);
    drop(waiting);
    server.wait_for_health("none in the queue", |health| health["runs_queued"] == 0);
    drop(first);
    assert_eq!(server.execute("print(1)").output(), "1\n");
}
