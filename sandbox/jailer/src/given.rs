//! Files that a program is given and that are nowhere on the host. They lie in
//! the root that is made for it: there is nothing to mount, and nothing to remove
//! afterwards.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, umask};

use crate::confinement::{Confinement, GivenFile};
use crate::failure::{Doing, Failure};
use crate::filesystem::make_directory;

/// What a file takes at most beside its content: the rest of its last page.
const REST_BYTES: u64 = 4096;

/// The room that files take.
pub(crate) fn bytes(files: &[GivenFile]) -> u64 {
    files.iter().map(|file| file.content.len() as u64 + REST_BYTES).sum()
}

/// How many files and directories they are at most.
pub(crate) fn names(files: &[GivenFile]) -> usize {
    files.iter().map(|file| file.path.components().count()).sum()
}

/// Fails unless there are no files and no settings, for a program without a root of
/// its own.
pub(crate) fn refuse(confinement: &Confinement) -> Result<(), Failure> {
    let file = confinement.files.first().map(|file| &file.path);
    match file.or(confinement.settings.as_ref()) {
        None => Ok(()),
        Some(path) => Err(Failure::new(format!("giving {}", path.display()), "there is no root of its own for it")),
    }
}

/// Writes the files into the root that is being built, which has no mounts yet that
/// lead to the host.
pub(crate) fn write(root: BorrowedFd<'_>, files: &[GivenFile]) -> Result<(), Failure> {
    // Other users inside read these files, too, as they do on the host.
    let before = umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let written = write_all(root, files);
    umask(before);
    written
}

fn write_all(root: BorrowedFd<'_>, files: &[GivenFile]) -> Result<(), Failure> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut last: Option<(&Path, OwnedFd)> = None;
    for file in files {
        let (Some(above), Some(name)) = (file.path.parent(), file.path.file_name()) else {
            return Err(Failure::new(format!("giving {}", file.path.display()), "it has no name"));
        };
        let directory = match last.take() {
            Some((path, directory)) if path == above => directory,
            _ => make_directory(root, above)?,
        };
        let made = openat(&directory, name, flags, Mode::from_bits_truncate(0o644)).doing_at("making", &file.path)?;
        File::from(made).write_all(file.content.as_bytes()).doing_at("writing", &file.path)?;
        last = Some((above, directory));
    }
    Ok(())
}

/// The directories that files lie in, but for those within another one.
pub(crate) fn directories(files: &[GivenFile]) -> impl Iterator<Item = &Path> {
    let all: BTreeSet<&Path> = files.iter().filter_map(|file| file.path.parent()).collect();
    let mut last: Option<&Path> = None;
    all.into_iter().filter(move |path| {
        let is_within = last.is_some_and(|last| path.starts_with(last));
        if !is_within {
            last = Some(path);
        }
        !is_within
    })
}
