//! The `initialize` era and the one of 2026-07-28, raw, on one handler.

use serde_json::{Value, json};
use tests::{Reply, Server};

const MODERN: &str = "2026-07-28";

/// What every request of the newer era carries.
fn envelope(version: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "belljar-tests", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn discover(server: &Server, version: &str) -> Reply {
    server.client.request("server/discover", json!({"_meta": envelope(version)})).wait()
}

fn initialize(server: &Server, version: &str) -> Reply {
    let client = json!({"name": "belljar-tests", "version": "0"});
    server
        .client
        .request("initialize", json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client}))
        .wait()
}

fn execute(server: &Server, code: &str, meta: Value) -> Reply {
    let arguments = json!({"language": "python", "code": code});
    server.client.request("tools/call", json!({"name": "execute", "arguments": arguments, "_meta": meta})).wait()
}

#[test]
fn every_version_of_the_initialize_era_is_spoken() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let server = Server::with().without_handshake().start();
        let hello = initialize(&server, version);
        assert_eq!(hello.result()["protocolVersion"], version);
        assert!(hello.result()["capabilities"]["tools"].is_object());
        assert!(hello.result()["instructions"].as_str().unwrap().contains("session"));
        server.client.notify("notifications/initialized", json!({}));
        assert_eq!(server.client.request("ping", json!({})).wait().result(), &json!({}));
        server.assert_usable();
        assert_eq!(server.client.strays(), Vec::<String>::new());
    }
}

#[test]
fn an_unknown_version_gets_one_that_is_known_or_an_error_that_lists_them() {
    let server = Server::with().without_handshake().start();
    // The initialize era: the server offers what it has.
    assert_eq!(initialize(&server, "1999-01-01").result()["protocolVersion"], "2025-11-25");
    let server = Server::with().without_handshake().start();
    // The newer era: an error, and the client chooses.
    let refused = discover(&server, "2099-01-01");
    assert_eq!(refused.protocol_error().0, -32022, "{}", refused.message);
    let supported = refused.message["error"]["data"]["supported"].as_array().unwrap();
    assert!(supported.contains(&json!(MODERN)) && supported.contains(&json!("2025-06-18")), "{supported:?}");
    assert_eq!(discover(&server, MODERN).result()["supportedVersions"], json!(supported));
    let call = execute(&server, "print(1)", envelope("2099-01-01"));
    assert_eq!(call.protocol_error().0, -32022, "{}", call.message);
    assert_eq!(execute(&server, "print(1)", envelope(MODERN)).output(), "1\n");
}

#[test]
fn the_newer_era_needs_no_handshake() {
    let server = Server::with().without_handshake().start();
    let reply = execute(&server, "print('first words')", envelope(MODERN));
    assert_eq!(reply.output(), "first words\n");
    assert_eq!(reply.result()["resultType"], "complete");
    let tools = server.client.request("tools/list", json!({"_meta": envelope(MODERN)})).wait();
    assert!(tools.result()["ttlMs"].as_u64().unwrap() > 0, "{}", tools.message);
}

#[test]
fn discover_and_then_initialize_work_on_one_connection() {
    let server = Server::with().without_handshake().start();
    assert!(discover(&server, MODERN).result()["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)));
    assert_eq!(initialize(&server, "2025-06-18").result()["protocolVersion"], "2025-06-18");
    server.client.notify("notifications/initialized", json!({}));
    server.assert_usable();
    assert_eq!(server.client.strays(), Vec::<String>::new());
}

#[test]
fn a_request_before_any_handshake_is_an_error_and_the_handshake_still_works() {
    let server = Server::with().without_handshake().start();
    let early = server.client.request("tools/list", json!({})).wait();
    assert!(early.protocol_error().0 < 0, "{}", early.message);
    assert_eq!(initialize(&server, "2025-06-18").result()["serverInfo"]["name"], "belljar");
    server.client.notify("notifications/initialized", json!({}));
    server.assert_usable();
}
