//! Files of a mount as a caller reads them, who follows no link.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::Mount;
use crate::error::{Error, IoContext as _};
use crate::text::escaped;
use crate::workspace::entry::FileEntry;
use crate::workspace::{Found, Lookup, MAX_DEPTH, WorkspacePath};

/// How many files and directories a search looks at. A mount has as many as there
/// are, and a caller can name a folder of it.
const MAX_SEARCHED: usize = 100_000;
/// How many bytes of paths a search holds: names may be long, and lie deep.
const MAX_HELD_BYTES: usize = 16 << 20;

/// A path in a mount, to be read.
#[derive(Debug)]
pub struct MountedPath {
    mount: Mount,
    path: WorkspacePath,
}

impl MountedPath {
    /// `rest` is what follows the destination of `mount`.
    pub(super) fn new(mount: &Mount, field: &str, rest: &str) -> Result<Self, Error> {
        let below = rest.trim_start_matches('/');
        let path = WorkspacePath::of_any_name(field, if below.is_empty() { "." } else { below })?;
        Ok(Self { mount: mount.clone(), path })
    }

    /// Opens a file, lists a directory, or reads where a link says it leads. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing is there, [`Error::Denied`] when it is of
    /// another kind, is reached through a symbolic link, or may not be read.
    pub fn read(&self) -> Result<Found, Error> {
        let dir = self.root()?;
        let advice = " in a folder of the operator; read the folder above to list what is there";
        Lookup { dir: &dir, path: self.path.as_path(), shown: self.shown(), advice, hidden: None }.read()
    }

    /// Every file below that `is_wanted`, by paths from here on. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when there are too many to look at or to hold,
    /// [`Error::Cancelled`] when `is_cancelled`.
    pub fn search(
        &self,
        is_wanted: impl Fn(&Path) -> bool,
        is_cancelled: impl Fn() -> bool,
    ) -> Result<Vec<FileEntry>, Error> {
        let doing = || format!("search {}", self.shown());
        let root = self.root()?;
        let from = if self.path.is_root() { root } else { root.open_dir(self.path.as_path()).doing(doing)? };
        let denied = |reason: String| Error::Denied { action: format!("searching {}", self.shown()), reason };
        let mut found = Vec::new();
        // A search holds paths, and no descriptors: of these the server has few.
        let (mut waiting, mut seen, mut held) = (vec![(PathBuf::from("."), 0)], 0, 0);
        while let Some((above, depth)) = waiting.pop() {
            if is_cancelled() {
                return Err(Error::Cancelled);
            }
            let entries = match from.read_dir(&above) {
                Err(error) if has_nothing_to_find(&error) => continue,
                entries => entries.doing(doing)?,
            };
            for entry in entries {
                let entry = match entry {
                    Err(error) if has_nothing_to_find(&error) => continue,
                    entry => entry.doing(doing)?,
                };
                seen += 1;
                if seen > MAX_SEARCHED {
                    return Err(denied(format!(
                        "there are more than {MAX_SEARCHED} files below; search in a folder of it"
                    )));
                }
                let path = if depth == 0 { PathBuf::from(entry.file_name()) } else { above.join(entry.file_name()) };
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    if depth < MAX_DEPTH {
                        held += path.as_os_str().len();
                        waiting.push((path, depth + 1));
                    }
                } else if is_wanted(&path) {
                    let (path, is_link) = (escaped(path.as_os_str().as_bytes()), metadata.is_symlink());
                    held += path.len();
                    found.push(FileEntry { path, size_bytes: metadata.len(), is_link });
                }
                if held > MAX_HELD_BYTES {
                    return Err(denied(format!(
                        "the paths below take more than {MAX_HELD_BYTES} bytes; search in a folder of it"
                    )));
                }
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    /// The path as a guest knows it.
    fn shown(&self) -> String {
        let whole = self.mount.destination().join(self.path.as_path());
        escaped(whole.as_os_str().as_bytes()).trim_end_matches("/.").to_owned()
    }

    fn root(&self) -> Result<Dir, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = openat(self.mount.held(), ".", flags, Mode::empty()).map_err(io::Error::from);
        Ok(Dir::from_std_file(root.doing(|| format!("open {}", self.mount.destination().display()))?.into()))
    }
}

/// Whether a directory has nothing to find because it may not be read, or is no
/// directory any more.
fn has_nothing_to_find(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory)
}
