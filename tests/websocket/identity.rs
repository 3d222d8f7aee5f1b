//! Who calls: each message is checked as a request is, and nobody sees another's.

use serde_json::{Value, json};
use tests::Server;
use tests::http::{HttpServer, legacy};
use tests::websocket::WebSocket;

use crate::{ENDLESS, execute, list, request};

fn server(configuration: &str) -> HttpServer {
    let builder = Server::with().configured(configuration).flag("--authentication=keys").flag("--websocket");
    let server = HttpServer::with(builder);
    server.wait_until_ready();
    server
}

fn id_of(key: &str) -> String {
    key.strip_prefix("belljar_key_").unwrap().split('_').next().unwrap().to_owned()
}

fn tool(id: u64, name: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({"name": name, "arguments": arguments}))
}

#[test]
fn every_message_is_let_through_or_refused_by_the_scopes_of_the_key_before_anything_is_done() {
    let server = server("");
    let (reader, other) = (server.add_key(&["--scopes=sandbox:read"]), server.add_key(&["--scopes=sandbox:execute"]));
    let (mut reader, mut other) = (WebSocket::with(&server, &reader), WebSocket::with(&server, &other));
    let write = |id: u64| tool(id, "write", json!({"session": "new", "path": "f", "text": "x"}));
    let session = other.call(&write(1)).session();
    let mut old = WebSocket::with(&server, &server.add_key(&["--scopes=sandbox:read"]));
    old.hello("2025-11-25");
    for (name, arguments) in [
        ("execute", json!({"language": "python", "code": "open('made', 'w')", "session": session})),
        ("session", json!({"action": "end", "session": session})),
        ("write", json!({"session": session, "path": "made", "text": "x"})),
    ] {
        let call = json!({"name": name, "arguments": arguments});
        for answer in [reader.ask(&tool(5, name, arguments.clone())), old.ask(&legacy(5, "tools/call", call))] {
            let (error, data) = (&answer["error"], &answer["error"]["data"]);
            assert_eq!((&data["reason"], &error["code"]), (&json!("insufficient_scope"), &json!(-32000)), "{answer}");
            assert_eq!(data["scope"], "sandbox:execute");
            let said = error["message"].as_str().unwrap();
            assert!(said.contains(&format!("{name} needs the scope sandbox:execute")), "{said}");
        }
    }
    // The call is refused however it is written.
    reader.send_text(
        &tool(6, "execute", json!({"language": "python", "code": "1"}))
            .to_string()
            .replace("\"execute\"", "\"ex\\u0065cute\""),
    );
    assert_eq!(reader.answer(&json!(6))["error"]["data"]["reason"], "insufficient_scope");
    // A call that the key allows goes on, and nothing was made.
    assert!(reader.ask(&list(7))["result"].is_object());
    let shown = reader.call(&tool(8, "read", json!({"session": session})));
    assert!(!shown.is_error() && !shown.text().contains("made"), "{}", shown.text());
    assert_eq!(reader.call(&tool(9, "health_check", json!({}))).structured()["runs_finished"], 0);
    assert_eq!(other.call(&execute(2, "print(1)")).output(), "1\n");
}

#[test]
fn what_another_has_is_as_if_it_had_never_been() {
    let server = server("[tenants.one]\n[tenants.two]\n");
    let key = |tenant: &str| server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]);
    let (one, two) = (key("one"), key("two"));
    let (mut one, mut two) = (WebSocket::with(&server, &one), WebSocket::with(&server, &two));
    let arguments = json!({"language": "python", "code": "open('f', 'w').write('secret')", "session": "new"});
    let session = one.call(&tool(1, "execute", arguments)).session();
    let swap = |letter: char| if letter == '0' { '1' } else { '0' };
    let last = session.chars().last().unwrap();
    let never = format!("{}{}", &session[..session.len() - 1], swap(last));
    for (name, arguments) in [
        ("read", json!({"session": "S", "path": "f"})),
        ("execute", json!({"language": "python", "code": "print(open('f').read())", "session": "S"})),
        ("write", json!({"session": "S", "path": "f", "text": "x"})),
        ("session", json!({"action": "end", "session": "S"})),
    ] {
        let ask = |socket: &mut WebSocket, session: &str| {
            let mut arguments = arguments.clone();
            arguments["session"] = session.into();
            let text = socket.call(&tool(2, name, arguments)).refusal().to_owned();
            text.replace(session, "S")
        };
        assert_eq!(ask(&mut two, &session), ask(&mut two, &never), "{name}");
    }
    // The owner's session is there.
    let read = one.call(&tool(3, "read", json!({"session": session, "path": "f"})));
    assert!(read.text().contains("secret"), "{}", read.text());
}

#[test]
fn a_key_that_is_revoked_ends_its_connections_and_none_of_another() {
    let server = server("");
    let (gone, kept) = (server.add_key(&["--scopes=sandbox:execute"]), server.add_key(&["--scopes=sandbox:execute"]));
    let (mut busy, mut idle) = (WebSocket::with(&server, &gone), WebSocket::with(&server, &gone));
    let mut kept = WebSocket::with(&server, &kept);
    busy.send(&execute(1, ENDLESS));
    kept.send(&execute(1, ENDLESS));
    let running = |socket: &mut WebSocket, wanted: u64| {
        tests::eventually("runs to begin or to end", || {
            let health = socket.call(&tool(2, "health_check", json!({})));
            (health.structured()["runs_active"] == wanted).then_some(())
        });
    };
    running(&mut kept, 2);
    assert!(server.command(&["keys", "revoke", &id_of(&gone)]).0);
    for socket in [&mut busy, &mut idle] {
        let (code, reason) = socket.goodbye();
        assert!(code == 1008 && reason.contains("taken back"), "{code} {reason}");
    }
    running(&mut kept, 1);
    let refused = server.connect().ask(&tests::websocket::upgrade_with(server.address(), &gone));
    assert_eq!((refused.status, refused.reason().as_str()), (401, "wrong_key"));
}

#[test]
fn nothing_begins_for_a_key_that_has_expired_on_a_connection_that_it_opened() {
    let server = server("");
    let short = server.add_key(&["--scopes=sandbox:execute", "--expires=3s"]);
    let mut socket = WebSocket::with(&server, &short);
    let arguments = json!({"language": "python", "code": "print(1)"});
    assert_eq!(socket.call(&tool(1, "execute", arguments.clone())).output(), "1\n");
    let refused = tests::eventually("the key to expire", || {
        Some(socket.ask(&tool(2, "execute", arguments.clone()))).filter(|answer| answer.get("error").is_some())
    });
    assert_eq!(refused["error"]["data"]["reason"], "expired", "{refused}");
    assert_eq!(socket.ask(&list(3))["error"]["data"]["reason"], "expired");
}

#[test]
fn a_key_lowers_what_its_runs_may_use() {
    let server = server("");
    let key = server.add_key(&["--scopes=sandbox:execute", "--ceiling=wall_time_ms=20000"]);
    let mut socket = WebSocket::with(&server, &key);
    let refused = socket.call(&execute(1, "1"));
    assert!(refused.refusal().contains("limits.wall_time_ms must be at most 20000"), "{}", refused.text());
    let arguments = json!({"language": "python", "code": "print(1)"});
    assert_eq!(socket.call(&tool(2, "execute", arguments)).output(), "1\n");
}
