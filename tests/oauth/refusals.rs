//! Tokens that are not taken, each beside one that is and differs in the one thing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde_json::json;
use tests::Builder;
use tests::http::HttpServer;
use tests::issuer::{Issuer, RESOURCE, Signer, encode, now, unsigned};

use crate::{call, said, server};

#[test]
fn a_token_is_taken_or_refused_by_the_one_thing_that_is_wrong() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    let with = |claim: &str, value| said(&server, &issuer.token_with(claim, value));
    assert_eq!(said(&server, &issuer.token()), "taken");
    assert_eq!(with("aud", json!(["account", RESOURCE])), "taken");
    assert_eq!(with("nbf", json!(now() - 5)), "taken");
    for (claim, value, reason) in [
        ("exp", json!(now() - 3600), "expired"),
        ("nbf", json!(now() + 3600), "not_yet_valid"),
        ("iat", json!(now() + 3600), "not_yet_valid"),
        ("exp", json!("tomorrow"), "bad_claim"),
        ("aud", json!("https://other.example/mcp"), "wrong_audience"),
        ("aud", json!("https://belljar.example"), "wrong_audience"),
        ("aud", json!(["https://belljar.example/mcp/"]), "wrong_audience"),
        ("iss", json!("https://evil.example"), "wrong_issuer"),
        ("iss", json!(format!("{}/", issuer.name())), "wrong_issuer"),
        ("sub", json!(["somebody"]), "bad_claim"),
        ("scope", json!({"sandbox:admin": true}), "bad_claim"),
    ] {
        let answer = call(&server, &issuer.token_with(claim, value));
        assert_eq!((answer.status, answer.reason().as_str()), (401, reason), "{claim}");
        let challenge = answer.field("WWW-Authenticate").unwrap().to_owned();
        assert!(
            challenge.contains("error=\"invalid_token\"") && challenge.contains("error_description=\""),
            "{challenge}"
        );
    }
}

#[test]
fn clocks_may_differ_as_far_as_is_configured() {
    let issuer = Issuer::start();
    let strict = HttpServer::with(issuer.settings().flag("--oauth-leeway-seconds=0"));
    let usual = server(&issuer);
    let late = || issuer.token_with("exp", json!(now() - 30));
    let early = || issuer.token_with("nbf", json!(now() + 30));
    assert_eq!((said(&usual, &late()), said(&usual, &early())), ("taken".into(), "taken".into()));
    assert_eq!((said(&strict, &late()), said(&strict, &early())), ("expired".into(), "not_yet_valid".into()));
    assert_eq!(said(&strict, &issuer.token_with("iat", json!(now() - 5))), "taken");
}

#[test]
fn no_signature_and_a_signature_by_what_everybody_knows_are_refused() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    let claims = || issuer.claims();
    for name in ["none", "None", "NONE"] {
        let head = json!({"alg": name, "typ": "at+jwt", "kid": "key"});
        for signature in ["", "AAAA"] {
            assert_eq!(said(&server, &format!("{}.{signature}", unsigned(&head, &claims()))), "unsupported_algorithm");
        }
    }
    // The public key as a shared secret, in each form in which somebody might take it.
    let jwk = issuer.signer.jwk();
    let prefix =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    let der = [&prefix[..], issuer.signer.point()].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(&der));
    for secret in [pem.as_bytes(), &der, issuer.signer.point(), jwk.to_string().as_bytes(), b""] {
        let message = unsigned(&json!({"alg": "HS256", "typ": "at+jwt", "kid": "key"}), &claims());
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        assert_eq!(said(&server, &format!("{message}.{}", encode(signature.as_ref()))), "unsupported_algorithm");
    }
    // An algorithm that is taken, and is not that of the key.
    for name in ["RS256", "PS256", "ES384", "EdDSA"] {
        let token = issuer.signer.sign(&json!({"alg": name, "typ": "at+jwt", "kid": "key"}), &claims());
        assert_eq!(said(&server, &token), "unsupported_algorithm", "{name}");
    }
    assert_eq!(said(&server, &Signer::new("key").token(&claims())), "bad_signature");
    // A key that the token brings along.
    let other = Signer::new("key");
    let head = json!({"alg": "ES256", "typ": "at+jwt", "kid": "key", "jwk": other.jwk(), "jku": "http://127.0.0.1:9/"});
    assert_eq!(said(&server, &other.sign(&head, &claims())), "bad_signature");
    let critical = json!({"alg": "ES256", "typ": "at+jwt", "kid": "key", "crit": ["exp"]});
    assert_eq!(said(&server, &issuer.signer.sign(&critical, &claims())), "critical_extension");
    assert_eq!(said(&server, &issuer.token()), "taken", "the control");
    assert!(issuer.asked().iter().all(|path| path.starts_with("/.well-known") || path == "/jwks"));
}

