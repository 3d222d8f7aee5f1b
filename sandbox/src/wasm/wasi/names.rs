//! Names in directories: opening, listing, making, linking, moving and removing.

use std::os::fd::AsFd as _;

use rustix::fs::{FileType, OFlags, RawMode};
use wasmtime::{Caller, Result};
use wasmtime_wasi::p1::types::{Fdflags, Oflags, Rights};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1 as _};
use wiggle::GuestMemory;

use super::byte_names::{self, How};
use super::devices;
use super::errno::{
    BADF, BUSY, EXIST, FAULT, INVAL, ISDIR, MFILE, NAMETOOLONG, NOENT, NOSPC, NOTDIR, NOTSUP, PERM, STALE, SUCCESS,
    XDEV,
};
use super::files;
use super::folders;
use super::guest_memory::{range, read_u32, split, write_u32};
use super::metadata::SYMLINK_FOLLOW;
use super::mounts::{self, Target};
use super::quota::DiskQuota;
use super::{FDFLAGS, WORKSPACE_FD, is_poisoned, path_bytes, target};
use crate::wasm::host::{Host, RunParts};

/// `oflags::creat` of WASI preview 1.
const OFLAGS_CREAT: i32 = 1;
/// All of the `oflags` of WASI preview 1.
const OFLAGS: i32 = 0b1111;
const OFLAGS_DIRECTORY: i32 = 2;
const OFLAGS_EXCL: i32 = 4;

/// The most significant bit of the number of a file.
const INODE_TOP: u64 = 0x80 << 56;

type PathOpen = (i32, i32, i32, i32, i32, i64, i64, i32, i32);

pub(super) async fn path_open(mut caller: Caller<'_, Host>, arguments: PathOpen) -> Result<i32> {
    let (fd, lookup, path, size, oflags, rights, inheriting, flags, out) = arguments;
    // What is to be made anew must not be there, link or not.
    let follow = lookup & SYMLINK_FOLLOW != 0 && oflags & OFLAGS_EXCL == 0;
    let target = match target(&mut caller, fd, (path, size), follow)? {
        Ok(target) => target,
        Err(errno) => return Ok(errno),
    };
    // A bit that has no meaning would end the run as a trap.
    if oflags & !OFLAGS != 0 || flags & !FDFLAGS != 0 {
        return Ok(INVAL);
    }
    let (memory, host) = split(&mut caller)?;
    // A number that could not be told would be open, and nobody would know.
    if out % 4 != 0 || range(memory, out, 4).is_none() {
        return Ok(FAULT);
    }
    match &target {
        Target::Device(device) => return devices::open(&mut caller, *device, oflags, out).await,
        Target::Nowhere => return Ok(NOENT),
        Target::Beneath | Target::Instead(_) | Target::Mounted(_) | Target::Folder(_) => {}
    }
    if !host.open_files.admit() {
        return Ok(MFILE);
    }
    let how = || {
        let rights = Rights::from_bits(rights.cast_unsigned()).ok_or(INVAL)?;
        let (oflags, flags) = (u16::try_from(oflags).map_err(|_| INVAL)?, u16::try_from(flags).map_err(|_| INVAL)?);
        let (oflags, flags) = (Oflags::from_bits_truncate(oflags), Fdflags::from_bits_truncate(flags));
        Ok(How { follow: lookup & SYMLINK_FOLLOW != 0, oflags, rights, flags })
    };
    let instead = if let Target::Instead(path) = &target { Some(path.clone()) } else { None };
    let opened = match target {
        Target::Mounted(mounted) => match how() {
            Ok(how) => Some(mounts::open(host, &mounted, how).await),
            Err(errno) => Some(Err(errno)),
        },
        Target::Folder(_) if oflags & !OFLAGS_DIRECTORY != 0 => return Ok(ISDIR),
        Target::Folder(path) => Some(folders::open(host, path).await.ok_or(MFILE)),
        _ => None,
    };
    if let Some(opened) = opened {
        let (memory, _) = split(&mut caller)?;
        return Ok(match opened {
            Ok((number, _)) => write_u32(memory, out, number).map_or(FAULT, |()| SUCCESS),
            Err(errno) => errno,
        });
    }
    if oflags & OFLAGS_CREAT != 0
        && let Err(errno) = charge_new_name(&mut caller, fd, path, size)?
    {
        return Ok(errno);
    }
    let (memory, host) = split(&mut caller)?;
    if let Some(bytes) = instead.or_else(|| byte_names::path(memory, path, size)) {
        let how = match how() {
            Ok(how) => how,
            Err(errno) => return Ok(errno),
        };
        return Ok(match byte_names::open(host, fd, &bytes, how).await {
            Ok((number, resource)) => {
                host.open_files.opened(number, resource, fd.cast_unsigned(), &bytes);
                write_u32(memory, out, number).map_or(FAULT, |()| SUCCESS)
            }
            Err(errno) => errno,
        });
    }
    let resource = files::next_resource(caller.data_mut().wasi());
    let errno = call_through!(caller, path_open(fd, lookup, path, size, oflags, rights, inheriting, flags, out).await);
    if errno == SUCCESS {
        let (memory, host) = split(&mut caller)?;
        if let Some(opened) = read_u32(memory, out) {
            host.open_files.opened(opened, resource, fd.cast_unsigned(), path_bytes(memory, path, size));
        }
    }
    Ok(errno)
}

