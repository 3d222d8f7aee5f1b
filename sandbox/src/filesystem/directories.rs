//! Directories as descriptors. A name in one is looked up once, and never
//! through a link, so that what is done to a directory is done to the one that
//! was made or found, whatever takes its place meanwhile.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::NixPath;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::sys::stat::{Mode, fchmod, mkdirat};

const FLAGS: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Opens the directory that has this name in `parent`.
pub(crate) fn open_in(parent: impl AsFd, name: &(impl NixPath + ?Sized)) -> io::Result<File> {
    Ok(openat(parent, name, FLAGS, Mode::empty())?.into())
}

/// Makes the directory that gets this name in `parent`. The umask of this
/// process hides new files from everyone else; `mode` is what it will have.
pub(crate) fn make_in(parent: impl AsFd, name: &(impl NixPath + ?Sized), mode: Mode) -> io::Result<File> {
    mkdirat(&parent, name, Mode::S_IRWXU)?;
    let made = open_in(parent, name)?;
    fchmod(&made, mode)?;
    Ok(made)
}

/// Opens the directory at a path. What lies above it is ours alone to change;
/// in its own place somebody may have put a link.
pub(crate) fn open_last(path: &(impl NixPath + ?Sized)) -> io::Result<File> {
    open_in(AT_FDCWD, path)
}

/// Opens a directory that is ours alone to change, as is what lies above it.
pub(crate) fn open_own(path: &(impl NixPath + ?Sized)) -> io::Result<File> {
    Ok(open(path, FLAGS.difference(OFlag::O_NOFOLLOW), Mode::empty())?.into())
}
