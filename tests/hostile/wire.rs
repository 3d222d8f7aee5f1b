//! Bytes that are no request. The connection goes on after each.

use serde_json::{Value, json};
use tests::Server;

/// Asserts that the connection still works, and that whatever the server said
/// to what it did not understand was JSON-RPC and an error.
fn assert_goes_on(server: &Server, what: &str) {
    assert_eq!(server.execute("print('on')").output(), "on\n", "after {what}");
    for stray in server.client.strays() {
        let message: Value = serde_json::from_str(&stray).unwrap_or_else(|_| panic!("{what}: not JSON: {stray:?}"));
        assert!(message["error"]["code"].is_i64() && message.get("result").is_none(), "{what}: {message}");
    }
}

#[test]
fn lines_that_are_no_json_are_skipped() {
    let server = Server::start();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let deep_object = format!("{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    for (what, bytes) in [
        ("an empty line", b"\n".to_vec()),
        ("spaces", b"   \t \r\n".to_vec()),
        ("text", b"hello\n".to_vec()),
        ("half an object", b"{\"jsonrpc\": \"2.0\", \"id\": \"s7\",\n".to_vec()),
        ("two objects", b"{} {}\n".to_vec()),
        ("NUL", b"\0\0\0\0\n".to_vec()),
        ("invalid UTF-8", b"{\"jsonrpc\":\"2.0\",\"id\":\"s8\",\"method\":\"\xff\xfe\"}\n".to_vec()),
        ("a lone surrogate", b"{\"jsonrpc\":\"2.0\",\"id\":\"s9\",\"method\":\"\\ud800\"}\n".to_vec()),
        ("a header of another protocol", b"Content-Length: 20\r\n\r\n".to_vec()),
        ("deep arrays", [deep.as_bytes(), b"\n"].concat()),
        ("deep objects", [deep_object.as_bytes(), b"\n"].concat()),
        ("a large number", b"{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"ping\"}\n".to_vec()),
    ] {
        server.client.send_bytes(&bytes);
        assert_goes_on(&server, what);
    }
}

