//! What the kernel knows of this process (proc(5)), by the names that every program has
//! for it.

#![expect(clippy::disallowed_methods, reason = "reads what the kernel says of this process")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// The state of this process.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// When the process began, since 1970.
    pub(super) started: Option<Duration>,
    pub(super) cpu: Option<Duration>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) open_files: Option<usize>,
    pub(super) most_open_files: Option<u64>,
}

impl Process {
    /// The process as it is now; what cannot be found out is absent.
    pub(super) fn look() -> Self {
        let sizes = std::fs::read_to_string("/proc/self/statm").ok();
        let size = |index| sizes.as_ref()?.split(' ').nth(index)?.parse::<u64>().ok()?.checked_mul(page_bytes()?);
        let open = std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            started: started(),
            cpu: cpu(),
            resident_bytes: size(1),
            virtual_bytes: size(0),
            // One of the descriptors is that of the list itself.
            open_files: open.map(|open| open.saturating_sub(1)),
            most_open_files: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
        }
    }
}

fn page_bytes() -> Option<u64> {
    sysconf(SysconfVar::PAGE_SIZE).ok()??.try_into().ok()
}

fn cpu() -> Option<Duration> {
    let used = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = |time: nix::sys::time::TimeVal| {
        Some(u64::try_from(time.tv_sec()).ok()? * 1_000_000 + u64::try_from(time.tv_usec()).ok()?)
    };
    Some(Duration::from_micros(micros(used.user_time())? + micros(used.system_time())?))
}

/// When the process began, in ticks since the machine was started: behind the name,
/// which may have spaces.
fn started() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let per_second: u64 = sysconf(SysconfVar::CLK_TCK).ok()??.try_into().ok()?;
    let since_boot = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let booted = now.checked_sub(since_boot)?;
    Some(booted + Duration::from_millis(ticks * 1000 / per_second.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_began_before_now_and_has_memory_and_files() {
        let process = Process::look();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let started = process.started.unwrap();
        assert!(started <= now + Duration::from_secs(1) && now.saturating_sub(started) < Duration::from_secs(3600));
        assert!(process.resident_bytes > Some(100_000) && process.virtual_bytes > process.resident_bytes);
        assert!(process.open_files >= Some(3) && process.most_open_files >= Some(3));
        assert!(process.cpu.is_some());
    }
}
