//! What writable mounts hold. Links are never followed, whatever a program
//! does to the tree meanwhile.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::getuid;

use crate::confinement::TreeLimits;
use crate::held::{NamelessMap, nameless_maps, on_their_way};
use crate::processes;

/// How deep a tree may be. What cannot be measured counts as too many files:
/// deeper trees, directories that the program keeps us from listing, and
/// descriptors that it keeps us from seeing.
const MAX_DEPTH: u32 = 256;

/// The size of `st_blocks`, see stat(3type).
const BLOCK_BYTES: u64 = 512;

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
    /// Files that were counted: one with several names counts once.
    seen: HashSet<(u64, u64)>,
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

    /// Counts what is there, and the files of these processes that have no name any
    /// more but are still open. Open files come first: who writes has them open.
    pub(crate) fn measure(&self, pids: &[i32]) -> Use {
        let mut usage = Use::default();
        for pid in pids {
            self.add_nameless(*pid, &mut usage);
        }
        for root in &self.roots {
            self.walk(root, 0, &mut usage);
        }
        usage
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
        let is_ours = |map: &NamelessMap| self.places.iter().any(|place| map.path.starts_with(place));
        let Some(maps) = nameless_maps(pid) else { return true };
        maps.iter().any(|map| is_ours(map) && !shown.contains(&map.inode))
    }

    /// Sockets of these processes, and what is on its way through them.
    pub(crate) fn count_sockets(&self, pids: &[i32]) -> u64 {
        let mut usage = Use::default();
        pids.iter().for_each(|pid| self.add_nameless(*pid, &mut usage));
        usage.sockets
    }

    fn walk(&self, place: &OwnedFd, depth: u32, usage: &mut Use) {
        if depth > MAX_DEPTH {
            usage.files = u64::MAX;
            return;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let listing = match openat(place, ".", flags, Mode::empty()) {
            // A mount may be a single file.
            Err(Errno::ENOTDIR) => return fstat(place).map(|stat| usage.add(&stat)).unwrap_or(()),
            listing => listing.and_then(Dir::from_fd),
        };
        let mut listing = match listing {
            Ok(listing) => listing,
            Err(errno) => return usage.miss(place, errno),
        };
        let mut below: Vec<CString> = Vec::new();
        for entry in listing.iter().flatten() {
            if usage.files > self.most_files || usage.bytes > self.most_bytes {
                return;
            }
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match fstatat(place, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => usage.add(&stat),
                Err(errno) => {
                    usage.miss(place, errno);
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
                Ok(directory) => self.walk(&directory, depth + 1, usage),
                // The directory is another mount, which is the machine's and read-only,
                // or a root of its own.
                Err(Errno::EXDEV) => {}
                Err(errno) => usage.miss(place, errno),
            }
        }
    }

    fn add_nameless(&self, pid: i32, usage: &mut Use) {
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
            let nameless = file.is_file() && file.nlink() == 0 && self.devices.contains(&file.dev());
            if nameless && usage.seen.insert((file.dev(), file.ino())) {
                usage.files = usage.files.saturating_add(1);
                usage.bytes = usage.bytes.saturating_add(file.blocks().saturating_mul(BLOCK_BYTES));
            }
        }
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
        let several_names = stat.st_nlink > 1 && stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFREG;
        if several_names && !self.seen.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        self.files = self.files.saturating_add(1);
        let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(blocks.saturating_mul(BLOCK_BYTES));
    }
}
