//! Both eras over one connection: list, call, progress, cancel.

use serde_json::{Value, json};
use tests::Reply;
use tests::http::{HttpServer, MODERN, legacy, modern};
use tests::websocket::{CLOSE, Came, WebSocket};

use crate::{ENDLESS, execute, list, request, server};

#[test]
fn the_newer_era_lists_and_calls_without_a_handshake() {
    let server = server();
    let mut socket = WebSocket::to(&server);
    let discovered = socket.call(&request("d", "server/discover", json!({})));
    assert!(discovered.result()["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)));
    let listed = socket.call(&list(2));
    let names: Vec<_> = listed.result()["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["execute", "health_check", "read", "session", "write"]);
    assert_eq!(socket.call(&execute(3, "print(6 * 7)")).output(), "42\n");
    // Each request gets its own answer, whichever ends first.
    (10..42).for_each(|n| socket.send(&execute(n, &format!("print({n})"))));
    for n in (10..42).rev() {
        assert_eq!(Reply::of(socket.answer(&json!(n))).output(), format!("{n}\n"));
    }
}

#[test]
fn every_version_of_the_initialize_era_is_spoken_and_the_two_eras_on_one_connection() {
    let server = server();
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut socket = WebSocket::to(&server);
        assert_eq!(socket.hello(version)["result"]["protocolVersion"], version);
        assert_eq!(socket.ask(&legacy(1, "ping", json!({})))["result"], json!({}));
        let call = json!({"name": "execute", "arguments": {"language": "python", "code": "print(6 * 7)"}});
        assert_eq!(socket.call(&legacy(2, "tools/call", call)).output(), "42\n");
    }
    // The client asks first, as those do that speak both eras.
    let mut socket = WebSocket::to(&server);
    assert!(socket.ask(&request(1, "server/discover", json!({})))["result"].is_object());
    assert_eq!(socket.hello("2025-11-25")["result"]["protocolVersion"], "2025-11-25");
    let call = json!({"name": "execute", "arguments": {"language": "python", "code": "print(1)"}});
    assert_eq!(socket.call(&legacy(2, "tools/call", call)).output(), "1\n");
}

/// Where the files of a session lie.
fn workspace(server: &HttpServer, session: &str) -> std::path::PathBuf {
    let state = server.home().join("state");
    let mut folders = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
    let own = folders.find(|path| path.join("local/files").join(session).exists());
    own.expect("the session has files").join("local/files").join(session)
}

#[test]
fn progress_and_output_come_while_a_program_runs_and_before_its_result() {
    let server = server();
    let code =
        "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('ended')";
    for is_modern in [true, false] {
        let mut socket = WebSocket::to(&server);
        if !is_modern {
            socket.hello("2025-11-25");
        }
        let call = |id: u64, params: Value| match is_modern {
            true => request(id, "tools/call", params),
            false => legacy(id, "tools/call", params),
        };
        let arguments = json!({"language": "python", "code": "", "session": "new"});
        let session = socket.call(&call(1, json!({"name": "execute", "arguments": arguments}))).session();
        let arguments = json!({"language": "python", "code": code, "session": session});
        let meta = json!({"progressToken": "p"});
        socket.send(&call(2, json!({"name": "execute", "arguments": arguments, "_meta": meta})));
        loop {
            let told = socket.message();
            assert_eq!(
                (&told["method"], &told["params"]["progressToken"]),
                (&json!("notifications/progress"), &json!("p"))
            );
            if told["params"]["message"].as_str().unwrap().contains("begun") {
                break;
            }
        }
        std::fs::write(workspace(&server, &session).join("go"), "").unwrap();
        assert_eq!(Reply::of(socket.answer(&json!(2))).output(), "begun\nended\n");
        // Nothing follows a result: the next answer is the next message.
        socket.call(&call(3, json!({"name": "health_check", "arguments": {}})));
    }
}

/// Asserts that one run goes on, lets `end` end it, and waits until none does.
fn assert_ends(server: &HttpServer, end: impl FnOnce()) {
    server.wait_for_health("the run to begin", |health| health["runs_active"] == 1);
    end();
    server.wait_for_health("the run to be cancelled", |health| health["runs_active"] == 0);
}

#[test]
fn a_run_ends_when_its_client_says_so_or_leaves_or_breaks() {
    let server = server();
    for is_modern in [true, false] {
        let begin = || {
            let mut socket = WebSocket::to(&server);
            if !is_modern {
                socket.hello("2025-11-25");
            }
            let mut call = execute(7, ENDLESS);
            if !is_modern {
                call["params"].as_object_mut().unwrap().remove("_meta");
            }
            socket.send(&call);
            socket
        };
        let mut socket = begin();
        assert_ends(&server, || {
            let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
            socket.send(&cancel);
        });
        // The id of the run is free, and the connection goes on.
        assert_eq!(socket.call(&execute(7, "print(1)")).output(), "1\n");
        // The client leaves with a goodbye, which is answered.
        let mut socket = begin();
        assert_ends(&server, || socket.send_frame(0x80 | CLOSE, &1000_u16.to_be_bytes()));
        assert_eq!(socket.goodbye().0, 1000);
        assert_eq!(socket.came(), Came::End);
        let socket = begin();
        assert_ends(&server, || drop(socket));
        let socket = begin();
        assert_ends(&server, || socket.reset());
        let socket = begin();
        assert_ends(&server, || socket.socket().shutdown(std::net::Shutdown::Write).unwrap());
    }
    assert_eq!(server.execute("print(1)").output(), "1\n");
}

#[test]
fn handles_of_the_sandbox_are_good_on_every_connection_and_by_post() {
    let server = server();
    let mut socket = WebSocket::to(&server);
    let call = |id: u64, code: &str, session: &str| {
        let arguments = json!({"language": "python", "code": code, "session": session});
        request(id, "tools/call", json!({"name": "execute", "arguments": arguments}))
    };
    let session = socket.call(&call(1, "x = 42", "new")).session();
    drop(socket);
    assert_eq!(WebSocket::to(&server).call(&call(1, "print(x)", &session)).output(), "42\n");
    assert_eq!(server.post(&call(1, "print(x)", &session)).reply().output(), "42\n");
}

#[test]
fn what_is_no_message_is_answered_by_its_id_and_nothing_that_asks_for_no_answer() {
    let server = server();
    let mut socket = WebSocket::to(&server);
    assert!(socket.ask(&list(0))["result"].is_object());
    for (text, id, code, said) in [
        ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", json!(null), -32600, "batches are no part"),
        ("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"pi", json!(5), -32700, "not JSON"),
        ("{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":7}", json!("a"), -32600, "method must be"),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\",\"method\":\"tools/list\"}",
            json!(6),
            -32602,
            "do not fit",
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"resources/list\",\"params\":{\"cursor\":7}}",
            json!(8),
            -32602,
            "params.cursor",
        ),
    ] {
        // Nobody waits for an answer to these.
        for silent in ["", "   ", "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}", "{\"jsonrpc\":\"2.0\",\"met"] {
            socket.send_text(silent);
        }
        socket.send_text(text);
        let answer = socket.message();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{text}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(said), "{answer}");
    }
    // An id that is in use.
    socket.send(&execute(7, ENDLESS));
    server.wait_for_health("the run to begin", |health| health["runs_active"] == 1);
    let twice = socket.ask(&list(7));
    assert_eq!((&twice["error"]["data"]["reason"], &twice["error"]["code"]), (&json!("id_in_use"), &json!(-32600)));
    assert_eq!(server.health()["runs_active"], 1, "the first goes on");
    assert!(socket.ask(&list(8))["result"].is_object());
}

#[test]
fn a_client_that_begins_with_no_request_is_told() {
    let server = server();
    let mut socket = WebSocket::to(&server);
    socket.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let (code, reason) = socket.goodbye();
    assert_eq!((code, reason.as_str()), (1002, "a client begins with a request"));
    // A request without what the newer era has in each is refused by its id.
    let mut socket = WebSocket::to(&server);
    let bare = json!({"jsonrpc": "2.0", "id": 4, "method": "tools/list", "params": {}});
    assert_eq!(socket.ask(&bare)["error"]["code"], -32602);
    assert!(socket.ask(&modern("tools/list", json!({})))["result"].is_object());
}

#[test]
fn subscriptions_tell_of_changes_in_both_eras() {
    let server = server();
    let write = |session: &str, text: &str| {
        let arguments = json!({"session": session, "path": "f", "text": text});
        server.post(&modern("tools/call", json!({"name": "write", "arguments": arguments}))).reply()
    };
    let session = write("new", "one").session();
    let mut old = WebSocket::to(&server);
    old.hello("2025-11-25");
    let listed = old.ask(&legacy(1, "resources/list", json!({})));
    let uris = listed["result"]["resources"].as_array().unwrap();
    let uri = uris.iter().find_map(|resource| resource["uri"].as_str().filter(|uri| uri.ends_with("/f"))).unwrap();
    assert_eq!(old.ask(&legacy(2, "resources/subscribe", json!({"uri": uri})))["result"], json!({}));
    let mut new = WebSocket::to(&server);
    new.send(&request("l", "subscriptions/listen", json!({"notifications": {"resourceSubscriptions": [uri]}})));
    assert_eq!(new.message()["method"], "notifications/subscriptions/acknowledged");
    write(&session, "two");
    for socket in [&mut old, &mut new] {
        let told = socket.message();
        assert_eq!((&told["method"], &told["params"]["uri"]), (&json!("notifications/resources/updated"), &json!(uri)));
    }
}
