//! Metrics: are the numbers right, in both formats, and is nothing told to whom it is not
//! for?

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http::{Answer, Connection, HttpServer, Request, modern};
use tests::{Server, target_directory};

/// How long the server gives out a text that it has.
const FRESH: Duration = Duration::from_secs(1);

/// A server that tells what it does, and where.
pub(crate) struct Collected {
    pub(crate) server: HttpServer,
    address: SocketAddr,
    asked: Cell<Option<Instant>>,
}

impl Collected {
    pub(crate) fn start(builder: tests::Builder) -> Self {
        let server = HttpServer::with(builder.flag("--metrics-listen=:0"));
        server.wait_until_ready();
        let log = server.log();
        let address = log.split("Metrics: http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        Self { server, address, asked: Cell::new(None) }
    }

    fn ask(&self, request: &Request) -> Answer {
        Connection::to(self.address).ask(request)
    }

    /// All metrics, in the older format, as they are now.
    pub(crate) fn text(&self) -> String {
        if let Some(asked) = self.asked.get() {
            std::thread::sleep(FRESH.saturating_sub(asked.elapsed()));
        }
        let answer = self.ask(&Request::new("GET", "/metrics", self.address));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        self.asked.set(Some(Instant::now()));
        answer.body
    }

    /// The value of each series.
    pub(crate) fn samples(&self) -> BTreeMap<String, f64> {
        parse(&self.text())
    }
}

/// What a text in the format 0.0.4 says, held to its rules: every series belongs to the
/// metric that was last described, and none is there twice.
pub(crate) fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut described) = (BTreeMap::new(), Vec::<String>::new());
    let mut kind = "";
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, said) = help.split_once(' ').unwrap();
            assert!(!said.is_empty() && !described.contains(&name.to_owned()), "{line}");
            described.push(name.to_owned());
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, said) = of.split_once(' ').unwrap();
            assert_eq!(Some(&name.to_owned()), described.last(), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&said), "{line}");
            kind = said;
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let of = described.last().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].map(|part| format!("{of}{part}"));
            let is_its = if kind == "histogram" { of_histogram.iter().any(|part| part == name) } else { name == of };
            assert!(is_its, "{line} is not of {of}");
            let value = value.parse::<f64>().unwrap();
            assert!(kind != "counter" || value >= 0.0, "{line}");
            assert_eq!(samples.insert(series.to_owned(), value), None, "{line} is there twice");
        }
    }
    samples
}

fn execute(arguments: Value) -> Value {
    modern("tools/call", json!({"name": "execute", "arguments": arguments}))
}

