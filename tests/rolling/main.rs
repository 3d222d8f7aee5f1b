//! Two servers over one store, behind HAProxy with `deploy/proxy/haproxy.cfg`, are replaced
//! one after the other under load: no call that was acknowledged is lost, none that was
//! admitted fails, and what is refused is refused as such that may be sent again.
//!
//! `cargo build --release && cargo run --release --bin rolling`, with Debian's haproxy.
//! `--rounds N` is how often both are replaced: 5.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

mod load;
mod replica;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::http::{Connection, Request};
use tests::{binary, cache_directory, eventually};

use crate::load::{Caller, Tally};
use crate::replica::Replica;

/// The token of the one user that both servers have.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
/// Callers that count in a session each, and callers whose runs take longer than it takes
/// to ask a server whether it is ready.
const SESSIONS: usize = 4;
const LONG: usize = 2;

/// HAProxy. It is killed when dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // The proxy may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Proxy {
    fn start(bind: SocketAddr, servers: [SocketAddr; 2]) -> Self {
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-f").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/proxy/haproxy.cfg"));
        for (name, address) in [("BIND", bind), ("FIRST", servers[0]), ("SECOND", servers[1])] {
            command.env(name, address.to_string());
        }
        command.arg("-db").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("haproxy is there: apt-get install haproxy"))
    }
}

/// Whoever asks for any port gets another one, so it stays free.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("this machine has ports")
}

/// Whether a server says that calls are welcome.
pub(crate) fn is_ready(address: SocketAddr) -> bool {
    let answer = Connection::try_to(address).and_then(|mut connection| {
        connection.send(&Request::new("GET", "/readyz", address));
        connection.answer_or_end()
    });
    answer.is_some_and(|answer| answer.status == 200)
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let rounds = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(5),
        ["--rounds", number] => number.parse().ok(),
        _ => None,
    };
    let Some(rounds) = rounds else {
        println!("rolling [--rounds N]");
        return ExitCode::from(2);
    };
    let home = tempfile::tempdir().expect("a temporary directory can be made");
    let token = home.path().join("token");
    std::fs::write(&token, TOKEN).expect("a temporary file can be written");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).expect("a file has a mode");
    let (bind, addresses) = (free_address(), [free_address(), free_address()]);
    let start =
        |address| Replica::start(&binary(), cache_directory(), home.path(), address, &format!("http://{bind}/mcp"));
    let mut replicas = addresses.map(start);
    replicas.iter().for_each(Replica::wait_until_ready);
    let _proxy = Proxy::start(bind, addresses);
    eventually("the proxy to find a server", || is_ready(bind).then_some(()));

    let (stop, began) = (AtomicBool::new(false), Instant::now());
    let (tallies, drained) = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..SESSIONS + LONG)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || Caller::new(bind, number < SESSIONS).call_until(stop))
            })
            .collect();
        let mut drained = Vec::new();
        for _ in 0..rounds {
            for replica in &mut replicas {
                drained.push(replica.end());
                *replica = start(replica.address());
                replica.wait_until_ready();
                // The proxy needs to have looked whether the server is ready.
                std::thread::sleep(Duration::from_millis(600));
            }
        }
        stop.store(true, Ordering::Relaxed);
        let tallies: Vec<_> = callers.into_iter().map(|caller| caller.join().expect("a caller ends")).collect();
        (tallies, drained)
    });
    let seconds = began.elapsed().as_secs();
    let all = tallies.into_iter().fold(Tally::default(), Tally::and);
    let slowest = drained.iter().max().copied().unwrap_or_default();
    println!("{} servers replaced in {seconds} s, the slowest drained in {slowest:?}", drained.len());
    println!("{all}");
    all.faults.iter().for_each(|fault| println!("FAULT {fault}"));
    if all.faults.is_empty() && all.acknowledged > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
