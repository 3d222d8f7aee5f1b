//! Removes trees that guests made: however deep they are, whatever modes their
//! directories have and however much is in one. Symbolic links are removed
//! themselves, also one in the place of the tree.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::handle::random_name;

/// How many directories are open at once. What is deeper is moved to the top
/// first, so that neither paths nor descriptors outgrow their bounds.
const MAX_OPEN: usize = 32;

/// How many names are held of one directory at once.
const MAX_NAMES: usize = 16_384;

const FLAGS: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Removes `path` with all that is in it. What cannot be removed does not keep
/// the rest.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = Dir::open(parent, FLAGS.difference(OFlag::O_NOFOLLOW), Mode::empty())?;
    let name = CString::new(name.as_encoded_bytes())?;
    loop {
        let Some(top) = open_directory(parent.as_fd(), &name)? else {
            return gone(unlinkat(&parent, name.as_c_str(), UnlinkatFlags::NoRemoveDir)).map_err(Into::into);
        };
        let emptied = Emptying::default().empty(top);
        match unlinkat(&parent, name.as_c_str(), UnlinkatFlags::RemoveDir) {
            // There is what was moved to the top, or what did not fit in memory.
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if emptied.is_progress => {}
            removed => return gone(removed).map_err(|errno| emptied.failed.unwrap_or(errno).into()),
        }
    }
}

/// A directory on the way from the top to where something is removed.
struct Level {
    directory: Dir,
    /// Directories in it that are left to look into.
    below: Vec<CString>,
    /// Whether more is in it than was listed.
    is_cut: bool,
}

/// One pass over a tree.
#[derive(Default)]
struct Emptying {
    is_progress: bool,
    failed: Option<Errno>,
}

impl Emptying {
    fn empty(mut self, top: Dir) -> Self {
        let mut levels = vec![self.list(top)];
        let mut names: Vec<CString> = Vec::new();
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.below.pop() else {
                if level.is_cut && self.relist(level) {
                    continue;
                }
                levels.pop();
                if let (Some(above), Some(name)) = (levels.last(), names.pop()) {
                    let removed = unlinkat(&above.directory, name.as_c_str(), UnlinkatFlags::RemoveDir);
                    self.note(removed);
                }
                continue;
            };
            match unlinkat(&level.directory, name.as_c_str(), UnlinkatFlags::RemoveDir) {
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
                removed => {
                    self.note(removed);
                    continue;
                }
            }
            if levels.len() < MAX_OPEN {
                let opened = levels.last().map(|level| open_directory(level.directory.as_fd(), &name));
                match opened {
                    Some(Ok(Some(directory))) => {
                        levels.push(self.list(directory));
                        names.push(name);
                    }
                    // Something else took its place, and is there for the next pass.
                    Some(Ok(None)) | None => {}
                    Some(Err(errno)) => self.note(Err(errno)),
                }
            } else if let (Some(top), Some(level)) = (levels.first(), levels.last()) {
                let moved = move_to(top.directory.as_fd(), level.directory.as_fd(), &name);
                self.note(moved);
            }
        }
        self
    }

    /// Removes what is no directory, and names what is.
    fn list(&mut self, mut directory: Dir) -> Level {
        let mut below = Vec::new();
        let mut files = Vec::new();
        let mut is_cut = false;
        for entry in directory.iter() {
            let Ok(entry) = entry.map_err(|errno| self.note(Err(errno))) else { break };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if below.len() + files.len() >= MAX_NAMES {
                is_cut = true;
                break;
            }
            let names = if entry.file_type() == Some(Type::Directory) { &mut below } else { &mut files };
            names.push(name.to_owned());
        }
        for name in files {
            match unlinkat(&directory, name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
                // Not every file system says what is a directory.
                Err(Errno::EISDIR) => below.push(name),
                removed => self.note(removed),
            }
        }
        Level { directory, below, is_cut }
    }

    /// Goes on with a directory of which not all was listed, unless nothing of
    /// it can be removed.
    fn relist(&mut self, level: &mut Level) -> bool {
        let Ok(directory) = Dir::openat(level.directory.as_fd(), c".", FLAGS, Mode::empty()) else { return false };
        let mut pass = Self::default();
        *level = pass.list(directory);
        let is_progress = pass.is_progress || !level.below.is_empty() && pass.failed.is_none();
        self.is_progress |= pass.is_progress;
        self.failed = self.failed.or(pass.failed);
        is_progress
    }

    fn note(&mut self, done: nix::Result<()>) {
        match gone(done) {
            Ok(()) => self.is_progress = true,
            Err(errno) => self.failed = self.failed.or(Some(errno)),
        }
    }
}

