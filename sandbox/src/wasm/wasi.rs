//! WASI preview 1 as guests see it: Wasmtime's functions, with those wrapped
//! that a limit or an interrupt must reach.
//!
//! Wrapped are: writes and opens (quota and descriptor limit), links (refused,
//! so that no link can appear in a workspace), standard streams (ours from end
//! to end), and `poll_oneoff` (sleeping obeys deadlines and cancellation).
//! The functions that are called through to are public in `wasmtime-wasi` but
//! not meant for others, hence the exact version pin and this one file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Caller, Linker, Memory, Result};
use wasmtime_wasi::HostMonotonicClock as _;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wasmtime_wasi::p1::{self};
use wiggle::GuestMemory;

use super::host::{Host, Stream};
use super::quota::DiskQuota;

const MODULE: &str = "wasi_snapshot_preview1";

/// How many bytes one call may make the host copy. 16 MiB is above any buffer
/// a guest's libc uses in one call.
const HOSTCALL_BYTES: usize = 16 << 20;

/// The one preopened directory.
const WORKSPACE_FD: i32 = 3;

// Numbers of WASI preview 1, type `errno`.
const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const FAULT: i32 = 21;
const INVAL: i32 = 28;
const MFILE: i32 = 33;
const NOSPC: i32 = 51;
const PERM: i32 = 63;
const NAMETOOLONG: i32 = 37;
const NOTSUP: i32 = 58;

/// `oflags::creat` of WASI preview 1.
const OFLAGS_CREAT: i32 = 1;

/// The most subscriptions one `poll_oneoff` may name.
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// Splits a caller into its memory and its host.
fn split<'a>(caller: &'a mut Caller<'_, Host>) -> Result<(&'a mut [u8], &'a mut Host)> {
    let memory: Memory =
        caller.data().memory.ok_or_else(|| wasmtime::format_err!("a guest called WASI before it was ready"))?;
    Ok(memory.data_and_store_mut(caller))
}

/// Calls Wasmtime's own implementation.
macro_rules! call_through {
    ($caller:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let (data, host) = split(&mut $caller)?;
        let wasi = host.wasi();
        wasi.set_hostcall_fuel(HOSTCALL_BYTES);
        preview1::$function(wasi, &mut GuestMemory::Unshared(data), $($argument),*).await?
    }};
}

/// Adds all of WASI preview 1.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    p1::add_to_linker_async(linker, Host::wasi)?;
    linker.allow_shadowing(true);

    linker.func_wrap_async(MODULE, "fd_write", |caller, (fd, iovs, count, out): (i32, i32, i32, i32)| {
        Box::new(fd_write(caller, fd, iovs, count, out))
    })?;
    linker.func_wrap_async(
        MODULE,
        "fd_pwrite",
        |caller, (fd, iovs, count, offset, out): (i32, i32, i32, i64, i32)| {
            Box::new(fd_pwrite(caller, fd, iovs, count, offset, out))
        },
    )?;
    linker.func_wrap_async(MODULE, "fd_read", |caller, (fd, iovs, count, out): (i32, i32, i32, i32)| {
        Box::new(fd_read(caller, fd, iovs, count, out))
    })?;
    linker.func_wrap_async(MODULE, "fd_filestat_set_size", |caller, (fd, size): (i32, i64)| {
        Box::new(fd_filestat_set_size(caller, fd, size))
    })?;
    linker.func_wrap_async(MODULE, "fd_close", |caller, (fd,): (i32,)| Box::new(fd_close(caller, fd)))?;
    linker.func_wrap_async(MODULE, "fd_renumber", |caller, (from, to): (i32, i32)| {
        Box::new(fd_renumber(caller, from, to))
    })?;
    linker.func_wrap_async(
        MODULE,
        "path_open",
        |caller, arguments: (i32, i32, i32, i32, i32, i64, i64, i32, i32)| Box::new(path_open(caller, arguments)),
    )?;
    linker.func_wrap_async(MODULE, "path_create_directory", |caller, (fd, path, size): (i32, i32, i32)| {
        Box::new(path_create_directory(caller, fd, path, size))
    })?;
    linker.func_wrap_async(MODULE, "path_rename", |caller, arguments: (i32, i32, i32, i32, i32, i32)| {
        Box::new(path_rename(caller, arguments))
    })?;
    linker.func_wrap(MODULE, "path_symlink", |_: i32, _: i32, _: i32, _: i32, _: i32| PERM)?;
    linker.func_wrap(MODULE, "path_link", |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| PERM)?;
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        |caller, (subscriptions, events, count, out): (i32, i32, i32, i32)| {
            Box::new(poll_oneoff(caller, subscriptions, events, count, out))
        },
    )?;
    Ok(())
}

