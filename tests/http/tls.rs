//! TLS: with a certificate of the operator's, which is renewed while the server runs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use tempfile::TempDir;
use tests::http::{HttpServer, Request, modern};
use tests::websocket::{WebSocket, upgrade_with};
use tests::{PATIENCE, Server, eventually};

use super::start::refusal;

/// The files of a certificate, and the certificate that was in them.
struct Certificate {
    directory: TempDir,
}

impl Certificate {
    fn new() -> (Self, CertificateDer<'static>) {
        let certificate = Self { directory: tempfile::tempdir().unwrap() };
        let first = certificate.renew();
        (certificate, first)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn flags(&self) -> [String; 2] {
        let [certificate, key] = ["certificate", "key"].map(|name| self.path(name).display().to_string());
        [format!("--tls-certificate={certificate}"), format!("--tls-key={key}")]
    }

    /// Puts another certificate in its place, one file after the other, as whoever
    /// renews them does.
    fn renew(&self) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        put(&self.path("certificate"), &cert.pem(), 0o644);
        put(&self.path("key"), &signing_key.serialize_pem(), 0o600);
        cert.der().clone()
    }
}

fn put(path: &Path, text: &str, mode: u32) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::rename(next, path).unwrap();
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A connection to a server that must show one of these certificates.
fn connect(server: &HttpServer, known: &[&CertificateDer<'static>]) -> std::io::Result<Connection> {
    let mut roots = RootCertStore::empty();
    for certificate in known {
        roots.add((*certificate).clone()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    session.complete_io(&mut socket)?;
    Ok(StreamOwned::new(session, socket))
}

/// Asks on a connection that stays open, for an answer whose body begins with `{`.
fn ask(connection: &mut Connection, request: &Request) -> (u16, serde_json::Value) {
    connection.write_all(&request.bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut more = [0; 4096];
    loop {
        let count = connection.read(&mut more).unwrap();
        assert!(count > 0, "the connection ended: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&more[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return (head.split(' ').nth(1).unwrap().parse().unwrap(), body);
        }
    }
}

fn execute(server: &HttpServer, code: &str) -> Request {
    let arguments = json!({"language": "python", "code": code});
    server.request(&modern("tools/call", json!({"name": "execute", "arguments": arguments})))
}

fn start(certificate: &Certificate, first: &CertificateDer<'static>) -> HttpServer {
    let [one, other] = certificate.flags();
    let server = HttpServer::with(Server::with().flag(one).flag(other).flag("--websocket"));
    let ready = Request::new("GET", "/readyz", server.address());
    eventually("the server to be ready", || {
        (ask(&mut connect(&server, &[first]).unwrap(), &ready).0 == 200).then_some(())
    });
    server
}

#[test]
fn calls_go_over_tls_and_a_certificate_is_renewed_without_a_restart() {
    let (certificate, first) = Certificate::new();
    let server = start(&certificate, &first);
    assert!(server.log().contains(&format!("serves MCP at https://{}/mcp", server.address())));
    let mut old = connect(&server, &[&first]).unwrap();
    let (status, answer) = ask(&mut old, &execute(&server, "print(6 * 7)"));
    assert_eq!((status, &answer["result"]["content"][0]["text"]), (200, &json!("42\n")));
    let stranger = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    connect(&server, &[stranger.cert.der()]).unwrap_err();
    let asked = || server.command(&["health", "--listen", &server.address().to_string()]);
    assert_eq!(asked(), (true, "{\"status\":\"ready\"}\n".to_owned()));

    let second = certificate.renew();
    eventually("the new certificate", || connect(&server, &[&second]).ok());
    assert!(asked().0, "the file has what the server shows");
    connect(&server, &[&first]).unwrap_err();
    let (status, _) = ask(&mut old, &execute(&server, "1"));
    assert_eq!(status, 200, "connections that there are go on");
    // A key that cannot be used changes nothing, and is told.
    put(&certificate.path("key"), "no key", 0o600);
    eventually("the refusal", || {
        connect(&server, &[&second]).unwrap();
        server.log().contains("the certificate changed and cannot be used").then_some(())
    });
    put(&certificate.path("certificate"), &stranger.cert.pem(), 0o644);
    assert!(asked().0, "a server works while one of the two files is late");
}

#[test]
fn who_speaks_without_tls_is_told_and_who_says_nothing_is_given_up() {
    let (certificate, first) = Certificate::new();
    let server = start(&certificate, &first);
    let mut silent = TcpStream::connect(server.address()).unwrap();
    silent.write_all(&[22, 3]).unwrap();
    let refused = server.connect().ask(&execute(&server, "1"));
    assert_eq!((refused.status, refused.reason().as_str()), (400, "no_tls"));
    assert_eq!(ask(&mut connect(&server, &[&first]).unwrap(), &execute(&server, "1")).0, 200);
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(silent.read(&mut [0; 64]), Ok(0) | Err(_)), "its handshake has a deadline");
}

#[test]
fn a_connection_that_breaks_cancels_its_run() {
    let (certificate, first) = Certificate::new();
    let server = start(&certificate, &first);
    let mut connection = connect(&server, &[&first]).unwrap();
    connection.write_all(&execute(&server, "while True: pass").bytes()).unwrap();
    let health = modern("tools/call", json!({"name": "health_check", "arguments": {}}));
    let active = || {
        let (_, answer) = ask(&mut connect(&server, &[&first]).unwrap(), &server.request(&health));
        answer["result"]["structuredContent"]["runs_active"].clone()
    };
    eventually("the run to begin", || (active() == 1).then_some(()));
    drop(connection);
    eventually("the run to end", || (active() == 0).then_some(()));
}

#[test]
fn a_websocket_goes_over_tls_and_one_that_breaks_cancels_its_run() {
    let (certificate, first) = Certificate::new();
    let server = start(&certificate, &first);
    let port = server.address().port();
    let upgrade = upgrade_with(server.address(), server.token());
    let foreign = upgrade.clone().field("Origin", &format!("http://localhost:{port}"));
    assert_eq!(ask(&mut connect(&server, &[&first]).unwrap(), &foreign).0, 403, "a page without TLS");
    let own = upgrade.field("Origin", &format!("https://localhost:{port}"));
    let open = || WebSocket::open(connect(&server, &[&first]).unwrap(), &own);
    let call = |code: &str| {
        modern("tools/call", json!({"name": "execute", "arguments": {"language": "python", "code": code}}))
    };
    let (mut one, mut other) = (open(), open());
    assert_eq!(one.call(&call("print(6 * 7)")).output(), "42\n");
    one.send(&call("while True: pass"));
    let health = modern("tools/call", json!({"name": "health_check", "arguments": {}}));
    let mut active = || other.call(&health).structured()["runs_active"].clone();
    eventually("the run to begin", || (active() == 1).then_some(()));
    drop(one);
    eventually("the run to end", || (active() == 0).then_some(()));
}

#[test]
fn a_certificate_that_cannot_be_used_keeps_the_server_from_starting() {
    let (certificate, _) = Certificate::new();
    let [one, other] = certificate.flags();
    let said = refusal(&["--listen=127.0.0.1:0", &one]);
    assert!(said.contains("tls_certificate and tls_key belong together"), "{said}");
    std::fs::set_permissions(certificate.path("key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = refusal(&["--listen=127.0.0.1:0", &one, &other]);
    assert!(said.contains("mode 0644") && said.contains("chmod 640"), "{said}");
    assert!(!said.contains("serves MCP"), "it said hello: {said}");
}
