//! MCP over HTTP: one endpoint, both protocol eras, and every check that comes
//! before MCP. What a request passes, in this order: health, Host and Origin, path,
//! method, who calls, room, scope, and then rmcp.
//!
//! - `listener`, `tls`, `hello`: what is settled before anything is served.
//! - `connection`, `socket`: connections, bounded in number and patience.
//! - `forwarded`, `strangers`, `pages`: proxies in front, what the log says of those whom
//!   nobody knows, and pages in browsers.
//! - `authority`, `body`, `bounds`, `operation`, `refusal`: what a request may be.
//! - `exchange`, `lasting`, `late`: a request and what it holds until its answer is out,
//!   the answer that ends with its credential, and the one that takes its time.
//! - `metrics`: what collectors of metrics are told, at an address of its own.
//! - `websocket`: the same over connections that are upgraded, where that is asked for.
//! - `clients`, `client`, `sessions`: every principal, one of them, and its sessions of
//!   the `initialize` era.

mod authority;
mod body;
mod bounds;
mod client;
mod clients;
mod connection;
mod exchange;
mod forwarded;
pub(crate) mod hello;
mod lasting;
mod late;
pub(crate) mod listener;
mod long;
mod metrics;
mod operation;
mod pages;
mod refusal;
mod sessions;
mod socket;
mod strangers;
mod tls;
mod websocket;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::http::{HeaderValue, Uri};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::authority::Authorities;
use self::bounds::{CONNECTIONS, GOODBYE, HEAD_BYTES, HEAD_FIELDS, IDLE_TIME, LAST_WORDS, RETRY_AFTER_SECONDS};
use self::clients::Clients;
use self::connection::{Connection, Connections};
use self::exchange::{Answer, AnswerBody, Exchange};
use self::lasting::lasting;
use self::refusal::{Refusal, json_answer};
use self::socket::{Patience, Socket};
use self::strangers::{Line, Strangers};
use self::tls::{NoTls, Tls};
use crate::caller::Held;
use crate::config::{Network, Serving};
use crate::identity::{Authentication, Identity, Unauthenticated, tell_used};
use crate::service::Service;

/// How long nothing is accepted when there are no descriptors left for it.
const BREATH: Duration = Duration::from_millis(50);

/// How often the log says that there are no descriptors left.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// How many descriptors there are for each connection that there may be: one is its
/// own, and the other is for what its requests run.
const DESCRIPTORS_PER_CONNECTION: usize = 2;

/// Where requests come in.
pub(crate) struct Door {
    tls: Option<Arc<Tls>>,
    authorities: Authorities,
    /// The name by which clients find the server, where it has one.
    public_host: Option<String>,
    trusted_proxies: Vec<Network>,
    /// Whether the door is one for WebSockets too.
    websocket: bool,
}

impl Door {
    /// The door of a server that listens on `address`.
    ///
    /// # Errors
    ///
    /// When its certificate cannot be used.
    pub(crate) fn new(address: SocketAddr, serving: &Serving) -> anyhow::Result<Self> {
        Ok(Self {
            tls: serving.tls.clone().map(Tls::open).transpose()?,
            authorities: Authorities::of(
                address,
                serving.tls.is_some(),
                serving.public_url.as_ref(),
                &serving.allowed_origins,
            ),
            public_host: serving.public_url.as_ref().map(|url| url.host().to_owned()),
            trusted_proxies: serving.trusted_proxies.clone(),
            websocket: serving.websocket,
        })
    }
}

/// What every connection is served with.
struct Server {
    service: Arc<Service>,
    door: Door,
    authentication: Authentication,
    strangers: Strangers,
    clients: Clients,
    connections: Arc<Connections>,
    /// Calls of tools whose answers are not with their clients yet.
    calls: TaskTracker,
    /// Cancelled when what is left of streams is to end.
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Serves until the server is over.
pub(crate) async fn serve(
    service: Arc<Service>,
    (listener, for_metrics): (std::net::TcpListener, Option<std::net::TcpListener>),
    door: Door,
    authentication: Authentication,
    descriptors: usize,
) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let for_metrics = for_metrics.map(TcpListener::from_std).transpose()?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let connections = CONNECTIONS.min(descriptors / DESCRIPTORS_PER_CONNECTION);
    let clients = Clients::new(&service, &stop, &tasks, connections)?;
    let server = Arc::new(Server {
        service: Arc::clone(&service),
        door,
        authentication,
        strangers: Strangers::new(),
        clients,
        connections: Connections::new(connections),
        calls: TaskTracker::new(),
        stop,
        tasks,
    });
    server.authentication.hear(&service.executor).await;
    tokio::select! {
        () = accept(&server, &listener) => {}
        () = server.authentication.watch() => {}
        () = server.authentication.tell(&service.executor) => {}
        () = tell_used(&service.accounts, &service.executor) => {}
        () = collect(&server, for_metrics.as_ref()) => {}
        () = service.over() => {}
    }
    drop(listener);
    // The answers of drained calls are on their way out. Only when they are there, or
    // nobody takes them, streams end that would have no end.
    server.calls.close();
    if timeout(LAST_WORDS, server.calls.wait()).await.is_err() {
        tracing::warn!("clients do not read: the last answers are left unsent");
    }
    server.stop.cancel();
    server.tasks.close();
    // What does not close in time is closed by the end of the process.
    let _ = timeout(GOODBYE, server.tasks.wait()).await;
    Ok(())
}