fn range(memory: &[u8], address: i32, size: i32) -> Option<std::ops::Range<usize>> {
    let start = address.cast_unsigned() as usize;
    let end = start.checked_add(size.cast_unsigned() as usize)?;
    (end <= memory.len()).then_some(start..end)
}

fn read_u32(memory: &[u8], address: i32) -> Option<u32> {
    let bytes = memory.get(range(memory, address, 4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn write_u32(memory: &mut [u8], address: i32, value: u32) -> Option<()> {
    let range = range(memory, address, 4)?;
    memory[range].copy_from_slice(&value.to_le_bytes());
    Some(())
}

/// The `index`th buffer of a vector of buffers: address and size.
fn buffer(memory: &[u8], iovs: i32, index: i32) -> Option<(i32, i32)> {
    let entry = iovs.checked_add(index.checked_mul(8)?)?;
    Some((read_u32(memory, entry)?.cast_signed(), read_u32(memory, entry.checked_add(4)?)?.cast_signed()))
}

async fn fd_write(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, out: i32) -> Result<i32> {
    let stream = match fd {
        1 => Stream::Stdout,
        2 => Stream::Stderr,
        _ => return write_file(caller, fd, iovs, count, None, out).await,
    };
    let (memory, host) = split(&mut caller)?;
    let Some(run) = &mut host.run else { return Ok(BADF) };
    let mut written = 0_u32;
    for index in 0..count {
        let Some(bytes) = buffer(memory, iovs, index).and_then(|(address, size)| range(memory, address, size)) else {
            return Ok(FAULT);
        };
        run.stdio.write(stream, &memory[bytes.clone()]);
        written = written.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    }
    Ok(write_u32(memory, out, written).map_or(FAULT, |()| SUCCESS))
}

async fn fd_pwrite(caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, offset: i64, out: i32) -> Result<i32> {
    write_file(caller, fd, iovs, count, Some(offset), out).await
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
        Some(offset) => call_through!(caller, fd_pwrite(fd, iovs, count, offset, out)),
        None => call_through!(caller, fd_write(fd, iovs, count, out)),
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
pub(super) async fn nameless_bytes(host: &mut Host, memory: &mut [u8]) -> u64 {
    let mut total = 0_u64;
    let open: Vec<_> = host.open_files.now.iter().copied().collect();
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

async fn fd_read(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, out: i32) -> Result<i32> {
    if fd != 0 {
        return Ok(call_through!(caller, fd_read(fd, iovs, count, out)));
    }
    let (memory, host) = split(&mut caller)?;
    let Some(run) = &mut host.run else { return Ok(BADF) };
    let mut total = 0_u32;
    for index in 0..count {
        let Some(room) = buffer(memory, iovs, index).and_then(|(address, size)| range(memory, address, size)) else {
            return Ok(FAULT);
        };
        let bytes = run.stdio.read(room.len());
        memory[room.start..room.start + bytes.len()].copy_from_slice(bytes);
        total = total.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    }
    Ok(write_u32(memory, out, total).map_or(FAULT, |()| SUCCESS))
}

async fn fd_filestat_set_size(mut caller: Caller<'_, Host>, fd: i32, size: i64) -> Result<i32> {
    let size_bytes = size.cast_unsigned();
    if !charge_bytes(&mut caller, size_bytes, size_bytes).await? {
        return Ok(NOSPC);
    }
    let errno = call_through!(caller, fd_filestat_set_size(fd, size));
    if errno != SUCCESS
        && let Some(run) = &mut caller.data_mut().run
    {
        run.quota.credit_bytes(size_bytes);
    }
    Ok(errno)
}

async fn fd_close(mut caller: Caller<'_, Host>, fd: i32) -> Result<i32> {
    match fd {
        // Closing a standard stream must not free its number for a file.
        0..=2 => return Ok(SUCCESS),
        // Without it a session would never see its files again.
        WORKSPACE_FD => return Ok(PERM),
        _ => {}
    }
    let errno = call_through!(caller, fd_close(fd));
    if errno == SUCCESS {
        caller.data_mut().open_files.now.remove(&fd.cast_unsigned());
    }
    Ok(errno)
}

async fn fd_renumber(mut caller: Caller<'_, Host>, from: i32, to: i32) -> Result<i32> {
    if (0..=WORKSPACE_FD).contains(&from) || (0..=WORKSPACE_FD).contains(&to) {
        return Ok(NOTSUP);
    }
    let errno = call_through!(caller, fd_renumber(from, to));
    if errno == SUCCESS && from != to {
        // `to` is open either way; `from` is not any more.
        caller.data_mut().open_files.now.remove(&from.cast_unsigned());
    }
    Ok(errno)
}

/// Checks a path under which something new may appear, and charges for it.
/// New names only come to be beneath the workspace's own descriptor, so that
/// the depth of the path is the depth in the tree.
fn charge_new_name(caller: &mut Caller<'_, Host>, fd: i32, path: i32, size: i32) -> Result<Result<(), i32>> {
    let (memory, host) = split(caller)?;
    let Some(path) = range(memory, path, size) else { return Ok(Err(FAULT)) };
    if fd != WORKSPACE_FD {
        return Ok(Err(PERM));
    }
    if !DiskQuota::allows_path(&memory[path]) {
        return Ok(Err(NAMETOOLONG));
    }
    let Some(run) = &mut host.run else { return Ok(Err(BADF)) };
    Ok(if run.quota.charge_file() { Ok(()) } else { Err(NOSPC) })
}

type PathOpen = (i32, i32, i32, i32, i32, i64, i64, i32, i32);

async fn path_open(mut caller: Caller<'_, Host>, arguments: PathOpen) -> Result<i32> {
    let (fd, lookup, path, size, oflags, rights, inheriting, flags, out) = arguments;
    let open_files = &mut caller.data_mut().open_files;
    if open_files.now.len() as u64 >= open_files.limit {
        open_files.denied = true;
        return Ok(MFILE);
    }
    if oflags & OFLAGS_CREAT != 0
        && let Err(errno) = charge_new_name(&mut caller, fd, path, size)?
    {
        return Ok(errno);
    }
    let errno = call_through!(caller, path_open(fd, lookup, path, size, oflags, rights, inheriting, flags, out));
    if errno == SUCCESS {
        let (memory, host) = split(&mut caller)?;
        if let Some(opened) = read_u32(memory, out) {
            let open_files = &mut host.open_files;
            open_files.now.insert(opened);
            open_files.peak = open_files.peak.max(open_files.now.len() as u64);
        }
    }
    Ok(errno)
}

async fn path_create_directory(mut caller: Caller<'_, Host>, fd: i32, path: i32, size: i32) -> Result<i32> {
    if let Err(errno) = charge_new_name(&mut caller, fd, path, size)? {
        return Ok(errno);
    }
    Ok(call_through!(caller, path_create_directory(fd, path, size)))
}

async fn path_rename(mut caller: Caller<'_, Host>, arguments: (i32, i32, i32, i32, i32, i32)) -> Result<i32> {
    let (fd, old, old_size, new_fd, new, new_size) = arguments;
    let (memory, host) = split(&mut caller)?;
    let (Some(from), Some(to)) = (range(memory, old, old_size), range(memory, new, new_size)) else {
        return Ok(FAULT);
    };
    let Some(run) = &host.run else { return Ok(BADF) };
    if fd != WORKSPACE_FD || new_fd != WORKSPACE_FD || !run.quota.allows_rename(&memory[from], &memory[to]) {
        return Ok(PERM);
    }
    Ok(call_through!(caller, path_rename(fd, old, old_size, new_fd, new, new_size)))
}

/// One subscription of `poll_oneoff`.
enum Subscription {
    Clock { userdata: u64, until: Instant },
    Descriptor { userdata: u64, kind: u8 },
}

const SUBSCRIPTION_BYTES: i32 = 48;
const EVENT_BYTES: usize = 32;
const EVENT_CLOCK: u8 = 0;
const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_ABSOLUTE: u16 = 1;

fn subscription(memory: &[u8], address: i32, host: &Host) -> Option<std::result::Result<Subscription, i32>> {
    let bytes = memory.get(range(memory, address, SUBSCRIPTION_BYTES)?)?;
    let word = |at: usize| bytes.get(at..at + 8).and_then(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
    let userdata = word(0)?;
    let kind = bytes[8];
    if kind != EVENT_CLOCK {
        return Some(Ok(Subscription::Descriptor { userdata, kind }));
    }
    let clock = u32::from_le_bytes(bytes[16..20].try_into().ok()?);
    let timeout = word(24)?;
    let absolute = u16::from_le_bytes(bytes[40..42].try_into().ok()?) & CLOCK_ABSOLUTE != 0;
    let already = match (clock, absolute) {
        (CLOCK_REALTIME | CLOCK_MONOTONIC, false) => 0,
        (CLOCK_MONOTONIC, true) => host.clock.now(),
        (CLOCK_REALTIME, true) => {
            let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
            u64::try_from(since_epoch.as_nanos()).ok()?
        }
        _ => return Some(Err(INVAL)),
    };
    let wait = Duration::from_nanos(timeout.saturating_sub(already));
    // A sleep that the clock cannot express outlasts every deadline anyway.
    let until = Instant::now().checked_add(wait.min(Duration::from_secs(1 << 32)))?;
    Some(Ok(Subscription::Clock { userdata, until }))
}

/// Waits for clocks. Files and standard streams are always ready, as POSIX
/// says of regular files; standard input is in memory.
async fn poll_oneoff(
    mut caller: Caller<'_, Host>,
    subscriptions: i32,
    events: i32,
    count: i32,
    out: i32,
) -> Result<i32> {
    let (memory, host) = split(&mut caller)?;
    if count == 0 || count.cast_unsigned() > MAX_SUBSCRIPTIONS {
        return Ok(INVAL);
    }
    let mut clocks = Vec::new();
    let mut ready = Vec::new();
    for index in 0..count {
        let Some(address) = subscriptions.checked_add(index * SUBSCRIPTION_BYTES) else { return Ok(FAULT) };
        match subscription(memory, address, host) {
            None => return Ok(FAULT),
            Some(Err(errno)) => return Ok(errno),
            Some(Ok(Subscription::Clock { userdata, until })) => clocks.push((until, userdata)),
            Some(Ok(Subscription::Descriptor { userdata, kind })) => ready.push((userdata, kind)),
        }
    }
    if ready.is_empty()
        && let Some((first, _)) = clocks.iter().min()
    {
        let Some(run) = &host.run else { return Ok(BADF) };
        let (control, first) = (Arc::clone(&run.control), *first);
        control.sleep_until(first).await;
        // Woken early by an interrupt, the guest is told that its time is
        // up; it raises as soon as it runs.
        let now = Instant::now().max(first);
        ready.extend(clocks.iter().filter(|(until, _)| *until <= now).map(|(_, userdata)| (*userdata, EVENT_CLOCK)));
    }
    let (memory, _) = split(&mut caller)?;
    let start = events.cast_unsigned() as usize;
    for (index, (userdata, kind)) in ready.iter().enumerate() {
        let Some(event) = memory.get_mut(start + index * EVENT_BYTES..).and_then(|rest| rest.get_mut(..EVENT_BYTES))
        else {
            return Ok(FAULT);
        };
        event.fill(0);
        event[..8].copy_from_slice(&userdata.to_le_bytes());
        event[10] = *kind;
        event[16] = 1;
    }
    let count = u32::try_from(ready.len()).unwrap_or(u32::MAX);
    Ok(write_u32(memory, out, count).map_or(FAULT, |()| SUCCESS))
}
