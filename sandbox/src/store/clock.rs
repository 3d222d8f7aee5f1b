//! Whether the clock on the wall can be believed.
//!
//! It says how old things are that nobody has used for weeks, and is all there
//! is across restarts. But it can be set, for a moment and by mistake. So nothing
//! is removed for its age before this clock has gone along for a while with the
//! one that counts since the machine started and that nobody sets.

#![expect(clippy::disallowed_methods, reason = "owns the file of the clock")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};
use parking_lot::Mutex;

/// How far the two may drift apart and still go along: more than is ever
/// corrected without anybody setting a clock.
const TOLERANCE: Duration = Duration::from_secs(60);

/// What both clocks say at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: SystemTime,
    /// Since the machine started, sleep included.
    pub(crate) uptime: Duration,
    /// Which start that was.
    pub(crate) boot: String,
}

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { wall: SystemTime::now(), uptime, boot: boot.trim().to_owned() }
    }

    /// Whether the clock on the wall went along with the other since `earlier`.
    fn goes_along_with(&self, earlier: &Self) -> bool {
        let since = self.uptime.checked_sub(earlier.uptime);
        let expected = since.and_then(|since| earlier.wall.checked_add(since));
        let apart = |expected: SystemTime| {
            expected.duration_since(self.wall).or_else(|_| self.wall.duration_since(expected)).unwrap_or_default()
        };
        self.boot == earlier.boot && expected.is_some_and(|expected| apart(expected) <= TOLERANCE)
    }
}

/// Since when the clock on the wall goes as it goes now, as far as this server
/// and those before it know.
#[derive(Debug)]
pub(super) struct Clock {
    /// Where that is kept for the servers to come.
    file: Option<PathBuf>,
    since: Mutex<Option<Moment>>,
    started: (SystemTime, Instant),
}

impl Clock {
    pub(super) fn new(directory: Option<&Path>) -> Self {
        let file = directory.map(|directory| directory.join("clock"));
        Self { file, since: Mutex::default(), started: (SystemTime::now(), Instant::now()) }
    }

    /// Whether the clock on the wall has gone along for `interval` until `now`.
    pub(super) fn is_steady(&self, now: &Moment, interval: Duration) -> bool {
        let mut since = self.since.lock();
        let known = since.take().or_else(|| read(self.file.as_deref()?));
        let begun = match known {
            Some(begun) if now.goes_along_with(&begun) => begun,
            _ => {
                if let Some(file) = &self.file
                    && let Err(error) = write(file, now)
                {
                    tracing::debug!(%error, "the next server will not know that the clock is steady");
                }
                now.clone()
            }
        };
        let is_steady = now.uptime.saturating_sub(begun.uptime) >= interval;
        *since = Some(begun);
        is_steady
    }

    /// What time it must be at least, where the clock on the wall was set back
    /// since this server started: what is used now would look old tomorrow.
    pub(super) fn ahead(&self) -> Option<SystemTime> {
        let (wall, started) = self.started;
        let least = wall.checked_add(started.elapsed())?;
        (least.duration_since(SystemTime::now()).ok()? > TOLERANCE).then_some(least)
    }
}

fn read(file: &Path) -> Option<Moment> {
    let text = fs::read_to_string(file).ok()?;
    let mut words = text.split_whitespace();
    let (boot, uptime, wall) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(wall))?;
    Some(Moment { wall, uptime: Duration::from_secs(uptime), boot: boot.to_owned() })
}

fn write(file: &Path, moment: &Moment) -> std::io::Result<()> {
    let wall = moment.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let directory = file.parent().unwrap_or(file);
    let mut new = tempfile::Builder::new().prefix(".part-").tempfile_in(directory)?;
    writeln!(new, "{} {} {wall}", moment.boot, moment.uptime.as_secs())?;
    new.persist(file).map(drop).map_err(std::io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MONTH: Duration = Duration::from_secs(31 * 24 * 3600);

    fn at(wall: Duration, uptime: Duration) -> Moment {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + wall;
        Moment { wall, uptime: HOUR + uptime, boot: "one".into() }
    }

    #[test]
    fn a_clock_that_was_set_is_believed_an_hour_later_also_by_the_next_server() {
        let directory = tempfile::tempdir().unwrap();
        let minute = Duration::from_secs(60);
        let clock = Clock::new(Some(directory.path()));
        assert!(!clock.is_steady(&at(Duration::ZERO, Duration::ZERO), HOUR));
        assert!(clock.is_steady(&at(HOUR, HOUR), HOUR));
        // Ahead for a moment, and back.
        assert!(!clock.is_steady(&at(HOUR + MONTH, HOUR + minute), HOUR));
        assert!(!clock.is_steady(&at(HOUR + 2 * minute, HOUR + 2 * minute), HOUR));
        let next = Clock::new(Some(directory.path()));
        assert!(!next.is_steady(&at(2 * HOUR, 2 * HOUR), HOUR));
        assert!(next.is_steady(&at(2 * HOUR + 2 * minute, 2 * HOUR + 2 * minute), HOUR));
        // Another start of the machine says nothing of this one.
        let restarted = Moment { boot: "two".into(), ..at(9 * HOUR, 9 * HOUR) };
        assert!(!Clock::new(Some(directory.path())).is_steady(&restarted, HOUR));
        fs::write(directory.path().join("clock"), "damaged").unwrap();
        assert!(!Clock::new(Some(directory.path())).is_steady(&at(MONTH, MONTH), HOUR));
    }

    #[test]
    fn small_corrections_are_no_setting() {
        let clock = Clock::new(None);
        clock.is_steady(&at(Duration::ZERO, Duration::ZERO), HOUR);
        assert!(clock.is_steady(&at(HOUR + Duration::from_secs(30), HOUR), HOUR));
        assert_eq!(clock.ahead(), None);
        let began = SystemTime::now() + MONTH;
        let set_back = Clock { started: (began, Instant::now()), ..Clock::new(None) };
        assert!(set_back.ahead().is_some_and(|least| least >= began));
    }
}
