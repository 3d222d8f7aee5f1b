//! Both eras on one endpoint: list, call, progress, sessions.

use serde_json::{Value, json};
use tests::http::{Answer, HttpServer, MODERN, Request, legacy, modern};

/// A client of the `initialize` era.
pub(crate) struct LegacyClient<'a> {
    server: &'a HttpServer,
    pub(crate) session: String,
}

pub(crate) fn initialize(version: &str) -> Value {
    let client = json!({"name": "belljar-tests", "version": "0"});
    legacy(1, "initialize", json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client}))
}

impl<'a> LegacyClient<'a> {
    pub(crate) fn hello(server: &'a HttpServer) -> Self {
        let answer = server.post(&initialize("2025-11-25"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let session = answer.field("Mcp-Session-Id").expect("a session has an id").to_owned();
        let client = Self { server, session };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.ask(&initialized).status, 202);
        client
    }

    pub(crate) fn request(&self, message: &Value) -> Request {
        self.server.request(message).field("Mcp-Session-Id", &self.session).field("MCP-Protocol-Version", "2025-11-25")
    }

    pub(crate) fn ask(&self, message: &Value) -> Answer {
        self.server.connect().ask(&self.request(message))
    }

    pub(crate) fn execute(&self, id: u64, code: &str) -> Value {
        let arguments = json!({"language": "python", "code": code, "limits": {"wall_time_ms": 300_000}});
        let meta = json!({"progressToken": id});
        legacy(id, "tools/call", json!({"name": "execute", "arguments": arguments, "_meta": meta}))
    }
}

#[test]
fn the_newer_era_lists_and_calls_without_a_handshake() {
    let server = HttpServer::start();
    let discovered = server.post(&modern("server/discover", json!({}))).reply();
    assert!(discovered.result()["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)));
    let listed = server.post(&modern("tools/list", json!({})));
    assert_eq!(listed.field("Content-Type"), Some("application/json"));
    let names: Vec<_> =
        listed.reply().result()["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["execute", "health_check", "read", "session", "write"]);
    assert_eq!(server.execute("print(6 * 7)").output(), "42\n");
    // No session is offered where there are none.
    assert_eq!(listed.field("Mcp-Session-Id"), None);
    assert_eq!(
        server
            .connect()
            .ask(
                &server
                    .request(&modern("tools/list", json!({})))
                    .line("GET /mcp HTTP/1.1")
                    .without("Content-Length")
                    .field("Content-Length", "0")
            )
            .status,
        405
    );
}

#[test]
fn every_version_of_the_initialize_era_is_spoken() {
    let server = HttpServer::start();
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let answer = server.post(&initialize(version));
        assert_eq!(answer.reply().result()["protocolVersion"], version);
        let session = answer.field("Mcp-Session-Id").unwrap().to_owned();
        let request = |message: &Value| server.request(message).field("Mcp-Session-Id", &session);
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(server.connect().ask(&request(&ready)).status, 202);
        let call = legacy(
            2,
            "tools/call",
            json!({"name": "execute", "arguments": {"language": "python", "code": "print(6 * 7)"}}),
        );
        let answer = server.connect().ask(&request(&call).field("MCP-Protocol-Version", version));
        assert_eq!(answer.reply().output(), "42\n");
        assert!(
            !answer.body.contains("\nid:") && !answer.body.starts_with("id:"),
            "nobody comes back by an id: {answer:?}"
        );
    }
}

#[test]
fn sessions_of_the_sandbox_are_handles_that_every_connection_may_use() {
    let server = HttpServer::start();
    let call = |code: &str, session: &str| {
        let arguments = json!({"language": "python", "code": code, "session": session});
        server.post(&modern("tools/call", json!({"name": "execute", "arguments": arguments}))).reply()
    };
    let session = call("x = 42", "new").session();
    assert_eq!(call("print(x)", &session).output(), "42\n");
    let client = LegacyClient::hello(&server);
    let arguments = json!({"language": "python", "code": "print(x)", "session": session});
    let reply = client.ask(&legacy(7, "tools/call", json!({"name": "execute", "arguments": arguments}))).reply();
    assert_eq!(reply.output(), "42\n");
}

#[test]
fn progress_comes_while_a_program_runs_and_before_its_result() {
    let server = HttpServer::start();
    let code =
        "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('ended')";
    let client = LegacyClient::hello(&server);
    for is_modern in [true, false] {
        let session = server
            .post(&modern(
                "tools/call",
                json!({"name": "execute", "arguments": {"language": "python", "code": "", "session": "new"}}),
            ))
            .reply()
            .session();
        let arguments = json!({"language": "python", "code": code, "session": session});
        let params = json!({"name": "execute", "arguments": arguments, "_meta": {"progressToken": "p"}});
        let request = match is_modern {
            true => server.request(&modern("tools/call", params)),
            false => client.request(&legacy(9, "tools/call", params)),
        };
        let mut connection = server.connect();
        connection.send(&request);
        let head = connection.answer_head().unwrap();
        assert_eq!((head.status, head.field("Content-Type")), (200, Some("text/event-stream")));
        loop {
            let event = connection.event().unwrap();
            assert_eq!(
                (&event["method"], &event["params"]["progressToken"]),
                (&json!("notifications/progress"), &json!("p"))
            );
            if event["params"]["message"].as_str().unwrap().contains("begun") {
                break;
            }
        }
        std::fs::write(workspace(&server, &session).join("go"), "").unwrap();
        let last = loop {
            let event = connection.event().unwrap();
            if event.get("method").is_none() {
                break event;
            }
        };
        assert_eq!(tests::Reply::of(last).output(), "begun\nended\n");
        assert!(connection.event().is_none(), "nothing follows a result");
        // The connection serves the next request.
        let next = connection.ask(&server.request(&modern("tools/list", json!({}))));
        assert_eq!(next.status, 200);
    }
}

/// Where the files of a session lie.
pub(crate) fn workspace(server: &HttpServer, session: &str) -> std::path::PathBuf {
    let state = server.home().join("state");
    let own = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("local/files").join(session).exists());
    own.expect("the session has files").join("local/files").join(session)
}

#[test]
fn many_calls_on_one_connection_and_on_many_each_get_their_own_answer() {
    let server = HttpServer::start();
    let mut connection = server.connect();
    let call = |n: usize| {
        let arguments = json!({"language": "python", "code": format!("print({n})")});
        server.request(&modern("tools/call", json!({"name": "execute", "arguments": arguments})))
    };
    for n in 0..20 {
        assert_eq!(connection.ask(&call(n)).reply().output(), format!("{n}\n"));
    }
    let mut connections: Vec<_> = (0..32).map(|_| server.connect()).collect();
    for (n, connection) in connections.iter_mut().enumerate() {
        connection.send(&call(n));
    }
    for (n, connection) in connections.iter_mut().enumerate() {
        assert_eq!(connection.answer().reply().output(), format!("{n}\n"));
    }
}

#[test]
fn a_session_that_is_ended_or_never_was_is_not_found() {
    let server = HttpServer::start();
    let client = LegacyClient::hello(&server);
    let list = legacy(3, "tools/list", json!({}));
    assert_eq!(client.ask(&list).status, 200);
    let made_up = client.request(&list).field("Mcp-Session-Id", "00000000-0000-4000-8000-000000000000");
    let unknown = server.connect().ask(&made_up);
    assert_eq!(unknown.status, 404);
    let end = client.request(&list).line("DELETE /mcp HTTP/1.1");
    assert_eq!(server.connect().ask(&end).status, 204);
    let ended = client.ask(&list);
    assert_eq!((ended.status, &ended.body), (unknown.status, &unknown.body), "an ended session is like none");
    let without = server.connect().ask(&client.request(&list).without("Mcp-Session-Id"));
    assert_eq!(without.status, 400);
}

#[test]
fn what_the_newer_era_has_no_more_is_not_found_with_whatever_parameters() {
    let server = HttpServer::start();
    let client = LegacyClient::hello(&server);
    let said = |answer: &Answer| (answer.status, answer.messages()[0]["error"]["code"].as_i64());
    for method in
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "no/such/method"]
    {
        for params in [json!({}), json!({"uri": "file:///x", "level": "info"})] {
            let mut request = server.request(&modern(method, params.clone()));
            if let Some(uri) = params["uri"].as_str() {
                request = request.field("Mcp-Name", uri);
            }
            assert_eq!(said(&server.connect().ask(&request)), (404, Some(-32601)), "{method} {params}");
        }
    }
    // The era that has the method says that the parameters are wrong.
    assert_eq!(said(&client.ask(&legacy(9, "logging/setLevel", json!({})))), (200, Some(-32602)));
}
