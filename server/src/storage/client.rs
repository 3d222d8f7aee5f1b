//! HTTP to a store: `object_store` has requests, signatures and repetitions, and sends
//! them through this. Its own client would bring a second TLS library.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderValue, USER_AGENT};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};
use rustls::ClientConfig;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How long a connection may take to come to be.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// How long the head of an answer may take, beyond what its request takes at
/// [`LEAST_SPEED`], and each part of its body.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Bytes that a request makes its way with in a second, at least.
const LEAST_SPEED: u64 = 1 << 20;
/// A connection that nobody used for as long is closed: before S3 does it.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// Answers up to here are taken as a whole, and listings, which have a thousand names.
const MAX_COLLECTED_BYTES: u64 = 1 << 20;
/// Idle connections that are kept.
const MAX_IDLE: usize = 32;

const NAME: HeaderValue = HeaderValue::from_static(concat!("belljar/", env!("CARGO_PKG_VERSION")));

/// Makes clients that trust what `tls` does.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) tls: ClientConfig,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut tcp = TcpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIME));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.tls.clone());
        // Whom `object_store` asks for credentials on the machine has no TLS.
        let is_clear = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let builder = if is_clear { builder.https_or_http() } else { builder.https_only() };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(MAX_IDLE)
            .build(builder.enable_http1().wrap_connector(tcp));
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(Client<HttpsConnector<TcpConnector>, HttpRequestBody>);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        request.headers_mut().insert(USER_AGENT, NAME);
        let is_listing = request.uri().query().is_some_and(|query| query.contains("list-type="));
        let length = request.body().content_length() as u64;
        let most = ANSWER_TIME + Duration::from_secs(length / LEAST_SPEED);
        let answer = timeout(most, self.0.request(request)).await;
        let answer = answer.map_err(|_| too_slow(most))?.map_err(|error| HttpError::new(kind(&error), error))?;
        let (head, body) = answer.into_parts();
        let body = Paced { body, patience: Box::pin(sleep(ANSWER_TIME)) };
        let body = HttpResponseBody::new(body);
        // Whoever reads the head alone before it is satisfied does not ask again for what
        // breaks off after that.
        let is_small = body.size_hint().exact().is_some_and(|bytes| bytes <= MAX_COLLECTED_BYTES);
        let body = if is_listing || is_small { body.bytes().await?.into() } else { body };
        Ok(HttpResponse::from_parts(head, body))
    }
}

fn too_slow(after: Duration) -> HttpError {
    let error = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", after.as_secs()));
    HttpError::new(HttpErrorKind::Timeout, error)
}

/// What `object_store` makes dependent on it: whether it asks again.
fn kind(error: &legacy::Error) -> HttpErrorKind {
    if error.is_connect() {
        return HttpErrorKind::Connect;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
        {
            return HttpErrorKind::Request;
        }
        if error.is::<io::Error>() {
            return HttpErrorKind::Interrupted;
        }
        cause = error.source();
    }
    HttpErrorKind::Unknown
}

/// A body that must go on coming.
struct Paced {
    body: Incoming,
    patience: Pin<Box<Sleep>>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.patience.as_mut().reset(Instant::now() + ANSWER_TIME);
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))),
            );
        }
        ready!(self.patience.as_mut().poll(context));
        Poll::Ready(Some(Err(too_slow(ANSWER_TIME))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::Request;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::authorities;

    const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkeys";
    const BROKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nke";

    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, with: &str) {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(with.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    /// A server that answers every connection so, by TLS if it has a certificate.
    async fn server(tls: Option<TlsAcceptor>, with: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                match &tls {
                    None => answer(stream, with).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => answer(stream, with).await,
                        Err(_) => continue,
                    },
                }
            }
        });
        port
    }

    fn certificate() -> (TlsAcceptor, RootCertStore) {
        let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(issued.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), roots)
    }

    async fn get(roots: RootCertStore, may_be_clear: bool, url: &str) -> Result<Bytes, HttpError> {
        let connector = Connector { tls: authorities::trusting(roots).unwrap() };
        let client = connector.connect(&ClientOptions::new().with_allow_http(may_be_clear)).unwrap();
        let request = Request::get(url).body(HttpRequestBody::empty()).unwrap();
        client.execute(request).await?.into_body().bytes().await
    }

    #[tokio::test]
    async fn nothing_goes_in_clear_unless_it_may_and_nobody_else_is_believed() {
        let (tls, roots) = certificate();
        let (secure, clear) = (server(Some(tls), WHOLE).await, server(None, WHOLE).await);
        let (https, http) = (format!("https://127.0.0.1:{secure}/"), format!("http://127.0.0.1:{clear}/"));
        assert_eq!(get(roots.clone(), false, &https).await.unwrap(), "keys");
        assert_eq!(get(roots.clone(), true, &http).await.unwrap(), "keys", "the control");
        let refused = get(roots, false, &http).await.unwrap_err();
        assert_eq!(refused.kind(), HttpErrorKind::Connect);
        let (_, others) = certificate();
        let refused = get(others, true, &https).await.unwrap_err();
        assert_eq!(refused.kind(), HttpErrorKind::Connect);
    }

    #[tokio::test]
    async fn what_breaks_off_is_asked_for_again_by_whoever_may() {
        let port = server(None, BROKEN).await;
        let broken = get(RootCertStore::empty(), true, &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert_eq!(broken.kind(), HttpErrorKind::Interrupted);
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let unreached = get(RootCertStore::empty(), true, &format!("http://127.0.0.1:{nobody}/")).await.unwrap_err();
        assert_eq!(unreached.kind(), HttpErrorKind::Connect);
    }
}
