//! What there is of one principal over HTTP: the MCP service with its sessions, and
//! the room for its requests.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use rmcp::transport::common::http_header::HEADER_SESSION_ID;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sandbox::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::Room;
use super::bounds::{HEAD_START, KEEP_ALIVE, REQUESTS, STREAMS};
use super::clients::Shared;
use super::exchange::Answer;
use super::late::{self, Pace};
use super::long::{LONG_BYTES, LongMessages};
use super::operation::Operation;
use super::refusal::Refusal;
use super::sessions::Sessions;
use crate::caller::{Caller, Held};
#[cfg(feature = "conformance")]
use crate::conformance::Handler;
#[cfg(not(feature = "conformance"))]
use crate::handler::Handler;
use crate::identity::Identity;
use crate::service::Service;
use crate::transport::message::{self, MAX_MESSAGE_BYTES};
use crate::transport::unsent::Unsent;

/// What there is of one principal.
pub(super) struct Client {
    service: Arc<Service>,
    caller: Arc<Caller>,
    mcp: Arc<StreamableHttpService<Handler, Sessions>>,
    sessions: Arc<Sessions>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    long: Arc<LongMessages>,
    /// Connections on which something of it goes on, of any sort.
    connections: Arc<Semaphore>,
    most_connections: usize,
    room: Room,
    tasks: TaskTracker,
}

impl Client {
    /// Serves a principal.
    pub(super) fn new(shared: &Shared, principal: Principal) -> Self {
        let Shared { service, longest, stop, tasks, long, most_connections, room, unsent, mcp_sessions } = shared;
        let caller = Caller::new(principal, Unsent::within(unsent));
        let of_request = (Arc::clone(service), Arc::clone(&caller), stop.clone());
        let handler = move || {
            let (service, caller, ended) = of_request.clone();
            Ok(Handler::new(service, caller, ended))
        };
        // Host and Origin were checked before, with reasons.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_json_response(true)
            .with_sse_retry(None)
            .with_sse_keep_alive(Some(KEEP_ALIVE))
            .with_max_request_body_bytes(MAX_MESSAGE_BYTES)
            .with_cancellation_token(stop.clone());
        let sessions = Arc::new(Sessions::new(*longest, tasks.clone(), mcp_sessions.clone()));
        let mcp = Arc::new(StreamableHttpService::new(handler, Arc::clone(&sessions), config));
        let (requests, streams) = (Arc::new(Semaphore::new(REQUESTS)), Arc::new(Semaphore::new(STREAMS)));
        let (service, connections) = (Arc::clone(service), Arc::new(Semaphore::new(*most_connections)));
        let (most_connections, room) = (*most_connections, room.for_one());
        let (long, tasks) = (Arc::clone(long), tasks.clone());
        Self { service, caller, mcp, sessions, requests, streams, connections, most_connections, long, room, tasks }
    }

    /// A place among the connections of this principal.
    pub(super) fn connection(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.connections).try_acquire_owned();
        place.map_err(|_| Refusal::TooManyConnections(self.most_connections))
    }

    /// The server of a connection that lasts until `ended`.
    pub(super) fn handler(&self, ended: CancellationToken) -> Handler {
        Handler::new(Arc::clone(&self.service), Arc::clone(&self.caller), ended)
    }

    /// A place among the requests of this principal.
    pub(super) fn request(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Refusal::TooMany)
    }

    /// A place among the streams of this principal.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Refusal::TooManyStreams)
    }

    /// The room for the messages of this principal.
    pub(super) fn room(&self) -> Room {
        self.room.clone()
    }

    /// The thread where long messages of this principal are read.
    pub(super) const fn long(&self) -> &Arc<LongMessages> {
        &self.long
    }

    /// Answers a request of this principal.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        identity: Arc<Identity>,
        held: &Arc<Held>,
    ) -> Result<Answer, Refusal> {
        let (mut parts, body) = request.into_parts();
        let ends_session = parts.method == Method::DELETE;
        if parts.method != Method::POST {
            Operation::OF_NO_MESSAGE.check(&identity, &self.service.accounts)?;
            if parts.method == Method::GET {
                held.keep(self.stream()?);
            }
            let mut answer = self.mcp.handle(Request::from_parts(parts, Full::<Bytes>::default())).await;
            // The session has ended by now; and clients complain of any other success.
            if ends_session && answer.status() == StatusCode::ACCEPTED {
                *answer.status_mut() = StatusCode::NO_CONTENT;
            }
            return Ok(answer);
        }
        held.keep_place(self.request()?);
        let (body, room) = self.room.take_in(&parts.headers, body).await?;
        held.keep(room);
        if !is_json(&parts.headers) {
            return Err(Refusal::NoJson);
        }
        parts.extensions.insert(Arc::clone(held));
        let session = parts.headers.get(HEADER_SESSION_ID).and_then(|id| id.to_str().ok());
        if let Some(gate) = session.and_then(|id| self.sessions.gate(id)) {
            parts.extensions.insert(gate);
        }
        let (mcp, service, tasks) = (Arc::clone(&self.mcp), Arc::clone(&self.service), self.tasks.clone());
        let message = Message { mcp, service, tasks, identity, parts, body };
        if message.body.len() < LONG_BYTES {
            return message.answer().await;
        }
        self.long.carry_out(message.answer()).await.unwrap_or(Err(Refusal::Failed))
    }
}

/// A message that is all there.
struct Message {
    mcp: Arc<StreamableHttpService<Handler, Sessions>>,
    service: Arc<Service>,
    tasks: TaskTracker,
    identity: Arc<Identity>,
    parts: Parts,
    body: Bytes,
}

impl Message {
    async fn answer(self) -> Result<Answer, Refusal> {
        let Self { mcp, service, tasks, identity, mut parts, body } = self;
        message::check_size(&body).map_err(Refusal::NoMessage)?;
        Operation::of(&body)?.check(&identity, &service.accounts)?;
        if let Some(refusal) = message::bad_cursor(&body) {
            return Err(Refusal::NoMessage(refusal));
        }
        parts.extensions.insert(identity);
        let request = Request::from_parts(parts, Full::new(body.clone()));
        let pace = Pace { at_once: HEAD_START, keep_alive: KEEP_ALIVE };
        let answer = late::begin(async move { mcp.handle(request).await }, pace, &tasks).await;
        // What rmcp says when it cannot read a message, and says without an id.
        if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            return Err(Refusal::no_message(&body));
        }
        Ok(answer)
    }
}

fn is_json(headers: &hyper::HeaderMap) -> bool {
    let value = headers.get(hyper::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
