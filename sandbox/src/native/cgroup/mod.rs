//! Control groups for process trees, where this process may make them:
//! version 1 (memory and pids hierarchies) or version 2 with both controllers.
//!
//! A few files that are written and read; the kernel does the rest.

#![expect(clippy::disallowed_methods, reason = "the kernel's interface is files")]

pub(in crate::native) mod delegation;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use jailer::TreeLimits;

use self::delegation::divide;

/// What the jailer's own processes need beside the program.
const OWN_BYTES: u64 = 16 << 20;
const OWN_PROCESSES: u64 = 2;

/// How the names of our groups begin; the number of the server follows.
pub(in crate::native) const PREFIX: &str = "belljar-";

/// Where groups can be made.
#[derive(Clone, Debug)]
pub(in crate::native) enum Cgroups {
    /// One parent for each controller.
    Version1 { memory: PathBuf, pids: PathBuf },
    /// One parent for both.
    Version2(PathBuf),
}

/// The groups of one run. Removed when dropped, with every process in them.
#[derive(Debug)]
pub(in crate::native) struct Group {
    directories: Vec<PathBuf>,
    is_version_1: bool,
}

impl Cgroups {
    /// Finds where this process may make groups, and makes one to be sure.
    pub(in crate::native) fn find() -> Result<Self, String> {
        let mounts = read("/proc/self/mountinfo")?;
        let own = read("/proc/self/cgroup")?;
        let found = match (version_1(&mounts, &own, "memory"), version_1(&mounts, &own, "pids")) {
            (Some(memory), Some(pids)) => Self::Version1 { memory, pids },
            _ => Self::Version2(version_2(&mounts, &own)?),
        };
        found.remove_leftovers();
        let limits = TreeLimits {
            wall_time_ms: 0,
            cpu_time_ms: 0,
            memory_bytes: 1 << 26,
            disk_bytes: 0,
            disk_files: 0,
            open_files: 0,
            processes: 8,
            grace_ms: 0,
        };
        match found.make(&format!("{PREFIX}{}-probe", std::process::id()), &limits) {
            Ok(_) => Ok(found),
            Err(error) => Err(format!("a control group cannot be made: {error}")),
        }
    }

