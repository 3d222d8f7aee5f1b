//! Pages of other origins in browsers, where the operator lets them send requests: they
//! ask before each kind of request, and see of an answer what they are told that they
//! may (the Fetch Standard's CORS protocol).

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use hyper::http::HeaderValue;
use hyper::{HeaderMap, Response, StatusCode};

use super::exchange::Answer;

/// Fields of requests to the endpoint that a browser asks about.
const SENT: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Accept, Last-Event-ID, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name",
);
/// Fields of answers that a page needs to see.
const SEEN: HeaderValue = HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, Retry-After");
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");
/// How many seconds a browser may remember what it was told: an hour.
const REMEMBERED: HeaderValue = HeaderValue::from_static("3600");

/// The page that a request is from; whether it may send any is found out elsewhere.
pub(super) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ORIGIN).cloned()
}

/// The answer to a browser that asks what a page may send.
pub(super) fn preflight() -> Answer {
    let mut answer = Response::new(Full::<Bytes>::default().boxed());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let fields = answer.headers_mut();
    fields.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT);
    fields.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    answer
}

/// Lets the page at `origin` see an answer.
pub(super) fn show(answer: &mut Answer, origin: HeaderValue) {
    let fields = answer.headers_mut();
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, SEEN);
    fields.append(VARY, HeaderValue::from_static("Origin"));
}
