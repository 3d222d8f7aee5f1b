//! What clients are told: metadata, challenges, and the scopes that they lack.

use serde_json::{Value, json};
use tests::http::{HttpServer, Request, modern};
use tests::issuer::{Issuer, RESOURCE};

use crate::{call, server};

const METADATA: &str = "https://belljar.example/.well-known/oauth-protected-resource/mcp";

fn execute(server: &HttpServer, token: &str) -> (u16, Value, String) {
    let arguments = json!({"language": "python", "code": "print(6*7)"});
    let message = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
    let answer = server.connect().ask(&server.request_with(token, &message));
    (answer.status, answer.json(), answer.field("WWW-Authenticate").unwrap_or_default().to_owned())
}

#[test]
fn metadata_say_where_tokens_come_from_to_anybody() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("application/json")));
        let expected = json!({
            "resource": RESOURCE,
            "authorization_servers": [issuer.name()],
            "scopes_supported": ["sandbox:read", "sandbox:execute", "sandbox:admin"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Belljar",
        });
        assert_eq!(answer.json(), expected);
        let posted = Request::new("POST", path, server.address()).field("Content-Length", "0");
        assert_eq!(server.connect().ask(&posted).status, 405);
        let foreign = Request::new("GET", path, server.address()).field("Host", "evil.example");
        assert_eq!(server.connect().ask(&foreign).reason(), "foreign_host");
        let named = Request::new("GET", path, server.address()).field("Host", "belljar.example");
        assert_eq!(server.connect().ask(&named).status, 200);
        // A page asks before it sends fields that are not for every request.
        let origin = "https://belljar.example";
        let preflight = Request::new("OPTIONS", path, server.address()).field("Origin", origin);
        let told = server.connect().ask(&preflight);
        assert_eq!((told.status, told.field("Access-Control-Allow-Origin")), (204, Some(origin)));
        assert!(told.field("Access-Control-Allow-Headers").unwrap().contains("MCP-Protocol-Version"));
    }
    assert_eq!(server.get("/.well-known/oauth-protected-resource/other").status, 404);
    // Without issuers there is nothing to tell.
    assert_eq!(HttpServer::start().get("/.well-known/oauth-protected-resource").status, 404);
}

#[test]
fn who_has_no_token_and_who_has_a_bad_one_are_challenged() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    let usual = format!("Bearer realm=\"belljar\", resource_metadata=\"{METADATA}\"");
    let request = server.request_with("", &modern("tools/list", json!({}))).without("Authorization");
    let none = server.connect().ask(&request);
    assert_eq!((none.status, none.reason().as_str()), (401, "no_token"));
    assert_eq!(none.field("WWW-Authenticate").unwrap(), format!("{usual}, scope=\"sandbox:read sandbox:execute\""));
    let bad = call(&server, &issuer.token_with("exp", json!(1)));
    let expected = format!(
        "{usual}, error=\"invalid_token\", error_description=\"the token has expired: ask the authorization server for a \
         new one\", scope=\"sandbox:read sandbox:execute\""
    );
    assert_eq!(bad.field("WWW-Authenticate").unwrap(), expected);
    // What a token says does not end the text that speaks of it.
    let head = json!({"alg": "a\", scope=\"\\\r\n\u{e9}", "typ": "at+jwt"});
    let odd = call(&server, &issuer.signer.sign(&head, &issuer.claims()));
    let challenge = odd.field("WWW-Authenticate").unwrap();
    assert_eq!(
        (odd.reason().as_str(), challenge.matches("scope=\"").count()),
        ("unsupported_algorithm", 1),
        "{challenge}"
    );
    assert!(challenge.is_ascii(), "{challenge}");
}

#[test]
fn who_lacks_a_scope_is_told_all_that_the_operation_needs_before_it_runs() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    let scoped = |scopes: Value| issuer.token_with("scope", scopes);
    for scopes in [json!("sandbox:execute"), json!(["sandbox:admin"]), json!("openid sandbox:read sandbox:execute")] {
        assert_eq!(execute(&server, &scoped(scopes)).0, 200);
    }
    for scopes in [json!("sandbox:read"), json!("openid"), json!(""), json!("sandbox:executes SANDBOX:EXECUTE")] {
        let (status, body, challenge) = execute(&server, &scoped(scopes));
        assert_eq!((status, &body["error"]["data"]["reason"]), (403, &json!("insufficient_scope")));
        assert!(challenge.starts_with(&format!("Bearer realm=\"belljar\", resource_metadata=\"{METADATA}\"")));
        assert!(
            challenge.contains("error=\"insufficient_scope\"") && challenge.ends_with("scope=\"sandbox:execute\""),
            "{challenge}"
        );
    }
    // A list of another name.
    let mut claims = issuer.claims();
    claims.as_object_mut().unwrap().remove("scope");
    assert_eq!(execute(&server, &issuer.signer.token(&claims)).0, 403);
    claims["scp"] = json!(["sandbox:execute"]);
    assert_eq!(execute(&server, &issuer.signer.token(&claims)).0, 200);
}

#[test]
fn scopes_have_the_names_that_the_operator_gave_them() {
    let issuer = Issuer::start();
    let server = HttpServer::with(issuer.settings().flag("--oauth-scope=execute=Belljar.Run,read=Belljar.Look"));
    server.wait_until_ready();
    let scoped = |scopes: &str| issuer.token_with("scope", json!(scopes));
    assert_eq!(execute(&server, &scoped("Belljar.Run")).0, 200);
    let (status, _, challenge) = execute(&server, &scoped("Belljar.Look sandbox:execute"));
    assert!(status == 403 && challenge.ends_with("scope=\"Belljar.Run\""), "{challenge}");
    let metadata = server.get("/.well-known/oauth-protected-resource").json();
    assert_eq!(metadata["scopes_supported"], json!(["Belljar.Look", "Belljar.Run", "sandbox:admin"]));
}
