//! What is refused before it is MCP, and what is no message.

use serde_json::{Value, json};
use tests::Server;
use tests::http::{HttpServer, Request, modern};

fn list() -> Value {
    modern("tools/list", json!({}))
}

#[test]
fn who_has_no_token_is_asked_for_one() {
    let server = HttpServer::start();
    let request = server.request(&list());
    let mut connection = server.connect();
    assert_eq!(connection.ask(&request).status, 200, "the control");
    let none = connection.ask(&request.clone().without("Authorization"));
    assert_eq!((none.status, none.reason().as_str()), (401, "no_token"));
    assert_eq!(none.field("WWW-Authenticate"), Some("Bearer realm=\"belljar\""));
    for wrong in [server.token().to_uppercase(), format!("{}x", server.token())] {
        let answer = connection.ask(&request.clone().field("Authorization", &format!("Bearer {wrong}")));
        assert_eq!((answer.status, answer.reason().as_str()), (401, "wrong_token"));
        assert_eq!(answer.field("WWW-Authenticate"), Some("Bearer realm=\"belljar\", error=\"invalid_token\""));
    }
    // A token as a parameter would be in logs of others.
    let in_target = Request::post(server.address(), list().to_string().as_bytes())
        .line(&format!("POST /mcp?access_token={} HTTP/1.1", server.token()));
    assert_eq!(connection.ask(&in_target).status, 400);
    for method in ["GET", "DELETE"] {
        let request = request.clone().without("Authorization").line(&format!("{method} /mcp HTTP/1.1"));
        assert_eq!(server.connect().ask(&request).status, 401);
    }
}

#[test]
fn another_host_or_origin_is_refused_with_the_reason_whoever_asks() {
    let server = HttpServer::start();
    let request = server.request(&list());
    let port = server.address().port();
    let ask = |name: &str, value: &str| server.connect().ask(&request.clone().field(name, value));
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
        assert_eq!(ask("Host", &host).status, 200, "{host}");
        assert_eq!(ask("Origin", &format!("http://{host}")).status, 200, "{host}");
    }
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "localhost".into(), "127.0.0.1:1".into()] {
        let answer = ask("Host", &host);
        assert_eq!((answer.status, answer.reason().as_str()), (403, "foreign_host"), "{host}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&host) && message.contains(&format!("localhost:{port}")), "{message}");
    }
    for origin in ["null", "http://evil.example", "http://localhost:1", &format!("https://localhost:{port}")] {
        let answer = ask("Origin", origin);
        assert_eq!((answer.status, answer.reason().as_str()), (403, "foreign_origin"), "{origin}");
    }
    assert_eq!(server.connect().ask(&request.clone().without("Host")).status, 400);
    let target = request.clone().line("POST http://evil.example/mcp HTTP/1.1");
    assert_eq!(server.connect().ask(&target).reason(), "foreign_host");
    // The request is that of a page that asks whether it may.
    let asks = request.line("OPTIONS /mcp HTTP/1.1").field("Origin", "http://evil.example");
    assert_eq!(server.connect().ask(&asks).status, 403);
}

#[test]
fn other_paths_methods_and_media_types_are_refused() {
    let server = HttpServer::start();
    let request = server.request(&list());
    let ask = |request: &Request| server.connect().ask(request);
    let elsewhere = ask(&request.clone().line("POST /other HTTP/1.1"));
    assert_eq!((elsewhere.status, elsewhere.reason().as_str()), (404, "no_such_path"));
    let method = ask(&request.clone().line("PUT /mcp HTTP/1.1"));
    assert_eq!((method.status, method.field("Allow")), (405, Some("POST, GET, DELETE")));
    for accept in ["application/json", "text/event-stream", "*/*", "text/html"] {
        assert_eq!(ask(&request.clone().field("Accept", accept)).status, 406, "{accept}");
    }
    assert_eq!(ask(&request.clone().without("Accept")).status, 406);
    for content in ["text/plain", "application/json5", ""] {
        assert_eq!(ask(&request.clone().field("Content-Type", content)).status, 415, "{content}");
    }
    assert_eq!(ask(&request.clone().field("Content-Type", "application/json; charset=utf-8")).status, 200);
}

#[test]
fn what_is_no_message_is_answered_by_its_id_with_what_is_wrong() {
    let server = HttpServer::start();
    let ask = |body: &str| {
        let request = Request::post(server.address(), body.as_bytes())
            .field("Authorization", &format!("Bearer {}", server.token()));
        server.connect().ask(&request)
    };
    for (body, id, code, said) in [
        ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", json!(null), -32600, "batches are no part"),
        ("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"pi", json!(5), -32700, "not JSON"),
        ("{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":7}", json!("a"), -32600, "method must be"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", json!(null), -32600, "id must be"),
    ] {
        let answer = ask(body);
        assert_eq!((answer.status, answer.reason().as_str()), (400, "no_message"), "{body}");
        let message = answer.json();
        assert_eq!((&message["id"], &message["error"]["code"]), (&id, &json!(code)), "{body}");
        assert!(message["error"]["message"].as_str().unwrap().contains(said), "{message}");
    }
    for body in ["", "   ", "7"] {
        assert_eq!(ask(body).status, 400, "{body:?}");
    }
    let odd = server.post(&modern("tools/call", json!({"name": "execute", "arguments": [1]}))).reply();
    let (code, said) = odd.protocol_error();
    assert!(code == -32602 && said.contains("params.arguments must be an object"), "{said}");
}

#[test]
fn what_the_head_says_and_what_the_body_says_must_agree() {
    let server = HttpServer::start();
    let call = modern(
        "tools/call",
        json!({"name": "execute", "arguments": {"language": "python", "code": "open('made', 'w')"}}),
    );
    let request = server.request(&call);
    assert_eq!(server.connect().ask(&request).status, 200, "the control");
    for (name, value) in
        [("Mcp-Method", "tools/list"), ("Mcp-Name", "health_check"), ("MCP-Protocol-Version", "2025-11-25")]
    {
        let answer = server.connect().ask(&request.clone().field(name, value));
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], -32020, "{name}: {answer:?}");
    }
    let answer = server.connect().ask(&request.clone().without("MCP-Protocol-Version"));
    assert_eq!(answer.json()["error"]["code"], -32020, "{answer:?}");
    // Only the first was run.
    server.wait_for_health("the runs to be over", |health| health["runs_active"] == 0);
    assert_eq!(server.health()["runs_finished"], 1);
}

#[test]
fn health_needs_no_token_and_says_when_calls_are_not_welcome() {
    let server = HttpServer::start();
    let alive = server.get("/healthz");
    assert_eq!((alive.status, alive.json()["status"].as_str()), (200, Some("alive")));
    let ready = server.get("/readyz");
    assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("ready")));
    let other = server.connect().ask(&Request::new("POST", "/readyz", server.address()));
    assert_eq!((other.status, other.field("Allow")), (405, Some("GET, HEAD")));
    // Who asked for no native programs misses no wall.
    HttpServer::with(Server::with().flag("--native-tier=off")).wait_until_ready();
}
