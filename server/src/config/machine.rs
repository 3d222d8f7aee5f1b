//! What is true of this machine and user when nothing is configured.

#![expect(clippy::disallowed_methods, reason = "reads configuration")]

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, bail};

pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A directory of the XDG base directory specification, with `belljar` in it.
pub(super) fn base_directory(variable: &str, beneath_home: &str) -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(path) = absolute(variable) {
        return Ok(path.join("belljar"));
    }
    match absolute("HOME") {
        Some(home) => Ok(home.join(beneath_home).join("belljar")),
        None => bail!("neither ${variable} nor $HOME names a directory; set one, or the directories by flag"),
    }
}

/// Half of what this process may use: the machine's memory, or its cgroup's.
pub(super) fn half_of_memory() -> anyhow::Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("failed to read /proc/meminfo")?;
    let machine = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .context("failed to find MemTotal in /proc/meminfo")?
        * 1024;
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    Ok(machine.min(cgroup.unwrap_or(u64::MAX)) / 2)
}

/// Where people have their files: their home, by the environment and by the list
/// of users, and the project that they started us in.
pub(super) fn personal() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let listed = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
    let project = std::env::current_dir().ok();
    let all: BTreeSet<_> = [home, listed, project].into_iter().flatten().filter(|path| path.is_absolute()).collect();
    all.into_iter().collect()
}
