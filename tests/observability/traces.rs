//! Traces: do they go on where a client says that they are, do they say what happened and
//! nothing that is secret, and does no call wait for a collector?

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http::{HttpServer, legacy, modern};
use tests::{Builder, Server};

use crate::collector::{Collector, Span};
use crate::metrics::Collected;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn execute(arguments: Value) -> Value {
    modern("tools/call", json!({"name": "execute", "arguments": arguments}))
}

fn python(code: &str) -> Value {
    execute(json!({"language": "python", "code": code}))
}

fn traced(collector: &Collector) -> Builder {
    Server::with().env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
}

fn started(builder: Builder) -> HttpServer {
    let server = HttpServer::with(builder);
    server.wait_until_ready();
    server
}

/// The spans of one trace with this name.
fn named<'a>(spans: &'a [Span], trace: &str, name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.trace == trace && span.name == name).collect()
}

#[test]
fn a_trace_goes_on_through_queue_run_and_store_and_has_no_secret_in_it() {
    let collector = Collector::start();
    let builder = traced(&collector)
        .env("OTEL_SERVICE_NAME", "sandbox")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector");
    let server = started(builder);
    let mut call = execute(json!({"language": "python", "session": "new", "env": {"KEY": "s3cret-env"},
        "code": "import os; print(os.environ['KEY'], input()) # s3cret-code", "stdin": "s3cret-in", "args": ["s3cret-arg"]}));
    call["params"]["_meta"]["traceparent"] = PARENT.into();
    call["params"]["_meta"]["tracestate"] = "vendor=1".into();
    call["id"] = 77.into();
    let reply = server.post(&call).reply();
    assert_eq!(reply.output(), "s3cret-env s3cret-in\n");
    let spans = collector.spans(4);
    assert_eq!((spans.len(), spans.iter().all(|span| span.trace == TRACE)), (4, true), "{spans:#?}");
    let root = named(&spans, TRACE, "tools/call execute")[0];
    assert_eq!(
        (root.parent.as_str(), root.state.as_str(), root.kind, root.status),
        ("00f067aa0ba902b7", "vendor=1", 2, 0)
    );
    for (attribute, expected) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "execute"),
        ("gen_ai.operation.name", "execute_tool"),
        ("mcp.protocol.version", "2026-07-28"),
        ("jsonrpc.request.id", "77"),
        ("network.transport", "tcp"),
        ("belljar.language", "python"),
        ("belljar.run.id", reply.run()),
        ("belljar.session.id", &reply.session()),
        ("belljar.run.status", "exited"),
        ("belljar.client.name", "belljar-tests"),
    ] {
        assert_eq!(root.attributes.get(attribute).map(String::as_str), Some(expected), "{attribute}");
    }
    assert!(!root.attributes.contains_key("error.type"));
    let mut before = root.from;
    for name in ["queue", "run", "store commit"] {
        let [part] = named(&spans, TRACE, name)[..] else { panic!("{name}: {spans:#?}") };
        assert_eq!((&part.parent, part.kind), (&root.id, 1), "{name}");
        assert!(before <= part.from && part.from <= part.to && part.to <= root.to, "{name}: {spans:#?}");
        before = part.to;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    assert!(u128::from(root.to) <= now && now - u128::from(root.from) < 600_000_000_000);
    let resource = collector.resource();
    assert_eq!(
        (resource["service.name"].as_str(), resource["deployment.environment.name"].as_str()),
        ("sandbox", "test")
    );
    let head = &collector.heads()[0];
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n") && head.contains("application/x-protobuf"), "{head}");
    assert!(head.contains("Bearer of-the-collector"), "{head}");
    let said = format!("{spans:?}");
    for secret in ["s3cret", server.token(), "of-the-collector"] {
        assert!(!said.contains(secret) && !server.log().contains("of-the-collector"), "{secret}");
    }
}

#[test]
fn the_field_of_a_request_counts_where_the_message_says_nothing_and_errors_are_told() {
    let collector = Collector::start();
    let server = started(traced(&collector).flag("--traces-clients-decide"));
    let other = PARENT.replace("0af", "1af");
    let with_field = |message: &Value| server.connect().ask(&server.request(message).field("traceparent", &other));
    with_field(&python("raise ValueError('s3cret')"));
    let mut call = execute(json!({"language": "cobol", "code": ""}));
    call["params"]["_meta"]["traceparent"] = PARENT.into();
    with_field(&call);
    // One that nobody keeps, and one that nobody has begun.
    let ignored = PARENT.replace("-01", "-00").replace("0af", "2af");
    server.connect().ask(&server.request(&python("1")).field("traceparent", &ignored));
    server.post(&python("1"));
    let spans = collector.spans(3 + 1 + 3);
    let roots: Vec<_> = spans.iter().filter(|span| span.name == "tools/call execute").collect();
    let told: Vec<_> = roots
        .iter()
        .map(|span| (&span.trace[..4], span.status, span.attributes.get("error.type").map_or("", String::as_str)))
        .collect();
    assert_eq!(told[..2], [("1af7", 2, "tool_error"), ("0af7", 2, "invalid_request")]);
    assert_eq!((told.len(), told[2].1, roots[2].parent.as_str()), (3, 0, ""));
    assert!(!format!("{spans:?}").contains("s3cret") && !format!("{spans:?}").contains("cobol"));
}

