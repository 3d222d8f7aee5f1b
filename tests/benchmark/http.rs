//! Calls over HTTP and over a WebSocket with a key, and the same calls over standard
//! input and output, in turn. Each has one server and one client without threads.

use std::os::fd::AsFd as _;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use tests::Server;
use tests::http::{Connection as HttpConnection, HttpServer, Request, modern};
use tests::issuer::{Issuer, RESOURCE};
use tests::websocket::WebSocket;

use super::connection::Connection;
use super::figures::Samples;
use super::{HELLO, warm};

const CALLS: usize = 2000;

pub(crate) fn call(code: &str) -> Value {
    let arguments = json!({"language": "python", "code": code});
    modern("tools/call", json!({"name": "execute", "arguments": arguments}))
}

fn request(server: &HttpServer, key: &str, code: &str) -> Request {
    server.request_with(key, &call(code))
}

fn stdout(message: &Value) -> &str {
    let output = &message["result"]["structuredContent"]["stdout"];
    output.as_str().unwrap_or_else(|| panic!("not a result: {message}"))
}

/// Prints what calls take over each, and what HTTP costs.
pub(crate) fn measure() {
    let mut over_stdio = Connection::start();
    let over_http = HttpServer::with(Server::with().flag("--authentication=keys"));
    over_http.wait_until_ready();
    let key = over_http.add_key(&["--scopes=sandbox:execute"]);
    let mut connection = over_http.connect();
    let over_websocket = HttpServer::with(Server::with().flag("--authentication=keys").flag("--websocket"));
    over_websocket.wait_until_ready();
    let its_key = over_websocket.add_key(&["--scopes=sandbox:execute"]);
    let (mut socket, hello_there) = (WebSocket::with(&over_websocket, &its_key), call(HELLO));
    warm(&mut over_stdio, None);
    let hello = request(&over_http, &key, HELLO);
    for _ in 0..100 {
        connection.ask(&hello);
        socket.ask(&hello_there);
    }
    let (mut stdio, mut http, mut websocket) = (Vec::new(), Vec::new(), Vec::new());
    let cpu = over_http.cpu_time();
    for _ in 0..CALLS {
        let started = Instant::now();
        let reply = over_stdio.execute(HELLO, None);
        stdio.push(started.elapsed());
        assert_eq!(reply.stdout(), "hi\n");
        let started = Instant::now();
        let answer = connection.ask(&hello).json();
        http.push(started.elapsed());
        assert_eq!(stdout(&answer), "hi\n");
        let started = Instant::now();
        let answer = socket.ask(&hello_there);
        websocket.push(started.elapsed());
        assert_eq!(stdout(&answer), "hi\n");
    }
    let cpu = (over_http.cpu_time() - cpu) / u32::try_from(CALLS).unwrap_or(u32::MAX);
    let (stdio, http, websocket) = (Samples::of(stdio), Samples::of(http), Samples::of(websocket));
    println!(
        "isolated print('hi') over HTTP, with a key  p50 {}  p95 {}  CPU per call, all processes {}",
        http.p50(),
        http.p95(),
        super::figures::milliseconds(cpu)
    );
    let more = http.median().saturating_sub(stdio.median());
    println!(
        "  over stdio, in turn with it               p50 {}  p95 {}  so HTTP adds {more:.2?}",
        stdio.p50(),
        stdio.p95()
    );
    println!("  over a WebSocket, in turn too             p50 {}  p95 {}", websocket.p50(), websocket.p95());
    drop((socket, over_websocket));
    for in_flight in [1, 8, 32] {
        // Both are measured in turn, and the best of each counts: the machine changes its mind.
        let (mut stdio, mut http) = (0.0, 0.0);
        for _ in 0..5 {
            stdio = f64::max(stdio, over_stdio.throughput(CALLS / 2, in_flight));
            http = f64::max(http, throughput(&over_http, &key, CALLS / 2, in_flight));
        }
        let share = 100.0 * http / stdio;
        println!(
            "calls over HTTP, {in_flight:>2} in flight      {http:.0} per second, {share:.0} % of stdio's {stdio:.0}, every output correct"
        );
    }
    with_access_tokens();
    let before = over_http.process().resident_bytes();
    let idle: Vec<_> = (0..1000).map(|_| over_http.connect()).collect();
    // The last has been accepted when a later one is answered.
    assert_eq!(stdout(&over_http.connect().ask(&hello).json()), "hi\n");
    let grown = over_http.process().resident_bytes().saturating_sub(before);
    println!("memory of {} idle connections  {}", idle.len(), super::figures::mebibytes(Some(grown)));
}

