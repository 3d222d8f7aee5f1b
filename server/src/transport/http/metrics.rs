//! `/metrics`, at an address of its own: what collects metrics has no token of this
//! server, and whoever calls it need not see them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST};
use hyper::http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::bounds::{HEAD_BYTES, HEAD_FIELDS};
use crate::loopback::is_loopback;
use crate::metrics::{Format, Metrics, OfTransport, scrape};

/// Connections at once: of some collectors, and a person who looks.
const CONNECTIONS: usize = 16;
/// How long a request may take to come.
const HEAD_TIME: Duration = Duration::from_secs(3);
/// How long each connection may take and stay. Collectors wait ten seconds.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// How long one text is given to all who ask: collectors come every quarter of a minute,
/// and whoever asks without end costs nothing then.
const FRESH: Duration = Duration::from_secs(1);
/// How long nothing is accepted when there are no descriptors left for it.
const BREATH: Duration = Duration::from_millis(50);

/// What all connections are answered with.
struct Port {
    server: Arc<Server>,
    metrics: Arc<Metrics>,
    texts: Mutex<[Option<(Instant, Bytes)>; 2]>,
}

/// Answers whoever asks at `listener`.
pub(super) async fn serve(server: &Arc<Server>, listener: &TcpListener, metrics: &Arc<Metrics>) {
    if let Ok(address) = listener.local_addr()
        && !is_loopback(address.ip())
    {
        tracing::warn!(%address, "metrics are told to everybody who reaches this address: they have names of tenants \
            with metrics_tenants, and no secrets");
    }
    let port = Port { server: Arc::clone(server), metrics: Arc::clone(metrics), texts: Mutex::default() };
    let port = Arc::new(port);
    // Each connection is cancelled when it is over, or is to be.
    let mut connections = VecDeque::<CancellationToken>::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        connections.retain(|connection| !connection.is_cancelled());
        if connections.len() >= CONNECTIONS
            && let Some(oldest) = connections.pop_front()
        {
            // Whoever takes all places and says nothing keeps no collector out.
            oldest.cancel();
        }
        let ends = CancellationToken::new();
        connections.push_back(ends.clone());
        let port = Arc::clone(&port);
        server.tasks.spawn(async move {
            let _over = ends.clone().drop_guard();
            let stop = port.server.stop.clone();
            tokio::select! {
                // A connection that takes nothing is cut off: what it waits for is old by then.
                _ = timeout(CONNECTION_TIME, converse(port, stream)) => {}
                () = ends.cancelled() => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Answers one request.
async fn converse(port: Arc<Port>, stream: TcpStream) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let port = Arc::clone(&port);
        async move { Ok::<_, Infallible>(port.answer(&request).await) }
    });
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEAD_FIELDS)
        .max_header_size(HEAD_BYTES);
    if let Err(error) = pin!(protocol.serve_connection(TokioIo::new(stream), answer)).await {
        tracing::debug!(%error, "a connection for metrics broke");
    }
}

impl Port {
    async fn answer(self: &Arc<Self>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let field = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let plain = |status, text: &'static str| {
            let mut answer = Response::new(Full::from(text));
            *answer.status_mut() = status;
            answer
        };
        // Pages can direct a name of theirs here, and read along.
        if !field(HOST).is_some_and(|host| is_ours(host, self.server.door.public_host.as_deref())) {
            return plain(
                StatusCode::FORBIDDEN,
                "Host must be an address of this machine, localhost, or the host of public_url\n",
            );
        }
        if request.uri().path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "there is nothing here; metrics are at /metrics\n");
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "the method must be one of GET, HEAD\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        let format = Format::wanted(field(ACCEPT).unwrap_or_default());
        let Some(text) = self.text(format).await else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be written\n");
        };
        let mut answer = Response::new(Full::new(text));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        answer
    }

    /// The text, beside the event loop, and for all who ask at the same time.
    async fn text(self: &Arc<Self>, format: Format) -> Option<Bytes> {
        let mut texts = self.texts.lock().await;
        let kept = match format {
            Format::Prometheus => &mut texts[0],
            Format::OpenMetrics => &mut texts[1],
        };
        if let Some((made, text)) = kept
            && made.elapsed() < FRESH
        {
            return Some(text.clone());
        }
        let port = Arc::clone(self);
        let made = Instant::now();
        let text = spawn_blocking(move || Bytes::from(port.write(format))).await.ok()?;
        *kept = Some((made, text.clone()));
        Some(text)
    }

    fn write(&self, format: Format) -> String {
        let Self { server, metrics, .. } = self;
        let of_transport =
            OfTransport { connections: server.connections.count(), key_fetches: server.authentication.key_fetches() };
        scrape(&server.service, metrics, of_transport, format)
    }
}

/// Whether a `Host` is a name of this server, and none that others can direct anywhere.
fn is_ours(host: &str, public: Option<&str>) -> bool {
    let is_port =
        |rest: &str| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if let Some((address, rest)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return address.parse::<IpAddr>().is_ok() && is_port(rest);
    }
    let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
    let is_name = |ours: &str| name.eq_ignore_ascii_case(ours);
    (name.parse::<IpAddr>().is_ok() || is_name("localhost") || public.is_some_and(is_name)) && is_port(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_localhost_or_that_of_the_public_url() {
        for (host, expected) in [
            ("127.0.0.1:9411", true),
            ("localhost", true),
            ("LocalHost:1", true),
            ("[::1]:9411", true),
            ("10.0.0.7", true),
            ("belljar.example:9411", true),
            ("Belljar.Example", true),
            ("www.belljar.example", false),
            ("evil.example:9411", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1:x", false),
            ("", false),
        ] {
            assert_eq!(is_ours(host, Some("belljar.example")), expected, "{host}");
        }
        assert!(!is_ours("belljar.example", None));
    }
}
