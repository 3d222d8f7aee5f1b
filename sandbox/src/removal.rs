//! Removes trees that guests made, however deep they are. Symbolic links are
//! removed themselves, also one in the place of the tree.

#![expect(clippy::disallowed_methods, reason = "removes what guests left")]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, renameat};
use nix::sys::stat::Mode;

use crate::handle::random_name;

/// How deep the usual way may go: it holds a descriptor and a frame for each
/// level. Twice what a session can keep.
const MAX_DEPTH: usize = 64;

const FLAGS: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Removes `path` with all that is in it. What is deeper than [`MAX_DEPTH`] is
/// moved beside it first, piece by piece, so that neither paths nor recursion
/// outgrow their bounds.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let beside = Dir::open(parent, FLAGS.difference(OFlag::O_NOFOLLOW), Mode::empty())?;
    let mut pieces = vec![name.to_owned()];
    while let Some(piece) = pieces.pop() {
        if let Some(directory) = open_directory(&beside, piece.as_os_str())? {
            move_deep(directory, 0, &beside, &mut pieces)?;
        }
        fs::remove_dir_all(parent.join(piece))?;
    }
    Ok(())
}

/// Moves directories at the greatest depth that is allowed, and names them.
fn move_deep(mut directory: Dir, depth: usize, beside: &Dir, moved: &mut Vec<OsString>) -> io::Result<()> {
    let is_candidate = |kind| matches!(kind, None | Some(Type::Directory));
    let entries = directory.iter().filter(|entry| entry.as_ref().map_or(true, |entry| is_candidate(entry.file_type())));
    for entry in entries.collect::<Result<Vec<_>, _>>()? {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Some(child) = open_directory(&directory, name)? else { continue };
        if depth < MAX_DEPTH {
            move_deep(child, depth + 1, beside, moved)?;
        } else {
            let aside = OsString::from(random_name());
            renameat(directory.as_fd(), name, beside.as_fd(), aside.as_os_str())?;
            moved.push(aside);
        }
    }
    Ok(())
}

/// `None` when it is no directory.
fn open_directory<P: nix::NixPath + ?Sized>(parent: &Dir, name: &P) -> io::Result<Option<Dir>> {
    match Dir::openat(parent.as_fd(), name, FLAGS, Mode::empty()) {
        Err(Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_deeper_than_any_path_is_removed_and_links_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let beside = parent.path().join("beside");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("kept"), "x").unwrap();
        let top = parent.path().join("top");
        fs::create_dir(&top).unwrap();
        // As a program does it: one level at a time, from within.
        let mut inner = nix::fcntl::open(&top, OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..20_000 {
            nix::sys::stat::mkdirat(&inner, "directory", Mode::S_IRWXU).unwrap();
            inner = nix::fcntl::openat(&inner, "directory", OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        }
        nix::unistd::symlinkat(&beside, &inner, "link").unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists() && beside.join("kept").exists());
    }

    #[test]
    fn a_link_in_the_place_of_a_tree_is_removed_itself() {
        let parent = tempfile::tempdir().unwrap();
        let (outside, top) = (parent.path().join("outside"), parent.path().join("top"));
        let deep = outside.join("d/".repeat(MAX_DEPTH + 9));
        fs::create_dir_all(&deep).unwrap();
        std::os::unix::fs::symlink(&outside, &top).unwrap();
        remove_tree(&top).unwrap();
        assert!(fs::symlink_metadata(&top).is_err() && deep.is_dir());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
