//! What `tests/fuzz` gives to what is read of a token and of its issuer: nothing of it is
//! believed yet, so anything may come.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::address::Address;
use super::claims::Claims;
use super::discovery::{self, DiscoveryError};
use super::key_set::KeySet;
use super::scope_names::ScopeNames;
use super::settings::OauthSettings;
use super::token::{MAX_TOKEN_BYTES, Token};
use crate::fuzzing::chosen;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://auth.example/a";
const RESOURCE: &str = "https://belljar.example/mcp";

/// What an input is.
const TOKEN: u8 = 0;
const CLAIMS: u8 = 1;
const KEYS: u8 = 2;
const METADATA: u8 = 3;

/// A header that is taken, so that what comes behind it is looked at.
const HEAD: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"k"}"#;

/// The longest refusal: it repeats a name at most.
const REASON_BYTES: usize = 2000;

/// One input of each kind, and some that are of none.
pub fn seeds() -> Vec<Vec<u8>> {
    let claims = format!(
        r#"{{"iss":"{ISSUER}","sub":"s","client_id":"c","aud":["{RESOURCE}","b"],"iat":{NOW},"nbf":1.5,"exp":1800000300,"scope":"sandbox:read a","scp":["b"],"org_id":"o"}}"#
    );
    let point = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let keys = format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{point}","y":"{point}","kid":"k","use":"sig","alg":"ES256"}},{{"kty":"OKP","crv":"Ed25519","x":"{point}","key_ops":["verify"]}},{{"kty":"RSA","n":"AAEC","e":"AQAB","alg":"PS256"}},{{"kty":"oct","k":"AA","d":1}}]}}"#
    );
    let metadata = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://auth.example:8443/keys?a=b"}}"#);
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.c2ln", encode(HEAD), encode(&claims));
    let odd = format!("{}.{}.", encode(r#"{"alg":"none","crit":["b64"]}"#), encode("{}"));
    [(TOKEN, token), (TOKEN, odd), (CLAIMS, claims), (KEYS, keys), (METADATA, metadata)]
        .into_iter()
        .map(|(choice, text)| chosen(choice, text))
        .collect()
}

/// Nothing that nobody signed is taken, what is taken says what was asked for, and
/// refusals repeat little.
pub fn token(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match *choice % 4 {
        TOKEN => text(bytes),
        CLAIMS => claims(bytes),
        KEYS => keys(bytes),
        _ => metadata(bytes),
    }
}

fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Token::read(text) {
        Ok(token) => {
            let (message, signature) = token.signed();
            let again = [message, b".", BASE64_URL_SAFE_NO_PAD.encode(signature).as_bytes()].concat();
            assert_eq!(again, bytes, "two texts are one token");
            assert!(text.len() <= MAX_TOKEN_BYTES && KeySet::default().verify(&token).is_err());
        }
        Err(error) => assert!(error.to_string().len() <= REASON_BYTES, "a refusal repeats too much"),
    }
}

fn settings() -> OauthSettings {
    OauthSettings {
        resource: Address::name(RESOURCE).expect("it is an address"),
        issuers: Vec::new(),
        audiences: Vec::new(),
        token_types: Vec::new(),
        tenant_claim: Some("org_id".to_owned()),
        scopes: ScopeNames::default(),
        leeway: Duration::from_secs(60),
    }
}

fn claims(bytes: &[u8]) {
    let text = format!("{}.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(HEAD), BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let Ok(token) = Token::read(&text) else { return };
    let Ok(claims) = Claims::of(&token, &ISSUER.into(), &settings(), NOW) else { return };
    let said: Value = serde_json::from_slice(bytes).expect("it was read");
    let is_ours = |audience: &Value| audience == RESOURCE;
    assert!(is_ours(&said["aud"]) || said["aud"].as_array().is_some_and(|all| all.iter().any(is_ours)));
    assert!(said["exp"].as_f64().expect("it has an end") + 60.0 > NOW as f64);
    assert_eq!(
        (said["sub"].as_str(), said["org_id"].as_str()),
        (Some(claims.subject.as_str()), claims.tenant.as_deref())
    );
    assert!(claims.scopes.len() <= 128 && claims.subject.len() <= 512);
}

fn keys(bytes: &[u8]) {
    let Ok(keys) = KeySet::read(bytes) else { return };
    for head in [HEAD, r#"{"alg":"EdDSA"}"#, r#"{"alg":"RS256","kid":"k"}"#] {
        let text = format!("{}.e30.{}", BASE64_URL_SAFE_NO_PAD.encode(head), "AA".repeat(43));
        let token = Token::read(&text).expect("it is a token");
        assert!(keys.knows(&token) || keys.verify(&token).is_err());
    }
}

fn metadata(bytes: &[u8]) {
    let issuer = Address::name(ISSUER).expect("it is an address");
    match discovery::keys_in(bytes, &issuer, issuer.clone()) {
        // RFC 3986 reads a scheme in capitals and in small letters alike.
        Ok(keys) => {
            let scheme = keys.as_str().split(':').next().unwrap_or_default();
            assert!(scheme.eq_ignore_ascii_case("https"), "keys would come in clear");
        }
        Err(DiscoveryError::OtherIssuer { found, .. }) => assert_ne!(found, ISSUER),
        Err(_) => {}
    }
}
