//! WASI preview 1 as guests see it: Wasmtime's functions, with those wrapped
//! that a limit or an interrupt must reach.
//!
//! Wrapped are: writes and opens (quota and descriptor limit), making links
//! (refused: native programs alone do), standard streams and devices (ours from
//! end to end), looking at files and listing them (`files.rs`), names that end
//! in a slash, `poll_oneoff` (sleeping obeys deadlines and cancellation), and
//! all that takes a descriptor (poisoned ones answer `STALE`). The exception are
//! `fd_prestat_get` and `fd_prestat_dir_name`: a libc that looks for preopens
//! stops at the first `BADF` and gives up for good at any other error.
//! The functions that are called through to are public in `wasmtime-wasi` but
//! not meant for others, hence the exact version pin and this one file.

use wasmtime::{Caller, Linker, Result};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wasmtime_wasi::p1::{self};
use wiggle::GuestMemory;

use super::devices::{self, Device};
use super::errno::{BADF, FAULT, INVAL, MFILE, NAMETOOLONG, NOENT, NOSPC, NOTDIR, NOTSUP, PERM, STALE, SUCCESS};
use super::files::{self, FILESTAT_BYTES};
use super::guest_memory::{buffer, range, read_u32, split};
use super::host::{Host, Stream};
use super::poll::poll_oneoff;
use super::quota::DiskQuota;

const MODULE: &str = "wasi_snapshot_preview1";

/// What WASI has no function for: part of the guest ABI.
const OWN_MODULE: &str = "belljar";

/// How many bytes one call may make the host copy.
const COPIED_BYTES: usize = 16 << 20;

/// For reads and writes, which copy nothing: files and guest memory meet in
/// the kernel, however large a file Python reads in one call.
const IN_PLACE: usize = usize::MAX;

/// The one preopened directory.
pub(super) const WORKSPACE_FD: i32 = 3;

/// The most buffers that one read or write may name, as on Linux.
const MAX_BUFFERS: u32 = 1024;

/// The most significant byte of the `ino` of a `filestat` of WASI preview 1.
const FILESTAT_INODE_TOP: usize = 15;
/// Its `atim`, `mtim` and `ctim`.
const FILESTAT_TIMES: std::ops::Range<usize> = 40..64;
/// The same bit in the number of a file.
const INODE_TOP: u64 = 0x80 << 56;

/// `lookupflags::symlink_follow` of WASI preview 1.
const SYMLINK_FOLLOW: i32 = 1;

/// `oflags::creat` of WASI preview 1.
const OFLAGS_CREAT: i32 = 1;
/// All of the `oflags` and `fdflags` of WASI preview 1.
const OFLAGS: i32 = 0b1111;
const FDFLAGS: i32 = 0b1_1111;

/// Calls Wasmtime's own implementation.
macro_rules! call_through {
    ($caller:expr, $function:ident $arguments:tt $(.$await:tt)?) => {
        call_through!($caller, COPIED_BYTES, $function $arguments $(.$await)?)
    };
    ($caller:expr, $bytes:expr, $function:ident($($argument:expr),* $(,)?)$(.$await:tt)?) => {{
        let (data, host) = split(&mut $caller)?;
        let wasi = host.wasi();
        wasi.set_hostcall_fuel($bytes);
        preview1::$function(wasi, &mut GuestMemory::Unshared(data), $($argument),*)$(.$await)??
    }};
}

/// Adds functions that are Wasmtime's own, for descriptors of files that are not
/// poisoned. The descriptor is the first argument of each.
macro_rules! add_guarded {
    ($linker:ident, $($function:ident($($argument:ident: $kind:ty),*)$(.$await:tt)?;)*) => {$(
        $linker.func_wrap_async(
            MODULE,
            stringify!($function),
            |mut caller: Caller<'_, Host>, (fd, $($argument,)*): (i32, $($kind,)*)| {
                Box::new(async move {
                    if let Some(errno) = refusal(&caller, fd) {
                        return Ok(errno);
                    }
                    Ok(call_through!(caller, $function(fd, $($argument),*)$(.$await)?))
                })
            },
        )?;
    )*};
}

