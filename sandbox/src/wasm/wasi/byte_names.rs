//! Names that are not UTF-8, which native programs make and WASI's texts cannot
//! carry. To a guest they are the bytes that they are, as on any Unix.
//!
//! Wasmtime refuses such a path, so it is resolved here, beneath the descriptor
//! that the guest named, by the kernel (openat2(2)). A file that is opened so
//! takes the place of one that Wasmtime opened for it, and is Wasmtime's then.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawMode, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens, mkdirat, renameat,
    unlinkat,
};
use rustix::io::Errno;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{Fdflags, Oflags, Rights};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;
use wasmtime_wasi::{FsPerms, WasiView as _};
use wiggle::GuestMemory;

use super::WORKSPACE_FD;
use super::errno::{self, BADF, INVAL, IO, MFILE, NOSPC, NOTDIR, NOTSUP, PERM};
use super::files::{self, Base, beneath, look, number, with};
use super::guest_memory::range;
use super::saved_files::{Opened, argument, close, open_directory, open_utf8};
use crate::handle::random_name;
use crate::wasm::host::Host;

/// `fstflags` of WASI preview 1.
const ACCESSED: i32 = 1;
const ACCESSED_NOW: i32 = 2;
const MODIFIED: i32 = 4;
const MODIFIED_NOW: i32 = 8;

/// A path of a guest that is not UTF-8.
pub(super) fn path(memory: &[u8], path: i32, size: i32) -> Option<Vec<u8>> {
    let bytes = &memory[range(memory, path, size)?];
    std::str::from_utf8(bytes).is_err().then(|| bytes.to_vec())
}

/// How a file is to be opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) follow: bool,
    pub(super) oflags: Oflags,
    pub(super) rights: Rights,
    pub(super) flags: Fdflags,
}

impl How {
    /// The flags by which Wasmtime would ask the kernel for such a file.
    fn for_kernel(self) -> Result<OFlags, i32> {
        if self.flags.intersects(Fdflags::SYNC | Fdflags::DSYNC | Fdflags::RSYNC) {
            return Err(NOTSUP);
        }
        let makes = self.oflags.contains(Oflags::CREAT);
        let changes = makes || self.oflags.intersects(Oflags::EXCL | Oflags::TRUNC);
        if self.oflags.contains(Oflags::DIRECTORY) && changes {
            return Err(INVAL);
        }
        let writes = self.rights.contains(Rights::FD_WRITE) || makes || self.oflags.contains(Oflags::TRUNC);
        let reads = self.rights.contains(Rights::FD_READ) || !self.rights.contains(Rights::FD_WRITE);
        let mut flags = match (reads, writes) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
        // A FIFO must not make its opener wait.
        flags |= OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        flags.set(OFlags::CREATE, makes);
        flags.set(OFlags::EXCL, makes && self.oflags.contains(Oflags::EXCL));
        flags.set(OFlags::TRUNC, self.oflags.contains(Oflags::TRUNC));
        flags.set(OFlags::DIRECTORY, self.oflags.contains(Oflags::DIRECTORY));
        flags.set(OFlags::NOFOLLOW, !self.follow);
        Ok(flags)
    }
}

/// Opens what lies at `path`.
pub(super) async fn open(host: &mut Host, fd: i32, path: &[u8], how: How) -> Result<Opened, i32> {
    let file = with(host, fd, |directory| open_beneath(directory, path, how)).ok_or(BADF)??;
    open_as(host.wasi(), file, how, FsPerms::ReadWrite).await
}

/// Opens a file of a session by its path from the workspace on.
pub(super) async fn open_again(wasi: &mut WasiP1Ctx, path: &[u8], how: How) -> Option<Opened> {
    let root = root(wasi).await?;
    let file = open_beneath(root.as_fd(), path, how).ok()?;
    open_as(wasi, file, how, FsPerms::ReadWrite).await.ok()
}

pub(super) fn open_beneath(directory: BorrowedFd<'_>, path: &[u8], how: How) -> Result<OwnedFd, i32> {
    let flags = how.for_kernel()?;
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o666) } else { Mode::empty() };
    files::open_beneath(directory, path, flags, mode).map_err(number)
}

