//! What a guest sees beside its workspace: folders of the host that an operator
//! has mounted, and the directories above them.
//!
//! A guest names all of that by absolute paths beneath its one directory, where no
//! file has such a name: part of the guest ABI. What lies in a mount is resolved
//! beneath its descriptor by the kernel (openat2(2)) and by nobody else. Where that
//! cannot be, it is an error. Nothing but files and directories is ever opened:
//! opening a FIFO or a device does something to whoever has its other end.

use rustix::fs::{FileType, OFlags, RawMode};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::p1::types::{Oflags, Rights};

use super::byte_names::{self, Found, How};
use super::devices::Device;
use super::errno::{BADF, BUSY, EXIST, INVAL, ISDIR, NOENT, NOSPC, PERM, ROFS, SUCCESS, XDEV};
use super::files::{self, Base, FILESTAT_BYTES, beneath, device_of, encode, look, number, with};
use super::open_files::join;
use super::saved_files::Opened;
use super::{WORKSPACE_FD, folders};
use crate::mounts::MountAccess;
use crate::wasm::host::Host;

/// What a path of a guest is about.
#[derive(Debug)]
pub(super) enum Target {
    /// The workspace, or what else Wasmtime resolves beneath the descriptor.
    Beneath,
    /// What Wasmtime resolves, by another path of the workspace, without links that
    /// begin at the root.
    Instead(Vec<u8>),
    /// Something in a mount.
    Mounted(Mounted),
    /// A directory that is nowhere on the host, by its path.
    Folder(Vec<u8>),
    Device(Device),
    Nowhere,
}

/// A path in a mount.
#[derive(Clone, Debug)]
pub(super) struct Mounted {
    /// The mount.
    pub(super) index: usize,
    /// What the path starts from.
    base: Base,
    /// The path from there on; `.` for the mount itself.
    path: Vec<u8>,
    writable: bool,
}

/// What `path` beneath `fd` is about.
pub(super) fn target(host: &Host, fd: i32, path: &[u8]) -> Target {
    if fd == WORKSPACE_FD {
        return if path.starts_with(b"/") { locate(host, path) } else { Target::Beneath };
    }
    let number = fd.cast_unsigned();
    if let Some(index) = host.open_files.mount(number) {
        // A path that starts from a directory does not leave it, as Wasmtime has it.
        return if path.starts_with(b"/") {
            Target::Nowhere
        } else {
            Target::Mounted(Mounted {
                index,
                base: Base::Descriptor(fd),
                path: path.to_vec(),
                writable: is_writable(host, index),
            })
        };
    }
    if host.open_files.is_folder(number) {
        let Some(mut whole) = host.open_files.path(number).map(<[u8]>::to_vec) else { return Target::Nowhere };
        whole.push(b'/');
        whole.extend(path);
        return locate(host, &whole);
    }
    Target::Beneath
}

fn is_writable(host: &Host, index: usize) -> bool {
    host.mounts.get(index).is_some_and(|mount| mount.access == MountAccess::ReadWrite)
}

/// Whether `fd` lies in a mount that may only be read.
pub(super) fn is_read_only(host: &Host, fd: i32) -> bool {
    host.open_files.mount(fd.cast_unsigned()).is_some_and(|index| !is_writable(host, index))
}

/// What an absolute path is about.
fn locate(host: &Host, path: &[u8]) -> Target {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut rest = path;
    loop {
        if let Some(index) = host.mounts.iter().position(|mount| mount.names().eq(names.iter().copied())) {
            let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
            let below = &rest[slashes..];
            let path = if below.is_empty() { b"." } else { below };
            let writable = is_writable(host, index);
            return Target::Mounted(Mounted { index, base: Base::Mount(index), path: path.to_vec(), writable });
        }
        let Some(start) = rest.iter().position(|byte| *byte != b'/') else { break };
        let end = rest[start..].iter().position(|byte| *byte == b'/').map_or(rest.len(), |length| start + length);
        match &rest[start..end] {
            b"." => {}
            b".." => {
                names.pop();
            }
            name => names.push(name),
        }
        rest = &rest[end..];
    }
    let whole = [b"/", names.join(&b'/').as_slice()].concat();
    if let Some(device) = Device::named(&whole) {
        return Target::Device(device);
    }
    if folders::is_one(&host.mounts, &names) { Target::Folder(whole) } else { Target::Nowhere }
}