pub(super) async fn path_create_directory(mut caller: Caller<'_, Host>, fd: i32, path: i32, size: i32) -> Result<i32> {
    let mut instead = None;
    match target(&mut caller, fd, (path, size), false)? {
        Err(errno) => return Ok(errno),
        Ok(Target::Beneath) => {}
        Ok(Target::Instead(path)) => instead = Some(path),
        Ok(Target::Mounted(mounted)) => return Ok(mounts::make_directory(caller.data_mut(), &mounted)),
        Ok(Target::Folder(_) | Target::Device(_)) => return Ok(EXIST),
        Ok(Target::Nowhere) => return Ok(NOENT),
    }
    let (memory, _) = split(&mut caller)?;
    let size = without_slashes(memory, path, size);
    if let Err(errno) = charge_new_name(&mut caller, fd, path, size)? {
        return Ok(errno);
    }
    let (memory, host) = split(&mut caller)?;
    if let Some(bytes) = instead.or_else(|| byte_names::path(memory, path, size)) {
        return Ok(byte_names::make_directory(host, fd, &bytes));
    }
    Ok(call_through!(caller, path_create_directory(fd, path, size).await))
}

pub(super) async fn path_remove_directory(mut caller: Caller<'_, Host>, fd: i32, path: i32, size: i32) -> Result<i32> {
    match target(&mut caller, fd, (path, size), false)? {
        Err(errno) => return Ok(errno),
        Ok(Target::Beneath) => {}
        Ok(Target::Instead(path)) => return Ok(byte_names::remove_directory(caller.data_mut(), WORKSPACE_FD, &path)),
        Ok(Target::Mounted(mounted)) => return Ok(mounts::remove_directory(caller.data_mut(), &mounted)),
        Ok(Target::Folder(_)) => return Ok(BUSY),
        Ok(Target::Device(_)) => return Ok(NOTDIR),
        Ok(Target::Nowhere) => return Ok(NOENT),
    }
    let (memory, host) = split(&mut caller)?;
    if let Some(bytes) = byte_names::path(memory, path, size) {
        return Ok(byte_names::remove_directory(host, fd, &bytes));
    }
    let size = without_slashes(memory, path, size);
    Ok(call_through!(caller, path_remove_directory(fd, path, size).await))
}

pub(super) async fn path_unlink_file(mut caller: Caller<'_, Host>, fd: i32, path: i32, size: i32) -> Result<i32> {
    match target(&mut caller, fd, (path, size), false)? {
        Err(errno) => return Ok(errno),
        Ok(Target::Beneath) => {}
        Ok(Target::Instead(path)) => return Ok(byte_names::unlink(caller.data_mut(), WORKSPACE_FD, &path)),
        Ok(Target::Mounted(mounted)) => return Ok(mounts::unlink(caller.data_mut(), &mounted)),
        Ok(Target::Folder(_)) => return Ok(ISDIR),
        Ok(Target::Device(_)) => return Ok(PERM),
        Ok(Target::Nowhere) => return Ok(NOENT),
    }
    let (memory, host) = split(&mut caller)?;
    if let Some(bytes) = byte_names::path(memory, path, size) {
        return Ok(byte_names::unlink(host, fd, &bytes));
    }
    Ok(call_through!(caller, path_unlink_file(fd, path, size).await))
}