/// Gives a file a descriptor: that of another which Wasmtime opened as this one
/// is to be.
pub(super) async fn open_as(wasi: &mut WasiP1Ctx, file: OwnedFd, how: How, perms: FsPerms) -> Result<Opened, i32> {
    let file = Arc::new(File::from(file));
    let opened = match FileType::from_raw_mode(RawMode::from(look(&file).map_err(number)?.stx_mode)) {
        FileType::Directory => open_directory(wasi, b".").await.ok_or(MFILE),
        FileType::RegularFile => open_stand_in(wasi, how).await,
        _ => return Err(PERM),
    };
    let (fd, resource) = opened?;
    let entry = resource.map(Resource::<Descriptor>::new_borrow);
    match entry.as_ref().and_then(|entry| wasi.ctx().table.get_mut(entry).ok()) {
        Some(Descriptor::File(entry)) => (entry.file, entry.perms) = (file, perms),
        Some(Descriptor::Dir(entry)) => (entry.dir, entry.perms) = (file, perms),
        None => {
            close(wasi, fd).await;
            return Err(IO);
        }
    }
    Ok((fd, resource))
}

/// Opens a new file that has lost its name already.
async fn open_stand_in(wasi: &mut WasiP1Ctx, how: How) -> Result<Opened, i32> {
    let name = format!(".{}.part", random_name());
    let oflags = Oflags::CREAT | Oflags::EXCL;
    // There is a descriptor to be had: that was asked for before.
    let made = open_utf8(wasi, name.as_bytes(), oflags, Rights::FD_WRITE, Fdflags::empty()).await;
    close(wasi, made.ok_or(NOSPC)?.0).await;
    let opened = open_utf8(wasi, name.as_bytes(), Oflags::empty(), how.rights, how.flags).await;
    let removed = match argument(wasi, name.as_bytes()) {
        Some((mut bytes, path)) => {
            wasi.path_unlink_file(&mut GuestMemory::Unshared(&mut bytes), WORKSPACE_FD.into(), path).await.is_ok()
        }
        None => false,
    };
    match opened {
        Some(opened) if removed => Ok(opened),
        Some((fd, _)) => {
            close(wasi, fd).await;
            Err(IO)
        }
        None => Err(MFILE),
    }
}

/// The workspace, of which only Wasmtime has a descriptor between runs.
async fn root(wasi: &mut WasiP1Ctx) -> Option<Arc<File>> {
    let (fd, resource) = open_directory(wasi, b".").await?;
    let entry = resource.map(Resource::<Descriptor>::new_borrow);
    let root = match entry.as_ref().and_then(|entry| wasi.ctx().table.get(entry).ok()) {
        Some(Descriptor::Dir(entry)) => Some(Arc::clone(&entry.dir)),
        _ => None,
    };
    close(wasi, fd).await;
    root
}

/// What tells whether a file is the one that it was: its device and number, and
/// its size and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) identity: (u32, u32, u64),
    pub(super) is_directory: bool,
    pub(super) version: (u64, u64),
}

/// What lies at `path` in the workspace. `None` when it is neither a file nor a
/// directory.
pub(super) async fn find(wasi: &mut WasiP1Ctx, path: &[u8]) -> Option<Found> {
    let root = root(wasi).await?;
    found(beneath(root.as_fd(), path, false, OFlags::PATH).ok()?)
}

/// What is open under an entry of Wasmtime's table.
pub(super) fn find_open(wasi: &mut WasiP1Ctx, resource: u32) -> Option<Found> {
    match wasi.ctx().table.get(&Resource::<Descriptor>::new_borrow(resource)).ok()? {
        Descriptor::File(entry) => found(&entry.file),
        Descriptor::Dir(entry) => found(&entry.dir),
    }
}

pub(super) fn found(file: impl std::os::fd::AsFd) -> Option<Found> {
    let found = look(file).ok()?;
    let kind = FileType::from_raw_mode(RawMode::from(found.stx_mode));
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return None;
    }
    let modified = i128::from(found.stx_mtime.tv_sec) * 1_000_000_000 + i128::from(found.stx_mtime.tv_nsec);
    Some(Found {
        identity: (found.stx_dev_major, found.stx_dev_minor, found.stx_ino),
        is_directory: kind == FileType::Directory,
        version: (found.stx_size, u64::try_from(modified).unwrap_or(0)),
    })
}

