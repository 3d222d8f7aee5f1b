//! Sessions of the `initialize` era: what a client is known by between its requests.
//! Each principal has sessions of its own, so that the id of another's is none. They
//! hold no state of the sandbox.
//!
//! rmcp's keep a request going when its connection breaks, for a client that comes
//! back to ask what became of it. Here it is cancelled, as in the newer era, and no
//! event has an id by which anybody could come back.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use parking_lot::{Mutex, MutexGuard};
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification, ErrorCode, ErrorData,
    RequestId, ServerJsonRpcMessage, ServerNotification,
};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionConfig, SessionError, SessionTransport,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId};
use tokio::task::unconstrained;
use tokio_util::task::TaskTracker;

use super::bounds::{ALL_MCP_SESSIONS, MCP_SESSION_IDLE, MCP_SESSIONS};
use crate::transport::gate::{Gate, Way};
use crate::transport::total::{Part, Total};

type Result<T> = std::result::Result<T, LocalSessionManagerError>;

/// The sessions of one principal.
pub(super) struct Sessions {
    local: Arc<LocalSessionManager>,
    known: Arc<Mutex<HashMap<SessionId, Known>>>,
    /// Cancellations that are on their way.
    tasks: TaskTracker,
    all: AllSessions,
}

/// The sessions of all principals.
#[derive(Clone, Default)]
pub(super) struct AllSessions {
    count: Total,
    of_each: Arc<Mutex<Vec<OfOne>>>,
}

/// The sessions of one principal, for as long as it is known.
struct OfOne {
    local: Weak<LocalSessionManager>,
    known: Weak<Mutex<HashMap<SessionId, Known>>>,
}

/// A session, and those that it is among.
type Among = (Arc<LocalSessionManager>, Arc<Mutex<HashMap<SessionId, Known>>>, SessionId);

impl AllSessions {
    /// The session that has to go if all have too many: of whoever has the most, so
    /// that those with few keep theirs; whoever asks is first among equals.
    fn surplus(&self, asks: &Arc<Mutex<HashMap<SessionId, Known>>>) -> Option<Among> {
        if self.count.get() < ALL_MCP_SESSIONS {
            return None;
        }
        let of_each = self.of_each.lock();
        let mut each: Vec<_> =
            of_each.iter().filter_map(|of| Some((of.local.upgrade()?, of.known.upgrade()?))).collect();
        drop(of_each);
        each.sort_by_cached_key(|(_, known)| Reverse((known.lock().len(), Arc::ptr_eq(known, asks))));
        each.into_iter().find_map(|(local, known)| {
            let oldest = oldest(&known.lock())?;
            Some((local, known, oldest))
        })
    }
}

/// The session that was not used for the longest and answers no request.
fn oldest(known: &HashMap<SessionId, Known>) -> Option<SessionId> {
    let idle = known.iter().filter(|(_, session)| session.open.is_empty());
    idle.min_by_key(|(_, session)| session.used).map(|(id, _)| Arc::clone(id))
}

/// Ends a session, and what it is answering.
async fn end(local: &LocalSessionManager, known: &Mutex<HashMap<SessionId, Known>>, id: &SessionId) -> Result<()> {
    let session = known.lock().remove(id);
    for request in session.into_iter().flat_map(|session| session.open) {
        // A session that has ended by itself has nothing to cancel any more.
        let _ = local.accept_message(id, cancellation(request)).await;
    }
    local.close_session(id).await
}

struct Known {
    used: Instant,
    /// Requests that are being answered.
    open: HashSet<RequestId>,
    _of_all: Part,
    /// The way to the client of the session, beside those of its requests.
    gate: Arc<Gate>,
}

impl Sessions {
    /// No sessions yet. Each lives for as long as the `longest` run without a sign of
    /// life, and then some.
    pub(super) fn new(longest: Duration, tasks: TaskTracker, all: AllSessions) -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(longest + MCP_SESSION_IDLE);
        config.sse_retry = None;
        config.completed_cache_ttl = Duration::ZERO;
        let mut local = LocalSessionManager::default();
        local.session_config = config;
        let (local, known) = (Arc::new(local), Arc::default());
        let mut of_each = all.of_each.lock();
        of_each.retain(|of| of.known.strong_count() > 0);
        of_each.push(OfOne { local: Arc::downgrade(&local), known: Arc::downgrade(&known) });
        drop(of_each);
        Self { local, known, tasks, all }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SessionId, Known>> {
        self.known.lock()
    }

