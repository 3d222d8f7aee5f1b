//! What writable mounts hold. Links are never followed, whatever a program
//! does to the tree meanwhile.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::{self, DirEntry, Metadata};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::getuid;

use crate::confinement::TreeLimits;
use crate::held::{nameless_maps, on_their_way};
use crate::processes;

/// How deep a tree may be. What cannot be measured counts as too many files:
/// deeper trees, directories that the program keeps us from listing, and
/// descriptors that it keeps us from seeing.
const MAX_DEPTH: u32 = 256;

/// The size of `st_blocks`, see stat(3type).
const BLOCK_BYTES: u64 = 512;

/// May be written to by its owner.
const WRITABLE: u32 = 0o200;

/// The least size of a file for which space is set aside past its end.
const LEAST_SET_ASIDE_FOR: u64 = 64 << 10;

/// The writable mounts.
#[derive(Debug)]
pub(crate) struct Disk {
    roots: Vec<OwnedFd>,
    devices: Vec<u64>,
    places: Vec<PathBuf>,
    most_bytes: u64,
    most_files: u64,
}

/// What is left on the file systems of the writable mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Free(Vec<(u64, u64)>);

impl Free {
    /// How much more bytes and files are taken than at `before`, by anybody.
    pub(crate) fn taken_since(&self, before: &Self) -> (u64, u64) {
        let taken = before
            .0
            .iter()
            .zip(&self.0)
            .map(|(before, now)| (before.0.saturating_sub(now.0), before.1.saturating_sub(now.1)));
        taken.fold((0, 0), |sum, taken| (sum.0 + taken.0, sum.1 + taken.1))
    }
}

/// What the writable mounts hold.
#[derive(Debug, Default)]
pub(crate) struct Use {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    /// Sockets that are open, and all descriptors that are on their way through one.
    pub(crate) sockets: u64,
    /// Whether some descriptors that are on their way may be files.
    is_on_its_way: bool,
    /// Each file is counted once: it may have several names, or another one by now.
    seen: HashSet<(u64, u64)>,
}

/// A count of what the mounts hold, on its way.
struct Walk<'a> {
    usage: Use,
    is_late: &'a dyn Fn() -> bool,
    looked_at: u32,
}

impl Walk<'_> {
    /// `None` when it became late. To ask costs as much as to look.
    fn look_at_one(&mut self) -> Option<()> {
        const ASKED_AFTER: u32 = 64;
        self.looked_at = self.looked_at.wrapping_add(1);
        (!self.looked_at.is_multiple_of(ASKED_AFTER) || !(self.is_late)()).then_some(())
    }
}

