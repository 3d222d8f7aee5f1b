//! What files hold: reading and writing, as far as the quota goes.

use wasmtime::{Caller, Result};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wiggle::GuestMemory;

use super::devices;
use super::errno::{FAULT, INVAL, NOSPC, STALE, SUCCESS};
use super::guest_memory::{buffer, read_u32, split};
use super::{device, is_poisoned, refusal};
use crate::wasm::host::Host;

/// For reads and writes, which copy nothing: files and guest memory meet in
/// the kernel, however large a file Python reads in one call.
const IN_PLACE: usize = usize::MAX;

/// The most buffers that one read or write may name, as on Linux.
const MAX_BUFFERS: u32 = 1024;

pub(super) async fn fd_write(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, out: i32) -> Result<i32> {
    if count.cast_unsigned() > MAX_BUFFERS {
        return Ok(INVAL);
    }
    match device(&caller, fd) {
        Some(device) => devices::write(&mut caller, device, iovs, count, out),
        None => write_file(caller, fd, iovs, count, None, out).await,
    }
}

pub(super) async fn fd_pwrite(
    mut caller: Caller<'_, Host>,
    fd: i32,
    iovs: i32,
    count: i32,
    offset: i64,
    out: i32,
) -> Result<i32> {
    if count.cast_unsigned() > MAX_BUFFERS {
        return Ok(INVAL);
    }
    match caller.data().open_files.device(fd.cast_unsigned()) {
        Some(device) => devices::write(&mut caller, device, iovs, count, out),
        None => write_file(caller, fd, iovs, count, Some(offset), out).await,
    }
}

/// Charges the quota, writes, and credits what was not written.
async fn write_file(
    mut caller: Caller<'_, Host>,
    fd: i32,
    iovs: i32,
    count: i32,
    offset: Option<i64>,
    out: i32,
) -> Result<i32> {
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    let (memory, host) = split(&mut caller)?;
    // Wasmtime writes the first buffer that is not empty, and only that.
    let mut size = 0_u64;
    for index in 0..count {
        let Some((_, length)) = buffer(memory, iovs, index) else { return Ok(FAULT) };
        size = u64::from(length.cast_unsigned());
        if size > 0 {
            break;
        }
    }
    let mut memory = GuestMemory::Unshared(memory);
    // A descriptor that cannot tell is not a file, and the write fails.
    let at = match offset {
        Some(offset) => offset.cast_unsigned(),
        None => host.wasi().fd_tell(&mut memory, fd.into()).unwrap_or(0),
    };
    // Writing past the end leaves a hole, which counts like what is around it.
    let hole = match at {
        0 => 0,
        _ => host.wasi().fd_filestat_get(&mut memory, fd.into()).await.map_or(0, |stat| at.saturating_sub(stat.size)),
    };
    let charge = size.saturating_add(hole);
    if !charge_bytes(&mut caller, charge, at.saturating_add(size)).await? {
        return Ok(NOSPC);
    }
    let errno = match offset {
        Some(offset) => call_through!(caller, IN_PLACE, fd_pwrite(fd, iovs, count, offset, out).await),
        None => call_through!(caller, IN_PLACE, fd_write(fd, iovs, count, out).await),
    };
    let (memory, host) = split(&mut caller)?;
    let written = if errno == SUCCESS { read_u32(memory, out).map_or(0, u64::from) } else { 0 };
    if let Some(run) = &mut host.run {
        run.quota.credit_bytes(if written == 0 { charge } else { size.saturating_sub(written) });
    }
    Ok(errno)
}

/// Takes bytes from the quota, counting again if that is what it takes.
async fn charge_bytes(caller: &mut Caller<'_, Host>, bytes: u64, end: u64) -> Result<bool> {
    let enough = caller.data().run.as_ref().is_some_and(|run| run.quota.has_bytes(bytes));
    if !enough {
        let (memory, host) = split(caller)?;
        let nameless = nameless_bytes(host, memory).await;
        if let Some(run) = &mut host.run {
            run.quota.recount(nameless);
        }
    }
    Ok(caller.data_mut().run.as_mut().is_some_and(|run| run.quota.charge_bytes(bytes, end)))
}

/// What open files hold that have no name any more: they use the disk, and no
/// count of the workspace finds them.
pub(in crate::wasm) async fn nameless_bytes(host: &mut Host, memory: &mut [u8]) -> u64 {
    let mut total = 0_u64;
    let open: Vec<_> = host.open_files.numbers().collect();
    let mut memory = GuestMemory::Unshared(memory);
    for fd in open {
        if let Ok(stat) = host.wasi().fd_filestat_get(&mut memory, fd.into()).await
            && stat.nlink == 0
        {
            total = total.saturating_add(stat.size);
        }
    }
    total
}

pub(super) async fn fd_read(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, out: i32) -> Result<i32> {
    if count.cast_unsigned() > MAX_BUFFERS {
        return Ok(INVAL);
    }
    if let Some(device) = device(&caller, fd) {
        return devices::read(&mut caller, device, iovs, count, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    Ok(call_through!(caller, IN_PLACE, fd_read(fd, iovs, count, out).await))
}

pub(super) async fn fd_pread(
    mut caller: Caller<'_, Host>,
    fd: i32,
    iovs: i32,
    count: i32,
    offset: i64,
    out: i32,
) -> Result<i32> {
    if let Some(device) = caller.data().open_files.device(fd.cast_unsigned()) {
        if count.cast_unsigned() > MAX_BUFFERS {
            return Ok(INVAL);
        }
        return devices::read(&mut caller, device, iovs, count, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    Ok(call_through!(caller, fd_pread(fd, iovs, count, offset, out).await))
}

pub(super) async fn fd_seek(mut caller: Caller<'_, Host>, fd: i32, offset: i64, whence: i32, out: i32) -> Result<i32> {
    if let Some(device) = caller.data().open_files.device(fd.cast_unsigned()) {
        return devices::tell(&mut caller, device, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    // What is no member of an enumeration would end the run as a trap.
    if !(0..=2).contains(&whence) {
        return Ok(INVAL);
    }
    Ok(call_through!(caller, fd_seek(fd, offset, whence, out).await))
}

pub(super) fn fd_tell(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
    if let Some(device) = caller.data().open_files.device(fd.cast_unsigned()) {
        return devices::tell(&mut caller, device, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    Ok(call_through!(caller, fd_tell(fd, out)))
}

pub(super) async fn fd_filestat_set_size(mut caller: Caller<'_, Host>, fd: i32, size: i64) -> Result<i32> {
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(errno);
    }
    let size_bytes = size.cast_unsigned();
    if !charge_bytes(&mut caller, size_bytes, size_bytes).await? {
        return Ok(NOSPC);
    }
    let errno = call_through!(caller, fd_filestat_set_size(fd, size).await);
    if errno != SUCCESS
        && let Some(run) = &mut caller.data_mut().run
    {
        run.quota.credit_bytes(size_bytes);
    }
    Ok(errno)
}
