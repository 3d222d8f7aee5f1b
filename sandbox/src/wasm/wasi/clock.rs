//! The clocks of a session: real ones, or ones that count readings so that a
//! run can be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// How far a counting clock goes on with each reading: one microsecond, which
/// is also the least that Python shows.
const STEP_NS: u64 = 1000;

/// What a counting clock takes for the time of day when its session began:
/// 2026-01-01 00:00 UTC.
const COUNTED_EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Time since a session began, for all its runs: it never goes backwards,
/// outlasts the instance, and tells nothing about how long the host is up.
/// Clones show the same time.
#[derive(Clone, Debug)]
pub(in crate::wasm) struct SessionClock(Arc<Source>);

#[derive(Debug)]
enum Source {
    /// Real time: what the session had seen when it came here, and how long
    /// it has been here.
    Real { before_ns: AtomicU64, here: Instant },
    /// Readings, plus the time slept.
    Counted { now_ns: AtomicU64 },
}

impl SessionClock {
    pub(in crate::wasm) fn real() -> Self {
        Self(Arc::new(Source::Real { before_ns: AtomicU64::new(0), here: Instant::now() }))
    }

    /// Both the monotonic clock and the time of day advance by [`STEP_NS`]
    /// with each reading of either.
    pub(in crate::wasm) fn counted() -> Self {
        Self(Arc::new(Source::Counted { now_ns: AtomicU64::new(0) }))
    }

    /// What [`SessionClock::resume`] continues from.
    pub(in crate::wasm) fn position(&self) -> u64 {
        match &*self.0 {
            Source::Real { before_ns, here } => before_ns.load(Ordering::Relaxed).saturating_add(nanoseconds(*here)),
            Source::Counted { now_ns } => now_ns.load(Ordering::Relaxed),
        }
    }

    /// Goes on from `position` of an earlier clock of the session.
    pub(in crate::wasm) fn resume(&self, position: u64) {
        match &*self.0 {
            Source::Real { before_ns: time, .. } | Source::Counted { now_ns: time } => {
                time.store(position, Ordering::Relaxed);
            }
        }
    }

    /// Tells a counting clock that the guest slept; a real one knows.
    pub(in crate::wasm) fn slept(&self, time: Duration) {
        if let Source::Counted { now_ns } = &*self.0 {
            advance(now_ns, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Reads the monotonic clock.
    pub(in crate::wasm) fn monotonic(&self) -> u64 {
        match &*self.0 {
            Source::Real { .. } => self.position(),
            Source::Counted { now_ns } => advance(now_ns, STEP_NS),
        }
    }

    /// Reads the time of day, as time since 1970.
    pub(in crate::wasm) fn time_of_day(&self) -> Duration {
        match &*self.0 {
            // A host whose clock is set before 1970 gets 1970.
            Source::Real { .. } => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Source::Counted { .. } => COUNTED_EPOCH + Duration::from_nanos(self.monotonic()),
        }
    }

    fn step(&self) -> u64 {
        match &*self.0 {
            Source::Real { .. } => 1,
            Source::Counted { .. } => STEP_NS,
        }
    }
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Adds to `time` and returns the sum. It stops at the end of time: a position
/// may come from a damaged store, and running backwards is the one thing that
/// may not happen.
fn advance(time: &AtomicU64, by: u64) -> u64 {
    // Only the thread of the guest writes.
    let later = time.load(Ordering::Relaxed).saturating_add(by);
    time.store(later, Ordering::Relaxed);
    later
}

impl HostMonotonicClock for SessionClock {
    fn resolution(&self) -> u64 {
        self.step()
    }

    fn now(&self) -> u64 {
        self.monotonic()
    }
}

impl HostWallClock for SessionClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(self.step())
    }

    fn now(&self) -> Duration {
        self.time_of_day()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counting_clock_steps_with_every_reading_and_jumps_over_sleep() {
        let clock = SessionClock::counted();
        assert_eq!([clock.monotonic(), clock.monotonic()], [1000, 2000]);
        assert_eq!(clock.time_of_day(), COUNTED_EPOCH + Duration::from_nanos(3000));
        clock.slept(Duration::from_secs(1));
        assert_eq!(clock.clone().monotonic(), 1_000_004_000);
        assert_eq!(clock.position(), 1_000_004_000);
    }

    #[test]
    fn clocks_go_on_where_an_earlier_one_was() {
        let counted = SessionClock::counted();
        let shown_to_guest = counted.clone();
        counted.resume(5000);
        assert_eq!(shown_to_guest.monotonic(), 6000);

        let real = SessionClock::real();
        assert!(real.monotonic() < 3_600_000_000_000, "a new session must begin near zero");
        real.resume(3_600_000_000_000);
        let (first, position, second) = (real.monotonic(), real.position(), real.monotonic());
        assert!(3_600_000_000_000 <= first && first <= position && position <= second);
        assert!(second < 7_200_000_000_000);
    }

    #[test]
    fn no_position_makes_a_clock_run_backwards() {
        for clock in [SessionClock::counted(), SessionClock::real()] {
            clock.resume(u64::MAX - 1);
            clock.slept(Duration::MAX);
            let first = clock.monotonic();
            assert!(clock.monotonic() >= first && first >= u64::MAX - 1);
            clock.time_of_day();
        }
    }
}
