//! What WASI preview 1 has no words for, or Wasmtime takes too long over: modes
//! of files, and listings of directories.
//!
//! Everything starts from a descriptor that the guest has, and paths are
//! resolved beneath it by the kernel (openat2(2)). Where that does not work, for
//! whatever reason, `None` sends the caller to Wasmtime, which knows no modes.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, RawMode, ResolveFlags, Statx, StatxFlags, fchmod, openat2, statx};
use rustix::io::Errno;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;
use wiggle::GuestMemory;

use super::WORKSPACE_FD;
use super::errno;
use crate::wasm::host::Host;
use crate::workspace::TEMPORARY;
use crate::workspace::permissions::Mode;

/// Sizes of `filestat` and of the head of a `dirent` of WASI preview 1.
pub(in crate::wasm) const FILESTAT_BYTES: usize = 64;
const DIRENT_BYTES: usize = 24;

/// Where in a `filestat` the mode of the file stands, in two bytes that WASI
/// leaves unused, and the bit that says so: part of the guest ABI.
const MODE_AT: usize = 18;
const MODE_TOLD: u16 = 0x8000;

/// `filetype` of WASI preview 1.
pub(in crate::wasm) const CHARACTER_DEVICE: u8 = 2;

/// The bits of a mode that are permissions.
const PERMISSIONS: u16 = 0o777;
/// The number and the mode of the root of a file system.
const ROOT_INODE: u64 = 2;
const ROOT_MODE: u16 = 0o755;
/// How often the kernel is asked where a path leads. Whoever moves things without
/// end cannot keep a guest waiting.
const MAX_TRIES: u32 = 256;
/// Everybody may use a device.
const DEVICE_MODE: u16 = 0o666;

/// What the next descriptor will be in Wasmtime's table.
///
/// Nothing tells which entry of the table belongs to a descriptor of preview 1.
/// But the next free one is used next, so it is taken, given back and noted.
pub(in crate::wasm) fn next_resource(wasi: &mut WasiP1Ctx) -> Option<u32> {
    if wasi.ctx().table.is_empty() {
        // Streams and workspace get their entries with the first call.
        let _ = wasi.fd_tell(&mut GuestMemory::Unshared(&mut []), WORKSPACE_FD.into());
    }
    let table = wasi.ctx().table;
    let probe = table.push(()).ok()?;
    let next = probe.rep();
    table.delete(probe).ok()?;
    // With assertions, Wasmtime never uses an entry again.
    Some(next + u32::from(cfg!(debug_assertions)))
}

/// What a path is resolved beneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// A directory that the guest has open.
    Descriptor(i32),
    /// A mount, by its index.
    Mount(usize),
}

impl From<i32> for Base {
    fn from(fd: i32) -> Self {
        Self::Descriptor(fd)
    }
}

/// The open file behind a descriptor.
fn opened(host: &mut Host, fd: i32) -> Option<Arc<File>> {
    let resource = host.open_files.resource(fd.cast_unsigned())?;
    match host.wasi().ctx().table.get(&Resource::<Descriptor>::new_borrow(resource)).ok()? {
        Descriptor::File(file) => Some(Arc::clone(&file.file)),
        Descriptor::Dir(directory) => Some(Arc::clone(&directory.dir)),
    }
}

/// Does something with the file behind a descriptor, or with a mount. `None` when
/// there is none.
pub(super) fn with<T>(host: &mut Host, base: impl Into<Base>, act: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
    match base.into() {
        Base::Mount(index) => host.mounts.get(index).map(|mount| act(mount.as_fd())),
        Base::Descriptor(WORKSPACE_FD) => {
            host.reached_files = true;
            host.run.as_ref().map(|run| act(run.quota.workspace().as_fd()))
        }
        Base::Descriptor(fd) => opened(host, fd).map(|file| act(file.as_fd())),
    }
}

/// Opens what lies beneath a directory. Of a path that leads upwards the kernel
/// cannot tell where it leads while anything is moved anywhere, and wants to be
/// asked again.
pub(super) fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: rustix::fs::Mode,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 1..MAX_TRIES {
        match openat2(directory, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN) => {}
            opened => return opened,
        }
    }
    openat2(directory, path, flags | OFlags::CLOEXEC, mode, resolve)
}

