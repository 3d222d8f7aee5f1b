//! Fetches a document of an authorization server: one connection, one answer, within
//! bounds of time and size. Redirects are not followed, so nobody but the operator and
//! the issuer itself says where requests of this server go.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::Address;
use crate::authorities::{self, TlsError};
use crate::loopback::is_loopback;

/// The longest document. Those of real servers have a few KiB.
const MAX_DOCUMENT_BYTES: usize = 256 << 10;
/// What is read of the head of an answer.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// How long one fetch may take, from the name to the last byte.
const FETCH_TIME: Duration = Duration::from_secs(4);

/// Why there is no document.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("no answer within {} s", FETCH_TIME.as_secs())]
    TooSlow,
    #[error("failed to find {host}")]
    Name { host: String, source: std::io::Error },
    #[error("{host} is {address}, and http is spoken with this machine alone")]
    NotHere { host: String, address: SocketAddr },
    #[error("failed to connect to {host}")]
    Connect { host: String, source: std::io::Error },
    #[error("{0} is no name that a certificate can have")]
    NoCertificateName(String),
    #[error("TLS is not set up")]
    NoTls,
    #[error("failed to exchange a request and an answer")]
    Exchange(#[source] hyper::Error),
    #[error("the answer was {0}, and redirects are not followed")]
    Redirect(StatusCode),
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error("the answer is compressed, which nobody asked for")]
    Compressed,
    #[error("the answer breaks off, or has more than {MAX_DOCUMENT_BYTES} bytes: {0}")]
    Body(String),
}

/// What documents are fetched with.
#[derive(Clone, Default)]
pub(super) struct Fetcher(Option<TlsConnector>);

impl Fetcher {
    /// A fetcher for addresses of this machine alone.
    pub(super) const fn clear() -> Self {
        Self(None)
    }