#[test]
fn what_happened_is_what_is_told() {
    let collected = Collected::start(Server::with());
    let server = &collected.server;
    let before = collected.samples();
    assert_eq!(before["belljar_ready"], 1.0);
    assert!(!before.contains_key("belljar_runs_total{language=\"python\",outcome=\"succeeded\"}"));
    for _ in 0..3 {
        server.execute("print('hi')");
    }
    server.execute("raise SystemExit(3)");
    let spins = json!({"language": "python", "code": "while True: pass", "limits": {"cpu_time_ms": 50}});
    server.post(&execute(spins));
    for _ in 0..2 {
        server.post(&execute(json!({"language": "c\"o\nbol", "code": ""})));
    }
    let mut wrong = server.request(&execute(json!({"language": "python", "code": ""})));
    wrong = wrong.field("Authorization", "Bearer wrong");
    assert_eq!(server.connect().ask(&wrong).status, 401);
    let session =
        server.post(&execute(json!({"language": "python", "code": "x = 1", "session": "new"}))).reply().session();
    server.post(&execute(json!({"language": "python", "code": "x += 1", "session": session}))).reply();
    let told = collected.samples();
    let value = |series: &str| *told.get(series).unwrap_or_else(|| panic!("{series} is not there: {told:#?}"));
    for (series, expected) in [
        ("belljar_runs_total{language=\"python\",outcome=\"succeeded\"}", 5.0),
        ("belljar_runs_total{language=\"python\",outcome=\"failed\"}", 1.0),
        ("belljar_runs_total{language=\"python\",outcome=\"limit_exceeded\"}", 1.0),
        ("belljar_run_limits_reached_total{limit=\"cpu_time_ms\"}", 1.0),
        ("belljar_run_duration_seconds_count{language=\"python\"}", 7.0),
        ("belljar_run_duration_seconds_bucket{language=\"python\",le=\"+Inf\"}", 7.0),
        ("belljar_run_queue_duration_seconds_count", 7.0),
        ("belljar_refusals_total{reason=\"invalid_request\"}", 2.0),
        ("belljar_refusals_total{reason=\"wrong_token\"}", 1.0),
        ("belljar_http_requests_total{status=\"401\"}", 1.0),
        ("belljar_store_commits_total{result=\"done\"}", 2.0),
        ("belljar_store_commit_duration_seconds_count", 2.0),
        ("belljar_captures_total", 2.0),
        ("belljar_sessions{state=\"memory\"}", 1.0),
        ("belljar_runs_active", 0.0),
        ("belljar_runs_queued", 0.0),
        ("belljar_wall_in_force{wall=\"worker\",tier=\"process\"}", 1.0),
    ] {
        assert_eq!(value(series), expected, "{series}");
    }
    let cpu = value("belljar_run_cpu_seconds_total{language=\"python\"}");
    assert!((0.05..30.0).contains(&cpu), "{cpu}");
    let (sum, below) = (
        value("belljar_run_duration_seconds_sum{language=\"python\"}"),
        value("belljar_run_duration_seconds_bucket{language=\"python\",le=\"0.025\"}"),
    );
    assert!(sum >= 0.05 && below <= 6.0, "{sum} {below}");
    assert!(value("belljar_run_warm_starts_total{language=\"python\"}") >= 1.0);
    assert!(value("belljar_store_commit_bytes_total") > 0.0 && value("belljar_capture_bytes_total") > 0.0);
    assert!(value("belljar_memory_used_bytes") <= value("belljar_memory_limit_bytes"));
    assert!(value("process_open_fds") <= value("process_max_fds"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - value("process_start_time_seconds");
    assert!((-2.0..600.0).contains(&age), "{age}");
    // What a caller wrote is no label.
    assert!(told.keys().all(|series| !series.contains("bol")));
    // No counter goes back.
    let later = collected.samples();
    for (series, before) in told.iter().filter(|(series, _)| series.contains("_total")) {
        assert!(later[series] >= *before, "{series}");
    }
}

#[test]
fn a_session_that_comes_back_is_counted_as_resumed() {
    let collected = Collected::start(Server::with().flag("--sessions=1"));
    let server = &collected.server;
    let session =
        server.post(&execute(json!({"language": "python", "code": "x = 41", "session": "new"}))).reply().session();
    server.post(&execute(json!({"language": "python", "code": "", "session": "new"}))).reply();
    assert_eq!(collected.samples()["belljar_session_resume_duration_seconds_count"], 0.0, "the control");
    let call = execute(json!({"language": "python", "code": "print(x + 1)", "session": session}));
    assert_eq!(server.post(&call).reply().output(), "42\n");
    assert_eq!(collected.samples()["belljar_session_resume_duration_seconds_count"], 1.0);
}

#[test]
fn tenants_are_told_apart_up_to_a_bound_and_only_where_that_is_asked_for() {
    let settings = "[tenants.default]\n";
    for (flag, expected) in [("--metrics-tenants=0", &[""][..]), ("--metrics-tenants=2", &["a", "b", "other"])] {
        let builder = Server::with().configured(settings).flag("--authentication=keys").flag(flag);
        let collected = Collected::start(builder);
        let server = &collected.server;
        for tenant in ["a", "b", "c", "d"] {
            let key = server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]);
            let call = execute(json!({"language": "python", "code": "print('hi')"}));
            assert_eq!(server.connect().ask(&server.request_with(&key, &call)).reply().output(), "hi\n");
        }
        let told = collected.samples();
        let runs: BTreeMap<_, _> = told
            .iter()
            .filter(|(series, _)| series.starts_with("belljar_runs_total{"))
            .map(|(series, value)| {
                (series.split("tenant=\"").nth(1).map_or("", |rest| rest.trim_end_matches("\"}")), *value)
            })
            .collect();
        assert_eq!(runs.keys().copied().collect::<Vec<_>>(), expected);
        assert_eq!(runs.values().sum::<f64>(), 4.0);
    }
}

