//! Calls over HTTP with metrics and traces, with an audit log, and with neither: the
//! same calls, in turn. The collector of the traces is a thread of this program, which
//! takes and reads nothing of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::http::{Connection, HttpServer, Request, modern};
use tests::{Builder, Server};

use super::HELLO;
use super::figures::{Samples, milliseconds};

const CALLS: u32 = 3000;

/// A server and a client of it.
struct Trial {
    name: &'static str,
    server: HttpServer,
    connection: Connection,
    call: Request,
}

impl Trial {
    fn start(name: &'static str, builder: Builder) -> Self {
        let server = HttpServer::with(builder);
        server.wait_until_ready();
        let arguments = json!({"language": "python", "code": HELLO});
        let call = server.request(&modern("tools/call", json!({"name": "execute", "arguments": arguments})));
        Self { name, connection: server.connect(), call, server }
    }

    fn ask(&mut self) {
        let answer = self.connection.ask(&self.call).json();
        assert_eq!(answer["result"]["structuredContent"]["stdout"], "hi\n", "{answer}");
    }
}

/// Prints what it costs to be watched.
pub(crate) fn measure() {
    let home = tempfile::tempdir().expect("a temporary directory can be made");
    let log = home.path().join("audit.jsonl");
    let mut trials = [
        Trial::start("by nobody", Server::with()),
        Trial::start(
            "by metrics and traces",
            Server::with().flag("--metrics-listen=:0").env("OTEL_EXPORTER_OTLP_ENDPOINT", collector()),
        ),
        Trial::start("by an audit log", Server::with().env("BELLJAR_AUDIT_LOG", &log)),
    ];
    for trial in &mut trials {
        (0..200).for_each(|_| trial.ask());
    }
    let before = trials.each_ref().map(|trial| trial.server.cpu_time());
    let mut samples = [const { Vec::new() }; 3];
    for call in 0..CALLS as usize {
        // Whoever comes first is another each time.
        for turn in 0..trials.len() {
            let index = (call + turn) % trials.len();
            let started = Instant::now();
            trials[index].ask();
            samples[index].push(started.elapsed());
        }
    }
    let cpu: Vec<_> =
        trials.iter().zip(before).map(|(trial, before)| (trial.server.cpu_time() - before) / CALLS).collect();
    let samples = samples.map(Samples::of);
    let more = |now: Duration, then: Duration| 100.0 * (now.as_secs_f64() / then.as_secs_f64() - 1.0);
    let nobody = samples[0].median();
    for ((trial, samples), used) in trials.iter().zip(&samples[..]).zip(&cpu) {
        println!(
            "print('hi') over HTTP, watched {:<22} p50 {}  p95 {}  CPU per call {}: {:+.1} % and {:+.1} %",
            trial.name,
            samples.p50(),
            samples.p95(),
            milliseconds(*used),
            more(samples.median(), nobody),
            more(*used, cpu[0]),
        );
    }
}

/// The address of a collector that takes everything.
fn collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens somewhere");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || take(stream));
        }
    });
    format!("http://{address}")
}

/// Answers requests until there are no more.
fn take(mut output: TcpStream) -> Option<()> {
    let mut input = BufReader::new(output.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut input.by_ref().take(length), &mut std::io::sink()).ok()?;
        output.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}
