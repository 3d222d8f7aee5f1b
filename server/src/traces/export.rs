//! The way to the collector: one connection, one batch after the other. What cannot be
//! sent now is tried again a few times; meanwhile the queue fills, and drops.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::protobuf::{Message, Value};
use super::queue::{Batch, Queue};
use super::settings::{Collector, TraceSettings};
use crate::authorities;

/// How long spans wait for others, as OpenTelemetry has it.
const DELAY: Duration = Duration::from_secs(5);
/// How often a batch is tried.
const ATTEMPTS: u32 = 4;
/// How long it takes after the first failure until a batch is tried again; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
/// The longest that a collector may have this wait.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// How long a server that ends has for what is left.
const FLUSH_TIME: Duration = Duration::from_secs(2);
/// What is read of an answer, in which there is nothing to heed.
const ANSWER_BYTES: usize = 64 << 10;
/// How often the log says that a collector takes nothing.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Sends spans.
pub(super) struct Exporter {
    settings: TraceSettings,
    tls: Option<TlsConnector>,
    /// `Resource` and what is before the spans of a batch.
    head: Vec<u8>,
    /// The connection that is open to the collector, while nothing is sent.
    open: Mutex<Option<SendRequest<Full<Bytes>>>>,
    told: Mutex<Option<Instant>>,
}

/// Why a batch was not taken.
enum Refused {
    /// The batch may be taken later.
    Now(Option<Duration>, anyhow::Error),
    Ever(anyhow::Error),
}

impl Exporter {
    pub(super) fn new(settings: TraceSettings) -> anyhow::Result<Self> {
        let tls = if settings.collector.is_tls {
            let trusted = authorities::native().context("traces cannot be sent to a collector with TLS")?;
            Some(TlsConnector::from(Arc::new(trusted)))
        } else {
            None
        };
        let mut head = Message::default();
        head.message(1, |resource| {
            for (name, value) in &settings.attributes {
                resource.attribute(1, name, Value::Text(value));
            }
        });
        Ok(Self { settings, tls, head: head.0, open: Mutex::default(), told: Mutex::default() })
    }

    /// Sends what comes, for as long as this is waited for.
    pub(super) async fn export(&self, queue: &Queue) {
        loop {
            let _ = timeout(DELAY, queue.full()).await;
            while let Some(batch) = queue.take() {
                self.send(queue, batch, ATTEMPTS).await;
            }
        }
    }

    /// Sends what is left.
    pub(super) async fn flush(&self, queue: &Queue) {
        let all = async {
            while let Some(batch) = queue.take() {
                self.send(queue, batch, 1).await;
            }
        };
        if timeout(FLUSH_TIME, all).await.is_err() {
            tracing::warn!("the last traces are left unsent: the collector is slow");
        }
    }

    /// Sends a batch, or drops it.
    async fn send(&self, queue: &Queue, batch: Batch, attempts: u32) {
        // Whoever stops waiting for this drops what is in it.
        let mut settling = Settling { queue, batch: &batch, is_sent: false };
        let body = self.body(&batch);
        let mut backoff = BACKOFF;
        for attempt in 1..=attempts {
            let refused = match timeout(self.settings.timeout, self.post(body.clone())).await {
                Ok(Ok(())) => {
                    settling.is_sent = true;
                    return;
                }
                Ok(Err(refused)) => refused,
                Err(_) => Refused::Now(None, anyhow::anyhow!("no answer within {:?}", self.settings.timeout)),
            };
            match refused {
                Refused::Now(later, error) if attempt < attempts => {
                    tracing::debug!(error = ?error, "traces are sent again");
                    tokio::time::sleep(later.unwrap_or(backoff).min(LONGEST_BACKOFF)).await;
                    backoff *= 2;
                }
                Refused::Now(_, error) | Refused::Ever(error) => return self.complain(&error),
            }
        }
    }

    fn body(&self, batch: &Batch) -> Bytes {
        let mut scope = Message::default();
        scope.message(1, |scope| {
            scope.text(1, "belljar").text(2, env!("CARGO_PKG_VERSION"));
        });
        scope.0.extend_from_slice(&batch.bytes);
        let mut request = Message::default();
        request.message(1, |resource_spans| {
            resource_spans.0.extend_from_slice(&self.head);
            resource_spans.bytes(2, &scope.0);
        });
        request.0.into()
    }

    async fn post(&self, body: Bytes) -> Result<(), Refused> {
        let collector = &self.settings.collector;
        let mut request = Request::post(&collector.target)
            .header(HOST, &collector.authority)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("belljar/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| Refused::Ever(error.into()))?;
        let later = |error| Refused::Now(None, error);
        let mut sender = match self.reuse().await {
            Some(sender) => sender,
            None => self.connect().await.map_err(later)?,
        };
        let answer = sender.send_request(request).await.map_err(|error| later(error.into()))?;
        let result = judged(&answer);
        // The connection is good for another when all of the answer was read.
        if Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.is_ok() {
            *self.open.lock() = Some(sender);
        }
        result
    }

    /// The connection that is open and still good.
    async fn reuse(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut sender = self.open.lock().take()?;
        sender.ready().await.is_ok().then_some(sender)
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let Collector { host, port, .. } = &self.settings.collector;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.with_context(|| format!("failed to connect to {host}:{port}"))?;
        let Some(tls) = &self.tls else { return open(stream).await };
        let name = ServerName::try_from(host.clone()).context("a certificate cannot have its name")?;
        open(tls.connect(name, stream).await.with_context(|| format!("failed to agree on TLS with {host}"))?).await
    }

    fn complain(&self, error: &anyhow::Error) {
        let mut told = self.told.lock();
        if told.is_none_or(|told| told.elapsed() >= TOLD_AGAIN) {
            *told = Some(Instant::now());
            tracing::warn!(error = ?error, "traces are dropped: the collector does not take them");
        }
    }
}

/// A batch whose end is counted, whatever it is.
struct Settling<'a> {
    queue: &'a Queue,
    batch: &'a Batch,
    is_sent: bool,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        self.queue.settle(self.batch, self.is_sent);
    }
}

/// What a collector says (OTLP 1.x, "OTLP/HTTP response").
fn judged(answer: &Response<Incoming>) -> Result<(), Refused> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let error = anyhow::anyhow!("the collector answers {status}");
    let may_pass = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    if !may_pass.contains(&status) {
        return Err(Refused::Ever(error));
    }
    let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Refused::Now(seconds.map(Duration::from_secs), error))
}

/// Speaks HTTP over a stream, which goes on by itself until either side ends it.
async fn open(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    #[expect(clippy::disallowed_methods, reason = "it ends with the sender, and nothing is lost with it")]
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the collector broke");
        }
    });
    Ok(sender)
}
