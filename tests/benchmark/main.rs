//! The benchmark: everything the README claims, in one run, with native
//! `python3` beside it. Machines differ and are shared, so read the ratios
//! before the figures.
//!
//! `cargo run --release --bin benchmark`, or with `-- http`, `-- tenants`, `-- observed`
//! (metrics and traces, an audit log) or `-- replicas` what these cost alone

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, starts the processes it measures, and stops at the first thing that fails"
)]

mod connection;
mod figures;
mod http;
mod native;
mod neighbours;
mod observed;
mod replicas;
mod sessions;
mod tenants;
mod wall;

use std::process::Command;
use std::time::{Duration, Instant};

use connection::Connection;
use figures::{Samples, mebibytes};

const HELLO: &str = "print('hi')";

/// Each prints how many seconds its work took, measured inside.
const FIB: &str = "\
import time
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
started = time.perf_counter()
fib(27)
print(time.perf_counter() - started)
";
const MIX: &str = "\
import json, re, time
started = time.perf_counter()
words = re.compile(r'(\\w+)-(\\d+)')
for turn in range(8):
    rows = [{'name': f'item-{n * 7919 % 5003}', 'value': n / 3, 'tags': ['a', 'b', str(n)]} for n in range(4000)]
    rows = json.loads(json.dumps(rows))
    found = [words.match(row['name']).groups() for row in rows]
    rows.sort(key=lambda row: (row['name'], -row['value']))
    counts = {}
    for name, number in found: counts[number] = counts.get(number, 0) + 1
print(time.perf_counter() - started)
";

fn main() {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let [_, role, wall, directory] = &arguments[..]
        && role == wall::ROLE
    {
        return wall::serve(&wall.to_string_lossy(), directory.as_ref());
    }
    if let [_, role] = &arguments[..]
        && role == native::ROLE
    {
        return native::launches();
    }
    println!("belljar {}; {}\n", env!("CARGO_PKG_VERSION"), machine());
    if let Some(part) = arguments.get(1) {
        return match &*part.to_string_lossy() {
            "http" => http::measure(),
            "observed" => observed::measure(),
            "tenants" => {
                neighbours::measure();
                tenants::measure();
            }
            "replicas" => replicas::measure(),
            other => panic!("the benchmark has no part {other:?}: there are http, observed, replicas and tenants"),
        };
    }
    start();
    let call = hello();
    wall::measure(call);
    session();
    throughput();
    http::measure();
    observed::measure();
    neighbours::measure();
    tenants::measure();
    cpu_bound();
    output();
    memory();
    native::measure();
    sessions::measure();
    replicas::measure();
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let python = String::from_utf8(Command::new("python3").arg("-VV").output().expect("python3 must run").stdout);
    format!("{cpus} processors, load {load}, native {}", python.unwrap_or_default().lines().next().unwrap_or("?"))
}

fn start() {
    // Waits until the image is compiled, if this is the first run ever.
    Connection::start().execute(HELLO, None).assert_success();
    let ours = Samples::take(20, || {
        let started = Instant::now();
        let mut server = Connection::start();
        assert_eq!(server.execute(HELLO, None).stdout(), "hi\n");
        started.elapsed()
    });
    let native = Samples::take(20, || {
        let started = Instant::now();
        let output = Command::new("python3").args(["-c", HELLO]).output().expect("python3 must run");
        assert_eq!(output.stdout, b"hi\n");
        started.elapsed()
    });
    println!("server start to first result      p50 {}  p95 {}", ours.p50(), ours.p95());
    println!("  native python3, start to end    p50 {}  p95 {}", native.p50(), native.p95());
}

fn hello() -> Duration {
    const CALLS: u32 = 2000;
    let mut server = Connection::start();
    warm(&mut server, None);
    let cpu = server.cpu_time();
    let samples = Samples::take(CALLS, || {
        let started = Instant::now();
        let reply = server.execute(HELLO, None);
        let elapsed = started.elapsed();
        assert_eq!(reply.stdout(), "hi\n");
        elapsed
    });
    let cpu = (server.cpu_time() - cpu) / CALLS;
    println!(
        "isolated print('hi') over MCP     p50 {}  p95 {}  CPU per call, all processes {}",
        samples.p50(),
        samples.p95(),
        figures::milliseconds(cpu)
    );
    samples.median()
}

fn session() {
    let mut server = Connection::start();
    let session = server.execute("x = 42", Some("new")).session();
    warm(&mut server, Some(&session));
    let samples = Samples::take(2000, || {
        let started = Instant::now();
        let reply = server.execute("x", Some(&session));
        let elapsed = started.elapsed();
        assert_eq!(reply.result(), "42");
        elapsed
    });
    println!("session, read a variable          p50 {}  p95 {}", samples.p50(), samples.p95());
}

fn warm(server: &mut Connection, session: Option<&str>) {
    for _ in 0..100 {
        server.execute("None", session);
    }
}

fn throughput() {
    const CALLS: usize = 5000;
    let mut server = Connection::start();
    warm(&mut server, None);
    for in_flight in [1, 8, 32] {
        let per_second = server.throughput(CALLS, in_flight);
        println!("isolated calls, {in_flight:>2} in flight      {per_second:.0} per second, every output correct");
    }
}

fn cpu_bound() {
    let mut server = Connection::start();
    for (name, code) in [("fib(27)", FIB), ("json/regex/sort", MIX)] {
        // Both are measured in turn, and the best of each counts: the machine changes its mind.
        let (mut ours, mut native) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..9 {
            ours = ours.min(seconds(server.execute(code, None).stdout()));
            let output = Command::new("python3").args(["-c", code]).output().expect("python3 must run");
            native = native.min(seconds(&String::from_utf8_lossy(&output.stdout)));
        }
        println!(
            "{name:<16} with fuel          {:.2} × native ({:.0} ms to {:.0} ms)",
            ours / native,
            ours * 1e3,
            native * 1e3
        );
    }
}

fn seconds(text: &str) -> f64 {
    text.trim().parse().expect("the program must print seconds")
}

fn output() {
    let mut server = Connection::start();
    warm(&mut server, None);
    for (name, code) in [
        ("10 MiB of output, one print", "print('x' * (10 << 20))"),
        ("10 MiB of output, 163,840 lines", "for n in range(163840): print('x' * 63)"),
    ] {
        let samples = Samples::take(5, || {
            let started = Instant::now();
            let reply = server.execute(code, None);
            assert!(reply.bytes_seen() >= 10 << 20 && reply.stdout().len() < 40 << 10, "it must be cut, and counted");
            started.elapsed()
        });
        println!("{name:<33} p50 {}", samples.p50());
    }
}

fn memory() {
    const SESSIONS: u64 = 40;
    let mut server = Connection::start();
    warm(&mut server, None);
    let idle = server.pss_bytes();
    for _ in 0..SESSIONS {
        server.execute("x = 1\nprint('hi')", Some("new"));
    }
    let each = grown(idle, server.pss_bytes()).map(|bytes| bytes / SESSIONS);
    println!("memory (PSS), idle, all processes {}", mebibytes(idle));
    println!("memory (PSS) per live session     {}", mebibytes(each));
}

/// How much there is more of something, where that can be told.
fn grown(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(600);
