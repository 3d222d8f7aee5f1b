//! Clocks and randomness that are the same in every build. What the guest reads
//! from them while it initialises becomes part of the image.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// The wall clock during initialisation: 2026-01-01 00:00:00 UTC. Any past
/// moment would do; a program must not see it, since clocks are read anew.
const NOW: Duration = Duration::from_secs(1_767_225_600);

/// How far the monotonic clock moves with each look at it. It must move, or a
/// guest that waits for time to pass would wait for ever.
const STEP_NANOSECONDS: u64 = 1_000;

/// A wall clock that stands still.
pub(crate) struct WallClock;

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(STEP_NANOSECONDS)
    }

    fn now(&self) -> Duration {
        NOW
    }
}

/// A monotonic clock that counts how often it was read.
#[derive(Default)]
pub(crate) struct MonotonicClock {
    reads: AtomicU64,
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        STEP_NANOSECONDS
    }

    fn now(&self) -> u64 {
        self.reads.fetch_add(1, Ordering::Relaxed).saturating_mul(STEP_NANOSECONDS)
    }
}

/// Bytes 0 to 255 over and over. Guests take new randomness with the first run
/// of each instance, so nothing secret may come of these.
pub(crate) fn random() -> Deterministic {
    Deterministic::new((0..=u8::MAX).collect())
}
