//! What callers and guests say must not fill or forge the server's log.

use serde_json::{Value, json};
use tests::{Server, eventually};

/// The longest line that the log may have: a time, a message and some fields,
/// each bounded.
const LINE_BYTES: usize = 2048;
/// A text that stands in everything that is said, so that it is found if it is logged.
const MARK: &str = "marked-by-the-caller ";
/// What a caller would write to have a line of its own in the log.
const FORGED: &str = "\n2026-01-01T00:00:00Z ERROR forged\x1b[2J";

fn said() -> String {
    format!("{FORGED}{}", MARK.repeat(100_000 / MARK.len()))
}

fn assert_bounded(server: &Server, what: &str) {
    let log = server.log();
    for line in log.lines() {
        assert!(line.len() <= LINE_BYTES, "{what}: a line of {} bytes: {line:.300}", line.len());
        assert!(!line.starts_with("2026-01-01"), "{what}: forged: {line:.300}");
        assert!(line.matches(MARK).count() <= 256 / MARK.len() + 1, "{what}: {line:.1000}");
        assert!(!line.contains('\x1b'), "{what}: {line:.300}");
    }
}

/// A log in which everything stands that the server has to say, and rmcp.
fn talkative() -> Server {
    Server::with().env("BELLJAR_LOG", "trace,rmcp=trace,rmcp::service=trace").start()
}

#[test]
fn nothing_that_a_caller_says_is_logged_whole_or_as_a_line_of_its_own() {
    let server = talkative();
    let said = said();
    let calls = [
        ("no such tool", "tools/call", json!({"name": said, "arguments": {}})),
        ("no such method", said.as_str(), json!({})),
        ("code", "tools/call", json!({"name": "execute", "arguments": {"language": "python", "code": said}})),
        ("language", "tools/call", json!({"name": "execute", "arguments": {"language": said, "code": "1"}})),
        ("session", "tools/call", json!({"name": "read", "arguments": {"session": said}})),
        ("key", "tools/call", json!({"name": "read", "arguments": {said.clone(): 1}})),
        ("level", "logging/setLevel", json!({"level": said})),
        ("prompt", "prompts/get", json!({"name": said})),
        ("resource", "resources/read", json!({"uri": said})),
    ];
    for (what, method, params) in calls {
        // Any answer will do.
        server.client.request(method, params).wait();
        assert_bounded(&server, what);
    }
    let session = server.new_session();
    for (path, pattern) in [(".", said.as_str()), (".", &"[".repeat(400_000)), (said.as_str(), "x")] {
        let arguments = json!({"session": session, "path": path, "pattern": pattern});
        assert!(server.call("read", arguments).is_error());
        assert_bounded(&server, "a pattern or a path");
    }
    for (what, line) in [
        ("invalid JSON", format!("{{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"{said}\"}}\n")),
        ("a version", format!("{}\n", json!({"jsonrpc": said, "id": 70_000, "method": "ping"}))),
        ("an id", format!("{}\n", json!({"jsonrpc": "2.0", "id": {said.clone(): 1}, "method": "ping"}))),
        ("a notification", format!("{}\n", json!({"jsonrpc": "2.0", "method": said, "params": {"x": said}}))),
        ("a result", format!("{}\n", json!({"jsonrpc": "2.0", "id": 1, "result": {"x": said}}))),
    ] {
        server.client.send_bytes(line.as_bytes());
        server.assert_usable();
        assert_bounded(&server, what);
    }
    server.execute(&format!("raise ValueError({said:?})"));
    server.execute(&format!("open({said:?})"));
    assert_bounded(&server, "an exception");
    // The control: the server does log what was refused, and cuts it.
    let refused = "a message was refused";
    let log = eventually("the log to tell of a refusal", || Some(server.log()).filter(|log| log.contains(refused)));
    assert!(log.contains(" more bytes)") && !log.contains("rmcp"), "{log:.2000}");
}

#[test]
fn what_is_said_before_the_handshake_is_not_logged_whole() {
    for first in [
        json!({"jsonrpc": "2.0", "method": said(), "params": {}}),
        json!({"jsonrpc": "2.0", "id": said(), "method": "initialize", "params": {"protocolVersion": said()}}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {"x": said()}}),
        Value::from(said()),
    ] {
        let server = Server::with().env("BELLJAR_LOG", "trace,rmcp=trace").without_handshake().start();
        server.client.send(&first);
        server.client.close();
        server.wait();
        assert_bounded(&server, "a first message");
    }
}