impl Disk {
    /// Holds on to the writable mounts, each with the path it has inside. A
    /// count ends past the limits.
    pub(crate) fn open<'a>(
        mounts: impl Iterator<Item = (BorrowedFd<'a>, PathBuf)>,
        limits: &TreeLimits,
    ) -> nix::Result<Self> {
        let mut disk = Self {
            roots: Vec::new(),
            devices: Vec::new(),
            places: Vec::new(),
            most_bytes: limits.disk_bytes,
            most_files: limits.disk_files,
        };
        for (mount, destination) in mounts {
            let root = openat(mount, c".", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            disk.devices.push(fstat(&root)?.st_dev);
            disk.roots.push(root);
            disk.places.push(destination);
        }
        Ok(disk)
    }

    /// Whether there is anything to measure.
    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Counts the files that these processes have open to write, with or without a
    /// name, and then what else is there. Those come first, as who fills a disk has them
    /// open. `None` when it became late meanwhile.
    pub(crate) fn measure(&self, pids: &[i32], is_late: &dyn Fn() -> bool) -> Option<Use> {
        let mut usage = Use::default();
        for pid in pids {
            if is_late() {
                return None;
            }
            self.add_open(*pid, &mut usage);
            if usage.bytes > self.most_bytes {
                return Some(usage);
            }
        }
        let mut walk = Walk { usage, is_late, looked_at: 0 };
        self.roots.iter().try_for_each(|root| self.walk(root, 0, &mut walk)).map(|()| walk.usage)
    }

    /// What is free on the file systems, which can be asked at any time, as it takes no time.
    pub(crate) fn free(&self) -> Free {
        let mut asked = HashSet::new();
        let mut free = Vec::new();
        for (root, device) in self.roots.iter().zip(&self.devices) {
            if asked.insert(device)
                && let Ok(state) = fstatvfs(root)
            {
                free.push((state.blocks_free().saturating_mul(state.fragment_size()), state.files_free()));
            }
        }
        Free(free)
    }

    /// Whether some of these processes may have files here that no name and no
    /// descriptor of theirs shows: mapped, or on their way through a socket.
    pub(crate) fn hides_some(&self, pids: &[i32], usage: &Use) -> bool {
        let shown: HashSet<u64> = usage.seen.iter().map(|(_, inode)| *inode).collect();
        usage.is_on_its_way || pids.iter().any(|pid| self.maps_nameless(*pid, &shown))
    }

    fn maps_nameless(&self, pid: i32, shown: &HashSet<u64>) -> bool {
        let Some(maps) = nameless_maps(pid) else { return true };
        maps.iter().any(|map| self.is_in_place(&map.path) && !shown.contains(&map.inode))
    }

    fn is_in_place(&self, path: &Path) -> bool {
        self.places.iter().any(|place| path.starts_with(place))
    }

    /// Sockets of these processes, and what is on its way through them.
    pub(crate) fn count_sockets(&self, pids: &[i32]) -> u64 {
        let mut usage = Use::default();
        pids.iter().for_each(|pid| self.add_open(*pid, &mut usage));
        usage.sockets
    }

    /// `None` when it became late.
    fn walk(&self, place: &OwnedFd, depth: u32, walk: &mut Walk<'_>) -> Option<()> {
        if depth > MAX_DEPTH {
            walk.usage.files = u64::MAX;
            return Some(());
        }
        if (walk.is_late)() {
            return None;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let listing = match openat(place, ".", flags, Mode::empty()) {
            // A mount may be a single file.
            Err(Errno::ENOTDIR) => {
                fstat(place).iter().for_each(|stat| walk.usage.add(stat));
                return Some(());
            }
            listing => listing.and_then(Dir::from_fd),
        };
        let mut listing = match listing {
            Ok(listing) => listing,
            Err(errno) => {
                walk.usage.miss(place, errno);
                return Some(());
            }
        };
        let mut below: Vec<CString> = Vec::new();
        for entry in listing.iter().flatten() {
            if walk.usage.files > self.most_files || walk.usage.bytes > self.most_bytes {
                return Some(());
            }
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            walk.look_at_one()?;
            match fstatat(place, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => walk.usage.add(&stat),
                Err(errno) => {
                    walk.usage.miss(place, errno);
                    continue;
                }
            }
            if entry.file_type().is_none_or(|kind| kind == Type::Directory) {
                below.push(name.to_owned());
            }
        }
        drop(listing);
        for name in below {
            match open_below(place, &name) {
                Ok(directory) => self.walk(&directory, depth + 1, walk)?,
                // Another mount, which is the machine's and read-only, or a root of its own.
                Err(Errno::EXDEV) => {}
                Err(errno) => walk.usage.miss(place, errno),
            }
        }
        Some(())
    }

    fn add_open(&self, pid: i32, usage: &mut Use) {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            if processes::has_memory(pid) {
                usage.files = u64::MAX;
            }
            return;
        };
        for descriptor in descriptors.flatten() {
            // Looking follows the link, which for these leads to the open file itself.
            let Ok(file) = fs::metadata(descriptor.path()) else { continue };
            if file.file_type().is_socket() && usage.seen.insert((file.dev(), file.ino())) {
                let on_their_way = on_their_way(pid, &descriptor.file_name());
                usage.sockets = usage.sockets.saturating_add(1).saturating_add(on_their_way);
                usage.is_on_its_way |= on_their_way > 0;
            }
            if file.is_file() && self.is_counted(&descriptor, &file) && usage.seen.insert((file.dev(), file.ino())) {
                usage.files = usage.files.saturating_add(1);
                usage.bytes = usage.bytes.saturating_add(taken_bytes(file.size(), file.blocks()));
            }
        }
    }

    /// Whether an open file is in one of the mounts and may not be found there: it has no
    /// name, or will be found late.
    fn is_counted(&self, descriptor: &DirEntry, file: &Metadata) -> bool {
        let is_in_place = || fs::read_link(descriptor.path()).is_ok_and(|path| self.is_in_place(&path));
        if file.nlink() == 0 {
            // Files of an overlay may have another device than its directories.
            return self.devices.contains(&file.dev()) || is_in_place();
        }
        // The mode of the link is that of the descriptor, see proc_pid_fd(5).
        descriptor.metadata().is_ok_and(|link| link.mode() & WRITABLE != 0) && is_in_place()
    }
}

/// Opens a directory unless something is mounted there. The program can mount nothing.
fn open_below(place: &OwnedFd, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_XDEV);
    match openat2(place, name, how) {
        // A filter of the host, or what passes for a kernel, does not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => openat(place, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// What a file of this size takes with so many blocks.
///
/// XFS sets aside up to as much again past the end of a file that grows, and takes it
/// back when the file is closed or space is short: no program asked for that.
#[must_use]
pub fn taken_bytes(size: u64, blocks: u64) -> u64 {
    let all = blocks.saturating_mul(BLOCK_BYTES);
    if size < LEAST_SET_ASIDE_FOR {
        return all;
    }
    all - all.saturating_sub(size).min(size)
}

fn is_own(directory: &OwnedFd) -> bool {
    fstat(directory).is_ok_and(|stat| stat.st_uid == getuid().as_raw())
}

impl Use {
    /// Counts something in this directory that could not be looked at.
    fn miss(&mut self, directory: &OwnedFd, errno: Errno) {
        match errno {
            // The program has removed or replaced what was there.
            Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP => {}
            // A program can keep writing into a directory of its own that it
            // has closed to us, but not into anybody else's.
            Errno::EACCES if !is_own(directory) => {}
            _ => self.files = u64::MAX,
        }
    }

    fn add(&mut self, stat: &FileStat) {
        let is_file = stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFREG;
        if is_file && !self.seen.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        self.files = self.files.saturating_add(1);
        let number = |value: i64| u64::try_from(value).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(taken_bytes(number(stat.st_size), number(stat.st_blocks)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_system_sets_aside_is_not_taken() {
        const MIB: u64 = 1 << 20;
        let taken = |size, bytes: u64| taken_bytes(size, bytes / BLOCK_BYTES);
        assert_eq!(taken(18 * MIB, 34 * MIB), 18 * MIB, "set aside");
        assert_eq!(taken(18 * MIB, 40 * MIB), 22 * MIB, "more than that");
        assert_eq!(taken(18 * MIB, 4096), 4096, "a hole");
        assert_eq!(taken(0, 4096), 4096, "attributes");
        assert_eq!(taken(5000, 3 * 4096), 3 * 4096);
        assert_eq!(taken(MIB + 1, MIB + 4096), MIB + 1);
    }
}
