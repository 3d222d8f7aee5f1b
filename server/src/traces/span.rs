//! A call as spans: the call itself, how long it waited, ran, and was saved, with the
//! attributes that the semantic conventions of OpenTelemetry have for MCP. None has code,
//! output or anything else in it that a caller wrote, but for what its client is called.

use std::time::{Duration, UNIX_EPOCH};

use sandbox::{Resource, RunEvent, RunStage, Status};

use super::context::TraceContext;
use super::protobuf::{Message, Value};
use super::settings::Trace;
use crate::origin::Origin;

/// `Span.SpanKind`.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
/// `Status.StatusCode.STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// The spans of one call, as repeated fields `spans` of a `ScopeSpans`.
#[derive(Debug)]
pub(super) struct Spans {
    pub(super) bytes: Vec<u8>,
    pub(super) count: u64,
}

/// The field of a `ScopeSpans` that has its spans.
const SPANS: u32 = 2;

/// What all spans of a call have.
struct Call<'a> {
    trace: &'a Trace,
    /// When the call began, in nanoseconds since 1970.
    began: u64,
    spans: Message,
    count: u64,
}

impl Spans {
    pub(super) fn of(event: &RunEvent, origin: Option<&Origin>, trace: &Trace, parent: Option<&TraceContext>) -> Self {
        let times = &event.times;
        let began = nanoseconds(times.began.duration_since(UNIX_EPOCH).unwrap_or_default());
        let mut call = Call { trace, began, spans: Message::default(), count: 0 };
        let root = trace.spans[0];
        call.span(
            (root, parent.map(|parent| parent.span)),
            ("tools/call execute", SERVER),
            (Duration::ZERO, times.now),
            |span| {
                if let Some(state) = parent.and_then(|parent| parent.state.as_deref()) {
                    span.text(3, state);
                }
                about(span, event, origin);
            },
        );
        // A time that is not there is that of what has not happened.
        let ran = times.ran.unwrap_or(times.now);
        if let Some(admitted) = times.admitted {
            let until = times.started.unwrap_or(times.now);
            call.span((trace.spans[1], Some(root)), ("queue", INTERNAL), (admitted, until), |_| {});
        }
        if let Some(started) = times.started {
            call.span((trace.spans[2], Some(root)), ("run", INTERNAL), (started, ran), |span| used(span, event));
        }
        if let Some(saved) = times.saved {
            call.span((trace.spans[3], Some(root)), ("store commit", INTERNAL), (ran, saved), |span| {
                if let RunStage::Ended(Ok(summary)) = &event.stage
                    && let Some(sequence) = summary.sequence
                {
                    span.attribute(9, "belljar.session.sequence", Value::Number(sequence));
                }
            });
        }
        Self { bytes: call.spans.0, count: call.count }
    }
}

impl Call<'_> {
    fn span(
        &mut self,
        (id, parent): ([u8; 8], Option<[u8; 8]>),
        (name, kind): (&str, u64),
        (from, to): (Duration, Duration),
        fill: impl FnOnce(&mut Message),
    ) {
        let (trace, began) = (self.trace.id, self.began);
        self.count += 1;
        self.spans.message(SPANS, |span| {
            span.bytes(1, &trace).bytes(2, &id);
            if let Some(parent) = parent {
                span.bytes(4, &parent);
            }
            span.text(5, name).number(6, kind);
            span.fixed64(7, began + nanoseconds(from)).fixed64(8, began + nanoseconds(to.max(from)));
            fill(span);
            // The flags say that the trace is sampled.
            span.fixed32(16, 1);
        });
    }
}

/// What is said of the call.
fn about(span: &mut Message, event: &RunEvent, origin: Option<&Origin>) {
    let call = &event.call;
    let mut text = |name, value: &str| {
        span.attribute(9, name, Value::Text(value));
    };
    text("mcp.method.name", "tools/call");
    text("gen_ai.tool.name", "execute");
    text("gen_ai.operation.name", "execute_tool");
    text("belljar.tenant", call.principal.directory_name());
    // The language of a call that was refused is whatever somebody wrote.
    if event.limits.is_some() {
        text("belljar.language", &call.language);
    }
    if let Some(code) = call.code {
        text("belljar.code.sha256", &format!("{code:#}"));
    }
    if let Some(origin) = origin {
        if let Some(credential) = &origin.credential {
            text("belljar.credential", credential);
        }
        if let Some(id) = &origin.request {
            text("jsonrpc.request.id", id);
        }
        if let Some(version) = &origin.protocol {
            text("mcp.protocol.version", version);
        }
        if let Some(client) = &origin.client {
            text("belljar.client.name", &client.name);
            text("belljar.client.version", &client.version);
        }
    }
    text("network.transport", "tcp");
    text("network.protocol.name", "http");
    let error = match &event.stage {
        RunStage::Ended(Ok(summary)) => {
            text("belljar.run.id", summary.run.as_str());
            if let Some(session) = &summary.session {
                text("belljar.session.id", &session.to_string());
            }
            text("belljar.run.status", summary.status.name());
            // The conventions have this word for a tool that says that it failed.
            (summary.status != Status::Exited(0)).then_some("tool_error")
        }
        RunStage::Refused(failure) | RunStage::Ended(Err(failure)) => Some(failure.kind),
        RunStage::Admitted | RunStage::Started => None,
    };
    if let Some(error) = error {
        text("error.type", error);
        span.message(15, |status| {
            status.number(3, ERROR);
        });
    }
}

/// Writes what the program used.
fn used(span: &mut Message, event: &RunEvent) {
    let RunStage::Ended(Ok(summary)) = &event.stage else { return };
    for (resource, name) in [
        (Resource::CpuTimeMs, "belljar.run.cpu_time_ms"),
        (Resource::MemoryBytes, "belljar.run.memory_bytes"),
        (Resource::Fuel, "belljar.run.fuel"),
    ] {
        if let Some(amount) = summary.usage.get(resource) {
            span.attribute(9, name, Value::Number(amount));
        }
    }
    span.attribute(9, "belljar.run.warm_start", Value::Number(u64::from(summary.is_warm)));
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