    /// The way to the client of a session, if there is one.
    pub(super) fn gate(&self, id: &str) -> Option<Arc<Gate>> {
        self.known().get(id).map(|session| Arc::clone(&session.gate))
    }

    /// Ends the sessions that were not used for the longest until there is room for
    /// another; one that answers a request is not among them.
    async fn make_room(&self) -> Result<()> {
        loop {
            let oldest = {
                let mut known = self.known();
                // Sessions that were unused for so long have ended by themselves.
                let lives = self.local.session_config.keep_alive.unwrap_or(Duration::MAX);
                known.retain(|_, session| !session.open.is_empty() || session.used.elapsed() < lives);
                oldest(&known).filter(|_| known.len() >= MCP_SESSIONS)
            };
            let of_own = oldest.map(|oldest| (Arc::clone(&self.local), Arc::clone(&self.known), oldest));
            let Some((local, known, id)) = of_own.or_else(|| self.all.surplus(&self.known)) else { return Ok(()) };
            end(&local, &known, &id).await?;
        }
    }

    fn touch(&self, id: &SessionId) {
        if let Some(session) = self.known().get_mut(id) {
            session.used = Instant::now();
        }
    }
}

fn cancellation(id: RequestId) -> ClientJsonRpcMessage {
    let params = CancelledNotificationParam::new(Some(id), Some("the connection has gone".to_owned()));
    ClientJsonRpcMessage::notification(ClientNotification::CancelledNotification(CancelledNotification::new(params)))
}

