//! Other addresses than those of this machine itself, other names, proxies and pages.

use serde_json::json;
use tests::Server;
use tests::http::{HttpServer, Request, modern};

use crate::caller::Caller;

/// How a server ends that does not start.
fn refusal(flags: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Server::with().command(&home.path().join("state")).arg("serve").args(flags).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{flags:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("Authorization"), "it said hello: {said}");
    said
}

#[test]
fn what_others_can_reach_is_served_with_keys_behind_tls_under_a_name_alone() {
    let (keys, proxy, url) = ("--authentication=keys", "--behind-proxy", "--public-url=https://belljar.example/mcp");
    for address in ["0.0.0.0:0", "[::]:0"] {
        let listen = format!("--listen={address}");
        for (flags, said) in [
            (&[][..], "needs authentication that tells who calls"),
            (&[proxy, url], "needs authentication that tells who calls"),
            (&["--authentication=token,keys", proxy, url], "needs authentication that tells who calls"),
            (&[keys, url], "without TLS everybody on the way reads the keys"),
            (&[keys, proxy], "set public_url to where clients find the server"),
        ] {
            let refused = refusal(&[&[listen.as_str()], flags].concat());
            assert!(refused.contains("which others can reach") || refused.contains("every address"), "{refused}");
            assert!(refused.contains(said), "{flags:?}: {refused}");
        }
    }
    // A public address that a proxy on this machine serves is held to the same.
    let in_clear = "--public-url=http://belljar.example/mcp";
    for (flags, said) in [
        (&[in_clear][..], "needs authentication that tells who calls"),
        (&[url], "needs authentication that tells who calls"),
        (&["--authentication=token,keys", proxy, url], "needs authentication that tells who calls"),
        (&[keys, in_clear], "it must begin with https://"),
        (&[keys, proxy, in_clear], "it must begin with https://"),
    ] {
        let refused = refusal(&[&["--listen=127.0.0.1:0"], flags].concat());
        assert!(refused.contains("belljar.example/mcp") && refused.contains(said), "{flags:?}: {refused}");
    }
    assert!(refusal(&["--public-url=belljar.example"]).contains("such as https://belljar.example/mcp"));
    assert!(refusal(&["--trusted-proxies=ten"]).contains("such as 10.0.0.0/8"));
    assert!(refusal(&["--allowed-origin=*"]).contains("such as https://app.example"));
}

/// A server that others can reach.
fn public() -> HttpServer {
    let server = HttpServer::with(
        Server::with()
            .listen("0.0.0.0:0")
            .flag("--authentication=keys")
            .flag("--behind-proxy")
            .flag("--public-url=https://belljar.example/mcp")
            .flag("--allowed-origin=https://app.example")
            .flag("--trusted-proxies=127.0.0.0/8")
            .env("BELLJAR_LOG", "warn,server=info"),
    );
    tests::eventually("the server to be ready", || (server.get("/readyz").status == 200).then_some(()));
    server
}

#[test]
fn a_server_that_others_can_reach_answers_to_its_public_name_and_to_no_other() {
    let server = public();
    let key = server.add_key(&["--scopes=sandbox:execute"]);
    let call = crate::caller::tool("execute", json!({"language": "python", "code": "print(1)"}));
    let request = Caller::new(&server, &key).request(&call);
    let port = server.address().port();
    for host in ["belljar.example", "belljar.example:443", "BELLJAR.example", &format!("localhost:{port}")] {
        assert_eq!(server.connect().ask(&request.clone().field("Host", host)).reply().output(), "1\n", "{host}");
    }
    for host in ["evil.example", "belljar.example:80", &format!("belljar.example:{port}"), &format!("0.0.0.0:{port}")] {
        let refused = server.connect().ask(&request.clone().field("Host", host));
        assert_eq!((refused.status, refused.reason().as_str()), (403, "foreign_host"), "{host}");
    }
    let log = server.log();
    assert!(
        log.contains("belljar serves MCP at https://belljar.example/mcp, through what reaches it at http://0.0.0.0:"),
        "{log}"
    );
    let (_, listed) = server.command(&["keys", "list"]);
    assert!(listed.contains("sandbox:execute"), "{listed}");
}

#[test]
fn pages_that_the_operator_allows_may_ask_and_see_answers_and_no_other_may() {
    let server = public();
    let key = server.add_key(&["--scopes=sandbox:read"]);
    let list = Caller::new(&server, &key).request(&modern("tools/list", json!({}))).field("Host", "belljar.example");
    let asked = |origin: &str| {
        let request = list.clone().field("Origin", origin);
        let preflight = Request::new("OPTIONS", "/mcp", server.address())
            .field("Host", "belljar.example")
            .field("Origin", origin)
            .field("Access-Control-Request-Method", "POST")
            .field("Access-Control-Request-Headers", "authorization,content-type,mcp-session-id");
        (server.connect().ask(&preflight), server.connect().ask(&request))
    };
    for origin in ["https://app.example", "https://belljar.example"] {
        let (preflight, answer) = asked(origin);
        assert_eq!((preflight.status, answer.status), (204, 200), "{origin}");
        for answer in [&preflight, &answer] {
            assert_eq!(answer.field("Access-Control-Allow-Origin"), Some(origin));
            assert_eq!(answer.field("Access-Control-Allow-Credentials"), None, "there are no cookies");
        }
        let allowed = preflight.field("Access-Control-Allow-Headers").unwrap().to_ascii_lowercase();
        for field in
            ["authorization", "content-type", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name"]
        {
            assert!(allowed.contains(field), "{allowed}");
        }
        assert!(answer.field("Access-Control-Expose-Headers").unwrap().contains("Mcp-Session-Id"));
        // A page sees what is refused as well: it shows the reason.
        let refused = server.connect().ask(&list.clone().field("Origin", origin).without("Authorization"));
        assert_eq!((refused.status, refused.field("Access-Control-Allow-Origin")), (401, Some(origin)));
    }
    for origin in ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example"] {
        let (preflight, answer) = asked(origin);
        for answer in [preflight, answer] {
            assert_eq!((answer.status, answer.reason().as_str()), (403, "foreign_origin"), "{origin}");
            assert_eq!(answer.field("Access-Control-Allow-Origin"), None);
        }
        let health = Request::new("GET", "/healthz", server.address()).field("Origin", origin);
        assert_eq!(server.connect().ask(&health).field("Access-Control-Allow-Origin"), None);
    }
}

#[test]
fn the_log_says_for_whom_a_trusted_proxy_asked() {
    let server = public();
    let request = Request::post(server.address(), b"{}").field("Host", "belljar.example");
    let refused = server.connect().ask(&request.clone().field("X-Forwarded-For", "203.0.113.9, 198.51.100.7"));
    assert_eq!(refused.status, 401);
    let line = tests::eventually("the refusal to be logged", || {
        server.log().lines().find(|line| line.contains("nobody who is known")).map(str::to_owned)
    });
    assert!(line.contains("client=198.51.100.7") && line.contains("no_token"), "{line}");
    // The proxy hands on what the client says of itself in the other field.
    let forged = request.field("X-Forwarded-For", "198.51.100.8").field("Forwarded", "for=192.0.2.66");
    assert_eq!(server.connect().ask(&forged).status, 401);
    let line = tests::eventually("the other refusal to be logged", || {
        server.log().lines().filter(|line| line.contains("nobody who is known")).nth(1).map(str::to_owned)
    });
    assert!(line.contains("client=127.0.0.1"), "{line}");
}
