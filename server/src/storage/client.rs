//! HTTP to a store: `object_store` has requests, signatures and repetitions, and sends
//! them through this. Its own client would bring a second TLS library.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Collected, Limited};
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

use super::bounded::too_long;

/// How long a connection may take to come to be.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// How long the head of an answer may take, and its body, beyond what they and the
/// request take at [`LEAST_SPEED`].
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Bytes that make their way in a second, at least.
const LEAST_SPEED: u64 = 1 << 20;
/// A connection that nobody used for as long is closed: before S3 does it.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// Content up to here is taken as a whole.
const MAX_COLLECTED_BYTES: u64 = 1 << 20;
/// The longest answer that is not content. A listing has a thousand names, each of at most
/// 1,024 bytes and as much again of what is said of it.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// Idle connections that are kept.
const MAX_IDLE: usize = 32;

const NAME: HeaderValue = HeaderValue::from_static(concat!("belljar/", env!("CARGO_PKG_VERSION")));

/// Marks a request for content, whose length is known to whoever asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForContent;

/// What so many bytes take at the least speed.
pub(super) fn time_for(bytes: u64) -> Duration {
    Duration::from_secs(bytes / LEAST_SPEED)
}

/// Makes clients that trust what `tls` does.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) tls: ClientConfig,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.service(options, ANSWER_TIME)))
    }
}

impl Connector {
    fn service(&self, options: &ClientOptions, patience: Duration) -> Service {
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
        Service { client, patience }
    }
}

#[derive(Debug)]
struct Service {
    client: Client<HttpsConnector<TcpConnector>, HttpRequestBody>,
    patience: Duration,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        request.headers_mut().insert(USER_AGENT, NAME);
        let is_content = request.extensions().get::<ForContent>().is_some();
        let most = self.patience + time_for(request.body().content_length() as u64);
        let answer = timeout(most, self.client.request(request)).await;
        let answer = answer.map_err(|_| too_slow(most))?.map_err(|error| HttpError::new(kind(&error), error))?;
        let (head, body) = answer.into_parts();
        let body = Paced::new(body, self.patience);
        // Whoever reads the head alone before it is satisfied does not ask again for what
        // breaks off after that.
        let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= MAX_COLLECTED_BYTES);
        let body = if is_content && head.status.is_success() && !is_small {
            HttpResponseBody::new(body)
        } else {
            taken(body).await?.into()
        };
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// All of an answer. Whoever reads it next makes room for as much as it says that it has.
async fn taken(body: Paced) -> Result<Bytes, HttpError> {
    let most = usize::try_from(MAX_ANSWER_BYTES).unwrap_or(usize::MAX);
    let taken = Limited::new(body, most).collect().await.map(Collected::to_bytes);
    taken.map_err(|error| match error.downcast::<HttpError>() {
        Ok(error) => *error,
        Err(_) => HttpError::new(HttpErrorKind::Decode, too_long(MAX_ANSWER_BYTES)),
    })
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

/// A body that must go on coming, at the least speed.
struct Paced {
    body: Incoming,
    began: Instant,
    bytes: u64,
    patience: Duration,
    end: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(body: Incoming, patience: Duration) -> Self {
        Self { body, began: Instant::now(), bytes: 0, patience, end: Box::pin(sleep(patience)) }
    }

    /// How long all that has come so far may take.
    fn most(&self) -> Duration {
        self.patience + time_for(self.bytes)
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            let until = self.began + self.most();
            self.end.as_mut().reset(until);
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))),
            );
        }
        ready!(self.end.as_mut().poll(context));
        Poll::Ready(Some(Err(too_slow(self.most()))))
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

    use futures_util::TryStreamExt as _;
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

    /// A server that answers so without end, a part and a while after the other.
    async fn endless(head: &'static str, part: &'static str, wait: Duration) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(part.as_bytes()).await.is_ok() {
                    sleep(wait).await;
                }
            }
        });
        format!("http://127.0.0.1:{port}/")
    }

    #[tokio::test]
    async fn an_answer_that_is_no_content_has_a_length_whatever_it_says() {
        let chunk: &str = Box::leak(format!("10000\r\n{}\r\n", "x".repeat(65_536)).into_boxed_str());
        let heads = [
            "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        for head in heads {
            let url = endless(head, chunk, Duration::ZERO).await;
            let long = get(RootCertStore::empty(), true, &url).await.unwrap_err();
            assert_eq!(long.kind(), HttpErrorKind::Decode);
            assert!(long.source().unwrap().to_string().contains("more than 4194304 bytes"), "{long:?}");
        }
        // Whoever made room for it would have none.
        let huge = server(None, "HTTP/1.1 500 Oh\r\nContent-Length: 4611686018427387904\r\n\r\nshort").await;
        let broken = get(RootCertStore::empty(), true, &format!("http://127.0.0.1:{huge}/")).await.unwrap_err();
        assert_eq!(broken.kind(), HttpErrorKind::Interrupted);
    }

    #[tokio::test]
    async fn an_answer_that_comes_drop_by_drop_is_given_up() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        let connector = Connector { tls: authorities::trusting(RootCertStore::empty()).unwrap() };
        let service = connector.service(&ClientOptions::new().with_allow_http(true), Duration::from_millis(200));
        for is_content in [false, true] {
            let mut request = Request::get(endless(head, "x", Duration::from_millis(5)).await)
                .body(HttpRequestBody::empty())
                .unwrap();
            if is_content {
                request.extensions_mut().insert(ForContent);
            }
            let answer =
                async { service.call(request).await?.into_body().bytes_stream().try_collect::<Vec<_>>().await };
            assert_eq!(answer.await.unwrap_err().kind(), HttpErrorKind::Timeout, "{is_content}");
        }
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
