//! Whose access tokens let in, and what is told to whom they do not?

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod keys;
mod refusals;
mod resource;
mod tenants;

use serde_json::json;
use tests::http::{Answer, HttpServer, modern};
use tests::issuer::Issuer;

/// A server that takes the tokens of an issuer, ready for calls.
fn server(issuer: &Issuer) -> HttpServer {
    let server = HttpServer::with(issuer.settings());
    server.wait_until_ready();
    server
}

/// The answer to a call with a token.
fn call(server: &HttpServer, token: &str) -> Answer {
    let message = modern("tools/call", json!({"name": "health_check", "arguments": {}}));
    server.connect().ask(&server.request_with(token, &message))
}

/// How a call with a token ends: `taken`, or the reason.
fn said(server: &HttpServer, token: &str) -> String {
    let answer = call(server, token);
    if answer.status == 200 { "taken".to_owned() } else { answer.reason() }
}
