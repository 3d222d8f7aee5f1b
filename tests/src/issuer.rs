//! An authorization server as far as one that takes its tokens sees it: metadata and
//! keys on a port of this machine, and tokens, good ones and others.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::crypto::ring::default_provider;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::server::Builder;

/// What tokens are for unless a test says otherwise.
pub const RESOURCE: &str = "https://belljar.example/mcp";

/// A private key, of ES256, with a name.
#[derive(Debug)]
pub struct Signer {
    pair: EcdsaKeyPair,
    /// The name of the key, `kid`.
    pub name: String,
}

impl Signer {
    /// A new key.
    pub fn new(name: &str) -> Self {
        let of = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(of, &SystemRandom::new()).expect("a key can be made");
        let pair = EcdsaKeyPair::from_pkcs8(of, document.as_ref(), &SystemRandom::new());
        Self { pair: pair.expect("it was just made"), name: name.to_owned() }
    }

    /// The public half of the key as JWKS documents have it.
    pub fn jwk(&self) -> Value {
        let (x, y) = self.point().split_at(32);
        json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "kid": self.name, "use": "sig", "alg": "ES256"})
    }

    /// The public half of the key as bytes.
    pub fn point(&self) -> &[u8] {
        &self.pair.public_key().as_ref()[1..]
    }

    /// A token.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "ES256", "typ": "at+jwt", "kid": self.name}), claims)
    }

    /// A token with another header.
    pub fn sign(&self, head: &Value, claims: &Value) -> String {
        let message = unsigned(head, claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("it can sign");
        format!("{message}.{}", encode(signature.as_ref()))
    }
}

/// Base64 as tokens have it.
pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The part of a token that is signed.
pub fn unsigned(head: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}

/// An authorization server.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    /// The key by which tokens are signed.
    pub signer: Signer,
    published: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// The certificate with which the issuer speaks TLS, if it does.
    certificate: Option<Arc<ServerConfig>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Issuer {
    /// An issuer that answers.
    pub fn start() -> Self {
        let mut issuer = Self::stopped();
        issuer.run();
        issuer
    }

    /// An issuer that speaks TLS, and its certificate in PEM, which no authority has signed.
    pub fn with_tls() -> (Self, String) {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
        let key = issued.signing_key.serialize_der().try_into().expect("it was just made");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![issued.cert.der().clone()], key));
        let mut issuer = Self::stopped();
        issuer.certificate = Some(Arc::new(config.expect("they belong together")));
        issuer.run();
        (issuer, issued.cert.pem())
    }

    /// An issuer that does not answer yet.
    pub fn stopped() -> Self {
        // The port stays free, as whoever asks for any port gets another one.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let signer = Signer::new("key");
        let published = Arc::new(Mutex::new(vec![signer.jwk()]));
        let address = address.expect("this machine has ports");
        Self { address, signer, published, asked: Arc::default(), certificate: None, running: None }
    }

    /// Answers from here on.
    pub fn run(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the port is still free");
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, published, name) = (Arc::clone(&self.asked), Arc::clone(&self.published), self.name());
        let (stopped, certificate) = (Arc::clone(&stop), self.certificate.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = match certificate.clone().map(ServerConnection::new) {
                    Some(Ok(session)) => answer(StreamOwned::new(session, stream), &name, &asked, &published),
                    _ => answer(stream, &name, &asked, &published),
                };
            }
        });
        self.running = Some(Running { stop, thread });
    }

    /// Answers nobody from here on.
    pub fn stop(&mut self) {
        let Some(Running { stop, thread }) = self.running.take() else { return };
        stop.store(true, Ordering::SeqCst);
        // The thread waits for somebody.
        let _ = TcpStream::connect(self.address);
        thread.join().expect("the thread has not failed");
    }

    /// What the issuer calls itself.
    pub fn name(&self) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// Has these keys from here on.
    pub fn publish(&self, keys: &[Value]) {
        *lock(&self.published) = keys.to_vec();
    }

    /// The paths that the issuer was asked for.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }

    /// How often the issuer was asked for keys.
    pub fn fetches(&self) -> usize {
        self.asked().iter().filter(|path| *path == "/jwks").count()
    }

    /// Claims of a good token, no two with the same number.
    pub fn claims(&self) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        json!({
            "iss": self.name(),
            "sub": "somebody",
            "client_id": "a-client",
            "aud": RESOURCE,
            "iat": now(),
            "exp": now() + 600,
            "jti": NUMBER.fetch_add(1, Ordering::Relaxed).to_string(),
            "scope": "sandbox:read sandbox:execute",
        })
    }

    /// A good token.
    pub fn token(&self) -> String {
        self.signer.token(&self.claims())
    }

    /// A token with another claim.
    pub fn token_with(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[claim] = value;
        self.signer.token(&claims)
    }

    /// Settings of a server that takes the tokens of this issuer.
    pub fn settings(&self) -> Builder {
        Builder::default().flag(format!("--oauth-resource={RESOURCE}")).flag(format!("--oauth-issuer={}", self.name()))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(
    mut stream: impl Read + Write,
    name: &str,
    asked: &Mutex<Vec<String>>,
    published: &Mutex<Vec<Value>>,
) -> std::io::Result<()> {
    let mut input = BufReader::new(&mut stream);
    let mut first = String::new();
    input.read_line(&mut first)?;
    let mut line = String::from("x");
    while !line.trim().is_empty() {
        line.clear();
        input.read_line(&mut line)?;
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let document = match path.as_str() {
        "/.well-known/oauth-authorization-server" => json!({"issuer": name, "jwks_uri": format!("{name}/jwks")}),
        "/jwks" => json!({"keys": *lock(published)}),
        _ => Value::Null,
    };
    lock(asked).push(path);
    let status = if document.is_null() { "404 Not Found" } else { "200 OK" };
    let body = document.to_string();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