#[test]
fn what_is_no_access_token_is_refused_unless_the_operator_allows_it() {
    let issuer = Issuer::start();
    let strict = server(&issuer);
    let lenient =
        HttpServer::with(issuer.settings().flag("--oauth-token-type=JWT,absent").flag("--oauth-audience=belljar"));
    let typed = |kind: &str| issuer.signer.sign(&json!({"alg": "ES256", "typ": kind, "kid": "key"}), &issuer.claims());
    let untyped = || issuer.signer.sign(&json!({"alg": "ES256", "kid": "key"}), &issuer.claims());
    assert_eq!(
        (said(&strict, &typed("application/at+jwt")), said(&lenient, &typed("at+jwt"))),
        ("taken".into(), "taken".into())
    );
    assert_eq!(
        (said(&strict, &typed("JWT")), said(&lenient, &typed("JWT"))),
        ("wrong_token_type".into(), "taken".into())
    );
    assert_eq!((said(&strict, &untyped()), said(&lenient, &untyped())), ("wrong_token_type".into(), "taken".into()));
    assert_eq!(said(&lenient, &typed("logout+jwt")), "wrong_token_type");
    let audience = || issuer.token_with("aud", json!("belljar"));
    assert_eq!((said(&strict, &audience()), said(&lenient, &audience())), ("wrong_audience".into(), "taken".into()));
}

#[test]
fn long_and_broken_tokens_are_refused_and_none_is_logged() {
    let issuer = Issuer::start();
    let server = HttpServer::with(issuer.settings().flag("--log=trace"));
    let padded = |bytes: usize| issuer.token_with("padding", json!("x".repeat(bytes)));
    assert_eq!(said(&server, &padded(6000)), "taken");
    assert_eq!(said(&server, &padded(9500)), "token_too_large");
    assert_eq!(call_status(&server, &"x".repeat(64 << 10)), 431);
    let good = issuer.token();
    assert_eq!(said(&server, &good), "taken");
    let parts: Vec<_> = good.split('.').collect();
    for broken in ["x", "a.b.c", "....", &parts[..2].join("."), &format!("{good}.x"), &format!("{good}="), &good[1..]] {
        assert_eq!(said(&server, broken), "malformed_token", "{broken}");
    }
    let twice = format!("{}.{}.{}", parts[0], encode(br#"{"iss":"a","iss":"b"}"#), parts[2]);
    assert_eq!(said(&server, &twice), "malformed_token");
    let log = server.log();
    assert!(log.contains("reason=\"malformed_token\""), "{log}");
    for part in parts {
        assert!(!log.contains(part), "{log}");
    }
}

fn call_status(server: &HttpServer, token: &str) -> u16 {
    call(server, token).status
}

#[test]
fn a_token_in_an_address_is_refused_with_a_good_one_beside_it_too() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    let token = issuer.token();
    let message = tests::http::modern("tools/list", json!({}));
    let request = server.request_with(&token, &message);
    let ask = |request: &tests::http::Request| {
        let answer = server.connect().ask(request);
        (answer.status, if answer.status == 200 { String::new() } else { answer.reason() })
    };
    let line = |query: &str| format!("POST /mcp?{query} HTTP/1.1");
    assert_eq!(ask(&request.clone().line(&line("a=b"))), (200, String::new()));
    for request in [request.clone(), request.without("Authorization")] {
        for query in [format!("access_token={token}"), format!("a=b&access_token={token}"), "ACCESS_TOKEN".to_owned()] {
            assert_eq!(ask(&request.clone().line(&line(&query))), (400, "token_in_address".into()));
        }
    }
}

#[test]
fn keys_of_clients_and_access_tokens_may_be_taken_side_by_side() {
    let issuer = Issuer::start();
    let settings: Builder = issuer.settings().flag("--authentication=oauth,keys");
    let server = HttpServer::with(settings);
    server.wait_until_ready();
    let key = server.add_key(&["--tenant=acme", "--scopes=sandbox:read"]);
    assert_eq!((said(&server, &key), said(&server, &issuer.token())), ("taken".into(), "taken".into()));
    assert_eq!(said(&server, &key[..key.len() - 1]), "wrong_key");
    assert_eq!(said(&server, "anything"), "malformed_token");
}
