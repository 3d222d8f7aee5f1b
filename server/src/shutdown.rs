//! How the server ends.
//!
//! Stop admitting, drain until a deadline, cancel the rest and still answer
//! it, end the transport, exit. A second signal cuts the draining short. The
//! drain is ours: cancelling the transport's own token first would cut off
//! calls instead of finishing them.

use std::time::Duration;

use sandbox::{Drained, Executor};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long runs get after the client closed its end. Clients send SIGTERM
/// about two seconds later.
const DRAIN_AFTER_EOF: Duration = Duration::from_millis(1500);

/// Why the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// SIGTERM or SIGINT.
    Signal,
    /// The client closed standard input.
    EndOfInput,
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen for both signals. From here on neither ends the process by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Drains the executor: within `drain` after a signal, or what a client waits
/// for after it closed its end.
pub(crate) async fn drain(executor: &Executor, cause: Cause, signals: &mut Signals, drain: Duration) {
    let patience = match cause {
        Cause::Signal => drain,
        Cause::EndOfInput => DRAIN_AFTER_EOF.min(drain),
    };
    let deadline = async {
        tokio::select! {
            () = tokio::time::sleep(patience) => {}
            () = signals.next() => tracing::info!("a second signal: cancelling what still runs"),
        }
    };
    match executor.drain(deadline).await {
        Drained::Finished => tracing::info!(?cause, "every run came to its end"),
        Drained::Cancelled => tracing::warn!(?cause, "runs were cancelled to shut down"),
    }
}