/// Answers collectors of metrics, if there is an address for them.
async fn collect(server: &Arc<Server>, listener: Option<&TcpListener>) {
    match (listener, server.service.metrics()) {
        (Some(listener), Some(metrics)) => metrics::serve(server, listener, metrics).await,
        _ => std::future::pending().await,
    }
}

async fn accept(server: &Arc<Server>, listener: &TcpListener) {
    let mut told = None::<Instant>;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => take(server, stream, peer.ip()).await,
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= TOLD_AGAIN) {
                    told = Some(Instant::now());
                    tracing::error!(%error, "no connection can be accepted");
                }
                // The descriptor of a connection that makes room is the next one's.
                server.connections.evict();
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn take(server: &Arc<Server>, mut stream: TcpStream, peer: IpAddr) {
    // An event of a stream would wait for the acknowledgement of the one before, 40 ms.
    if stream.set_nodelay(true).is_err() {
        // The client has gone already.
        return;
    }
    match server.connections.enter().await {
        Ok(connection) => drop(server.tasks.spawn(converse(Arc::clone(server), stream, peer, connection))),
        Err(refusal) => {
            // A refusal is written as far as it fits without waiting for anybody.
            let _ = stream.try_write(&refusal.bytes());
            let _ = stream.shutdown().await;
        }
    }
}

/// Answers requests on a connection, one after the other, until either side ends it.
async fn converse(server: Arc<Server>, stream: TcpStream, peer: IpAddr, connection: Arc<Connection>) {
    // Each future is boxed by itself: a connection without TLS has no room for its state.
    let Some(tls) = &server.door.tls else { return Box::pin(converse_over(server, stream, peer, connection)).await };
    let agreed = tokio::select! {
        agreed = tls.accept(stream) => agreed,
        () = connection.leave() => return,
        () = server.stop.cancelled() => return,
    };
    match agreed {
        Ok(stream) => Box::pin(converse_over(server, stream, peer, connection)).await,
        Err(error) => {
            tracing::debug!(%error, "a connection has no TLS");
            if let NoTls::Plain(mut stream) = error {
                let _ = stream.try_write(&Refusal::Plain.bytes());
                let _ = stream.shutdown().await;
            }
        }
    }
}

