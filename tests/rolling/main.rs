//! Two servers over one store, behind HAProxy with `deploy/proxy/haproxy.cfg`, are replaced
//! one after the other under load: no call that was acknowledged is lost, none that was
//! admitted fails, and what is refused is refused as such that may be sent again.
//!
//! `cargo build --release && cargo run --release --bin rolling`, with Debian's haproxy.
//! The store is a directory that both have, and then storage that speaks S3, with nothing
//! else in common; `--over directory` or `s3` is one of them. `--rounds N` is how often
//! both are replaced: 5.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

mod load;
mod replica;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::http::{Connection, Request};
use tests::moto::Moto;
use tests::{eventually, free_address};

use crate::load::{Caller, Tally};
use crate::replica::{Replica, Shared, Store};

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

/// Whether a server says that calls are welcome.
pub(crate) fn is_ready(address: SocketAddr) -> bool {
    let answer = Connection::try_to(address).and_then(|mut connection| {
        connection.send(&Request::new("GET", "/readyz", address));
        connection.answer_or_end()
    });
    answer.is_some_and(|answer| answer.status == 200)
}

/// Makes a file that its owner alone can read.
pub(crate) fn private_file(path: &Path, content: &[u8]) {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path);
    file.and_then(|mut file| file.write_all(content)).expect("a temporary file can be written");
}

/// The stores, by the words of the command line.
const STORES: [&str; 2] = ["directory", "s3"];

#[derive(Debug)]
struct Arguments {
    rounds: usize,
    stores: Vec<&'static str>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut arguments = Self { rounds: 5, stores: STORES.to_vec() };
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word.as_str() {
                "--rounds" => arguments.rounds = value.parse().ok()?,
                "--over" => arguments.stores = vec![STORES.into_iter().find(|store| *store == value)?],
                _ => return None,
            }
        }
        Some(arguments)
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        println!("rolling [--rounds N] [--over {}]", STORES.join("|"));
        return ExitCode::from(2);
    };
    let mut is_well = true;
    for name in arguments.stores {
        let store = if name == "s3" { Store::S3(Moto::start()) } else { Store::Directory };
        is_well &= roll(name, store, arguments.rounds);
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replaces two servers over `store` under load, and says what became of the calls.
fn roll(name: &str, store: Store, rounds: usize) -> bool {
    let (bind, addresses) = (free_address(), [free_address(), free_address()]);
    let shared = Shared::new(format!("http://{bind}/mcp"), store);
    let mut replicas = addresses.map(|address| Replica::start(&shared, address));
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
                *replica = Replica::start(&shared, replica.address());
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
    println!("over {name}: {} servers replaced in {seconds} s, the slowest drained in {slowest:?}", drained.len());
    println!("{all}");
    all.faults.iter().for_each(|fault| println!("FAULT {fault}"));
    all.faults.is_empty() && all.acknowledged > 0
}
