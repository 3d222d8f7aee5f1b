//! What the audit log says. Every field is bounded, and none has a secret in it: no
//! variable, argument or input of a program, no token, and of a program its digest alone
//! unless the operator wants more.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use sandbox::{
    ExecuteRequest, Limits, Principal, RunCall, RunEvent, RunFailure, RunSummary, SessionChoice, Status, Usage,
};
use serde::Serialize;

use super::Change;
use super::refusals::{Key, LeftOut, Who};
use super::text;
use crate::identity::{Identity, Subject};
use crate::inputs::Inputs;
use crate::origin::Origin;

/// The most bytes of a program.
const CODE_BYTES: usize = 64 << 10;

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
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    inputs: Option<&'a Inputs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_bytes: Option<u64>,
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
    /// The event of which there were more.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
    /// Whether the line is of callers who have no lines of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<bool>,
    /// So many refusals have no line.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
    /// So many runs were admitted, and are not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<u64>,
}

#[derive(Serialize)]
struct Whom<'a> {
    issuer: Cow<'a, str>,
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Cow<'a, str>>,
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

    pub(super) fn server_ended(unfinished: u64) -> Self {
        Self { unfinished: Some(unfinished), ..Self::server("server.ended") }
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
            language: Some(&call.language),
            inputs: Origin::within(call.origin.as_ref()).and_then(|origin| origin.inputs.as_ref()),
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
            field: failure.field.as_deref().map(text::field),
            usage: event.times.started.map(|_| &failure.usage),
            ..Self::over(event)
        }
    }

    /// Somebody changed a session without a run.
    pub(super) fn changed(tenant: &'a Principal, origin: Option<&'a Origin>, change: &'a Change<'_>) -> Self {
        Self {
            event: "session.changed",
            change: Some(change.action),
            session: Some(change.session.to_string()),
            sequence: change.sequence,
            from: change.from.map(ToString::to_string),
            snapshot: change.snapshot.map(ToString::to_string),
            file_sha256: change.file.as_ref().map(|(sha256, _)| sha256.as_str()),
            file_bytes: change.file.as_ref().map(|(_, bytes)| *bytes),
            ..Self::from_whom(tenant, origin)
        }
    }

    /// A request that was refused before it was MCP.
    pub(super) fn request_refused(
        identity: Option<&'a Identity>,
        address: Option<IpAddr>,
        reason: &'static str,
    ) -> Self {
        Self {
            event: super::REQUEST_REFUSED,
            tenant: identity.map(Identity::tenant),
            credential: identity.map(|identity| &*identity.credential),
            subject: identity.and_then(|identity| identity.subject.as_ref()).map(Whom::from),
            address,
            reason: Some(reason),
            ..Self::default()
        }
    }

    /// How many more refusals there were than have lines.
    pub(super) fn left_out(left_out: &'a LeftOut) -> Self {
        let event = "refusals.left_out";
        match left_out {
            LeftOut::Others(tenant, count) => Self {
                event,
                tenant: tenant.as_ref().map(Principal::directory_name),
                others: Some(true),
                left_out: Some(*count),
                ..Self::default()
            },
            LeftOut::Of(Key { event: of, who, reason, field }, count) => {
                let (tenant, credential, address) = match who {
                    Who::Known { tenant, credential } => (Some(tenant), credential.as_deref(), None),
                    Who::Stranger(address) => (None, None, *address),
                };
                Self {
                    event,
                    of: Some(of),
                    tenant: tenant.map(Principal::directory_name),
                    credential,
                    address: address.filter(IpAddr::is_ipv4),
                    network: address.filter(IpAddr::is_ipv6).map(|network| format!("{network}/64")),
                    reason: Some(reason),
                    field: field.clone(),
                    left_out: Some(*count),
                    ..Self::default()
                }
            }
        }
    }

    fn over(event: &'a RunEvent) -> Self {
        let times = &event.times;
        Self {
            // A call that was refused may have anything as its language, whatever its caller wrote.
            language: times.admitted.map(|_| &*event.call.language),
            limits: event.limits.as_ref(),
            waited_ms: times.started.map(milliseconds),
            took_ms: Some(milliseconds(times.now)),
            ..Self::of(&event.call)
        }
    }

    fn of(call: &'a RunCall) -> Self {
        Self {
            call: Some(call.number),
            code_sha256: call.code.map(|code| format!("{code:#}")),
            ..Self::from_whom(&call.principal, Origin::within(call.origin.as_ref()))
        }
    }

    fn from_whom(tenant: &'a Principal, origin: Option<&'a Origin>) -> Self {
        Self {
            tenant: Some(tenant.directory_name()),
            credential: origin.and_then(|origin| origin.credential.as_deref()),
            subject: origin.and_then(|origin| origin.subject.as_ref()).map(Whom::from),
            client: origin
                .and_then(|origin| origin.client.as_ref())
                .map(|client| Client { name: &client.name, version: &client.version }),
            ..Self::default()
        }
    }

    /// The line as text, with its end.
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
        let json = serde_json::to_string(&Whole { time, server, line: self }).unwrap_or_default();
        let mut line = text::escaped(json);
        line.push('\n');
        line.into_bytes()
    }
}

impl<'a> From<&'a Subject> for Whom<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self {
            issuer: text::name(&subject.issuer),
            name: text::name(&subject.name),
            client: subject.client.as_deref().map(text::name),
        }
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

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
