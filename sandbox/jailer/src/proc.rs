//! The kernel's own files, as a program sees them: its processes, and the few
//! files about the machine that programs ask for. All else there tells about the
//! host and its kernel, and is covered by something empty.

#![expect(clippy::disallowed_methods, reason = "files of a root of its own, that nobody else has yet")]

use std::fs;
use std::io;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::mkdir;

use crate::failure::{Doing, Failure};
use crate::sys;

/// Where it is mounted, in the root that is being built.
const PROC: &str = "proc";

/// Files about the machine that common programs and libraries read.
const KEPT: [&str; 8] = ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "swaps", "uptime", "vmstat"];

/// Settings that common programs and libraries read. They are copied: those
/// beside them are not shown.
const SETTINGS: [&str; 14] = [
    "fs/file-max",
    "fs/nr_open",
    "fs/pipe-max-size",
    "kernel/cap_last_cap",
    "kernel/hostname",
    "kernel/ngroups_max",
    "kernel/osrelease",
    "kernel/ostype",
    "kernel/overflowgid",
    "kernel/overflowuid",
    "kernel/pid_max",
    "kernel/threads-max",
    "vm/max_map_count",
    "vm/overcommit_memory",
];

/// Another one with each reading, so it cannot be copied.
const UUID: &str = "kernel/random/uuid";

/// What is covered looks like one of these: both are empty.
const EMPTY_DIRECTORY: &str = "mnt";
const EMPTY_FILE: &str = "dev/null";

/// Mounts it in the root that is being built, which is the current directory and
/// has its devices.
pub(crate) fn mount_proc() -> Result<(), Failure> {
    let none: Option<&str> = None;
    for directory in [PROC, EMPTY_DIRECTORY] {
        make_directory(Path::new(directory))?;
    }
    let inert = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), PROC, Some("proc"), inert, none).doing("mounting proc")?;
    for entry in fs::read_dir(PROC).doing("listing proc")? {
        let entry = entry.doing("listing proc")?;
        let path = entry.path();
        let is_known = |name: &str| {
            let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
            is_process || name == "sys" || KEPT.contains(&name)
        };
        // The listing says of what kind it is: nothing is looked at.
        let kind = entry.file_type().doing_at("looking at", &path)?;
        // A link leads to the process that asks.
        if kind.is_symlink() || path.file_name().and_then(|name| name.to_str()).is_some_and(is_known) {
            continue;
        }
        let cover = if kind.is_dir() { EMPTY_DIRECTORY } else { EMPTY_FILE };
        mount(Some(cover), &path, none, MsFlags::MS_BIND, none).doing_at("covering", &path)?;
    }
    cover_settings(inert)
}

fn cover_settings(inert: MsFlags) -> Result<(), Failure> {
    let settings = Path::new(PROC).join("sys");
    let content: Vec<_> = SETTINGS.iter().map(|name| (settings.join(name), read(&settings.join(name)))).collect();
    // Held on to, because the rest is covered.
    let uuid = fs::File::open(settings.join(UUID)).doing("opening a setting")?;
    let uuid = sys::clone_mount(uuid.as_fd()).doing("taking a setting")?;
    mount(Some("tmpfs"), &settings, Some("tmpfs"), inert, Some("size=128k,nr_inodes=64,mode=0755"))
        .doing("covering the settings")?;
    for directory in ["fs", "kernel", "kernel/random", "vm"] {
        make_directory(&settings.join(directory))?;
    }
    for (path, content) in content {
        // A kernel may not have all of them.
        if let Ok(content) = content {
            write(&path, &content)?;
        }
    }
    let place = settings.join(UUID);
    write(&place, b"")?;
    let place = fs::File::open(&place).doing_at("opening", &place)?;
    sys::attach_mount(uuid.as_fd(), place.as_fd()).doing("mounting a setting")?;
    let none: Option<&str> = None;
    mount(none, &settings, none, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | inert, none)
        .doing("making the settings read-only")
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    mkdir(path, Mode::from_bits_truncate(0o755)).doing_at("making the directory", path)
}

/// A setting, which the kernel gives out in one piece.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = [0; 256];
    let length = fs::File::open(path)?.read(&mut content)?;
    Ok(content[..length].to_vec())
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    fs::write(path, content).doing_at("writing", path)
}