/// Moving a directory writes into it, so that its own mode must allow it.
fn move_to(top: BorrowedFd<'_>, parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    let aside = OsString::from(random_name());
    match renameat(parent, name, top, OsStr::new(&aside)) {
        Err(Errno::EACCES) => {
            let_owner(parent, name)?;
            renameat(parent, name, top, OsStr::new(&aside))
        }
        moved => moved,
    }
}

/// Opens a directory, and sees to it that what is in it can be removed. `None`
/// when it is no directory.
fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<Option<Dir>> {
    let open = || Dir::openat(parent, name, FLAGS, Mode::empty());
    let opened = match open() {
        Err(Errno::EACCES) => let_owner(parent, name).and_then(|()| open()),
        opened => opened,
    };
    let directory = match opened {
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        opened => opened?,
    };
    let mode = Mode::from_bits_truncate(fstat(&directory)?.st_mode);
    if !mode.contains(Mode::S_IRWXU) {
        // Root needs no mode, and may lack the right to set one.
        let _ = fchmod(&directory, Mode::S_IRWXU);
    }
    Ok(Some(directory))
}

fn let_owner(parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    match fchmodat(parent, name, Mode::S_IRWXU, FchmodatFlags::NoFollowSymlink) {
        // A link that took its place has no mode.
        Err(Errno::EOPNOTSUPP) => Err(Errno::ELOOP),
        changed => changed,
    }
}

/// What is not there any more is removed.
fn gone(done: nix::Result<()>) -> nix::Result<()> {
    match done {
        Err(Errno::ENOENT) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "acts as a program in a workspace")]

    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Makes directories as a program does it: one level at a time, from within.
    fn nest(top: &Path, depth: usize) -> std::os::fd::OwnedFd {
        let mut inner = nix::fcntl::open(top, OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..depth {
            nix::sys::stat::mkdirat(&inner, "directory", Mode::S_IRWXU).unwrap();
            inner = nix::fcntl::openat(&inner, "directory", OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        }
        inner
    }

    #[test]
    fn a_tree_deeper_than_any_path_is_removed_and_links_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let beside = parent.path().join("beside");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("kept"), "x").unwrap();
        let top = parent.path().join("top");
        fs::create_dir(&top).unwrap();
        let inner = nest(&top, 20_000);
        nix::unistd::symlinkat(&beside, &inner, "link").unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists() && beside.join("kept").exists());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_of_any_bytes_and_more_of_them_than_are_held_at_once_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let top = parent.path().join("top");
        fs::create_dir_all(top.join("many")).unwrap();
        fs::create_dir(top.join(OsStr::from_bytes(b"\xff\xfe"))).unwrap();
        fs::write(top.join(OsStr::from_bytes(b"\xff\xfe/\xc3(")), "x").unwrap();
        for number in 0..=MAX_NAMES {
            fs::write(top.join(format!("many/{number}")), "").unwrap();
        }
        remove_tree(&top).unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn directories_without_any_mode_are_removed_at_every_depth() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let top = parent.path().join("top");
        let as_user = || {
            if nix::unistd::geteuid().is_root() {
                nix::unistd::setfsuid(64_242.into());
            }
            fs::create_dir(&top).unwrap();
            for depth in [0, 1, 31, 32, 33, 40, 100, 1000] {
                let place = top.join(depth.to_string());
                fs::create_dir(&place).unwrap();
                let inner = nest(&place, depth);
                for (name, mode) in [("shut", 0o000), ("unlisted", 0o300), ("unwritable", 0o500)] {
                    nix::sys::stat::mkdirat(&inner, name, Mode::S_IRWXU).unwrap();
                    nix::sys::stat::mkdirat(&inner, format!("{name}/in").as_str(), Mode::S_IRWXU).unwrap();
                    fchmodat(&inner, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink).unwrap();
                }
            }
            fs::set_permissions(&top, fs::Permissions::from_mode(0o000)).unwrap();
            fs::remove_dir_all(&top).unwrap_err();
            remove_tree(&top).unwrap();
        };
        // A thread may have a user of its own for what it does to files.
        std::thread::scope(|scope| scope.spawn(as_user).join()).unwrap();
        assert!(fs::symlink_metadata(&top).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_a_tree_is_removed_itself() {
        let parent = tempfile::tempdir().unwrap();
        let (outside, top) = (parent.path().join("outside"), parent.path().join("top"));
        let deep = outside.join("d/".repeat(MAX_OPEN + 9));
        fs::create_dir_all(&deep).unwrap();
        std::os::unix::fs::symlink(&outside, &top).unwrap();
        remove_tree(&top).unwrap();
        assert!(fs::symlink_metadata(&top).is_err() && deep.is_dir());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
