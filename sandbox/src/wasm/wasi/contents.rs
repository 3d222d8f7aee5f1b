//! What files hold: reading and writing, as far as the quota goes.

use wasmtime::{Caller, Result};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wiggle::GuestMemory;

use super::devices;
use super::errno::{FAULT, INVAL, NOSPC, ROFS, STALE, SUCCESS};
use super::guest_memory::{buffer, read_u32, split};
use super::{device, is_poisoned, mounts, refusal};
use crate::wasm::host::Host;

/// The size for reads and writes that copy nothing: files and guest memory meet in the
/// kernel, however large a file Python reads in one call.
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
    let elsewhere = lies_elsewhere(caller.data(), fd);
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
    let charge = Charge { bytes: size.saturating_add(hole), end: at.saturating_add(size), elsewhere };
    if !charge.take(&mut caller).await? {
        return Ok(NOSPC);
    }
    let errno = match offset {
        Some(offset) => call_through!(caller, IN_PLACE, fd_pwrite(fd, iovs, count, offset, out).await),
        None => call_through!(caller, IN_PLACE, fd_write(fd, iovs, count, out).await),
    };
    let (memory, host) = split(&mut caller)?;
    let written = if errno == SUCCESS { read_u32(memory, out).map_or(0, u64::from) } else { 0 };
    charge.give_back(host, if written == 0 { charge.bytes } else { size.saturating_sub(written) });
    Ok(errno)
}

/// Bytes that a file is about to take.
#[derive(Clone, Copy)]
struct Charge {
    bytes: u64,
    /// Where the file ends once it has taken them.
    end: u64,
    /// Whether the file lies in a mount.
    elsewhere: bool,
}

impl Charge {
    /// Takes these bytes from the quota, counting the workspace again if that is what it takes.
    async fn take(self, caller: &mut Caller<'_, Host>) -> Result<bool> {
        let enough = caller.data().run.as_ref().is_some_and(|run| run.quota.has_bytes(self.bytes));
        if !enough {
            let (memory, host) = split(caller)?;
            let nameless = nameless_bytes(host, memory).await;
            if let Some(run) = &mut host.run {
                run.quota.recount(nameless);
            }
        }
        let Some(run) = &mut caller.data_mut().run else { return Ok(false) };
        Ok(match self.elsewhere {
            true => run.quota.charge_bytes_elsewhere(self.bytes),
            false => run.quota.charge_bytes(self.bytes, self.end),
        })
    }

    /// Gives back `bytes` that the file did not take.
    fn give_back(self, host: &mut Host, bytes: u64) {
        let Some(run) = &mut host.run else { return };
        match self.elsewhere {
            true => run.quota.credit_bytes_elsewhere(bytes),
            false => run.quota.credit_bytes(bytes),
        }
    }
}

fn lies_elsewhere(host: &Host, fd: i32) -> bool {
    host.open_files.mount(fd.cast_unsigned()).is_some()
}

/// What open files of the workspace hold that have no name any more: they use the
/// disk, and no count finds them.
pub(in crate::wasm) async fn nameless_bytes(host: &mut Host, memory: &mut [u8]) -> u64 {
    let mut total = 0_u64;
    let is_in_workspace = |number: &u32| host.open_files.mount(*number).is_none();
    let open: Vec<_> = host.open_files.numbers().filter(is_in_workspace).collect();
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
    if mounts::is_read_only(caller.data(), fd) {
        return Ok(ROFS);
    }
    let (size_bytes, elsewhere) = (size.cast_unsigned(), lies_elsewhere(caller.data(), fd));
    let (memory, host) = split(&mut caller)?;
    // What a file of an operator holds already is nothing that this run takes.
    let held = match elsewhere {
        true => {
            host.wasi().fd_filestat_get(&mut GuestMemory::Unshared(memory), fd.into()).await.map_or(0, |it| it.size)
        }
        false => 0,
    };
    let charge = Charge { bytes: size_bytes.saturating_sub(held), end: size_bytes, elsewhere };
    if !charge.take(&mut caller).await? {
        return Ok(NOSPC);
    }
    let errno = call_through!(caller, fd_filestat_set_size(fd, size).await);
    if errno != SUCCESS {
        charge.give_back(caller.data_mut(), charge.bytes);
    }
    Ok(errno)
}
