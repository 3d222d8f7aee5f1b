//! Hands a workspace to the user of a run and takes it back, while no program
//! runs in it.
//!
//! Afterwards it belongs to the server again and can be read by it whatever a
//! program did to modes; nothing in it starts with rights of another user.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat};
use nix::unistd::{Gid, Uid, chown, fchownat};

use crate::workspace::MAX_DEPTH;

/// Why a workspace cannot be taken back as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeBackError {
    /// Its directories nest deeper than a session can keep.
    #[error("its directories nest deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for TakeBackError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// Gives the tree at `path` to a user.
pub(super) fn give(path: &Path, uid: u32, gid: u32) -> Result<(), TakeBackError> {
    each(path, Some((Uid::from_raw(uid), Gid::from_raw(gid))))
}

/// Takes it back. Without a user of its own, only modes are put in order.
pub(super) fn take_back(path: &Path, is_given: bool) -> Result<(), TakeBackError> {
    each(path, is_given.then(|| (nix::unistd::geteuid(), nix::unistd::getegid())))
}

/// Only the server can put anything at `path` itself, so that is safe to name.
fn each(path: &Path, owner: Option<(Uid, Gid)>) -> Result<(), TakeBackError> {
    if let Some((uid, gid)) = owner {
        chown(path, Some(uid), Some(gid))?;
    }
    fchmodat(AT_FDCWD, path, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    below(Dir::open(path, flags, Mode::empty())?, owner, 0)
}

fn below(mut directory: Dir, owner: Option<(Uid, Gid)>, depth: usize) -> Result<(), TakeBackError> {
    let entries: Vec<_> = directory.iter().collect::<Result<_, _>>()?;
    for entry in entries {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if let Some((uid, gid)) = owner {
            // Clears set-user-id, too.
            fchownat(directory.as_fd(), name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        if entry.file_type() == Some(Type::Symlink) {
            continue;
        }
        let found = fstatat(directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
        if kind == SFlag::S_IFLNK {
            continue;
        }
        let is_directory = kind == SFlag::S_IFDIR;
        let mode = Mode::from_bits_truncate(found.st_mode & 0o7777);
        let least = if is_directory { Mode::S_IRWXU } else { Mode::S_IRUSR | Mode::S_IWUSR };
        let kept = (mode | least) & Mode::from_bits_truncate(0o777);
        if kept != mode {
            match fchmodat(directory.as_fd(), name, kept, FchmodatFlags::FollowSymlink) {
                // Somebody else put it there; whoever reads it will be told.
                Ok(()) | Err(Errno::EPERM) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if is_directory {
            if depth >= MAX_DEPTH {
                return Err(TakeBackError::TooDeep);
            }
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            below(Dir::openat(directory.as_fd(), name, flags, Mode::empty())?, owner, depth + 1)?;
        }
    }
    Ok(())
}
