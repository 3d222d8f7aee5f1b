//! What is known of files beside their content: size, times, modes.

use wasmtime::{Caller, Result};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wiggle::GuestMemory;

use super::devices;
use super::devices::Device;
use super::errno::{FAULT, NOENT, PERM, STALE, SUCCESS};
use super::files;
use super::files::FILESTAT_BYTES;
use super::guest_memory::{range, split};
use super::{byte_names, is_poisoned, named_device, path_bytes, path_text, refusal};
use crate::wasm::host::Host;

/// `lookupflags::symlink_follow` of WASI preview 1.
pub(super) const SYMLINK_FOLLOW: i32 = 1;

/// The most significant byte of the `ino` of a `filestat` of WASI preview 1.
const FILESTAT_INODE_TOP: usize = 15;
/// Its `atim`, `mtim` and `ctim`.
const FILESTAT_TIMES: std::ops::Range<usize> = 40..64;

pub(super) async fn fd_filestat_get(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    let host = caller.data_mut();
    let stat = match host.open_files.device(fd.cast_unsigned()) {
        Some(device) => Some(device.stat()),
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
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(errno);
    }
    let (memory, host) = split(&mut caller)?;
    let text = path_text(memory, path, size);
    let stat = match named_device(fd, text) {
        // They can be looked at, and hold nothing but what is told of them.
        Some(None) if matches!(text, "/" | "/dev") => Some(Ok(files::root_stat())),
        Some(device) => Some(device.map(Device::stat).ok_or(NOENT)),
        None => files::stat_path(host, fd, path_bytes(memory, path, size), lookup & SYMLINK_FOLLOW != 0),
    };
    let errno = match stat {
        Some(Ok(stat)) => write_stat(&mut caller, &stat, out)?,
        Some(Err(errno)) => errno,
        // For its error, if nothing else.
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
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(if errno == STALE { STALE } else { PERM });
    }
    let (memory, host) = split(&mut caller)?;
    let Some(bytes) = range(memory, path, size) else { return Ok(FAULT) };
    let (bytes, mode) = (&memory[bytes], mode.cast_unsigned());
    let set = match named_device(fd, path_text(memory, path, size)) {
        Some(Some(_)) => Err(PERM),
        Some(None) => Err(NOENT),
        None if bytes.is_empty() => files::set_mode(host, fd, mode),
        None => files::set_path_mode(host, fd, bytes, lookup & SYMLINK_FOLLOW != 0, mode),
    };
    Ok(set.err().unwrap_or(SUCCESS))
}

/// Of a file and how it is looked up, and of its times and which of them are set.
type SetTimes = (i32, i32, i32, i32, i64, i64, i32);

pub(super) async fn path_filestat_set_times(mut caller: Caller<'_, Host>, arguments: SetTimes) -> Result<i32> {
    let (fd, lookup, path, size, accessed, modified, flags) = arguments;
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(errno);
    }
    let (memory, host) = split(&mut caller)?;
    if let Some(bytes) = byte_names::path(memory, path, size) {
        let follow = lookup & SYMLINK_FOLLOW != 0;
        return Ok(byte_names::set_times(host, fd, &bytes, follow, (accessed, modified), flags));
    }
    Ok(call_through!(caller, path_filestat_set_times(fd, lookup, path, size, accessed, modified, flags).await))
}

pub(super) async fn fd_fdstat_get(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
    if caller.data().open_files.device(fd.cast_unsigned()).is_some() {
        return devices::fdstat(&mut caller, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    Ok(call_through!(caller, fd_fdstat_get(fd, out).await))
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
