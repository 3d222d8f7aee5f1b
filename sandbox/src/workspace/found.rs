//! What lies at a path beneath a directory: a file, a list, or the text of a link.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use nix::libc;

use super::entry::FileEntry;
use crate::error::{Error, IoContext as _};
use crate::text::escaped;

/// What a read found.
#[derive(Debug)]
pub enum Found {
    /// A regular file, opened.
    File {
        /// Positioned at its start.
        file: std::fs::File,
        /// The size of the file when it was opened.
        size_bytes: u64,
    },
    /// A directory: names with sizes, sorted; directories end in `/`.
    Directory(Vec<FileEntry>),
    /// A symbolic link, which is not followed.
    Link {
        /// The text of the link, of which a program may make anything.
        target: String,
    },
}

pub(super) const BEHIND_LINK: &str = "it leads through a symbolic link, which is not followed";

/// The most entries of a directory that are listed: a workspace has fewer, and
/// what an operator has is not for the server to hold.
const MAX_LISTED: usize = 200_000;
/// The most bytes of names of a directory that are listed.
const MAX_LISTED_BYTES: usize = 32 << 20;

/// A path to look at.
pub(crate) struct Lookup<'a> {
    pub(crate) dir: &'a Dir,
    /// The path beneath the directory; `.` is the directory itself.
    pub(crate) path: &'a Path,
    /// The path as a guest knows it.
    pub(crate) shown: String,
    /// What to do where nothing is, starting with a separator.
    pub(crate) advice: &'static str,
    /// What is not in the list of the directory itself.
    pub(crate) hidden: Option<&'static str>,
}

impl Lookup<'_> {
    /// Opens a file, lists a directory, or reads where a link says it leads.
    pub(crate) fn read(self) -> Result<Found, Error> {
        let Self { dir, path, shown, advice, hidden } = self;
        let missing = || Error::NotFound { kind: "file", id: shown.clone(), advice };
        let denied = |reason: &str| Error::Denied { action: format!("reading {shown}"), reason: reason.into() };
        if is_behind_link(dir, path) {
            return Err(denied(BEHIND_LINK));
        }
        // NONBLOCK so that a FIFO cannot make the server wait for a writer.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => denied("this server may not read it"),
            _ => missing(),
        };
        let metadata = dir.symlink_metadata(path).map_err(failed)?;
        if metadata.is_symlink() {
            let target = dir.read_link_contents(path).map_err(failed)?;
            return Ok(Found::Link { target: escaped(target.as_os_str().as_bytes()) });
        }
        if metadata.is_dir() {
            let is_root = path == Path::new(".");
            let listed = if is_root { dir.try_clone() } else { dir.open_dir(path) };
            let listed = listed.and_then(|dir| list(&dir, hidden.filter(|_| is_root)));
            return match listed {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(failed(error)),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(denied(&format!(
                    "it has more than {MAX_LISTED} entries, or {MAX_LISTED_BYTES} bytes of names; list it in a program"
                ))),
                listed => listed.doing(|| format!("list {shown}")).map(Found::Directory),
            };
        }
        if !metadata.is_file() {
            return Err(denied("it is neither a regular file nor a directory nor a symbolic link"));
        }
        let file = dir.open_with(path, &options).map_err(failed)?.into_std();
        // Another program may have put something else there meanwhile.
        let opened = file.metadata().doing(|| format!("look at {shown}"))?;
        if !opened.is_file() {
            return Err(denied("it is not a regular file"));
        }
        Ok(Found::File { file, size_bytes: opened.size() })
    }
}

/// Whether something above `path` is a symbolic link.
pub(super) fn is_behind_link(dir: &Dir, path: &Path) -> bool {
    let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    let is_link = |above| dir.symlink_metadata(above).is_ok_and(|found| found.is_symlink());
    above.into_iter().any(is_link)
}

fn list(dir: &Dir, hidden: Option<&str>) -> io::Result<Vec<FileEntry>> {
    // A program may remove what was just listed, or the directory itself.
    let is_there = |failed: Option<&io::Error>| failed.is_none_or(|error| error.kind() != io::ErrorKind::NotFound);
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for entry in dir.entries()?.filter(|entry| is_there(entry.as_ref().err())) {
        let entry = entry?;
        if hidden.is_some_and(|hidden| entry.file_name() == hidden) {
            continue;
        }
        let metadata = match entry.metadata() {
            Err(error) if !is_there(Some(&error)) => continue,
            looked => looked?,
        };
        let mut path = escaped(entry.file_name().as_bytes());
        if metadata.is_dir() {
            path.push('/');
        }
        let size_bytes = if metadata.is_dir() { 0 } else { metadata.len() };
        bytes += path.len();
        if entries.len() == MAX_LISTED || bytes > MAX_LISTED_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        entries.push(FileEntry { path, size_bytes, is_link: metadata.is_symlink() });
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}
