//! The kernel's own files, as a program sees them: its processes, and the few
//! files about the machine that programs ask for. All else there tells about the
//! host and its kernel, and is covered by something empty; its settings are
//! covered by those that are given, if any are.

use std::fs::{self, Metadata};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use crate::failure::{Doing, Failure};
use crate::filesystem::make_directory;
use crate::sys;

/// Where `/proc` is mounted, in the root that is being built.
const PROC: &str = "proc";

/// Files about the machine that common programs and libraries read.
const KEPT: [&str; 8] = ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "swaps", "uptime", "vmstat"];

/// Where the kernel's settings are.
const SETTINGS: &str = "/proc/sys";

/// A setting that is another one with each reading, so that it cannot be given.
const UUID: &str = "kernel/random/uuid";

/// The two that what is covered looks like: both are empty.
const EMPTY_DIRECTORY: &str = "mnt";
const EMPTY_FILE: &str = "dev/null";

/// Mounts `/proc` in the root that is being built, which is the current directory and
/// has its devices. `settings` are those that the program sees.
pub(crate) fn mount_proc(root: BorrowedFd<'_>, settings: Option<&OwnedFd>) -> Result<(), Failure> {
    let none: Option<&str> = None;
    make_directory(root, Path::new("/").join(EMPTY_DIRECTORY).as_path())?;
    make_directory(root, Path::new("/").join(PROC).as_path())?;
    let inert = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), PROC, Some("proc"), inert, none).doing("mounting proc")?;
    for entry in fs::read_dir(PROC).doing("listing proc")? {
        let entry = entry.doing("listing proc")?;
        let path = entry.path();
        let is_known = |name: &str| {
            let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
            is_process || (name == "sys" && settings.is_some()) || KEPT.contains(&name)
        };
        // The listing says of what kind it is, without a look at each.
        let kind = entry.file_type().doing_at("looking at", &path)?;
        // A link leads to the process that asks.
        if kind.is_symlink() || path.file_name().and_then(|name| name.to_str()).is_some_and(is_known) {
            continue;
        }
        if kind.is_file() && is_for_another(&entry.metadata().doing_at("looking at", &path)?) {
            continue;
        }
        let cover = if kind.is_dir() { EMPTY_DIRECTORY } else { EMPTY_FILE };
        mount(Some(cover), &path, none, MsFlags::MS_BIND, none).doing_at("covering", &path)?;
    }
    settings.map_or(Ok(()), |settings| cover_settings(root, settings.as_fd()))
}

/// Whether a file is for its owner alone, who is another user than this process and
/// the program. Such a one needs no cover, which would be made, copied with the root,
/// and taken off twice.
fn is_for_another(file: &Metadata) -> bool {
    file.mode() & 0o077 == 0 && file.uid() != geteuid().as_raw()
}

/// Covers all settings of the kernel by those that are given.
fn cover_settings(root: BorrowedFd<'_>, given: BorrowedFd<'_>) -> Result<(), Failure> {
    let path = Path::new(SETTINGS);
    // The place of this setting is there if it is to be seen. The setting is held on
    // to, because the rest is covered.
    let shown = match openat(given, UUID, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Err(Errno::ENOENT) => None,
        place => {
            let place = place.doing_at("opening", Path::new(UUID))?;
            let uuid = open_in(root, &path.join(UUID)).doing_at("opening", Path::new(UUID))?;
            Some((sys::clone_mount(uuid.as_fd()).doing_at("taking", Path::new(UUID))?, place))
        }
    };
    let place = open_in(root, path).doing_at("opening", path)?;
    sys::attach_mount(given, place.as_fd()).doing_at("mounting", path)?;
    shown.map_or(Ok(()), |(uuid, place)| {
        sys::attach_mount(uuid.as_fd(), place.as_fd()).doing_at("mounting", Path::new(UUID))
    })
}

/// Opens what is at a path in the root that is being built, in which all was made here.
fn open_in(root: BorrowedFd<'_>, path: &Path) -> nix::Result<OwnedFd> {
    let below = path.strip_prefix("/").unwrap_or(path);
    openat(root, below, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}
