//! The harness: starts the real binary and speaks MCP to it.
//!
//! - [`Server`] is one running server, with a state directory of its own.
//! - [`http`] is a server that speaks HTTP, and the raw connection to it.
//! - [`websocket`] is the raw end of a WebSocket to it.
//! - [`s3`] is storage across a network that fails as it is told, [`moto`] that of others.
//! - [`issuer`] is an authorization server whose tokens it takes.
//! - [`Client`] is the raw connection: many requests in flight, bytes as they
//!   are, every line that came back.
//! - [`Program`] is a file of `programs/`, with what is expected of it.
//! - [`Reply`] is an answer, with the fields of `execute` by name.
//! - [`RuntimesFolder`] is languages that an operator adds, [`Tally`] one of them.
//! - [`installed`] is programs of others, from npm and from an index of Python packages.
//! - [`Restriction`] is less of the machine for a server.
//! - [`Filter`] is for test programs that are their own workers.
//! - [`Process`] looks at processes from outside, [`Watch`] at anything while a test goes
//!   on, [`Store`] at what servers keep.
//! - [`LoopDisk`] is a disk that a test has to itself.
//!
//! Nothing here sleeps to get an order right: tests wait for a reply, a
//! notification, a file or a reading of `health_check`, each with a deadline.

#![expect(clippy::expect_used, reason = "a harness that cannot go on fails its test, with a message")]

mod client;
mod filter;
pub mod http;
pub mod installed;
pub mod issuer;
mod loop_disk;
pub mod moto;
mod process;
mod program;
pub mod redis;
mod reply;
mod restriction;
mod running;
mod runtimes;
pub mod s3;
mod server;
mod store;
pub mod websocket;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use client::{Client, Pending};
pub use filter::{Filter, main};
pub use loop_disk::LoopDisk;
pub use process::{Process, Watch};
pub use program::Program;
pub use reply::Reply;
pub use restriction::{Restriction, SOME_USER};
pub use running::Running;
pub use runtimes::{RuntimesFolder, Tally};
pub use server::{Builder, Server, binary, cache_directory, target_directory};
pub use store::{Store, store_key};

/// How long anything may take before a test gives up on it. Far above what any
/// answer needs, so that reaching it always means a hang.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Polls `condition` until it gives a value, and panics with `what` when it
/// has not after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "still waiting for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An address of this machine with a port that nobody has. Whoever asks for any port gets
/// another one, so it stays free.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("this machine has ports")
}

/// Keeps the tests of one program that load the whole machine from running at
/// the same time.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