    /// Removes the groups of servers that were killed.
    fn remove_leftovers(&self) {
        let parents = match self {
            Self::Version1 { memory, pids } => vec![memory, pids],
            Self::Version2(parent) => vec![parent],
        };
        for entry in parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().filter_map(Result::ok) {
            let name = entry.file_name();
            let server =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
            if server.is_some_and(|server| !Path::new(&format!("/proc/{server}")).exists()) {
                // A group that still has a process in it stays.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// Makes the groups of a run.
    pub(in crate::native) fn make(&self, name: &str, limits: &TreeLimits) -> io::Result<Group> {
        let memory_bytes = (limits.memory_bytes + OWN_BYTES).to_string();
        let processes = (limits.processes + OWN_PROCESSES).to_string();
        let mut group = Group { directories: Vec::new(), is_version_1: matches!(self, Self::Version1 { .. }) };
        match self {
            Self::Version1 { memory, pids } => {
                let memory = group.add(memory.join(name))?;
                write(&memory, "memory.limit_in_bytes", &memory_bytes)?;
                // Where swap is not counted there is none to count, or its
                // size is the operator's choice.
                if memory.join("memory.memsw.limit_in_bytes").exists() {
                    write(&memory, "memory.memsw.limit_in_bytes", &memory_bytes)?;
                }
                write(&group.add(pids.join(name))?, "pids.max", &processes)?;
            }
            Self::Version2(parent) => {
                let both = group.add(parent.join(name))?;
                write(&both, "memory.max", &memory_bytes)?;
                if both.join("memory.swap.max").exists() {
                    write(&both, "memory.swap.max", "0")?;
                }
                write(&both, "pids.max", &processes)?;
            }
        }
        Ok(group)
    }
}

impl Group {
    fn add(&mut self, directory: PathBuf) -> io::Result<PathBuf> {
        fs::create_dir(&directory)?;
        self.directories.push(directory.clone());
        Ok(directory)
    }

    /// The files through which the jailer joins.
    pub(in crate::native) fn open(&self) -> io::Result<Vec<File>> {
        let open = |directory: &PathBuf| OpenOptions::new().write(true).open(directory.join("cgroup.procs"));
        self.directories.iter().map(open).collect()
    }

    /// The most memory that was in use, the jailer's included.
    pub(in crate::native) fn peak_memory(&self) -> Option<u64> {
        let name = if self.is_version_1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        fs::read_to_string(self.directories.first()?.join(name)).ok()?.trim().parse().ok()
    }

    /// Whether the kernel ended something because there was no more memory.
    pub(in crate::native) fn ran_out_of_memory(&self) -> bool {
        let name = if self.is_version_1 { "memory.oom_control" } else { "memory.events" };
        self.event(0, name, "oom_kill")
    }

    /// Whether there were no more processes to be had.
    pub(in crate::native) fn ran_out_of_processes(&self) -> bool {
        self.event(self.directories.len().saturating_sub(1), "pids.events", "max")
    }

    fn event(&self, directory: usize, file: &str, name: &str) -> bool {
        let Some(directory) = self.directories.get(directory) else { return false };
        let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
        text.lines()
            .any(|line| line.strip_prefix(name).is_some_and(|count| count.trim().parse::<u64>().unwrap_or(0) > 0))
    }

    /// Whether its limits are those it was made with. With version 2 whoever
    /// manages the group above can take the controllers away.
    pub(in crate::native) fn is_intact(&self) -> bool {
        let is_limited = |directory: &PathBuf, name: &str| {
            fs::read_to_string(directory.join(name)).is_ok_and(|limit| limit.trim() != "max")
        };
        self.is_version_1
            || self.directories.iter().all(|both| is_limited(both, "memory.max") && is_limited(both, "pids.max"))
    }

    /// Kills whatever is still in it.
    pub(in crate::native) fn kill(&self) {
        for directory in &self.directories {
            if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            let processes = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            for process in processes.lines().filter_map(|line| line.parse().ok()) {
                // The process may have ended by itself.
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for directory in &self.directories {
            if fs::remove_dir(directory).is_ok() {
                continue;
            }
            // The last process may be on its way out.
            self.kill();
            let ended = std::time::Instant::now() + std::time::Duration::from_secs(1);
            let mut removed = fs::remove_dir(directory);
            while removed.is_err() && std::time::Instant::now() < ended {
                std::thread::sleep(std::time::Duration::from_millis(2));
                removed = fs::remove_dir(directory);
            }
            if let Err(error) = removed {
                tracing::warn!(%error, path = %directory.display(), "a control group was left behind");
            }
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
}

fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::write(directory.join(name), text).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
}

/// The directory of this process in the hierarchy of a version 1 controller.
fn version_1(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let mount = mounts.lines().map(Mount::parse).find(|mount| {
        mount
            .as_ref()
            .is_some_and(|mount| mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller))
    })??;
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        controllers.split(',').any(|name| name == controller).then_some(path)
    })?;
    mount.find(path)
}

/// The directory of this process, once it is divided.
fn version_2(mounts: &str, own: &str) -> Result<PathBuf, String> {
    let mount = mounts.lines().filter_map(Mount::parse).find(|mount| mount.kind == "cgroup2");
    let path = own.lines().find_map(|line| line.strip_prefix("0::"));
    let directory =
        mount.zip(path).and_then(|(mount, path)| mount.find(path)).ok_or("no control groups are mounted")?;
    divide(&directory)
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// A line of `mountinfo`, see proc(5).
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut kind = kind.split(' ');
        let (root, point) = (mount.next()?, mount.next()?);
        Some(Self { root, point, kind: kind.next()?, options: kind.nth(1)? })
    }

    fn find(&self, path: &str) -> Option<PathBuf> {
        let below = if self.root == "/" { path } else { path.strip_prefix(self.root).unwrap_or("") };
        let directory = Path::new(self.point).join(below.trim_start_matches('/'));
        directory.is_dir().then_some(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_names_root_point_kind_and_controllers() {
        let line = "36 35 98:0 /docker/1 /sys/fs/cgroup/memory rw,noatime master:1 - cgroup cgroup rw,memory";
        let mount = Mount::parse(line).unwrap();
        assert_eq!((mount.root, mount.point), ("/docker/1", "/sys/fs/cgroup/memory"));
        assert_eq!((mount.kind, mount.options), ("cgroup", "rw,memory"));
        assert!(Mount::parse("nonsense").is_none());
    }

    #[test]
    fn a_group_of_version_2_without_its_limits_is_not_intact() {
        let directory = tempfile::tempdir().unwrap();
        let group = Group { directories: vec![directory.path().to_path_buf()], is_version_1: false };
        assert!(!group.is_intact());
        fs::write(directory.path().join("memory.max"), "4096\n").unwrap();
        fs::write(directory.path().join("pids.max"), "5\n").unwrap();
        assert!(group.is_intact());
        fs::write(directory.path().join("memory.max"), "max\n").unwrap();
        assert!(!group.is_intact());
        std::mem::forget(group);
    }

    #[test]
    fn where_groups_can_be_made_limits_are_set_and_nothing_is_left() {
        // Where they cannot, that is what is said of this machine.
        let Ok(cgroups) = Cgroups::find() else { return };
        let limits = TreeLimits {
            wall_time_ms: 0,
            cpu_time_ms: 0,
            memory_bytes: 1 << 27,
            disk_bytes: 0,
            disk_files: 0,
            open_files: 0,
            processes: 5,
            grace_ms: 0,
        };
        let group = cgroups.make(&format!("{PREFIX}{}-test", std::process::id()), &limits).unwrap();
        let directories = group.directories.clone();
        assert_eq!(fs::read_to_string(directories.last().unwrap().join("pids.max")).unwrap().trim(), "7");
        assert!(!group.ran_out_of_memory() && !group.ran_out_of_processes());
        assert!(group.is_intact());
        drop(group);
        assert!(directories.iter().all(|directory| !directory.exists()));
    }
}
