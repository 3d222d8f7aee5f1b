//! Why a request is not handed on, each with its status, a word for programs and a
//! sentence that says what to do. The body is a JSON-RPC error without an id, which
//! is what the specification has for an answer to no message.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE};
use hyper::http::HeaderValue;
use hyper::{Response, StatusCode};
use rmcp::model::{ErrorCode, ErrorData};
use serde_json::{Value, json};
use thiserror::Error;

use super::bounds::{BODY_TIME, REQUESTS, RETRY_AFTER_SECONDS, STREAMS};
use super::exchange::Answer;
use crate::identity::{Authentication, Exceeded, Scope, Unauthenticated};
use crate::logging::Bounded;
use crate::transport::message::{self, MAX_MESSAGE_BYTES};

/// Code of what is refused before it is a message: the range -32000 to -32019 is
/// for servers to use.
const REFUSED: ErrorCode = ErrorCode(-32000);

/// Why a request is not handed on.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("a request must have one Host field")]
    NoHost,
    #[error(
        "Host is {}, and this server answers to {allowed} alone: a name that others can direct here is not trusted",
        Bounded(name)
    )]
    ForeignHost { name: String, allowed: String },
    #[error("Origin is {}, and pages of {allowed} alone may send requests here", Bounded(origin))]
    ForeignOrigin { origin: String, allowed: String },
    #[error("there is nothing here; MCP is spoken at /mcp")]
    NoSuchPath,
    #[error("the method must be one of {0}")]
    Method(&'static str),
    #[error(transparent)]
    Unauthenticated(Unauthenticated),
    #[error(
        "{what} needs the scope {needs}, and this credential has {}: use one that has it, or ask for one",
        if has.is_empty() { "none" } else { has }
    )]
    Scope { what: &'static str, needs: Scope, has: String },
    #[error(transparent)]
    Quota(Exceeded),
    #[error("a request must be at most {MAX_MESSAGE_BYTES} bytes; `write` large files in several calls")]
    TooLong,
    #[error("the body did not come within {} s", BODY_TIME.as_secs())]
    TooSlow,
    #[error("the body cannot be read to its end")]
    Broken,
    #[error("{REQUESTS} requests of this principal are being answered already; send it again in a moment")]
    TooMany,
    #[error("{STREAMS} streams of this principal are open already; close one")]
    TooManyStreams,
    #[error("something of this principal goes on on {0} connections already; close one, or send it again in a moment")]
    TooManyConnections(usize),
    #[error("requests of this principal take all of the memory that they may; send it again in a moment")]
    NoMemory,
    #[error("no connection is free; try again in a moment")]
    NoConnection,
    #[error("this server has TLS: its address begins with https://")]
    Plain,
    #[error("too many principals are calling at this moment; try again in a moment")]
    NoClient,
    #[error("the Content-Type of a message must be application/json")]
    NoJson,
    #[error("{}", .0.reason)]
    NoMessage(message::Refusal),
    #[error("the body is no message that anything could be done with")]
    Nothing,
    #[error("the server failed to carry out this message; its log says why")]
    Failed,
    #[error("a WebSocket begins with a request over HTTP/1.1 with `Connection: Upgrade` and `Upgrade: websocket`")]
    NoUpgrade,
    #[error("Sec-WebSocket-Version must be 13")]
    WebSocketVersion,
    #[error("{0}")]
    WebSocketField(&'static str),
    #[error("a request with this id is being answered on this connection: ids must differ")]
    Twice,
}

impl Refusal {
    /// The refusal of a body that no message is in.
    pub(super) fn no_message(body: &[u8]) -> Self {
        match message::parse(body) {
            Err(Some(refusal)) => Self::NoMessage(refusal),
            Ok(_) | Err(None) => Self::Nothing,
        }
    }

    /// The word for programs that says why.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::NoHost => "no_host",
            Self::ForeignHost { .. } => "foreign_host",
            Self::ForeignOrigin { .. } => "foreign_origin",
            Self::NoSuchPath => "no_such_path",
            Self::Method(_) => "wrong_method",
            Self::Unauthenticated(error) => error.reason(),
            Self::Scope { .. } => "insufficient_scope",
            Self::Quota(exceeded) => exceeded.name,
            Self::TooLong => "too_long",
            Self::TooSlow => "too_slow",
            Self::Broken => "broken_body",
            Self::TooMany => "too_many_requests",
            Self::TooManyStreams => "too_many_streams",
            Self::TooManyConnections(_) => "too_many_connections",
            Self::NoMemory => "no_memory",
            Self::NoConnection => "no_connection",
            Self::Plain => "no_tls",
            Self::NoClient => "no_client",
            Self::NoJson => "no_json",
            Self::NoMessage(_) | Self::Nothing => "no_message",
            Self::Failed => "server_failed",
            Self::NoUpgrade | Self::WebSocketVersion | Self::WebSocketField(_) => "no_websocket",
            Self::Twice => "id_in_use",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NoHost
            | Self::Plain
            | Self::Broken
            | Self::NoMessage(_)
            | Self::Nothing
            | Self::WebSocketVersion
            | Self::WebSocketField(_)
            | Self::Twice => StatusCode::BAD_REQUEST,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoUpgrade => StatusCode::UPGRADE_REQUIRED,
            Self::ForeignHost { .. } | Self::ForeignOrigin { .. } | Self::Scope { .. } => StatusCode::FORBIDDEN,
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthenticated(error) if error.retry_after().is_some() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated(error) if error.is_bad_request() => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany | Self::TooManyStreams | Self::TooManyConnections(_) | Self::Quota(_) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::NoMemory | Self::NoConnection | Self::NoClient => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// After how many seconds it is worth another try, where it is one at all.
    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Quota(exceeded) => Some(exceeded.retry_after_seconds()),
            Self::TooMany
            | Self::TooManyStreams
            | Self::TooManyConnections(_)
            | Self::NoMemory
            | Self::NoConnection
            | Self::NoClient => Some(RETRY_AFTER_SECONDS),
            Self::Unauthenticated(error) => error.retry_after().map(|time| time.as_secs().max(1)),
            _ => None,
        }
    }

    fn field(&self, authentication: &Authentication) -> Option<(HeaderName, HeaderValue)> {
        if let Some(seconds) = self.retry_after_seconds() {
            return Some((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        let challenge = |error: Option<&str>, needs| {
            let said = self.to_string();
            let value = authentication.challenge(error.map(|error| (error, said.as_str())), needs);
            Some((WWW_AUTHENTICATE, HeaderValue::try_from(value).ok()?))
        };
        match self {
            Self::Method(allowed) => Some((ALLOW, HeaderValue::from_static(allowed))),
            Self::Unauthenticated(error) => challenge(error.error(), None),
            Self::Scope { needs, .. } => challenge(Some("insufficient_scope"), Some(*needs)),
            Self::NoUpgrade => Some((UPGRADE, HeaderValue::from_static("websocket"))),
            Self::WebSocketVersion => Some((SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))),
            _ => None,
        }
    }

    fn body(&self) -> Value {
        let id = match self {
            Self::NoMessage(refusal) => json!(refusal.id),
            _ => Value::Null,
        };
        json!({"jsonrpc": "2.0", "id": id, "error": self.error()})
    }

    /// The refusal where there are no statuses and no fields.
    pub(super) fn error(&self) -> ErrorData {
        let code = match self {
            Self::NoMessage(refusal) => refusal.code,
            Self::Twice => ErrorCode::INVALID_REQUEST,
            Self::Failed => ErrorCode::INTERNAL_ERROR,
            _ => REFUSED,
        };
        let mut data = json!({"reason": self.reason()});
        if let Some(seconds) = self.retry_after_seconds() {
            data["retry_after_seconds"] = seconds.into();
        }
        match self {
            Self::Scope { needs, .. } => data["scope"] = needs.name().into(),
            Self::Quota(exceeded) => {
                data["bound"] = exceeded.bound.into();
                data["used"] = exceeded.used.into();
            }
            _ => {}
        }
        ErrorData::new(code, self.to_string(), Some(data))
    }

    /// The answer.
    pub(super) fn answer(&self, authentication: &Authentication) -> Answer {
        tracing::debug!(reason = self.reason(), "a request was refused");
        let mut answer = json_answer(self.status(), &self.body());
        if let Some((name, value)) = self.field(authentication) {
            answer.headers_mut().insert(name, value);
        }
        answer
    }

    /// The answer in bytes, for a connection that nobody speaks HTTP on.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (status, body) = (self.status(), self.body().to_string());
        let retry = match self {
            Self::NoConnection => format!("Retry-After: {RETRY_AFTER_SECONDS}\r\n"),
            _ => String::new(),
        };
        format!(
            "HTTP/1.1 {status}\r\n{retry}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// An answer in JSON.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