async fn converse_over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    server: Arc<Server>,
    stream: S,
    peer: IpAddr,
    connection: Arc<Connection>,
) {
    let io = TokioIo::new(Socket::new(stream, Arc::clone(&connection), Patience::default()));
    let (of_requests, of_connection) = (Arc::clone(&server), Arc::clone(&connection));
    let answer = service_fn(move |request| {
        let exchange = Exchange::begin(&of_connection, Held::new(of_requests.calls.clone()));
        let server = Arc::clone(&of_requests);
        // The future is boxed: a connection would have the room for it also while it is idle.
        async move { Ok::<_, Infallible>(Box::pin(server.answer(request, peer, exchange)).await) }
    });
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIME)
        .max_headers(HEAD_FIELDS)
        .max_header_size(HEAD_BYTES);
    let mut conversation = pin!(protocol.serve_connection(io, answer).with_upgrades());
    let ended = tokio::select! {
        ended = conversation.as_mut() => ended,
        () = connection.leave() => return,
        () = server.stop.cancelled() => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

impl Server {
    async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
        exchange: Exchange,
    ) -> Response<AnswerBody> {
        let (uri, headers) = (request.uri(), request.headers());
        let page = pages::origin(headers).filter(|_| self.door.authorities.check(uri, headers).is_ok());
        let answered = self.admit(request, peer, &exchange).await;
        let mut answer = answered.unwrap_or_else(|refusal| {
            exchange.dismiss();
            refusal.answer(&self.authentication)
        });
        if let Some(page) = page {
            pages::show(&mut answer, page);
        }
        if let Some(metrics) = self.service.metrics() {
            metrics.answered(answer.status().as_u16());
        }
        exchange.answer(answer)
    }

    async fn admit(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
        exchange: &Exchange,
    ) -> Result<Answer, Refusal> {
        if let Some(answered) = self.at_the_door(&request) {
            return answered.inspect_err(|refusal| {
                let client = forwarded::client(peer, request.headers(), &self.door.trusted_proxies);
                self.service.refused(None, Some(client), refusal.reason());
            });
        }
        let authenticated = match names_token(request.uri()) {
            true => Err(Unauthenticated::TokenInAddress),
            false => self.authentication.authenticate(request.headers()).await,
        };
        let identity = authenticated.map_err(|error| {
            let client = forwarded::client(peer, request.headers(), &self.door.trusted_proxies);
            self.service.refused(None, Some(client), error.reason());
            if let Some(Line { left_out, others_left_out }) = self.strangers.refused(client) {
                let reason = error.reason();
                tracing::info!(%client, reason, left_out, others_left_out, "a request of nobody who is known was refused");
            }
            Refusal::Unauthenticated(error)
        })?;
        let client = forwarded::client(peer, request.headers(), &self.door.trusted_proxies);
        self.answer_known(request, (&identity, client), exchange).await.inspect_err(|refusal| {
            self.service.refused(Some(&identity), Some(client), refusal.reason());
            tracing::debug!(
                tenant = identity.tenant(),
                credential = &*identity.credential,
                reason = refusal.reason(),
                "a request of a known caller was refused"
            );
        })
    }

    /// What needs no credential, and what no credential helps.
    fn at_the_door(&self, request: &Request<Incoming>) -> Option<Result<Answer, Refusal>> {
        let (method, headers) = (request.method(), request.headers());
        match request.uri().path() {
            // Probes are asked by address, and tell nothing that is worth a check.
            "/healthz" => return Some(probe(method, || json_answer(StatusCode::OK, &json!({"status": "alive"})))),
            "/readyz" => return Some(probe(method, || self.readiness())),
            _ => {}
        }
        if let Err(refusal) = self.door.authorities.check(request.uri(), headers) {
            return Some(Err(refusal));
        }
        if self.is_websocket(request) {
            return (method != Method::GET).then_some(Err(Refusal::Method("GET")));
        }
        let metadata = self.authentication.metadata_at(request.uri().path());
        if metadata.is_none() && request.uri().path() != "/mcp" {
            return Some(Err(Refusal::NoSuchPath));
        }
        if method == Method::OPTIONS && pages::origin(headers).is_some() {
            return Some(Ok(pages::preflight()));
        }
        if let Some(metadata) = metadata {
            return Some(probe(method, || json_answer(StatusCode::OK, metadata)));
        }
        let is_known = [Method::POST, Method::GET, Method::DELETE].contains(method);
        (!is_known).then_some(Err(Refusal::Method("POST, GET, DELETE")))
    }

    /// Whether the request is for a WebSocket, where there are any.
    fn is_websocket(&self, request: &Request<Incoming>) -> bool {
        self.door.websocket && request.uri().path() == websocket::PATH
    }

    async fn answer_known(
        self: &Arc<Self>,
        request: Request<Incoming>,
        (identity, address): (&Arc<Identity>, IpAddr),
        exchange: &Exchange,
    ) -> Result<Answer, Refusal> {
        let client = self.clients.of(&identity.principal)?;
        if self.is_websocket(&request) {
            return websocket::open(self, request, exchange.connection(), client, (Arc::clone(identity), address));
        }
        exchange.admit(client.connection()?);
        let held = exchange.held();
        held.keep(Arc::clone(&client));
        let mut over = identity.over(self.service.longest_run());
        let answer = client.answer(request, Arc::clone(identity), held);
        tokio::select! {
            answer = answer => Ok(lasting(answer?, over)),
            () = &mut over => Err(Refusal::Unauthenticated(Unauthenticated::Revoked)),
        }
    }

    fn readiness(&self) -> Answer {
        let reasons = self.service.not_ready();
        if reasons.is_empty() {
            return json_answer(StatusCode::OK, &json!({"status": "ready"}));
        }
        let body = json!({"status": "not_ready", "reasons": reasons});
        let mut answer = json_answer(StatusCode::SERVICE_UNAVAILABLE, &body);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        answer
    }
}

/// Whether an address has a token in it, as RFC 6750, section 2.3, has them.
fn names_token(uri: &Uri) -> bool {
    let mut names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.any(|name| name.eq_ignore_ascii_case("access_token"))
}

fn probe(method: &Method, answer: impl FnOnce() -> Answer) -> Result<Answer, Refusal> {
    if [Method::GET, Method::HEAD].contains(method) { Ok(answer()) } else { Err(Refusal::Method("GET, HEAD")) }
}