/// What a request is told whose id another has that is still being answered.
fn twice(request: &RequestId) -> ServerSseMessage {
    let reason = "a request of this session with this id is being answered: ids must differ";
    let error = ErrorData::new(ErrorCode::INVALID_REQUEST, reason, None);
    ServerSseMessage::new("", ServerJsonRpcMessage::error(error, Some(request.clone())))
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport)> {
        self.make_room().await?;
        let (id, transport) = self.local.create_session().await?;
        let known = Known {
            used: Instant::now(),
            open: HashSet::new(),
            _of_all: self.all.count.add(1),
            gate: Arc::new(Gate::new()),
        };
        self.known().insert(Arc::clone(&id), known);
        Ok((id, transport))
    }

    async fn initialize_session(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<ServerJsonRpcMessage> {
        self.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool> {
        self.touch(id);
        self.local.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<()> {
        end(&self.local, &self.known, id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        let request = match &message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        if let (Some(request), Some(session)) = (&request, self.known().get_mut(id))
            && !session.open.insert(request.clone())
        {
            // rmcp knows requests by their ids, and would take this one for the other.
            return Ok(Answers { stream: Box::pin(futures_util::stream::iter([twice(request)])), open: None });
        }
        // The request is open from here on, so that it is cancelled whenever the client leaves.
        let open = Open {
            id: Arc::clone(id),
            request,
            local: Arc::clone(&self.local),
            known: Arc::clone(&self.known),
            tasks: self.tasks.clone(),
        };
        let stream = self.local.create_stream(id, message).await?;
        Ok(Answers { stream: Box::pin(stream), open: Some(open) })
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<()> {
        self.touch(id);
        self.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.touch(id);
        let Some(gate) = self.gate(id) else { return Err(LocalSessionManagerError::SessionNotFound(Arc::clone(id))) };
        gate.close(None);
        // rmcp would keep telling the former, which nobody may read any more.
        let session = self.local.sessions.read().await.get(id).cloned();
        if let Some(session) = session {
            session.close_standalone_sse_stream(None).await?;
        }
        let mut stream = Box::pin(self.local.create_standalone_stream(id).await?);
        // A new stream begins with what rmcp told others before: news of then, also of
        // what nobody subscribes to any longer.
        let mut before = Vec::new();
        while let Some(Some(event)) = unconstrained(stream.next()).now_or_never() {
            if !is_update(&event) {
                before.push(event);
            }
        }
        let stream = futures_util::stream::iter(before).chain(stream);
        Ok(Standalone { stream: Box::pin(stream), way: gate.open(), gate })
    }

    async fn resume(
        &self,
        _id: &SessionId,
        _last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Err::<futures_util::stream::Empty<_>, _>(SessionError::InvalidEventId.into())
    }
}

/// Whether an event tells of a resource that changed.
fn is_update(event: &ServerSseMessage) -> bool {
    let Some(ServerJsonRpcMessage::Notification(told)) = event.message.as_deref() else { return false };
    matches!(told.notification, ServerNotification::ResourceUpdatedNotification(_))
}

/// What a client is told beside its requests.
struct Standalone {
    stream: Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>,
    gate: Arc<Gate>,
    way: Way,
}

impl Stream for Standalone {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        let mut event = self.stream.as_mut().poll_next(context);
        match &mut event {
            Poll::Ready(Some(event)) => {
                event.event_id = None;
                if is_update(event) {
                    self.gate.took(self.way);
                }
            }
            Poll::Ready(None) => self.gate.close(Some(self.way)),
            Poll::Pending => self.gate.waits(self.way),
        }
        event
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        self.gate.close(Some(self.way));
    }
}

/// A request of a session that is being answered.
struct Open {
    id: SessionId,
    /// The request; `None` once it is answered.
    request: Option<RequestId>,
    local: Arc<LocalSessionManager>,
    known: Arc<Mutex<HashMap<SessionId, Known>>>,
    tasks: TaskTracker,
}

impl Open {
    fn end(&mut self) -> Option<RequestId> {
        let request = self.request.take()?;
        if let Some(session) = self.known.lock().get_mut(&self.id) {
            session.open.remove(&request);
            session.used = Instant::now();
        }
        Some(request)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(request) = self.end() else { return };
        let (id, local) = (Arc::clone(&self.id), Arc::clone(&self.local));
        self.tasks.spawn(async move {
            // A session that has ended meanwhile has nothing to cancel any more.
            let _ = local.accept_message(&id, cancellation(request)).await;
        });
    }
}

/// What comes of a request, which nobody can ask for a second time.
struct Answers {
    stream: Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>,
    /// The request; `None` for one that was not begun.
    open: Option<Open>,
}

impl Answers {
    fn end(&mut self) {
        if let Some(open) = &mut self.open {
            open.end();
        }
    }
}

impl Stream for Answers {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        let mut event = self.stream.as_mut().poll_next(context);
        match &mut event {
            Poll::Ready(Some(event)) => {
                event.event_id = None;
                let is_last = |message: &ServerJsonRpcMessage| {
                    matches!(message, ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))
                };
                if event.message.as_deref().is_some_and(is_last) {
                    self.end();
                }
            }
            Poll::Ready(None) => self.end(),
            Poll::Pending => {}
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_all_have_too_many_whoever_has_the_most_has_fewer() {
        let all = AllSessions::default();
        let of_one = || Sessions::new(Duration::from_secs(1), TaskTracker::new(), all.clone());
        let mut transports = Vec::new();
        let mut create = async |sessions: &Sessions, count: usize| {
            for _ in 0..count {
                transports.push(sessions.create_session().await.unwrap());
            }
        };
        let first = of_one();
        create(&first, 10).await;
        let many: Vec<_> = (0..ALL_MCP_SESSIONS / MCP_SESSIONS).map(|_| of_one()).collect();
        for greedy in &many {
            create(greedy, 2 * MCP_SESSIONS).await;
        }
        assert_eq!((first.known().len(), all.count.get()), (10, ALL_MCP_SESSIONS), "few are let be");
        let last = of_one();
        create(&last, 20).await;
        assert_eq!((first.known().len(), last.known().len(), all.count.get()), (10, 20, ALL_MCP_SESSIONS));
        // Principals that have the most share what is left.
        let counts: Vec<_> = many.iter().map(|greedy| greedy.known().len()).collect();
        assert_eq!(counts.iter().sum::<usize>(), ALL_MCP_SESSIONS - 30, "{counts:?}");
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 12, "{counts:?}");
        drop((first, many, last));
        assert_eq!(all.count.get(), 0);
        drop(of_one());
        assert_eq!(all.of_each.lock().len(), 1, "nothing is kept of those who are forgotten");
    }
}
