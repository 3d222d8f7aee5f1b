//! What is known of files beside their content: size, times, modes.

use wasmtime::{Caller, Result};
use wasmtime_wasi::p1::types::Rights;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wiggle::GuestMemory;

use super::devices::{self, FDSTAT_BYTES};
use super::errno::{FAULT, NOENT, PERM, ROFS, STALE, SUCCESS};
use super::files;
use super::files::FILESTAT_BYTES;
use super::guest_memory::{range, split};
use super::mounts::{self, Target};
use super::{WORKSPACE_FD, byte_names, is_poisoned, path_bytes, refusal, target};
use crate::wasm::host::Host;

/// `lookupflags::symlink_follow` of WASI preview 1.
pub(super) const SYMLINK_FOLLOW: i32 = 1;

/// The most significant byte of the `ino` of a `filestat` of WASI preview 1.
const FILESTAT_INODE_TOP: usize = 15;
/// Where `atim`, `mtim` and `ctim` are in a `filestat` of WASI preview 1.
const FILESTAT_TIMES: std::ops::Range<usize> = 40..64;

pub(super) async fn fd_filestat_get(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    let host = caller.data_mut();
    let stat = match host.open_files.device(fd.cast_unsigned()) {
        Some(device) => Some(device.stat()),
        None if host.open_files.is_folder(fd.cast_unsigned()) => Some(files::root_stat()),
        None => files::stat(host, fd),
    };
    let errno = match stat {
        Some(stat) => write_stat(&mut caller, &stat, out)?,
        None => call_through!(caller, fd_filestat_get(fd, out).await),
    };
    make_repeatable(&mut caller, errno, out)
}

pub(super) async fn path_filestat_get(
    mut caller: Caller<'_, Host>,
    fd: i32,
    lookup: i32,
    path: i32,
    size: i32,
    out: i32,
) -> Result<i32> {
    let follow = lookup & SYMLINK_FOLLOW != 0;
    let target = match target(&mut caller, fd, (path, size), follow)? {
        Ok(target) => target,
        Err(errno) => return Ok(errno),
    };
    let (memory, host) = split(&mut caller)?;
    let stat = match target {
        Target::Beneath => files::stat_path(host, fd, path_bytes(memory, path, size), follow),
        Target::Instead(path) => Some(files::stat_path(host, WORKSPACE_FD, &path, follow).unwrap_or(Err(NOENT))),
        Target::Mounted(mounted) => Some(mounts::stat(host, &mounted, follow)),
        Target::Folder(_) => Some(Ok(files::root_stat())),
        Target::Device(device) => Some(Ok(device.stat())),
        Target::Nowhere => Some(Err(NOENT)),
    };
    let errno = match stat {
        Some(Ok(stat)) => write_stat(&mut caller, &stat, out)?,
        Some(Err(errno)) => errno,
        // Wasmtime is asked for the error that it would give, if nothing else.
        None => call_through!(caller, path_filestat_get(fd, lookup, path, size, out).await),
    };
    make_repeatable(&mut caller, errno, out)
}

/// Sets the mode of a file: of the descriptor itself where the path is empty.
pub(super) fn mode_set(
    mut caller: Caller<'_, Host>,
    fd: i32,
    lookup: i32,
    path: i32,
    size: i32,
    mode: i32,
) -> Result<i32> {
    let target = match target(&mut caller, fd, (path, size), lookup & SYMLINK_FOLLOW != 0)? {
        Ok(target) => target,
        Err(errno) => return Ok(if errno == STALE { STALE } else { PERM }),
    };
    let (memory, host) = split(&mut caller)?;
    let Some(bytes) = range(memory, path, size) else { return Ok(FAULT) };
    let (bytes, mode, follow) = (&memory[bytes], mode.cast_unsigned(), lookup & SYMLINK_FOLLOW != 0);
    let set = match target {
        _ if bytes.is_empty() && mounts::is_read_only(host, fd) => Err(ROFS),
        Target::Beneath | Target::Instead(_) | Target::Mounted(_) if bytes.is_empty() => {
            files::set_mode(host, fd, mode)
        }
        Target::Beneath => files::set_path_mode(host, fd, bytes, follow, mode),
        Target::Instead(path) => files::set_path_mode(host, WORKSPACE_FD, &path, follow, mode),
        Target::Mounted(mounted) => mounts::set_mode(host, &mounted, follow, mode),
        Target::Folder(_) | Target::Device(_) => Err(PERM),
        Target::Nowhere => Err(NOENT),
    };
    Ok(set.err().unwrap_or(SUCCESS))
}