#[test]
fn json_that_is_no_request_is_skipped_or_answered_with_an_error() {
    let server = Server::start();
    for message in [
        json!(null),
        json!(1),
        json!("ping"),
        json!([]),
        json!({}),
        json!([{"jsonrpc": "2.0", "id": 70, "method": "ping"}]),
        json!({"jsonrpc": "1.0", "id": 71, "method": "ping"}),
        json!({"id": 72, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": 73}),
        json!({"jsonrpc": "2.0", "id": 74, "method": 5}),
        json!({"jsonrpc": "2.0", "id": {"a": 1}, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": [75], "method": "tools/list"}),
        json!({"jsonrpc": "2.0", "id": 76.5, "method": "no/such"}),
        json!({"jsonrpc": "2.0", "method": "notifications/unknown", "params": [1]}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "never was"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}),
        json!({"jsonrpc": "2.0", "id": 77, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 78, "error": {"code": 1, "message": "x"}}),
    ] {
        server.client.send(&message);
        // A bare `ping` in odd clothes may be answered; nothing else may.
        assert_eq!(server.execute("print('on')").output(), "on\n", "after {message}");
    }
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_the_one_after_it_is_not() {
    let server = Server::start();
    for mebibytes in [25, 64] {
        let before = server.process().resident_bytes();
        let mut line = vec![b'x'; mebibytes << 20];
        line.push(b'\n');
        server.client.send_bytes(&line);
        assert_goes_on(&server, "a long line");
        let grown = server.process().resident_bytes().saturating_sub(before);
        assert!(grown < 48 << 20, "{mebibytes} MiB of line left {} MiB behind", grown >> 20);
    }
    // A long request is refused, and the next is not.
    let refused = server.begin_execute(&format!("#{}\nprint(1)", "x".repeat(25 << 20)), json!({})).wait();
    assert_eq!(refused.protocol_error().0, -32600, "{}", refused.message);
    assert_goes_on(&server, "a long request");
}

#[test]
fn whatever_has_an_id_is_answered_by_it() {
    let server = Server::start();
    let call = |arguments: &str| {
        let pending = server.client.expect_reply();
        let params = format!("{{\"name\":\"execute\",\"arguments\":{arguments}}}");
        let line =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"tools/call\",\"params\":{params}}}\n", pending.id());
        // A byte that is no text stands for itself.
        server.client.send_bytes(&line.bytes().map(|byte| if byte == 1 { 0xff } else { byte }).collect::<Vec<_>>());
        let reply = pending.wait();
        let (code, message) = reply.protocol_error();
        format!("{code} {message}")
    };
    for (arguments, expected) in [
        (
            r#"{"language":"python","code":"print(1) # \ud83d"}"#,
            "-32700 the request is not JSON: unexpected end of hex escape",
        ),
        (r#"{"language":"python","code":"\udc00"}"#, "-32700 the request is not JSON: lone"),
        ("{\"language\":\"python\",\"code\":\"\u{1}\"}", "-32700 the request is not UTF-8: byte "),
        (r#"{"language":"python","code":"1","limits":{"fuel":NaN}}"#, "-32700 the request is not JSON: "),
        (
            r#"{"language":"python","code":"1","limits":{"fuel":1e999}}"#,
            "-32700 the request is not JSON: number out of range",
        ),
        ("[1]", "-32602 params.arguments must be an object, got [1]"),
        ("\"x\"", "-32602 params.arguments must be an object, got \"x\""),
        (&"[".repeat(500), "-32700 the request is not JSON: recursion limit exceeded"),
    ] {
        let said = call(arguments);
        assert!(said.starts_with(expected), "{arguments:.80}: {said}");
    }
    // A line that is too long still has an id, at its beginning or its end.
    let long = "x".repeat(25 << 20);
    let pending = server.client.expect_reply();
    let line =
        format!("{{\"method\":\"tools/call\",\"params\":{{\"code\":\"{long}\",\"id\":0}},\"id\":{}}}\n", pending.id());
    server.client.send_bytes(line.as_bytes());
    let reply = pending.wait();
    assert_eq!(reply.protocol_error().0, -32600, "{}", reply.message);
    assert!(reply.protocol_error().1.contains("at most 25165824 bytes"), "{}", reply.message);
    assert_eq!(server.execute("print('on')").output(), "on\n");
}

#[test]
fn a_line_may_come_in_pieces_and_several_at_once() {
    let server = Server::start();
    let request = |id: u64, code: &str| {
        let params = json!({"name": "execute", "arguments": {"language": "python", "code": code}});
        format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
    };
    let slow = server.client.expect_reply();
    for byte in request(slow.id(), "print('slow é')").as_bytes().chunks(1) {
        server.client.send_bytes(byte);
    }
    assert_eq!(slow.wait().output(), "slow é\n");
    let (one, other) = (server.client.expect_reply(), server.client.expect_reply());
    let both = format!("\n{}\r\n{}", request(one.id(), "1").trim_end(), request(other.id(), "2"));
    server.client.send_bytes(both.as_bytes());
    assert_eq!((one.wait().value(), other.wait().value()), (Some("1"), Some("2")));
}

#[test]
fn unknown_methods_tools_and_ids_are_protocol_errors() {
    let server = Server::start();
    let unknown = server.client.request("no/such/method", json!({})).wait();
    assert_eq!(unknown.protocol_error().0, -32601, "{}", unknown.message);
    let tool = server.call("no\nsuch tool", json!({}));
    assert_eq!(tool.protocol_error(), (-32602, "unknown tool \"no\\nsuch tool\""));
    let nameless = server.client.request("tools/call", json!({"arguments": {}})).wait();
    assert!(nameless.message.get("error").is_some(), "{}", nameless.message);
    // An id may be any text, and comes back as it was.
    server.client.send(&json!({"jsonrpc": "2.0", "id": "ä\n\u{0}'", "method": "ping"}));
    assert_eq!(server.execute("print('on')").output(), "on\n");
    let echo: Value = serde_json::from_str(&server.client.strays()[0]).unwrap();
    assert_eq!(echo, json!({"jsonrpc": "2.0", "id": "ä\n\u{0}'", "result": {}}));
}