    /// A fetcher for addresses by TLS too, with the authorities that this machine trusts.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub(super) fn with_tls() -> Result<Self, TlsError> {
        Ok(Self::by(authorities::native()?))
    }

    fn by(config: ClientConfig) -> Self {
        Self(Some(TlsConnector::from(Arc::new(config))))
    }

    /// Fetches a document.
    pub(super) async fn get(&self, address: &Address) -> Result<Bytes, FetchError> {
        timeout(FETCH_TIME, self.fetch(address)).await.map_err(|_| FetchError::TooSlow)?
    }

    async fn fetch(&self, address: &Address) -> Result<Bytes, FetchError> {
        let host = || address.host().to_owned();
        let name = |source| FetchError::Name { host: host(), source };
        let mut places: Vec<_> = lookup_host((address.host(), address.port())).await.map_err(name)?.collect();
        if !address.is_tls() {
            // `localhost` is what the machine has it to be.
            if let Some(away) = places.iter().find(|place| !is_loopback(place.ip())) {
                return Err(FetchError::NotHere { host: host(), address: *away });
            }
        }
        places.truncate(8);
        let connect = |source| FetchError::Connect { host: host(), source };
        let stream = TcpStream::connect(places.as_slice()).await.map_err(connect)?;
        if !address.is_tls() {
            return exchange(stream, address).await;
        }
        let tls = self.0.as_ref().ok_or(FetchError::NoTls)?;
        let server = ServerName::try_from(host()).map_err(|_| FetchError::NoCertificateName(host()))?;
        exchange(tls.connect(server, stream).await.map_err(connect)?, address).await
    }
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, address: &Address) -> Result<Bytes, FetchError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(FetchError::Exchange)?;
    let request = Request::get(address.target())
        .header(HOST, address.authority())
        .header(ACCEPT, "application/json")
        .header(ACCEPT_ENCODING, "identity")
        .header(USER_AGENT, "belljar")
        .header(CONNECTION, "close")
        .body(Empty::new());
    // Every part of the request was read as an address.
    let request = request.map_err(|error| FetchError::Body(error.to_string()))?;
    let mut answer = pin!(async move {
        let answer = sender.send_request(request).await.map_err(FetchError::Exchange)?;
        let status = answer.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect(status));
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status(status));
        }
        if answer.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::Compressed);
        }
        let body = Limited::new(answer.into_body(), MAX_DOCUMENT_BYTES);
        body.collect().await.map(|body| body.to_bytes()).map_err(|error| FetchError::Body(error.to_string()))
    });
    // The connection does the work, and may be over before its last bytes were taken.
    tokio::select! {
        biased;
        answer = answer.as_mut() => return answer,
        ended = connection => ended.map_err(FetchError::Exchange)?,
    }
    answer.await
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;
    use tokio_rustls::TlsAcceptor;

    use super::super::testing::Web;
    use super::*;

    async fn get(web: &Web, path: &str) -> Result<Bytes, FetchError> {
        Fetcher::clear().get(&Address::new(&format!("{}{path}", web.origin)).unwrap()).await
    }

    fn answer(head: &str, bytes: usize) -> String {
        format!("HTTP/1.1 {head}\r\nContent-Length: {bytes}\r\n\r\n{}", "a".repeat(bytes))
    }

    #[tokio::test]
    async fn a_document_is_fetched_within_its_bounds() {
        let web = Web::new().await;
        web.answer("/most", &answer("200 OK", MAX_DOCUMENT_BYTES));
        web.answer("/more", &answer("200 OK", MAX_DOCUMENT_BYTES + 1));
        // Without a length, until the end.
        web.answer("/open", &format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(1000)));
        web.answer("/endless", &format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(MAX_DOCUMENT_BYTES + 1)));
        web.answer("/short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na");
        web.answer("/head", &answer(&format!("200 OK\r\nx: {}", "a".repeat(16 * MAX_HEAD_BYTES)), 0));
        web.answer("/zip", &answer("200 OK\r\nContent-Encoding: gzip", 1));
        assert_eq!(get(&web, "/most").await.unwrap().len(), MAX_DOCUMENT_BYTES);
        assert_eq!(get(&web, "/open").await.unwrap().len(), 1000);
        for path in ["/more", "/endless", "/short"] {
            assert!(matches!(get(&web, path).await, Err(FetchError::Body(_))), "{path}");
        }
        assert!(matches!(get(&web, "/head").await, Err(FetchError::Exchange(_))));
        assert!(matches!(get(&web, "/zip").await, Err(FetchError::Compressed)));
        assert!(matches!(get(&web, "/none").await, Err(FetchError::Status(StatusCode::NOT_FOUND))));
    }

    #[tokio::test]
    async fn nobody_is_sent_on() {
        let (web, inside) = (Web::new().await, Web::new().await);
        inside.answer("/secret", &answer("200 OK", 1));
        for status in [301, 302, 303, 307, 308] {
            web.answer("/", &answer(&format!("{status} Moved\r\nLocation: {}/secret", inside.origin), 0));
            assert!(matches!(get(&web, "/").await, Err(FetchError::Redirect(_))), "{status}");
        }
        assert_eq!(get(&inside, "/secret").await.unwrap(), "a", "the control");
        assert_eq!(inside.asked().len(), 1);
    }

    #[tokio::test]
    async fn who_does_not_listen_is_told() {
        let mut web = Web::new().await;
        let secure = Address::new(&web.origin.replace("http:", "https:")).unwrap();
        assert!(matches!(Fetcher::clear().get(&secure).await, Err(FetchError::NoTls)));
        web.end().await;
        assert!(matches!(get(&web, "/").await, Err(FetchError::Connect { .. })));
    }

    /// A server at an address of this machine whose certificate is for `name`, by an
    /// authority that signs nothing else.
    async fn secure_server(name: &str) -> (u16, RootCertStore, JoinHandle<()>) {
        let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(issued.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkeys").await;
                let _ = stream.shutdown().await;
            }
        });
        (port, roots, task)
    }

    #[tokio::test]
    async fn a_certificate_is_of_an_authority_that_is_trusted_and_for_the_name_that_was_asked() {
        let get = async |fetcher: &Fetcher, port: u16| {
            fetcher.get(&Address::new(&format!("https://127.0.0.1:{port}/jwks")).unwrap()).await
        };
        let (port, roots, right) = secure_server("127.0.0.1").await;
        let trusting = Fetcher::by(authorities::trusting(roots.clone()).unwrap());
        assert_eq!(get(&trusting, port).await.unwrap(), "keys", "the control");
        let (other_port, other_roots, other) = secure_server("127.0.0.1").await;
        let said = |refused: FetchError| match refused {
            FetchError::Connect { source, .. } => source.to_string(),
            other => panic!("{other}"),
        };
        let refused = said(get(&trusting, other_port).await.unwrap_err());
        assert!(refused.contains("invalid peer certificate") && !refused.contains("name"), "{refused}");
        let (named_port, named_roots, named) = secure_server("auth.example").await;
        let refused =
            said(get(&Fetcher::by(authorities::trusting(named_roots).unwrap()), named_port).await.unwrap_err());
        assert!(refused.contains("not valid for name"), "{refused}");
        assert_eq!(get(&Fetcher::by(authorities::trusting(other_roots).unwrap()), other_port).await.unwrap(), "keys");
        [right, other, named].iter().for_each(JoinHandle::abort);
    }
}
