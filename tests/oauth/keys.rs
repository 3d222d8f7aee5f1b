//! Where keys come from: once, again when they change, and not as often as tokens would
//! have it.

use std::time::Instant;

use serde_json::json;
use tests::eventually;
use tests::http::HttpServer;
use tests::issuer::{Issuer, Signer};

use crate::{call, said, server};

#[test]
fn a_storm_of_unknown_keys_does_not_reach_the_issuer() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    let started = Instant::now();
    assert_eq!(said(&server, &issuer.token()), "taken");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (server, issuer) = (&server, &issuer);
            scope.spawn(move || {
                for number in 0..50 {
                    let head = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("{thread}-{number}")});
                    assert_eq!(said(server, &issuer.signer.sign(&head, &issuer.claims())), "unknown_key");
                }
            });
        }
        // Others call meanwhile.
        for _ in 0..20 {
            assert_eq!(said(&server, &issuer.token()), "taken");
        }
    });
    // Keys are fetched for the first token, and once for each ten seconds.
    let most = 2 + usize::try_from(started.elapsed().as_secs() / 10).unwrap();
    assert!((1..=most).contains(&issuer.fetches()), "{:?}", issuer.asked());
}

#[test]
fn a_key_that_is_new_is_found() {
    let issuer = Issuer::start();
    let server = server(&issuer);
    assert_eq!(said(&server, &issuer.token()), "taken");
    let new = Signer::new("new");
    issuer.publish(&[issuer.signer.jwk(), new.jwk()]);
    // The new key is found within the floor of ten seconds.
    eventually("the new key to be found", || (said(&server, &new.token(&issuer.claims())) == "taken").then_some(()));
    assert_eq!(said(&server, &issuer.token()), "taken");
    // The old key is gone as soon as keys are fetched again.
    issuer.publish(&[new.jwk()]);
    let third = Signer::new("third");
    eventually("the old key to be gone", || {
        assert_eq!(said(&server, &third.token(&issuer.claims())), "unknown_key");
        (said(&server, &issuer.token()) == "unknown_key").then_some(())
    });
    assert_eq!(said(&server, &new.token(&issuer.claims())), "taken");
}

#[test]
fn an_issuer_that_comes_late_or_goes_keeps_nobody_out_for_longer_than_it_must() {
    let mut issuer = Issuer::stopped();
    let server = HttpServer::with(issuer.settings());
    server.wait_until_ready();
    let refused = call(&server, &issuer.token());
    assert_eq!((refused.status, refused.reason().as_str()), (503, "keys_unavailable"));
    let seconds: u64 = refused.field("Retry-After").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(refused.field("WWW-Authenticate"), None, "it is not the token");
    assert!(server.log().contains("the keys of an issuer cannot be had"), "{}", server.log());
    issuer.run();
    eventually("the issuer to be asked again", || (said(&server, &issuer.token()) == "taken").then_some(()));
    issuer.stop();
    // The tokens are such that nobody has seen before, by the key that is known.
    for _ in 0..20 {
        assert_eq!(said(&server, &issuer.token()), "taken");
    }
}

#[test]
fn what_is_no_key_document_keeps_out_and_keys_are_where_the_operator_says_alone() {
    let (issuer, other) = (Issuer::start(), Issuer::start());
    issuer.publish(&vec![json!({"kty": "oct", "k": "AAAA", "kid": "key"}); 65]);
    let server = HttpServer::with(issuer.settings().flag(format!("--oauth-issuer={0}={0}/nothing", other.name())));
    server.wait_until_ready();
    assert_eq!(said(&server, &issuer.token()), "keys_unavailable");
    assert_eq!(said(&server, &other.token()), "keys_unavailable");
    assert!(other.asked().iter().all(|path| path == "/nothing"), "it was told where: {:?}", other.asked());
}

#[test]
fn an_issuer_by_tls_must_show_a_certificate_that_the_machine_trusts() {
    let (issuer, certificate) = Issuer::with_tls();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(home.path().join(name), text).unwrap();
        home.path().join(name)
    };
    let trusting = |authorities: &str| {
        let file = file("authorities", authorities);
        let server = HttpServer::with(
            issuer.settings().env("SSL_CERT_FILE", file).env("SSL_CERT_DIR", home.path().join("none")),
        );
        server.wait_until_ready();
        server
    };
    assert_eq!(said(&trusting(&certificate), &issuer.token()), "taken", "the control");
    let (_, another) = Issuer::with_tls();
    let server = trusting(&another);
    assert_eq!(said(&server, &issuer.token()), "keys_unavailable");
    assert!(server.log().contains("invalid peer certificate"), "{}", server.log());
    // Nobody is trusted by mistake.
    let state = home.path().join("state");
    let settings =
        issuer.settings().env("SSL_CERT_FILE", file("empty", "")).env("SSL_CERT_DIR", home.path().join("none"));
    let output = settings.command(&state).arg("serve").output().unwrap();
    let refused = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && refused.contains("trusts no certificate authority"), "{refused}");
}