/// Adds all of WASI preview 1.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    p1::add_to_linker_async(linker, Host::wasi_beside_files)?;
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
    linker.func_wrap_async(
        MODULE,
        "fd_pread",
        |caller, (fd, iovs, count, offset, out): (i32, i32, i32, i64, i32)| {
            Box::new(fd_pread(caller, fd, iovs, count, offset, out))
        },
    )?;
    linker.func_wrap_async(MODULE, "fd_seek", |caller, (fd, offset, whence, out): (i32, i64, i32, i32)| {
        Box::new(fd_seek(caller, fd, offset, whence, out))
    })?;
    linker.func_wrap(MODULE, "fd_tell", fd_tell)?;
    linker.func_wrap_async(MODULE, "fd_fdstat_get", |caller, (fd, out): (i32, i32)| {
        Box::new(fd_fdstat_get(caller, fd, out))
    })?;
    linker.func_wrap_async(
        MODULE,
        "fd_readdir",
        |caller, (fd, room, size, cookie, out): (i32, i32, i32, i64, i32)| {
            Box::new(fd_readdir(caller, fd, room, size, cookie, out))
        },
    )?;
    linker.func_wrap(OWN_MODULE, "mode_set", mode_set)?;
    linker.func_wrap_async(MODULE, "path_remove_directory", |caller, (fd, path, size): (i32, i32, i32)| {
        Box::new(path_remove_directory(caller, fd, path, size))
    })?;
    linker.func_wrap_async(MODULE, "path_create_directory", |caller, (fd, path, size): (i32, i32, i32)| {
        Box::new(path_create_directory(caller, fd, path, size))
    })?;
    linker.func_wrap_async(MODULE, "path_rename", |caller, arguments: (i32, i32, i32, i32, i32, i32)| {
        Box::new(path_rename(caller, arguments))
    })?;
    linker.func_wrap_async(MODULE, "fd_filestat_get", |caller, (fd, out): (i32, i32)| {
        Box::new(fd_filestat_get(caller, fd, out))
    })?;
    linker.func_wrap_async(
        MODULE,
        "path_filestat_get",
        |caller, (fd, lookup, path, size, out): (i32, i32, i32, i32, i32)| {
            Box::new(path_filestat_get(caller, fd, lookup, path, size, out))
        },
    )?;
    linker.func_wrap(MODULE, "path_symlink", |_: i32, _: i32, _: i32, _: i32, _: i32| PERM)?;
    linker.func_wrap(MODULE, "path_link", |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| PERM)?;
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        |caller, (subscriptions, events, count, out): (i32, i32, i32, i32)| {
            Box::new(poll_oneoff(caller, subscriptions, events, count, out))
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_fdstat_set_flags",
        |mut caller: Caller<'_, Host>, (fd, flags): (i32, i32)| {
            Box::new(async move {
                if let Some(errno) = refusal(&caller, fd) {
                    return Ok(errno);
                }
                if flags & !FDFLAGS != 0 {
                    return Ok(INVAL);
                }
                Ok(call_through!(caller, fd_fdstat_set_flags(fd, flags)))
            })
        },
    )?;
    add_guarded!(
        linker,
        fd_advise(offset: i64, size: i64, advice: i32).await;
        fd_allocate(offset: i64, size: i64);
        fd_datasync().await;
        fd_fdstat_set_rights(rights: i64, inheriting: i64);
        fd_filestat_set_times(accessed: i64, modified: i64, flags: i32).await;
        fd_sync().await;
        path_filestat_set_times(lookup: i32, path: i32, size: i32, accessed: i64, modified: i64, flags: i32).await;
        path_readlink(path: i32, size: i32, buffer: i32, room: i32, out: i32).await;
        path_unlink_file(path: i32, size: i32).await;
        sock_accept(flags: i32, out: i32);
        sock_recv(iovs: i32, count: i32, flags: i32, out: i32, flags_out: i32);
        sock_send(iovs: i32, count: i32, flags: i32, out: i32);
        sock_shutdown(how: i32);
    );
    Ok(())
}

