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
//! not meant for others, hence the exact version pin and this one folder.

use std::os::fd::AsFd as _;

use wasmtime::{Caller, Linker, Result};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wasmtime_wasi::p1::{self};
use wiggle::GuestMemory;

use self::devices::Device;
use self::errno::{INVAL, NOTSUP, PERM, STALE, SUCCESS};
use self::guest_memory::{range, split};
use self::mounts::Target;
use self::poll::poll_oneoff;
use super::host::{Host, RunParts};
use crate::run::stream::Stream;

const MODULE: &str = "wasi_snapshot_preview1";

/// What WASI has no function for: part of the guest ABI.
pub(super) const OWN_MODULE: &str = "belljar";

/// How many bytes one call may make the host copy.
const COPIED_BYTES: usize = 16 << 20;

/// The one preopened directory.
pub(super) const WORKSPACE_FD: i32 = 3;

/// All of the `fdflags` of WASI preview 1.
const FDFLAGS: i32 = 0b1_1111;

/// Calls Wasmtime's own implementation.
macro_rules! call_through {
    ($caller:expr, $function:ident $arguments:tt $(.$await:tt)?) => {
        call_through!($caller, crate::wasm::wasi::COPIED_BYTES, $function $arguments $(.$await)?)
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

mod byte_names;
pub(in crate::wasm) mod clock;
mod contents;
pub(in crate::wasm) mod devices;
pub(in crate::wasm) mod entropy;
pub(in crate::wasm) mod errno;
pub(in crate::wasm) mod files;
mod folders;
pub(in crate::wasm) mod guest_memory;
pub(in crate::wasm) mod links;
mod metadata;
mod mounts;
mod names;
pub(in crate::wasm) mod open_files;
pub(in crate::wasm) mod poll;
pub(in crate::wasm) mod quota;
pub(in crate::wasm) mod saved_files;

pub(super) use contents::nameless_bytes;
use contents::{fd_filestat_set_size, fd_pread, fd_pwrite, fd_read, fd_seek, fd_tell, fd_write};
use metadata::{
    fd_fdstat_get, fd_filestat_get, fd_filestat_set_times, mode_set, path_filestat_get, path_filestat_set_times,
};
use names::{
    fd_readdir, path_create_directory, path_link, path_open, path_readlink, path_remove_directory, path_rename,
    path_symlink, path_unlink_file,
};

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
    linker.func_wrap_async(MODULE, "path_unlink_file", |caller, (fd, path, size): (i32, i32, i32)| {
        Box::new(path_unlink_file(caller, fd, path, size))
    })?;
    linker.func_wrap_async(
        MODULE,
        "path_filestat_set_times",
        |caller, arguments: (i32, i32, i32, i32, i64, i64, i32)| Box::new(path_filestat_set_times(caller, arguments)),
    )?;
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
    linker.func_wrap(MODULE, "path_symlink", path_symlink)?;
    linker.func_wrap(
        MODULE,
        "path_link",
        |caller: Caller<'_, Host>, from: i32, _: i32, old: i32, old_size: i32, fd: i32, path: i32, size: i32| {
            path_link(caller, (from, old, old_size), (fd, path, size))
        },
    )?;
    linker.func_wrap_async(MODULE, "path_readlink", |caller, arguments: (i32, i32, i32, i32, i32, i32)| {
        Box::new(path_readlink(caller, arguments))
    })?;
    linker.func_wrap_async(
        MODULE,
        "fd_filestat_set_times",
        |caller, (fd, accessed, modified, flags): (i32, i64, i64, i32)| {
            Box::new(fd_filestat_set_times(caller, fd, accessed, modified, flags))
        },
    )?;
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
        fd_sync().await;
        sock_accept(flags: i32, out: i32);
        sock_recv(iovs: i32, count: i32, flags: i32, out: i32, flags_out: i32);
        sock_send(iovs: i32, count: i32, flags: i32, out: i32);
        sock_shutdown(how: i32);
    );
    Ok(())
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
        None if open_files.is_folder(fd) => Some(devices::SENSELESS),
        None => open_files.is_poisoned(fd).then_some(STALE),
    }
}

/// What a path is about, or what is answered for a descriptor that is no
/// directory. `follow` says of a link at its end that it is meant to be followed.
fn target(
    caller: &mut Caller<'_, Host>,
    fd: i32,
    (path, size): (i32, i32),
    follow: bool,
) -> Result<std::result::Result<Target, i32>> {
    let is_folder = caller.data().open_files.is_folder(fd.cast_unsigned());
    if let Some(errno) = refusal(caller, fd).filter(|_| !is_folder) {
        return Ok(Err(errno));
    }
    let (memory, host) = split(caller)?;
    let path = path_bytes(memory, path, size);
    let target = mounts::target(host, fd, path);
    if !matches!(target, Target::Beneath) || fd != WORKSPACE_FD {
        return Ok(Ok(target));
    }
    let Some(RunParts { quota, links, .. }) = &mut host.run else { return Ok(Ok(target)) };
    Ok(Ok(match links.resolved(quota.workspace().as_fd(), path, follow) {
        None => target,
        Some(path) if !path.starts_with(b"/") => Target::Instead(path),
        Some(path) => match mounts::target(host, fd, &path) {
            // The kernel says of the path itself that it leads out.
            Target::Nowhere => target,
            elsewhere => elsewhere,
        },
    }))
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

/// The bytes of the path at `path`.
fn path_bytes(memory: &[u8], path: i32, size: i32) -> &[u8] {
    range(memory, path, size).map(|path| &memory[path]).unwrap_or_default()
}

/// Random bytes at an address of the guest.
pub(super) fn fill_random(caller: &mut Caller<'_, Host>, address: i32, size: i32) -> Result<i32> {
    let (data, host) = split(caller)?;
    let wasi = host.wasi_beside_files();
    wasi.set_hostcall_fuel(COPIED_BYTES);
    preview1::random_get(wasi, &mut GuestMemory::Unshared(data), address, size)
}

async fn fd_close(mut caller: Caller<'_, Host>, fd: i32) -> Result<i32> {
    match fd {
        // Closing a standard stream must not free its number for a file.
        0..=2 => return Ok(SUCCESS),
        // The workspace stays open: without it a session would never see its files again.
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
