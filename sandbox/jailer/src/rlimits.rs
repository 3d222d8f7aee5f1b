//! Limits that the kernel keeps, of each process. Most of them only make a
//! program fail politely before the warden's limits of the whole tree end it.

use std::fs;
use std::path::Path;

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Uid, getuid};

use crate::confinement::TreeLimits;
use crate::failure::{Doing, Failure};
use crate::processes;

/// The stack of the first thread, and what other threads get by default.
const STACK_BYTES: u64 = 8 << 20;
const LOCKED_BYTES: u64 = 64 << 10;
const PENDING_SIGNALS: u64 = 1024;

/// How many processes the user may have for the tree to have its limit.
///
/// In a user namespace, only those in it are counted: the tree, its warden and
/// the warden's guard. Otherwise all of the user on this host are.
pub(crate) fn process_bound(namespaces: bool, processes: u64) -> Result<u64, Failure> {
    if getuid().is_root() && root_of_host()? {
        return Err(Failure::new("limiting processes", "the kernel does not limit those of root, so name an identity"));
    }
    if namespaces {
        return Ok(processes.saturating_add(2));
    }
    let present = processes::count_of_user(getuid()).doing("counting the user's processes")?;
    Ok(processes.saturating_add(present).saturating_add(2))
}

/// Sets all limits of this process and of those it will start.
pub(crate) fn set(limits: &TreeLimits, process_bound: u64) -> Result<(), Failure> {
    let cpu_seconds = limits.cpu_time_ms.div_ceil(1000).saturating_add(1);
    let bounds = [
        (Resource::RLIMIT_CPU, cpu_seconds),
        (Resource::RLIMIT_DATA, limits.memory_bytes),
        (Resource::RLIMIT_FSIZE, limits.disk_bytes),
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_NPROC, process_bound),
        (Resource::RLIMIT_STACK, STACK_BYTES),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_MEMLOCK, LOCKED_BYTES),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_SIGPENDING, PENDING_SIGNALS),
        (Resource::RLIMIT_NICE, 0),
        (Resource::RLIMIT_RTPRIO, 0),
    ];
    for (resource, bound) in bounds {
        set_one(resource, bound).doing(&format!("setting {resource:?} to {bound}"))?;
    }
    Ok(())
}

/// Lets this process have as many open files as it may. Those of the program have
/// a limit of their own.
pub(crate) fn raise_open_files() -> nix::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// A lower bound that this process has already stays.
fn set_one(resource: Resource, bound: u64) -> nix::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    let bound = bound.min(hard);
    setrlimit(resource, bound, bound)
}

/// Whether root of this user namespace is root of the host too.
#[expect(clippy::disallowed_methods, reason = "the map of its own user namespace")]
fn root_of_host() -> Result<bool, Failure> {
    let path = Path::new("/proc/self/uid_map");
    let map = fs::read_to_string(path).doing_at("reading", path)?;
    let outside = map.lines().find_map(|line| {
        let mut numbers = line.split_ascii_whitespace();
        (numbers.next() == Some("0")).then(|| numbers.next().map(str::to_owned)).flatten()
    });
    Ok(outside.is_none_or(|outside| Uid::from_raw(outside.parse().unwrap_or(0)).is_root()))
}