impl Mounted {
    /// What lies at this path; a link itself unless it is to be followed.
    fn look(&self, host: &mut Host, follow: bool) -> Result<rustix::fs::Statx, i32> {
        let found = with(host, self.base, |directory| look(beneath(directory, &self.path, follow, OFlags::PATH)?));
        found.ok_or(BADF)?.map_err(number)
    }

    /// The kind of what lies at this path; an error for anything that may not be opened.
    fn look_at_plain(&self, host: &mut Host, follow: bool) -> Result<FileType, i32> {
        let kind = FileType::from_raw_mode(RawMode::from(self.look(host, follow)?.stx_mode));
        match kind {
            FileType::RegularFile | FileType::Directory | FileType::Symlink => Ok(kind),
            _ => Err(PERM),
        }
    }

    /// What tells the file at this path from what may lie there later; within, `None`
    /// for a directory. `None` where neither lies there.
    pub(super) fn version(&self, host: &mut Host) -> Option<Option<(u64, u64)>> {
        let found = found_at(host, self)?;
        Some((!found.is_directory).then_some(found.version))
    }

    /// Whether this path is that of the mount itself, as far as its name tells.
    fn is_root(&self) -> bool {
        matches!(self.base, Base::Mount(_)) && join(b"", &self.path).is_some_and(|path| path.is_empty())
    }

    /// The error with which the name of what lies at this path cannot be changed.
    fn fixed(&self) -> Option<i32> {
        match self.is_root() {
            true => Some(BUSY),
            false if !self.writable => Some(ROFS),
            false => None,
        }
    }

    /// The path as the guest would name it.
    fn whole(&self, host: &Host) -> Option<Vec<u8>> {
        let base = match self.base {
            Base::Mount(index) => host.mounts.get(index)?.destination.as_os_str().as_encoded_bytes(),
            Base::Descriptor(fd) => host.open_files.path(fd.cast_unsigned())?,
        };
        join(base, &self.path)
    }

    /// Takes a name that is about to be made from what the run may still make.
    fn charge_name(host: &mut Host) -> Result<(), i32> {
        let run = host.run.as_mut().ok_or(BADF)?;
        if run.quota.charge_file_elsewhere() { Ok(()) } else { Err(NOSPC) }
    }
}

fn found_at(host: &mut Host, mounted: &Mounted) -> Option<Found> {
    with(host, mounted.base, |directory| {
        byte_names::found(beneath(directory, &mounted.path, false, OFlags::PATH).ok()?)
    })?
}

/// What lies at an absolute path, if that is what is open there. `None` for a
/// path of the workspace.
pub(super) fn still_at(host: &mut Host, (number, resource): Opened, path: &[u8]) -> Option<Option<Found>> {
    host.open_files.mount(number)?;
    let named = match target(host, WORKSPACE_FD, path) {
        Target::Mounted(mounted) => found_at(host, &mounted),
        _ => None,
    };
    let open = resource.and_then(|resource| byte_names::find_open(host.wasi_beside_files(), resource));
    let is_same = |named: &Found| {
        open.is_some_and(|open| open.identity == named.identity && open.is_directory == named.is_directory)
    };
    Some(named.filter(is_same))
}

/// Opens what lies in a mount.
pub(super) async fn open(host: &mut Host, mounted: &Mounted, mut how: How) -> Result<Opened, i32> {
    let makes = how.oflags.contains(Oflags::CREAT);
    let changes = how.rights.contains(Rights::FD_WRITE) || how.oflags.contains(Oflags::TRUNC);
    match mounted.look_at_plain(host, how.follow) {
        Ok(_) if makes && how.oflags.contains(Oflags::EXCL) => return Err(EXIST),
        Ok(FileType::Directory) if changes || makes => return Err(ISDIR),
        Ok(_) if changes && !mounted.writable => return Err(ROFS),
        Ok(_) => {}
        Err(NOENT) if makes && !mounted.writable => return Err(ROFS),
        Err(NOENT) if makes => Mounted::charge_name(host)?,
        Err(errno) => return Err(errno),
    }
    if !mounted.writable {
        how.oflags.remove(Oflags::CREAT);
    }
    let file = with(host, mounted.base, |directory| byte_names::open_beneath(directory, &mounted.path, how));
    let perms = if mounted.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
    let opened = byte_names::open_as(host.wasi_beside_files(), file.ok_or(BADF)??, how, perms).await?;
    let whole = mounted.whole(host);
    host.open_files.opened_in(opened.0, opened.1, mounted.index, whole);
    Ok(opened)
}

