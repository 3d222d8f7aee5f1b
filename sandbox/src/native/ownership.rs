//! Hands a workspace to the user of a run and takes it back, while no program
//! runs in it.
//!
//! Afterwards it belongs to the server again and has the modes that are kept
//! (`workspace/permissions.rs`), so that it can be read whatever a program did to them, and
//! nothing in it starts with rights of another user. Symbolic links change hands
//! themselves, and nothing is done to what they lead to, also if one takes the
//! place of something else meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstatat};
use nix::unistd::{Gid, Uid, fchown, fchownat};

use crate::workspace::MAX_DEPTH;
use crate::workspace::permissions;

/// Why a workspace cannot be taken back as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeBackError {
    /// The directories of the tree nest deeper than a session can keep.
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

/// Gives a tree to a user.
pub(super) fn give(tree: impl AsFd, uid: u32, gid: u32) -> Result<(), TakeBackError> {
    each(tree.as_fd(), Some((Uid::from_raw(uid), Gid::from_raw(gid))))
}

/// Takes a tree back. Without a user of its own, only modes are put in order.
pub(super) fn take_back(tree: impl AsFd, is_given: bool) -> Result<(), TakeBackError> {
    each(tree.as_fd(), is_given.then(|| (nix::unistd::geteuid(), nix::unistd::getegid())))
}

fn each(tree: BorrowedFd<'_>, owner: Option<(Uid, Gid)>) -> Result<(), TakeBackError> {
    if let Some((uid, gid)) = owner {
        fchown(tree, Some(uid), Some(gid))?;
    }
    fchmod(tree, Mode::S_IRWXU)?;
    // Listed by a descriptor of its own, which begins at the start.
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    below(Dir::openat(tree, c".", flags, Mode::empty())?, owner, 0)
}

fn below(mut directory: Dir, owner: Option<(Uid, Gid)>, depth: usize) -> Result<(), TakeBackError> {
    let entries: Vec<_> = directory.iter().collect::<Result<_, _>>()?;
    for entry in entries {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if let Some((uid, gid)) = owner {
            // A change of owner clears set-user-id, too.
            let changed = fchownat(directory.as_fd(), name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW);
            if unless_gone(changed)?.is_none() {
                continue;
            }
        }
        if entry.file_type() == Some(Type::Symlink) {
            continue;
        }
        let looked = fstatat(directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW);
        let Some(found) = unless_gone(looked)? else { continue };
        let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
        if kind == SFlag::S_IFLNK {
            continue;
        }
        let is_directory = kind == SFlag::S_IFDIR;
        let kept = Mode::from(permissions::Mode::of(found.st_mode, is_directory));
        if kept != Mode::from_bits_truncate(found.st_mode & 0o7777) {
            match fchmodat(directory.as_fd(), name, kept, FchmodatFlags::NoFollowSymlink) {
                // An entry that may not be changed was put there by somebody else;
                // whoever reads it will be told.
                Ok(()) | Err(Errno::EPERM | Errno::ENOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if is_directory {
            if depth >= MAX_DEPTH {
                return Err(TakeBackError::TooDeep);
            }
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            if let Some(inner) = unless_gone(Dir::openat(directory.as_fd(), name, flags, Mode::empty()))? {
                below(inner, owner, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// What came of a call; `None` for what a process removed that was not ended in time.
fn unless_gone<T>(done: nix::Result<T>) -> nix::Result<Option<T>> {
    match done {
        Err(Errno::ENOENT) => Ok(None),
        done => done.map(Some),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "acts as a program in a workspace")]

    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use super::*;

    #[test]
    fn files_change_hands_with_their_modes_and_nothing_that_links_lead_to() {
        let parent = tempfile::tempdir().unwrap();
        let (top, outside) = (parent.path().join("w"), parent.path().join("outside"));
        fs::create_dir_all(top.join("shut")).unwrap();
        fs::create_dir_all(outside.join("directory")).unwrap();
        for path in [top.join("script"), top.join("shut/file"), outside.join("file")] {
            fs::write(path, "x").unwrap();
        }
        symlink(outside.join("file"), top.join("link")).unwrap();
        symlink(&outside, top.join("directory")).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let look = |path: &Path| {
            let found = fs::symlink_metadata(path).unwrap();
            (found.uid(), found.mode() & 0o7777)
        };
        let own = nix::unistd::geteuid().as_raw();
        set(&outside.join("file"), 0);
        set(&outside, 0o755);
        let open = |path: &Path| fs::File::open(path).unwrap();
        let tree = open(&top);
        give(&tree, 61_234, 61_234).unwrap();
        assert_eq!((look(&top), look(&top.join("link")).0), ((61_234, 0o700), 61_234));
        for (path, mode) in [("script", 0o4755), ("shut/file", 0o000), ("shut", 0o000)] {
            set(&top.join(path), mode);
        }
        take_back(&tree, true).unwrap();
        assert_eq!((look(&top), look(&top.join("link")).0), ((own, 0o700), own));
        assert_eq!(look(&top.join("script")), (own, 0o755));
        assert_eq!((look(&top.join("shut")), look(&top.join("shut/file"))), ((own, 0o700), (own, 0o400)));
        // Now without users: modes alone.
        set(&top.join("script"), 0o111);
        take_back(&tree, false).unwrap();
        assert_eq!(look(&top.join("script")), (own, 0o511));
        assert_eq!((look(&outside.join("file")), look(&outside)), ((own, 0), (own, 0o755)));
        // A link, and another directory, in the place of the tree itself.
        let away = parent.path().join("away");
        fs::rename(&top, &away).unwrap();
        for replace in [|outside: &Path, top: &Path| symlink(outside, top), |_: &Path, top: &Path| fs::create_dir(top)]
        {
            replace(&outside, &top).unwrap();
            let before = look(&fs::canonicalize(&top).unwrap());
            give(&tree, 61_234, 61_234).unwrap();
            assert_eq!((look(&away.join("script")).0, look(&fs::canonicalize(&top).unwrap())), (61_234, before));
            take_back(&tree, true).unwrap();
            let _ = fs::remove_file(&top);
        }
        assert_eq!((look(&away.join("script")).0, look(&outside)), (own, (own, 0o755)));
    }
}