async fn fd_filestat_get(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
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

async fn path_filestat_get(
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
        None => files::stat_path(host, fd, text, lookup & SYMLINK_FOLLOW != 0),
    };
    let errno = match stat {
        Some(Ok(stat)) => write_stat(&mut caller, &stat, out)?,
        Some(Err(errno)) => errno,
        // For its error, if nothing else.
        None => call_through!(caller, path_filestat_get(fd, lookup, path, size, out).await),
    };
    make_repeatable(&mut caller, errno, out)
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

/// Whether `fd` stands for a file that could not be brought back.
fn is_poisoned(caller: &Caller<'_, Host>, fd: i32) -> bool {
    caller.data().open_files.is_poisoned(fd.cast_unsigned())
}

/// What is answered for `fd` by all that only a file can do.
fn refusal(caller: &Caller<'_, Host>, fd: i32) -> Option<i32> {
    let open_files = &caller.data().open_files;
    let fd = fd.cast_unsigned();
    match open_files.device(fd) {
        Some(_) => Some(devices::SENSELESS),
        None => open_files.is_poisoned(fd).then_some(STALE),
    }
}

/// The device behind a descriptor, the standard streams among them.
fn device(caller: &Caller<'_, Host>, fd: i32) -> Option<Device> {
    match fd {
        0 => Some(Device::Input),
        1 => Some(Device::Output(Stream::Stdout)),
        2 => Some(Device::Output(Stream::Stderr)),
        _ => caller.data().open_files.device(fd.cast_unsigned()),
    }
}

/// What a path names that is no file: `None` when it can be one.
fn named_device(fd: i32, path: &str) -> Option<Option<Device>> {
    Device::named(path).filter(|_| fd == WORKSPACE_FD)
}

/// Random bytes at an address of the guest.
pub(super) fn fill_random(caller: &mut Caller<'_, Host>, address: i32, size: i32) -> Result<i32> {
    let (data, host) = split(caller)?;
    let wasi = host.wasi_beside_files();
    wasi.set_hostcall_fuel(COPIED_BYTES);
    preview1::random_get(wasi, &mut GuestMemory::Unshared(data), address, size)
}

/// The path at `path`, of which nothing is known yet but that it was good
/// enough for Wasmtime.
fn path_text(memory: &[u8], path: i32, size: i32) -> &str {
    range(memory, path, size).and_then(|path| std::str::from_utf8(&memory[path]).ok()).unwrap_or_default()
}

async fn fd_write(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, out: i32) -> Result<i32> {
    if count.cast_unsigned() > MAX_BUFFERS {
        return Ok(INVAL);
    }
    match device(&caller, fd) {
        Some(device) => devices::write(&mut caller, device, iovs, count, out),
        None => write_file(caller, fd, iovs, count, None, out).await,
    }
}

async fn fd_pwrite(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, offset: i64, out: i32) -> Result<i32> {
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
pub(super) async fn nameless_bytes(host: &mut Host, memory: &mut [u8]) -> u64 {
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

async fn fd_read(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, out: i32) -> Result<i32> {
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

async fn fd_pread(mut caller: Caller<'_, Host>, fd: i32, iovs: i32, count: i32, offset: i64, out: i32) -> Result<i32> {
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

async fn fd_seek(mut caller: Caller<'_, Host>, fd: i32, offset: i64, whence: i32, out: i32) -> Result<i32> {
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

fn fd_tell(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
    if let Some(device) = caller.data().open_files.device(fd.cast_unsigned()) {
        return devices::tell(&mut caller, device, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    Ok(call_through!(caller, fd_tell(fd, out)))
}

async fn fd_fdstat_get(mut caller: Caller<'_, Host>, fd: i32, out: i32) -> Result<i32> {
    if caller.data().open_files.device(fd.cast_unsigned()).is_some() {
        return devices::fdstat(&mut caller, out);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    Ok(call_through!(caller, fd_fdstat_get(fd, out).await))
}

async fn fd_readdir(mut caller: Caller<'_, Host>, fd: i32, room: i32, size: i32, cookie: i64, out: i32) -> Result<i32> {
    if caller.data().open_files.device(fd.cast_unsigned()).is_some() {
        return Ok(NOTDIR);
    }
    if is_poisoned(&caller, fd) {
        return Ok(STALE);
    }
    let (memory, host) = split(&mut caller)?;
    let (Some(room_range), Some(out_range)) = (range(memory, room, size), range(memory, out, 4)) else {
        return Ok(FAULT);
    };
    let top = if host.entropy.is_some() { INODE_TOP } else { 0 };
    let room_bytes = &mut memory[room_range];
    let put = |at: usize, part: &[u8]| {
        let end = room_bytes.len().min(at + part.len());
        room_bytes[at..end].copy_from_slice(&part[..end - at]);
        end - at
    };
    if let Some(filled) = files::list(host, fd, cookie.cast_unsigned(), |number| number | top, put) {
        memory[out_range].copy_from_slice(&u32::try_from(filled).unwrap_or(0).to_le_bytes());
        return Ok(SUCCESS);
    }
    Ok(call_through!(caller, fd_readdir(fd, room, size, cookie, out).await))
}

/// Sets the mode of a file: of the descriptor itself where the path is empty.
fn mode_set(mut caller: Caller<'_, Host>, fd: i32, lookup: i32, path: i32, size: i32, mode: i32) -> Result<i32> {
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(if errno == STALE { STALE } else { PERM });
    }
    let (memory, host) = split(&mut caller)?;
    let Some(bytes) = range(memory, path, size) else { return Ok(FAULT) };
    let Ok(text) = std::str::from_utf8(&memory[bytes]) else { return Ok(INVAL) };
    let mode = mode.cast_unsigned();
    let set = match named_device(fd, text) {
        Some(Some(_)) => Err(PERM),
        Some(None) => Err(NOENT),
        None if text.is_empty() => files::set_mode(host, fd, mode),
        None => files::set_path_mode(host, fd, text, lookup & SYMLINK_FOLLOW != 0, mode),
    };
    Ok(set.err().unwrap_or(SUCCESS))
}

async fn fd_filestat_set_size(mut caller: Caller<'_, Host>, fd: i32, size: i64) -> Result<i32> {
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

async fn fd_close(mut caller: Caller<'_, Host>, fd: i32) -> Result<i32> {
    match fd {
        // Closing a standard stream must not free its number for a file.
        0..=2 => return Ok(SUCCESS),
        // Without it a session would never see its files again.
        WORKSPACE_FD => return Ok(PERM),
        _ => {}
    }
    let errno = call_through!(caller, fd_close(fd).await);
    if errno == SUCCESS {
        caller.data_mut().open_files.closed(fd.cast_unsigned());
    }
    Ok(errno)
}

async fn fd_renumber(mut caller: Caller<'_, Host>, from: i32, to: i32) -> Result<i32> {
    if (0..=WORKSPACE_FD).contains(&from) || (0..=WORKSPACE_FD).contains(&to) {
        return Ok(NOTSUP);
    }
    if is_poisoned(&caller, from) {
        return Ok(STALE);
    }
    let errno = call_through!(caller, fd_renumber(from, to).await);
    if errno == SUCCESS {
        caller.data_mut().open_files.renumbered(from.cast_unsigned(), to.cast_unsigned());
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
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(errno);
    }
    // A bit that has no meaning would end the run as a trap.
    if oflags & !OFLAGS != 0 || flags & !FDFLAGS != 0 {
        return Ok(INVAL);
    }
    let (memory, host) = split(&mut caller)?;
    // A number that could not be told would be open, and nobody would know.
    if out % 4 != 0 || range(memory, out, 4).is_none() {
        return Ok(FAULT);
    }
    if let Some(device) = named_device(fd, path_text(memory, path, size)) {
        return devices::open(&mut caller, device, oflags, out).await;
    }
    if !host.open_files.admit() {
        return Ok(MFILE);
    }
    if oflags & OFLAGS_CREAT != 0
        && let Err(errno) = charge_new_name(&mut caller, fd, path, size)?
    {
        return Ok(errno);
    }
    let resource = files::next_resource(caller.data_mut().wasi());
    let errno = call_through!(caller, path_open(fd, lookup, path, size, oflags, rights, inheriting, flags, out).await);
    if errno == SUCCESS {
        let (memory, host) = split(&mut caller)?;
        if let Some(opened) = read_u32(memory, out) {
            host.open_files.opened(opened, resource, fd.cast_unsigned(), path_text(memory, path, size));
        }
    }
    Ok(errno)
}

/// The size of a path without the slashes at its end. Linux lets the names of
/// directories have them.
fn without_slashes(memory: &[u8], path: i32, size: i32) -> i32 {
    let Some(bytes) = range(memory, path, size) else { return size };
    let slashes = memory[bytes].iter().rev().take_while(|byte| **byte == b'/').count();
    let rest = size.saturating_sub(i32::try_from(slashes).unwrap_or(0));
    if rest == 0 { size } else { rest }
}

async fn path_remove_directory(mut caller: Caller<'_, Host>, fd: i32, path: i32, size: i32) -> Result<i32> {
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(errno);
    }
    let (memory, _) = split(&mut caller)?;
    let size = without_slashes(memory, path, size);
    Ok(call_through!(caller, path_remove_directory(fd, path, size).await))
}

async fn path_create_directory(mut caller: Caller<'_, Host>, fd: i32, path: i32, size: i32) -> Result<i32> {
    if let Some(errno) = refusal(&caller, fd) {
        return Ok(errno);
    }
    let (memory, _) = split(&mut caller)?;
    let size = without_slashes(memory, path, size);
    if let Err(errno) = charge_new_name(&mut caller, fd, path, size)? {
        return Ok(errno);
    }
    Ok(call_through!(caller, path_create_directory(fd, path, size).await))
}

async fn path_rename(mut caller: Caller<'_, Host>, arguments: (i32, i32, i32, i32, i32, i32)) -> Result<i32> {
    let (fd, old, old_size, new_fd, new, new_size) = arguments;
    if let Some(errno) = refusal(&caller, fd).or_else(|| refusal(&caller, new_fd)) {
        return Ok(errno);
    }
    let (memory, host) = split(&mut caller)?;
    let must_be_directory = (old_size, new_size);
    let (old_size, new_size) = (without_slashes(memory, old, old_size), without_slashes(memory, new, new_size));
    let must_be_directory = must_be_directory != (old_size, new_size);
    let (Some(from), Some(to)) = (range(memory, old, old_size), range(memory, new, new_size)) else {
        return Ok(FAULT);
    };
    let Some(run) = &host.run else { return Ok(BADF) };
    if must_be_directory && !run.quota.workspace().is_directory(&memory[from.clone()]) {
        return Ok(if run.quota.workspace().exists(&memory[from]) { NOTDIR } else { NOENT });
    }
    let (inner, outer) = (&memory[to.clone()], &memory[from.clone()]);
    if inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(b"/")) {
        return Ok(INVAL);
    }
    if fd != WORKSPACE_FD || new_fd != WORKSPACE_FD || !run.quota.allows_rename(&memory[from], &memory[to]) {
        return Ok(PERM);
    }
    let errno = call_through!(caller, path_rename(fd, old, old_size, new_fd, new, new_size).await);
    if errno == SUCCESS {
        let (memory, host) = split(&mut caller)?;
        host.open_files.renamed(path_text(memory, old, old_size), path_text(memory, new, new_size));
    }
    Ok(errno)
}