#[test]
fn metrics_are_at_their_own_address_alone_and_no_name_leads_there() {
    let collected = Collected::start(Server::with());
    assert_eq!(collected.server.get("/metrics").status, 404, "not where MCP is");
    let request = Request::new("GET", "/metrics", collected.address);
    for (request, expected) in [
        (request.clone(), 200),
        (request.clone().field("Host", "localhost:1"), 200),
        (request.clone().field("Host", "evil.example"), 403),
        (request.clone().without("Host"), 403),
        (Request::new("GET", "/mcp", collected.address), 404),
        (Request::new("POST", "/metrics", collected.address), 405),
    ] {
        let answer = collected.ask(&request);
        assert_eq!(answer.status, expected, "{request:?} {answer:?}");
        assert!(expected == 200 || !answer.body.contains("belljar_"), "{answer:?}");
    }
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = collected.ask(&request.field("Accept", accept));
    assert!(answer.field("Content-Type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(answer.body.ends_with("# EOF\n") && answer.body.contains("# TYPE belljar_captures counter\n"));
    // A server without the setting has no such address.
    assert!(!HttpServer::start().log().contains("Metrics: "));
}

#[test]
fn whoever_takes_all_places_or_asks_without_end_keeps_no_collector_out() {
    let collected = Collected::start(Server::with());
    let idle: Vec<_> = (0..40).map(|_| Connection::to(collected.address)).collect();
    let request = Request::new("GET", "/metrics", collected.address);
    let mut connection = Connection::to(collected.address);
    let first = connection.ask(&request);
    assert_eq!(first.status, 200);
    assert!(connection.is_closed(), "one answer for each connection");
    drop(idle);
    // What the server tells of itself is another with each text.
    let is_kept = || collected.ask(&request).body == collected.ask(&request).body;
    assert!((0..5).any(|_| is_kept()), "a text is given out more than once");
    std::thread::sleep(FRESH);
    assert_ne!(collected.ask(&request).body, first.body, "and not for long");
}

#[test]
fn metrics_at_an_address_that_others_reach_are_told_under_no_name_of_theirs() {
    let builder = Server::with()
        .flag("--metrics-listen=0.0.0.0:0")
        .flag("--authentication=keys")
        .flag("--public-url=https://belljar.example/mcp");
    let server = HttpServer::with(builder);
    server.wait_until_ready();
    let log = server.log();
    assert!(log.contains("metrics are told to everybody who reaches this address"), "{log}");
    let port = log.split("Metrics: http://0.0.0.0:").nth(1).unwrap().split('/').next().unwrap();
    let address: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let request = Request::new("GET", "/metrics", address);
    for (host, expected) in
        [("127.0.0.1", 200), ("10.0.0.7:9411", 200), ("belljar.example", 200), ("evil.example", 403)]
    {
        let answer = Connection::to(address).ask(&request.clone().field("Host", host));
        assert_eq!(answer.status, expected, "{host}");
    }
}

/// `promtool` is what `.ci/run` takes from Debian.
#[test]
#[ignore = "needs promtool of Debian's package prometheus, which .ci/run brings"]
fn promtool_finds_nothing_to_complain_about() {
    let collected = Collected::start(Server::with().flag("--metrics-tenants=3"));
    collected.server.execute("print('hi')");
    let promtool = target_directory().join("ci-tools/prometheus/usr/bin/promtool");
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, collected.text().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