/// The arguments of a call that sets times: of a file and how it is looked up, and of
/// its times and which of them are set.
type SetTimes = (i32, i32, i32, i32, i64, i64, i32);

pub(super) async fn path_filestat_set_times(mut caller: Caller<'_, Host>, arguments: SetTimes) -> Result<i32> {
    let (fd, lookup, path, size, accessed, modified, flags) = arguments;
    let follow = lookup & SYMLINK_FOLLOW != 0;
    let target = target(&mut caller, fd, (path, size), follow)?;
    let (memory, host) = split(&mut caller)?;
    match target {
        Err(errno) => return Ok(errno),
        Ok(Target::Beneath) => {}
        Ok(Target::Instead(path)) => {
            return Ok(byte_names::set_times(host, WORKSPACE_FD, &path, follow, (accessed, modified), flags));
        }
        Ok(Target::Mounted(mounted)) => {
            return Ok(mounts::set_times(host, &mounted, follow, (accessed, modified), flags));
        }
        Ok(Target::Folder(_) | Target::Device(_)) => return Ok(PERM),
        Ok(Target::Nowhere) => return Ok(NOENT),
    }
    if let Some(bytes) = byte_names::path(memory, path, size) {
        return Ok(byte_names::set_times(host, fd, &bytes, follow, (accessed, modified), flags));
    }
    Ok(call_through!(caller, path_filestat_set_times(fd, lookup, path, size, accessed, modified, flags).await))
}

pub(super) async fn fd_filestat_set_times(
    mut caller: Caller<'_, Host>,
    fd: i32,
    accessed: i64,
    modified: i64,
    flags: i32,
) -> Result<i32> {
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(errno);
    }
    if mounts::is_read_only(caller.data(), fd) {
        return Ok(ROFS);
    }
    Ok(call_through!(caller, fd_filestat_set_times(fd, accessed, modified, flags).await))
}

pub(super) async fn fd_fdstat_get(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
    if caller.data().open_files.device(fd.cast_unsigned()).is_some() {
        return devices::fdstat(&mut caller, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    let errno = call_through!(caller, fd_fdstat_get(fd, out).await);
    // A C library would ask for less than its program wants, and succeed, where
    // the program is to learn that all there is read-only.
    if errno == SUCCESS && caller.data().open_files.mount(fd.cast_unsigned()).is_some() {
        let (memory, _) = split(&mut caller)?;
        if let Some(inheriting) = range(memory, out, FDSTAT_BYTES).map(|stat| stat.end - 8..stat.end) {
            memory[inheriting].copy_from_slice(&Rights::all().bits().to_le_bytes());
        }
    }
    Ok(errno)
}

fn write_stat(caller: &mut Caller<'_, Host>, stat: &[u8; FILESTAT_BYTES], out: i32) -> Result<i32> {
    let (memory, _) = split(caller)?;
    let Some(room) = stat_range(memory, out) else { return Ok(FAULT) };
    memory[room].copy_from_slice(stat);
    Ok(SUCCESS)
}

fn stat_range(memory: &[u8], out: i32) -> Option<std::ops::Range<usize>> {
    range(memory, out, FILESTAT_BYTES as i32)
}

/// Where runs must be repeatable, no time of a file is seen: the kernel stamps
/// them with its own clock. And numbers of files, which are hashes of 64 bits,
/// take up as much room as any other, so that a guest works as long on each.
fn make_repeatable(caller: &mut Caller<'_, Host>, errno: i32, out: i32) -> Result<i32> {
    let (memory, host) = split(caller)?;
    if errno == SUCCESS
        && host.entropy.is_some()
        && let Some(stat) = stat_range(memory, out)
    {
        let stat = &mut memory[stat];
        stat[FILESTAT_TIMES].fill(0);
        stat[FILESTAT_INODE_TOP] |= 0x80;
    }
    Ok(errno)
}