pub(super) async fn path_rename(
    mut caller: Caller<'_, Host>,
    arguments: (i32, i32, i32, i32, i32, i32),
) -> Result<i32> {
    let (fd, old, old_size, new_fd, new, new_size) = arguments;
    let from = target(&mut caller, fd, (old, old_size), false)?;
    match (from, target(&mut caller, new_fd, (new, new_size), false)?) {
        (Err(errno), _) | (_, Err(errno)) => return Ok(errno),
        (Ok(Target::Beneath), Ok(Target::Beneath)) => {}
        (Ok(from @ (Target::Beneath | Target::Instead(_))), Ok(to @ (Target::Beneath | Target::Instead(_)))) => {
            let (memory, host) = split(&mut caller)?;
            let plain = |target, fd, path, size| match target {
                Target::Instead(path) => Ok(path),
                _ if fd != WORKSPACE_FD => Err(PERM),
                _ => Ok(path_bytes(memory, path, size).to_vec()),
            };
            let (from, to) = (plain(from, fd, old, old_size), plain(to, new_fd, new, new_size));
            return Ok(match (from, to) {
                (Ok(from), Ok(to)) => rename_through(host, &from, &to),
                (Err(errno), _) | (_, Err(errno)) => errno,
            });
        }
        (Ok(from), Ok(to)) => return Ok(mounts::rename(caller.data_mut(), &from, &to)),
    }
    let (memory, host) = split(&mut caller)?;
    let must_be_directory = (old_size, new_size);
    let (old_size, new_size) = (without_slashes(memory, old, old_size), without_slashes(memory, new, new_size));
    let must_be_directory = must_be_directory != (old_size, new_size);
    let (Some(from), Some(to)) = (range(memory, old, old_size), range(memory, new, new_size)) else {
        return Ok(FAULT);
    };
    let Some(run) = &mut host.run else { return Ok(BADF) };
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
    run.links.settle(run.quota.workspace().as_fd());
    let names = (byte_names::path(memory, old, old_size), byte_names::path(memory, new, new_size));
    let errno = if let (None, None) = names {
        call_through!(caller, path_rename(fd, old, old_size, new_fd, new, new_size).await)
    } else {
        let (from, to) = (path_bytes(memory, old, old_size), path_bytes(memory, new, new_size));
        byte_names::rename(host, (fd.into(), from), (fd.into(), to))
    };
    if errno == SUCCESS {
        let (memory, host) = split(&mut caller)?;
        host.open_files.renamed(path_bytes(memory, old, old_size), path_bytes(memory, new, new_size));
    }
    Ok(errno)
}

/// Renames what lies at other paths than the guest named.
fn rename_through(host: &mut Host, from: &[u8], to: &[u8]) -> i32 {
    let Some(run) = &mut host.run else { return BADF };
    if to.strip_prefix(from).is_some_and(|rest| rest.starts_with(b"/")) {
        return INVAL;
    }
    if !run.quota.allows_rename(from, to) {
        return PERM;
    }
    run.links.settle(run.quota.workspace().as_fd());
    let errno = byte_names::rename(host, (WORKSPACE_FD.into(), from), (WORKSPACE_FD.into(), to));
    if errno == SUCCESS {
        host.open_files.renamed(from, to);
    }
    errno
}

/// No guest makes symbolic links: native programs alone do.
pub(super) fn path_symlink(mut caller: Caller<'_, Host>, _: i32, _: i32, fd: i32, path: i32, size: i32) -> Result<i32> {
    Ok(match target(&mut caller, fd, (path, size), false)? {
        Ok(target) => mounts::refuse_link(&target),
        Err(errno) => errno,
    })
}