/// Makes a directory.
pub(super) fn make_directory(host: &mut Host, base: impl Into<Base>, path: &[u8]) -> i32 {
    at(host, base, path, |parent, name| mkdirat(parent, name, Mode::from_raw_mode(0o777)))
}

/// Removes an empty directory.
pub(super) fn remove_directory(host: &mut Host, base: impl Into<Base>, path: &[u8]) -> i32 {
    at(host, base, path, |parent, name| unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Removes anything that is not a directory.
pub(super) fn unlink(host: &mut Host, base: impl Into<Base>, path: &[u8]) -> i32 {
    if path.ends_with(b"/") {
        return NOTDIR;
    }
    at(host, base, path, |parent, name| unlinkat(parent, name, AtFlags::empty()))
}

/// Moves what lies at one path to another. One of them may be UTF-8.
pub(super) fn rename(host: &mut Host, from: (Base, &[u8]), to: (Base, &[u8])) -> i32 {
    let Some(old) = with(host, from.0, |directory| parent(directory, from.1)) else { return BADF };
    let moved = with(host, to.0, |directory| {
        let (old_parent, old) = old?;
        let (new_parent, new) = parent(directory, to.1)?;
        match renameat(old_parent, old, new_parent, new) {
            // A rename that fails with this error does not lead out of the workspace.
            Err(Errno::XDEV) => Ok(errno::XDEV),
            moved => moved.map(|()| errno::SUCCESS),
        }
    });
    moved.map_or(BADF, |moved| moved.unwrap_or_else(number))
}

/// Sets the times of a file, in nanoseconds.
pub(super) fn set_times(
    host: &mut Host,
    base: impl Into<Base>,
    path: &[u8],
    follow: bool,
    times: (i64, i64),
    flags: i32,
) -> i32 {
    let contradicts = |one, other| flags & one != 0 && flags & other != 0;
    let all = ACCESSED | ACCESSED_NOW | MODIFIED | MODIFIED_NOW;
    if flags & !all != 0 || contradicts(ACCESSED, ACCESSED_NOW) || contradicts(MODIFIED, MODIFIED_NOW) {
        return INVAL;
    }
    let time = |nanoseconds: i64, given, now| match nanoseconds.cast_unsigned() {
        _ if flags & now != 0 => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        _ if flags & given == 0 => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        time => {
            Timespec { tv_sec: (time / 1_000_000_000).cast_signed(), tv_nsec: (time % 1_000_000_000).cast_signed() }
        }
    };
    let times = Timestamps {
        last_access: time(times.0, ACCESSED, ACCESSED_NOW),
        last_modification: time(times.1, MODIFIED, MODIFIED_NOW),
    };
    let open = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    answer(with(host, base, |directory| futimens(beneath(directory, path, follow, open)?, &times)))
}

/// Does something to a name in its directory.
fn at(
    host: &mut Host,
    base: impl Into<Base>,
    path: &[u8],
    act: impl FnOnce(OwnedFd, &[u8]) -> Result<(), Errno>,
) -> i32 {
    answer(with(host, base, |directory| {
        let (parent, name) = parent(directory, path)?;
        act(parent, name)
    }))
}

fn answer(done: Option<Result<(), Errno>>) -> i32 {
    match done {
        None => BADF,
        Some(Ok(())) => errno::SUCCESS,
        Some(Err(error)) => number(error),
    }
}

/// The directory in which the last name of a path is, and that name.
fn parent<'a>(directory: BorrowedFd<'_>, path: &'a [u8]) -> Result<(OwnedFd, &'a [u8]), Errno> {
    let slashes = path.iter().rev().take_while(|byte| **byte == b'/').count();
    let whole = &path[..path.len() - slashes];
    let (above, name) = match whole.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&whole[..=at], &whole[at + 1..]),
        None => (&b"."[..], whole),
    };
    if matches!(name, b"" | b"." | b"..") {
        return Err(Errno::INVAL);
    }
    Ok((beneath(directory, above, true, OFlags::PATH | OFlags::DIRECTORY)?, name))
}
