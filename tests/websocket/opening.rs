//! Who may open a WebSocket, and how.

use tests::Server;
use tests::http::{HttpServer, Request};
use tests::websocket::{WebSocket, upgrade, upgrade_with};

use crate::{execute, list};

#[test]
fn without_the_flag_there_is_nothing_of_it() {
    let server = HttpServer::start();
    let ask = |request: &Request| {
        let answer = server.connect().ask(request);
        let fields = ["Content-Type", "Content-Length", "Upgrade", "Allow", "WWW-Authenticate", "Connection"];
        let fields = fields.map(|name| answer.field(name).map(str::to_owned));
        (answer.status, fields, answer.body)
    };
    let whole = upgrade_with(server.address(), server.token());
    let other = server.request(&list(1)).line("POST /ws HTTP/1.1");
    for request in [whole, upgrade(server.address()), other] {
        let line = String::from_utf8(request.bytes()).unwrap();
        let method = line.split(' ').next().unwrap().to_owned();
        let never = request.clone().line(&format!("{method} /never HTTP/1.1"));
        let here = ask(&request);
        assert_eq!(here.0, 404, "{here:?}");
        assert_eq!(here, ask(&never));
    }
    let off = HttpServer::with(Server::with().configured("websocket = true").flag("--websocket=false"));
    assert_eq!(off.connect().ask(&upgrade_with(off.address(), off.token())).status, 404);
    // The control.
    let on = HttpServer::with(Server::with().configured("websocket = true\n"));
    assert_eq!(WebSocket::to(&on).call(&execute(1, "print(6 * 7)")).output(), "42\n");
}

#[test]
fn the_upgrade_passes_every_check_of_a_request_in_the_same_order() {
    let server = HttpServer::with(Server::with().flag("--websocket").flag("--allowed-origin=https://app.example"));
    let port = server.address().port();
    let good = upgrade_with(server.address(), server.token());
    let opens = |request: &Request| {
        let mut connection = server.connect();
        connection.send(request);
        assert_eq!(connection.answer_head().unwrap().status, 101, "{request:?}");
    };
    opens(&good);
    opens(&good.clone().field("Origin", &format!("http://localhost:{port}")));
    opens(&good.clone().field("Origin", "https://app.example"));
    opens(&good.clone().field("Connection", "keep-alive, Upgrade").field("Sec-WebSocket-Protocol", "chat, mcp"));
    let refused = |request: &Request, status: u16, reason: &str| {
        let answer = server.connect().ask(request);
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{request:?}");
        answer
    };
    // A page of another origin, in a browser that knows the token or not.
    for origin in ["http://evil.example", "null", &format!("https://localhost:{port}"), "https://app.example:1"] {
        refused(&good.clone().field("Origin", origin), 403, "foreign_origin");
        refused(&upgrade(server.address()).field("Origin", origin), 403, "foreign_origin");
    }
    refused(&good.clone().field("Host", &format!("evil.example:{port}")), 403, "foreign_host");
    refused(&good.clone().without("Host"), 400, "no_host");
    refused(&good.clone().line("GET /ws/ HTTP/1.1"), 404, "no_such_path");
    // The method comes before who asks, and that before what it asks for.
    let post = upgrade(server.address()).line("POST /ws HTTP/1.1");
    assert_eq!(refused(&post, 405, "wrong_method").field("Allow"), Some("GET"));
    let nobody = refused(&upgrade(server.address()).without("Upgrade"), 401, "no_token");
    assert_eq!(nobody.field("WWW-Authenticate"), Some("Bearer realm=\"belljar\""));
    refused(&upgrade_with(server.address(), "wrong"), 401, "wrong_token");
    refused(&good.clone().and("Authorization", "Bearer x"), 400, "several_tokens");
    let token = server.token();
    for (name, status, reason) in [("access_token", 400, "token_in_address"), ("token", 401, "no_token")] {
        let line = format!("GET /ws?{name}={token} HTTP/1.1");
        refused(&upgrade(server.address()).line(&line), status, reason);
    }
    let in_protocol = format!("mcp, {token}, bearer.{token}");
    refused(&upgrade(server.address()).field("Sec-WebSocket-Protocol", &in_protocol), 401, "no_token");
    // What is no handshake.
    for part in ["Upgrade", "Connection"] {
        assert_eq!(refused(&good.clone().without(part), 426, "no_websocket").field("Upgrade"), Some("websocket"));
    }
    let old = good.clone().field("Sec-WebSocket-Version", "8");
    assert_eq!(refused(&old, 400, "no_websocket").field("Sec-WebSocket-Version"), Some("13"));
    for (name, value) in [("Sec-WebSocket-Key", "c2hvcnQ="), ("Sec-WebSocket-Protocol", "chat")] {
        refused(&good.clone().field(name, value), 400, "no_websocket");
        refused(&good.clone().without(name), 400, "no_websocket");
    }
    // Requests go on where they were.
    assert_eq!(server.execute("print(1)").output(), "1\n");
}
