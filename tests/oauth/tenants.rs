//! Whose a token is: what one subject has is nothing to another, whoever calls them the same.

use serde_json::{Value, json};
use tests::Reply;
use tests::http::{HttpServer, modern};
use tests::issuer::Issuer;

use crate::{said, server};

fn tool(server: &HttpServer, token: &str, name: &str, arguments: Value) -> Reply {
    let message = modern("tools/call", json!({"name": name, "arguments": arguments}));
    server.connect().ask(&server.request_with(token, &message)).reply()
}

fn execute(server: &HttpServer, token: &str, session: &str, code: &str) -> Reply {
    tool(server, token, "execute", json!({"language": "python", "code": code, "session": session}))
}

#[test]
fn two_issuers_with_one_name_of_a_key_and_of_a_subject_speak_for_two_people() {
    let (one, other) = (Issuer::start(), Issuer::start());
    let server = HttpServer::with(one.settings().flag(format!("--oauth-issuer={}", other.name())));
    server.wait_until_ready();
    assert_eq!((&one.signer.name, one.claims()["sub"].clone()), (&other.signer.name, other.claims()["sub"].clone()));
    let begun = execute(&server, &one.token(), "new", "x = 'secret'\nprint(1)");
    let session = begun.session().to_owned();
    // Another token of the same subject, and of another client, has the session.
    assert_eq!(execute(&server, &one.token_with("client_id", json!("b")), &session, "print(x)").output(), "secret\n");
    let theirs = execute(&server, &other.token(), &session, "print(x)");
    let (kept, last) = session.split_at(session.len() - 8);
    let never = format!("{kept}{}", if last == "00000000" { "11111111" } else { "00000000" });
    let nobodys = execute(&server, &other.token(), &never, "print(x)");
    assert!(theirs.is_error() && !theirs.text().contains("secret"), "{}", theirs.text());
    assert_eq!(theirs.text().replace(&session, "S"), nobodys.text().replace(&never, "S"));
    // One issuer does not sign for the other.
    let mut claims = other.claims();
    claims["sub"] = json!("somebody");
    assert_eq!(said(&server, &one.signer.token(&claims)), "bad_signature");
    // Another subject of the same issuer is another too.
    assert!(execute(&server, &one.token_with("sub", json!("Somebody")), &session, "print(x)").is_error());
}

#[test]
fn a_claim_says_the_tenant_and_each_issuer_speaks_for_its_own() {
    let (one, other, home) = (Issuer::start(), Issuer::start(), tempfile::tempdir().unwrap());
    let file = home.path().join("belljar.toml");
    let issuer =
        |issuer: &Issuer, tenants: &str| format!("{{ issuer = \"{}\", tenants = {{ {tenants} }} }}", issuer.name());
    let text = format!(
        "[oauth]\nresource = \"https://belljar.example/mcp\"\ntenant_claim = \"org_id\"\nissuers = [{}, {}]\n\
         [tenants.acme]\n[tenants.other]\n",
        issuer(&one, "org_1 = \"acme\", org_2 = \"other\""),
        issuer(&other, "org_1 = \"other\"")
    );
    std::fs::write(&file, text).unwrap();
    let server = HttpServer::with(tests::Server::with().flag(format!("--config={}", file.display())));
    server.wait_until_ready();
    let of = |issuer: &Issuer, subject: &str, org: Value| {
        let mut claims = issuer.claims();
        (claims["sub"], claims["org_id"]) = (subject.into(), org);
        issuer.signer.token(&claims)
    };
    let session = execute(&server, &of(&one, "a", json!("org_1")), "new", "x = 1\nprint(x)").session().to_owned();
    // A colleague has what the tenant has.
    assert_eq!(execute(&server, &of(&one, "b", json!("org_1")), &session, "print(x)").output(), "1\n");
    assert!(execute(&server, &of(&one, "a", json!("org_2")), &session, "print(x)").is_error());
    assert!(execute(&server, &of(&other, "a", json!("org_1")), &session, "print(x)").is_error());
    for unknown in [json!("org_3"), json!("acme"), json!(["org_1"]), json!(null), json!("")] {
        assert_eq!(said(&server, &of(&one, "a", unknown.clone())), "unknown_tenant", "{unknown}");
    }
    assert_eq!(said(&server, &of(&other, "a", json!("org_2"))), "unknown_tenant");
    assert_eq!(said(&server, &one.token()), "unknown_tenant");
}

#[test]
fn what_a_subject_has_is_there_after_a_restart_of_the_server() {
    let issuer = Issuer::start();
    let first = server(&issuer);
    let state = first.home().join("state");
    let session = execute(&first, &issuer.token(), "new", "x = 5\nprint(x)").session().to_owned();
    first.signal(nix::sys::signal::Signal::SIGTERM);
    first.wait();
    let second = HttpServer::with(issuer.settings().flag(format!("--state-directory={}", state.display())));
    second.wait_until_ready();
    assert_eq!(execute(&second, &issuer.token(), &session, "print(x)").output(), "5\n");
    assert!(execute(&second, &issuer.token_with("sub", json!("another")), &session, "print(x)").is_error());
}