pub(super) fn beneath(directory: BorrowedFd<'_>, path: &[u8], follow: bool, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut flags = flags;
    flags.set(OFlags::NOFOLLOW, !follow);
    open_beneath(directory, path, flags, rustix::fs::Mode::empty())
}

pub(super) fn look(file: impl AsFd) -> Result<Statx, Errno> {
    statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
}

/// A `filestat` of an open file, and with it the file's mode.
pub(in crate::wasm) fn stat(host: &mut Host, fd: i32) -> Option<[u8; FILESTAT_BYTES]> {
    let device = device_of(host.open_files.mount(fd.cast_unsigned()));
    with(host, fd, |file| look(file))?.ok().map(|found| encode(&found, device))
}

/// A `filestat` of what lies at `path`. An error is one that Wasmtime would find, too.
pub(in crate::wasm) fn stat_path(
    host: &mut Host,
    fd: i32,
    path: &[u8],
    follow: bool,
) -> Option<Result<[u8; FILESTAT_BYTES], i32>> {
    match with(host, fd, |directory| look(beneath(directory, path, follow, OFlags::PATH)?))? {
        Ok(found) => Some(Ok(encode(&found, device_of(None)))),
        // Programs look for what is not there as often as for what is.
        Err(Errno::NOENT) => Some(Err(errno::NOENT)),
        // Wasmtime would only say that it does not take such a name.
        Err(error) if std::str::from_utf8(path).is_err() => Some(Err(number(error))),
        Err(_) => None,
    }
}

/// The number of the device that the files of a mount are on, or those of the
/// workspace: what tells a program that one cannot be moved to the other.
pub(super) fn device_of(mount: Option<usize>) -> u64 {
    mount.map_or(1, |index| 2 + index as u64)
}

pub(super) fn encode(found: &Statx, device: u64) -> [u8; FILESTAT_BYTES] {
    let time = |time: rustix::fs::StatxTimestamp| {
        let nanoseconds = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        u64::try_from(nanoseconds).unwrap_or(0)
    };
    let times = [time(found.stx_atime), time(found.stx_mtime), time(found.stx_ctime)];
    let kind = kind(FileType::from_raw_mode(RawMode::from(found.stx_mode)));
    let mut stat =
        filestat(found.stx_ino, kind, found.stx_mode & PERMISSIONS, found.stx_nlink.into(), found.stx_size, times);
    stat[..8].copy_from_slice(&device.to_le_bytes());
    stat
}

/// The `filestat` of a directory above all that a guest has.
pub(in crate::wasm) fn root_stat() -> [u8; FILESTAT_BYTES] {
    filestat(ROOT_INODE, kind(FileType::Directory), ROOT_MODE, 2, 0, [0; 3])
}

/// The `filestat` of a device.
pub(in crate::wasm) fn device_stat(number: u64) -> [u8; FILESTAT_BYTES] {
    filestat(number, CHARACTER_DEVICE, DEVICE_MODE, 1, 0, [0; 3])
}

