//! What tests need of an authorization server: keys that sign, and documents on this machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::address::Address;
use super::algorithm::Algorithm;
use super::scope_names::ScopeNames;
use super::settings::{IssuerSettings, OauthSettings};

/// An instant, in seconds since 1970.
pub(super) const NOW: u64 = 1_800_000_000;

/// A private key.
pub(super) struct Signer {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    /// ring makes none, so all tests share one.
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
}

impl Signer {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let curve = |of: &'static EcdsaSigningAlgorithm| {
            let document = EcdsaKeyPair::generate_pkcs8(of, &SystemRandom::new()).unwrap();
            Pair::Curve(EcdsaKeyPair::from_pkcs8(of, document.as_ref(), &SystemRandom::new()).unwrap())
        };
        let pair = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                Pair::Rsa(RsaKeyPair::from_pkcs8(include_bytes!("rsa_of_tests.pk8")).unwrap())
            }
            Algorithm::Es256 => curve(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => curve(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDsa => {
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
                Pair::Edwards(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
            }
        };
        Self { algorithm, pair }
    }

    /// The public key of this signer.
    pub(super) fn jwk(&self, name: &str) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "n": encode(&n), "e": encode(&e)})
            }
            Pair::Curve(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at((pair.public_key().as_ref().len() - 1) / 2);
                let curve = if self.algorithm == Algorithm::Es256 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Edwards(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
        };
        (jwk["kid"], jwk["alg"], jwk["use"]) = (name.into(), self.algorithm.name().into(), "sig".into());
        jwk
    }

    /// A token by the key of that name.
    pub(super) fn token(&self, name: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": self.algorithm.name(), "typ": "at+jwt", "kid": name}), claims)
    }

    /// A token with another header.
    pub(super) fn sign(&self, head: &Value, claims: &Value) -> String {
        self.sign_text(&head.to_string(), &claims.to_string())
    }

    /// A token of any texts.
    pub(super) fn sign_text(&self, head: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(head.as_bytes()), encode(claims.as_bytes()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let bytes = message.as_bytes();
                if self.algorithm == Algorithm::Rs256 {
                    pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap();
                } else {
                    pair.sign(&RSA_PSS_SHA256, &random, bytes, &mut signature).unwrap();
                }
                signature
            }
            Pair::Curve(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Edwards(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(&signature))
    }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Claims that are taken at [`NOW`].
pub(super) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer,
        "sub": "somebody",
        "client_id": "a-client",
        "aud": "https://belljar.example/mcp",
        "iat": NOW - 10,
        "exp": NOW + 300,
        "jti": "1",
        "scope": "sandbox:read sandbox:execute",
    })
}

/// Settings with issuers of these names.
pub(super) fn settings(issuers: &[&str]) -> OauthSettings {
    let issuer = |name: &&str| IssuerSettings {
        name: Address::name(name).unwrap(),
        jwks_uri: Some(Address::new(&format!("{name}/jwks")).unwrap()),
        tenants: BTreeMap::new(),
    };
    OauthSettings {
        resource: Address::name("https://belljar.example/mcp").unwrap(),
        issuers: issuers.iter().map(issuer).collect(),
        audiences: Vec::new(),
        token_types: Vec::new(),
        tenant_claim: None,
        scopes: ScopeNames::default(),
        leeway: Duration::from_secs(60),
    }
}

/// An HTTP server on this machine that says what it is told to.
pub(super) struct Web {
    pub(super) origin: String,
    answers: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Web {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (answers, asked) =
            (Arc::<Mutex<BTreeMap<String, String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (of_task, log) = (Arc::clone(&answers), Arc::clone(&asked));
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        break;
                    }
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
                let answer = of_task.lock().get(&path).cloned().unwrap_or(none);
                log.lock().push(path);
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { origin, answers, asked, task }
    }

    /// Says a document at a path from here on.
    pub(super) fn document(&self, path: &str, document: &Value) {
        let body = document.to_string();
        self.answer(path, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    }

    /// Says these bytes at a path from here on.
    pub(super) fn answer(&self, path: &str, answer: &str) {
        self.answers.lock().insert(path.to_owned(), answer.to_owned());
    }

    /// What it was asked for so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    /// Is there no longer.
    pub(super) async fn end(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}