/// No guest gives a file a second name.
pub(super) fn path_link(
    mut caller: Caller<'_, Host>,
    (old_fd, old, old_size): (i32, i32, i32),
    (fd, path, size): (i32, i32, i32),
) -> Result<i32> {
    let from = target(&mut caller, old_fd, (old, old_size), false)?;
    Ok(match (from, target(&mut caller, fd, (path, size), false)?) {
        (Err(errno), _) | (_, Err(errno)) => errno,
        (Ok(Target::Mounted(from)), Ok(Target::Mounted(to))) if from.index == to.index => {
            mounts::refuse_link(&Target::Mounted(to))
        }
        (Ok(Target::Mounted(_)), Ok(Target::Beneath | Target::Instead(_) | Target::Mounted(_)))
        | (Ok(Target::Beneath | Target::Instead(_)), Ok(Target::Mounted(_))) => XDEV,
        (Ok(_), Ok(to)) => mounts::refuse_link(&to),
    })
}

pub(super) async fn path_readlink(
    mut caller: Caller<'_, Host>,
    arguments: (i32, i32, i32, i32, i32, i32),
) -> Result<i32> {
    let (fd, path, size, buffer, room, out) = arguments;
    Ok(match target(&mut caller, fd, (path, size), false)? {
        Err(errno) => errno,
        Ok(target @ (Target::Beneath | Target::Instead(_))) => {
            let (memory, host) = split(&mut caller)?;
            let (Some(room), true) = (range(memory, buffer, room), range(memory, out, 4).is_some()) else {
                return Ok(FAULT);
            };
            let text = match target {
                Target::Instead(path) => read_link(host, WORKSPACE_FD, &path),
                _ => read_link(host, fd, path_bytes(memory, path, size)),
            };
            match text {
                Err(errno) => errno,
                Ok(text) => {
                    let length = text.len().min(room.len());
                    memory[room.start..room.start + length].copy_from_slice(&text[..length]);
                    write_u32(memory, out, u32::try_from(length).unwrap_or(0)).map_or(FAULT, |()| SUCCESS)
                }
            }
        }
        Ok(Target::Mounted(mounted)) => mounts::read_link(caller.data_mut(), &mounted),
        Ok(Target::Folder(_) | Target::Device(_)) => INVAL,
        Ok(Target::Nowhere) => NOENT,
    })
}

/// The text of the link at `path`.
fn read_link(host: &mut Host, fd: i32, path: &[u8]) -> std::result::Result<Vec<u8>, i32> {
    let found = files::with(host, fd, |directory| files::look(files::beneath(directory, path, false, OFlags::PATH)?));
    let found = found.ok_or(BADF)?.map_err(files::number)?;
    if FileType::from_raw_mode(RawMode::from(found.stx_mode)) != FileType::Symlink {
        return Err(INVAL);
    }
    let Some(RunParts { quota, links, .. }) = &mut host.run else { return Err(BADF) };
    links.target(quota.workspace().as_fd(), found.stx_ino).map(<[u8]>::to_vec).ok_or(NOTSUP)
}

pub(super) async fn fd_readdir(
    mut caller: Caller<'_, Host>,
    fd: i32,
    room: i32,
    size: i32,
    cookie: i64,
    out: i32,
) -> Result<i32> {
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
    let cookie_bits = cookie.cast_unsigned();
    let mut put = |at: usize, part: &[u8]| {
        let end = room_bytes.len().min(at + part.len());
        room_bytes[at..end].copy_from_slice(&part[..end - at]);
        end - at
    };
    let filled = match folders::list(host, fd, cookie_bits, &mut put) {
        Some(filled) => Some(filled),
        None => files::list(host, fd, cookie_bits, |number| number | top, put),
    };
    if let Some(filled) = filled {
        memory[out_range].copy_from_slice(&u32::try_from(filled).unwrap_or(0).to_le_bytes());
        return Ok(SUCCESS);
    }
    Ok(call_through!(caller, fd_readdir(fd, room, size, cookie, out).await))
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

/// The size of a path without the slashes at its end. Linux lets the names of
/// directories have them.
fn without_slashes(memory: &[u8], path: i32, size: i32) -> i32 {
    let Some(bytes) = range(memory, path, size) else { return size };
    let slashes = memory[bytes].iter().rev().take_while(|byte| **byte == b'/').count();
    let rest = size.saturating_sub(i32::try_from(slashes).unwrap_or(0));
    if rest == 0 { size } else { rest }
}