fn filestat(inode: u64, kind: u8, mode: u16, links: u64, size: u64, times: [u64; 3]) -> [u8; FILESTAT_BYTES] {
    let mut stat = [0; FILESTAT_BYTES];
    stat[16] = kind;
    stat[MODE_AT..MODE_AT + 2].copy_from_slice(&(mode | MODE_TOLD).to_le_bytes());
    let [accessed, modified, changed] = times;
    for (at, value) in [(0, 1), (8, inode), (24, links), (32, size), (40, accessed), (48, modified), (56, changed)] {
        stat[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    stat
}

/// A `filetype` of WASI preview 1.
const fn kind(kind: FileType) -> u8 {
    match kind {
        FileType::BlockDevice => 1,
        FileType::CharacterDevice => CHARACTER_DEVICE,
        FileType::Directory => 3,
        FileType::RegularFile => 4,
        FileType::Socket => 6,
        FileType::Symlink => 7,
        FileType::Fifo | FileType::Unknown => 0,
    }
}

/// Sets the mode of an open file, as far as it is kept.
pub(in crate::wasm) fn set_mode(host: &mut Host, fd: i32, mode: u32) -> Result<(), i32> {
    with(host, fd, |file| change_mode(file, mode)).ok_or(errno::BADF)?.map_err(number)
}

/// Sets the mode of what lies at `path`. That is opened, since a mode that is
/// set by path is set of whatever the kernel finds there.
pub(super) fn set_path_mode(
    host: &mut Host,
    base: impl Into<Base>,
    path: &[u8],
    follow: bool,
    mode: u32,
) -> Result<(), i32> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let set = |directory: BorrowedFd<'_>| change_mode(beneath(directory, path, follow, flags)?.as_fd(), mode);
    with(host, base, set).ok_or(errno::BADF)?.map_err(number)
}

fn change_mode(file: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let found = FileType::from_raw_mode(RawMode::from(look(file)?.stx_mode));
    let kept = nix::sys::stat::Mode::from(Mode::of(mode, found == FileType::Directory));
    fchmod(file, rustix::fs::Mode::from_raw_mode(kept.bits()))
}

/// An error number of WASI preview 1.
pub(super) const fn number(errno: Errno) -> i32 {
    match errno {
        Errno::ACCESS => errno::ACCES,
        Errno::BADF => errno::BADF,
        Errno::BUSY => errno::BUSY,
        Errno::DQUOT => errno::DQUOT,
        Errno::EXIST => errno::EXIST,
        Errno::INVAL => errno::INVAL,
        Errno::ISDIR => errno::ISDIR,
        Errno::LOOP => errno::LOOP,
        Errno::MFILE | Errno::NFILE => errno::MFILE,
        Errno::NAMETOOLONG => errno::NAMETOOLONG,
        Errno::NOENT => errno::NOENT,
        Errno::NOSPC => errno::NOSPC,
        Errno::NOTDIR => errno::NOTDIR,
        Errno::NOTEMPTY => errno::NOTEMPTY,
        Errno::ROFS => errno::ROFS,
        // Of openat2(2): the path leads out.
        Errno::PERM | Errno::XDEV => errno::PERM,
        _ => errno::IO,
    }
}

/// The head of a `dirent` of WASI preview 1; the name follows.
pub(super) fn dirent(next: u64, number: u64, name: &[u8], of_kind: FileType) -> [u8; DIRENT_BYTES] {
    let mut head = [0; DIRENT_BYTES];
    head[0..8].copy_from_slice(&next.to_le_bytes());
    head[8..16].copy_from_slice(&number.to_le_bytes());
    head[16..20].copy_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
    head[20] = kind(of_kind);
    head
}

/// Lists a directory into `room`, from where `cookie` says, as `fd_readdir`
/// does. Answers how much is filled: all of it when there is more.
///
/// Names are the bytes that they are, UTF-8 or not. The folder behind `/tmp` is
/// left out. `numbers` changes the numbers of files.
pub(in crate::wasm) fn list(
    host: &mut Host,
    fd: i32,
    cookie: u64,
    numbers: impl Fn(u64) -> u64,
    mut room: impl FnMut(usize, &[u8]) -> usize,
) -> Option<usize> {
    let root = with(host, WORKSPACE_FD, |root| look(root))?.ok()?;
    let listed = with(host, fd, |directory| -> Result<usize, Errno> {
        let found = look(directory)?;
        let is_root = found.stx_ino == root.stx_ino
            && (found.stx_dev_major, found.stx_dev_minor) == (root.stx_dev_major, root.stx_dev_minor);
        let mut listing = Dir::read_from(directory)?;
        if cookie != 0 {
            listing.seek(cookie.cast_signed())?;
        }
        let mut filled = 0;
        while let Some(entry) = listing.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if is_root && name == TEMPORARY.as_bytes() {
                continue;
            }
            let head = dirent(entry.offset().cast_unsigned(), numbers(entry.ino()), name, entry.file_type());
            for part in [head.as_slice(), name] {
                let written = room(filled, part);
                filled += written;
                if written < part.len() {
                    return Ok(filled);
                }
            }
        }
        Ok(filled)
    });
    listed?.ok()
}
