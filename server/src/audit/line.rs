//! What the audit log says. Every field is bounded, and none has a secret in it: no
//! variable, argument or input of a program, no token, and of a program its digest alone
//! unless the operator wants more.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use sandbox::{ExecuteRequest, Limits, RunCall, RunEvent, RunFailure, RunSummary, SessionChoice, Status, Usage};
use serde::Serialize;

use crate::identity::{Identity, Subject};
use crate::origin::Origin;

/// The most bytes of a program.
const CODE_BYTES: usize = 64 << 10;
/// The most characters of anything else that a caller wrote.
const TEXT_CHARS: usize = 200;

/// One line.
#[derive(Default, Serialize)]
pub(super) struct Line<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Whom<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<&'a Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
    /// So many refusals before it, of the same caller for the same reason, have no line.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
}

#[derive(Serialize)]
struct Whom<'a> {
    issuer: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
}

#[derive(Serialize)]
struct Client<'a> {
    name: &'a str,
    version: &'a str,
}

/// How a program ended, in the words of results.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Outcome {
    Exited { exit_code: i32 },
    Signaled { signal: i32 },
    Trapped { trap: &'static str },
    LimitExceeded { limit: &'static str },
    Cancelled,
}

impl<'a> Line<'a> {
    pub(super) fn server(event: &'static str) -> Self {
        Self { event, version: Some(env!("CARGO_PKG_VERSION")), ..Self::default() }
    }

    pub(super) fn admitted(
        call: &'a RunCall,
        request: &'a ExecuteRequest,
        limits: &'a Limits,
        with_code: bool,
    ) -> Self {
        let code = &request.program.code;
        Self {
            event: "run.admitted",
            code_bytes: Some(code.len()),
            code: with_code.then(|| &code[..code.floor_char_boundary(CODE_BYTES)]),
            session: match &request.session {
                SessionChoice::None => None,
                SessionChoice::New => Some("new".to_owned()),
                SessionChoice::Existing(id) => Some(id.to_string()),
            },
            limits: Some(limits),
            ..Self::of(call)
        }
    }

    pub(super) fn ended(event: &'a RunEvent, summary: &'a RunSummary) -> Self {
        Self {
            event: "run.ended",
            run: Some(summary.run.as_str()),
            session: summary.session.as_ref().map(ToString::to_string),
            sequence: summary.sequence,
            outcome: Some(summary.status.into()),
            usage: Some(&summary.usage),
            ..Self::over(event)
        }
    }

    /// A call without an outcome.
    pub(super) fn failed(word: &'static str, event: &'a RunEvent, failure: &'a RunFailure) -> Self {
        Self {
            event: word,
            reason: Some(failure.kind),
            field: failure.field.as_deref().map(plain),
            usage: event.times.started.map(|_| &failure.usage),
            ..Self::over(event)
        }
    }

    /// What comes before MCP.
    pub(super) fn request_refused(
        identity: Option<&'a Identity>,
        address: Option<IpAddr>,
        reason: &'static str,
        left_out: u64,
    ) -> Self {
        Self {
            event: "request.refused",
            tenant: identity.map(Identity::tenant),
            credential: identity.map(|identity| &*identity.credential),
            subject: identity.and_then(|identity| identity.subject.as_ref()).map(Whom::from),
            address,
            reason: Some(reason),
            left_out: (left_out > 0).then_some(left_out),
            ..Self::default()
        }
    }

    fn over(event: &'a RunEvent) -> Self {
        let times = &event.times;
        Self {
            limits: event.limits.as_ref(),
            waited_ms: times.started.map(milliseconds),
            took_ms: Some(milliseconds(times.now)),
            ..Self::of(&event.call)
        }
    }

    fn of(call: &'a RunCall) -> Self {
        let origin = Origin::within(call.origin.as_ref());
        Self {
            call: Some(call.number),
            tenant: Some(call.principal.directory_name()),
            credential: origin.and_then(|origin| origin.credential.as_deref()),
            subject: origin.and_then(|origin| origin.subject.as_ref()).map(Whom::from),
            client: origin
                .and_then(|origin| origin.client.as_ref())
                .map(|client| Client { name: &client.name, version: &client.version }),
            language: Some(plain(&call.language)),
            code_sha256: call.code.map(|code| format!("{code:#}")),
            ..Self::default()
        }
    }

    /// It as text, with its end.
    pub(super) fn bytes(&self, server: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Whole<'a> {
            time: String,
            server: &'a str,
            #[serde(flatten)]
            line: &'a Line<'a>,
        }
        let time = DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Micros, true);
        // Numbers and texts alone: there is nothing that JSON does not have.
        let mut bytes = serde_json::to_vec(&Whole { time, server, line: self }).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

impl<'a> From<&'a Subject> for Whom<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self { issuer: &subject.issuer, name: &subject.name, client: subject.client.as_deref() }
    }
}

impl From<Status> for Outcome {
    fn from(status: Status) -> Self {
        match status {
            Status::Exited(exit_code) => Self::Exited { exit_code },
            Status::Signaled(signal) => Self::Signaled { signal },
            Status::Trapped(trap) => Self::Trapped { trap: trap.name() },
            Status::LimitExceeded(resource) => Self::LimitExceeded { limit: resource.name() },
            Status::Cancelled => Self::Cancelled,
        }
    }
}

/// A text of a caller, bounded and without what a terminal would heed.
fn plain(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    text.chars().take(TEXT_CHARS).map(plain).collect()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
