//! `/metrics`, at an address of its own: what collects metrics has no token of this
//! server, and whoever calls it need not see them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST};
use hyper::http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Server;
use super::bounds::{HEAD_BYTES, HEAD_FIELDS, HEAD_TIME};
use crate::metrics::{Format, Metrics, OfTransport, scrape};

/// Connections at once: of some collectors, and a person who looks.
const CONNECTIONS: usize = 16;
/// How long each may take and stay. Collectors come every quarter of a minute, and wait
/// ten seconds.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How long nothing is accepted when there are no descriptors left for it.
const BREATH: Duration = Duration::from_millis(50);

/// Answers whoever asks at `listener`.
pub(super) async fn serve(server: &Arc<Server>, listener: &TcpListener, metrics: &Arc<Metrics>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let (server, metrics) = (Arc::clone(server), Arc::clone(metrics));
        server.tasks.clone().spawn(async move {
            let stop = server.stop.clone();
            let conversation = timeout(CONNECTION_TIME, converse(server, metrics, stream));
            // One that takes nothing is cut off: what it waits for is old by then.
            let _ = stop.run_until_cancelled(conversation).await;
            drop(place);
        });
    }
}

async fn converse(server: Arc<Server>, metrics: Arc<Metrics>, stream: TcpStream) {
    let is_loopback = stream.local_addr().is_ok_and(|own: SocketAddr| own.ip().to_canonical().is_loopback());
    let answer = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&server, &metrics, &request, is_loopback);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEAD_FIELDS)
        .max_header_size(HEAD_BYTES);
    if let Err(error) = pin!(protocol.serve_connection(TokioIo::new(stream), answer)).await {
        tracing::debug!(%error, "a connection for metrics broke");
    }
}

fn answer(server: &Server, metrics: &Metrics, request: &Request<Incoming>, is_loopback: bool) -> Response<Full<Bytes>> {
    let field = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let plain = |status, text: &'static str| {
        let mut answer = Response::new(Full::from(text));
        *answer.status_mut() = status;
        answer
    };
    // Pages can direct a name of theirs here, and read along.
    if is_loopback && !field(HOST).is_some_and(is_of_this_machine) {
        return plain(StatusCode::FORBIDDEN, "Host must be an address of this machine, or localhost\n");
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
    let of_transport =
        OfTransport { connections: server.connections.count(), key_fetches: server.authentication.key_fetches() };
    let mut answer = Response::new(Full::from(scrape(&server.service, metrics, of_transport, format)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    answer
}

/// Whether a `Host` is no name that others can direct anywhere.
fn is_of_this_machine(host: &str) -> bool {
    let is_port =
        |rest: &str| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if let Some((address, rest)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return address.parse::<IpAddr>().is_ok() && is_port(rest);
    }
    let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
    (name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")) && is_port(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_localhost() {
        for (host, expected) in [
            ("127.0.0.1:9411", true),
            ("localhost", true),
            ("LocalHost:1", true),
            ("[::1]:9411", true),
            ("10.0.0.7", true),
            ("evil.example:9411", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1:x", false),
            ("", false),
        ] {
            assert_eq!(is_of_this_machine(host), expected, "{host}");
        }
    }
}