/// A `filestat` of what lies in a mount.
pub(super) fn stat(host: &mut Host, mounted: &Mounted, follow: bool) -> Result<[u8; FILESTAT_BYTES], i32> {
    let found = mounted.look(host, follow)?;
    Ok(encode(&found, device_of(Some(mounted.index))))
}

/// Makes a directory.
pub(super) fn make_directory(host: &mut Host, mounted: &Mounted) -> i32 {
    match mounted.look(host, false) {
        Ok(_) => return EXIST,
        Err(NOENT) if !mounted.writable => return ROFS,
        Err(NOENT) => {}
        Err(errno) => return errno,
    }
    if let Err(errno) = Mounted::charge_name(host) {
        return errno;
    }
    byte_names::make_directory(host, mounted.base, &mounted.path)
}

/// Removes an empty directory.
pub(super) fn remove_directory(host: &mut Host, mounted: &Mounted) -> i32 {
    mounted.fixed().unwrap_or_else(|| byte_names::remove_directory(host, mounted.base, &mounted.path))
}

/// Removes anything that is not a directory.
pub(super) fn unlink(host: &mut Host, mounted: &Mounted) -> i32 {
    mounted.fixed().unwrap_or_else(|| byte_names::unlink(host, mounted.base, &mounted.path))
}

/// Moves what lies at one path to another, of which one at least is not beneath
/// the workspace.
pub(super) fn rename(host: &mut Host, from: &Target, to: &Target) -> i32 {
    let (from, to) = match (from, to) {
        (Target::Nowhere, _) | (_, Target::Nowhere) => return NOENT,
        (Target::Mounted(from), Target::Mounted(to)) if from.index == to.index => (from, to),
        // What is there is on another device, or on none.
        _ => return XDEV,
    };
    if let Some(errno) = from.fixed().or_else(|| to.fixed()) {
        return errno;
    }
    let (old, new) = (from.whole(host), to.whole(host));
    let errno = byte_names::rename(host, (from.base, &from.path), (to.base, &to.path));
    if let (SUCCESS, Some(old), Some(new)) = (errno, old, new) {
        host.open_files.renamed(&old, &new);
    }
    errno
}

/// Sets the times of a file.
pub(super) fn set_times(host: &mut Host, mounted: &Mounted, follow: bool, times: (i64, i64), flags: i32) -> i32 {
    match mounted.look_at_plain(host, follow) {
        Err(errno) => errno,
        Ok(_) if !mounted.writable => ROFS,
        Ok(_) => byte_names::set_times(host, mounted.base, &mounted.path, follow, times, flags),
    }
}

/// Sets the mode of a file, as far as it is kept.
pub(super) fn set_mode(host: &mut Host, mounted: &Mounted, follow: bool, mode: u32) -> Result<(), i32> {
    mounted.look_at_plain(host, follow)?;
    if !mounted.writable {
        return Err(ROFS);
    }
    files::set_path_mode(host, mounted.base, &mounted.path, follow, mode)
}

/// What reading a link answers: that it is none, as everywhere.
pub(super) fn read_link(host: &mut Host, mounted: &Mounted) -> i32 {
    mounted.look(host, false).err().unwrap_or(INVAL)
}

/// What making a link answers, symbolic or not: no guest makes any.
pub(super) fn refuse_link(to: &Target) -> i32 {
    match to {
        Target::Mounted(mounted) if !mounted.writable => ROFS,
        Target::Nowhere => NOENT,
        _ => PERM,
    }
}