#[test]
fn a_client_neither_hides_its_calls_nor_has_them_sent_by_its_flag() {
    let collector = Collector::start();
    let call = |server: &HttpServer, flag: &str| {
        let mut call = python("1");
        call["params"]["_meta"]["traceparent"] = PARENT.replace("-01", flag).into();
        assert_eq!(server.post(&call).reply().value(), Some("1"));
    };
    let off = started(traced(&collector).env("OTEL_TRACES_SAMPLER", "parentbased_always_off"));
    call(&off, "-01");
    off.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(off.wait().success());
    assert!(collector.heads().is_empty(), "whoever ends sends what it has");
    let on = started(traced(&collector));
    call(&on, "-00");
    let spans = collector.spans(3);
    assert_eq!(named(&spans, TRACE, "tools/call execute").len(), 1);
}

#[test]
fn the_initialize_era_is_traced_too_and_a_server_that_ends_sends_what_it_has() {
    let collector = Collector::start();
    // What is meant for this server alone wins over what all programs have.
    let builder = Server::with().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let server = started(builder.flag(format!("--traces-endpoint={}", collector.url())));
    let client = json!({"name": "old", "version": "7"});
    let hello =
        legacy(1, "initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}));
    let answer = server.connect().ask(&server.request(&hello));
    let session = answer.field("Mcp-Session-Id").unwrap().to_owned();
    let call = legacy(
        2,
        "tools/call",
        json!({"name": "execute", "arguments": {"language": "python", "code": "1"},
        "_meta": {"traceparent": PARENT}}),
    );
    let request = server.request(&call).field("Mcp-Session-Id", &session).field("MCP-Protocol-Version", "2025-11-25");
    assert_eq!(server.connect().ask(&request).status, 200);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(server.wait().success());
    let spans = collector.spans(3);
    let root = named(&spans, TRACE, "tools/call execute")[0];
    assert_eq!(root.attributes["belljar.client.version"], "7");
}

#[test]
fn a_collector_that_is_busy_is_asked_again_and_one_that_is_away_holds_up_no_call() {
    let collector = Collector::start();
    collector.refuse_with(&[503, 429]);
    let collected = Collected::start(traced(&collector));
    collected.server.post(&python("1"));
    assert_eq!(collector.spans(3).len(), 3);
    assert_eq!(collector.heads().len(), 3);
    let sent = || collected.samples()["belljar_trace_spans_total{result=\"sent\"}"];
    tests::eventually("the spans to be counted", || (sent() == 3.0).then_some(()));
    // A batch that the collector will never take is not sent again.
    collector.refuse_with(&[400]);
    collected.server.post(&python("1"));
    let dropped = || collected.samples()["belljar_trace_spans_total{result=\"dropped\"}"];
    tests::eventually("the spans to be dropped", || (dropped() == 3.0).then_some(()));

    let silent = Collector::start();
    silent.fall_silent();
    let builder = traced(&silent).env("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let collected = Collected::start(builder);
    let one = || {
        let began = Instant::now();
        assert_eq!(collected.server.execute("print('hi')").output(), "hi\n");
        began.elapsed()
    };
    // Enough for a batch, which is on its way from then on, and more behind it.
    let slowest = (0..400).map(|_| one()).max().unwrap();
    assert!(!silent.heads().is_empty(), "the collector was asked");
    assert!(slowest < Duration::from_secs(30), "{slowest:?}: less than the collector takes");
    assert_eq!(collected.samples()["belljar_trace_spans_total{result=\"sent\"}"], 0.0);
}

#[test]
fn a_server_over_stdio_sends_nothing_and_what_is_not_understood_keeps_one_over_http_from_starting() {
    let collector = Collector::start();
    let server = traced(&collector).start();
    server.assert_usable();
    server.client.close();
    assert!(server.wait().success());
    assert!(collector.heads().is_empty());
    let builder = traced(&collector).env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let home = tempfile::tempdir().unwrap();
    let output = builder.command(home.path()).args(["serve", "--listen", ":0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("must be http/protobuf"), "{said}");
}