/// Prints what an access token costs beside a key, on one server in turn.
fn with_access_tokens() {
    let (issuer, home) = (Issuer::start(), tempfile::tempdir().expect("a temporary directory can be made"));
    // One tenant may have all of the machine, as the one user of a server without tenants has.
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let all = format!("workers = {workers}\nruns = {}\n", 4 * workers);
    let settings = format!("{all}[oauth]\nresource = \"{RESOURCE}\"\nissuers = [\"{}\"]\n", issuer.name());
    let file = home.path().join("belljar.toml");
    std::fs::write(&file, format!("{settings}[tenants.default]\n{all}"))
        .expect("a file for a benchmark can be written");
    let builder = Server::with().flag(format!("--config={}", file.display())).flag("--authentication=oauth,keys");
    let server = HttpServer::with(builder);
    server.wait_until_ready();
    let credentials = [server.add_key(&["--tenant=some", "--scopes=sandbox:execute"]), issuer.token()];
    let mut connection = server.connect();
    let mut times = [Vec::new(), Vec::new()];
    let hello = credentials.each_ref().map(|credential| request(&server, credential, HELLO));
    for call in 0..2 * CALLS + 200 {
        let started = Instant::now();
        let answer = connection.ask(&hello[call % 2]).json();
        if call >= 200 {
            times[call % 2].push(started.elapsed());
        }
        assert_eq!(stdout(&answer), "hi\n");
    }
    let [key, token] = times.map(Samples::of);
    println!("the same on a server of tenants, with a key p50 {}, with an access token p50 {}", key.p50(), token.p50());
    for in_flight in [8, 32] {
        let mut best = [0.0, 0.0];
        for _ in 0..5 {
            for (best, credential) in best.iter_mut().zip(&credentials) {
                *best = f64::max(*best, throughput(&server, credential, CALLS / 2, in_flight));
            }
        }
        let [key, token] = best;
        let share = 100.0 * token / key;
        println!(
            "  with access tokens, {in_flight:>2} in flight  {token:.0} per second, {share:.0} % of {key:.0} with a key"
        );
    }
}

/// Calls per second with so many connections that have a call each.
fn throughput(server: &HttpServer, key: &str, calls: usize, in_flight: usize) -> f64 {
    let mut connections: Vec<_> = (0..in_flight).map(|_| (server.connect(), 0)).collect();
    let started = Instant::now();
    let mut sent = 0;
    let mut send = |connection: &mut HttpConnection| {
        connection.send(&request(server, key, &format!("print('call {sent}')")));
        sent += 1;
        sent - 1
    };
    for (connection, call) in &mut connections {
        *call = send(connection);
    }
    let mut done = 0;
    while done < calls {
        let mut ready: Vec<_> =
            connections.iter().map(|(connection, _)| PollFd::new(connection.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut ready, PollTimeout::NONE).expect("sockets can be waited for");
        let ready: Vec<_> = ready.iter().map(|ready| ready.any().unwrap_or(false)).collect();
        for ((connection, call), _) in connections.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            let answer = connection.answer().json();
            assert_eq!(stdout(&answer), format!("call {call}\n"), "every output must be its own");
            done += 1;
            *call = send(connection);
        }
    }
    done as f64 / started.elapsed().as_secs_f64()
}
