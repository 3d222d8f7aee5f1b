//! The directory tree of a session or a run, and the only access of the
//! server to files of guests.
//!
//! Every path goes through [`WorkspacePath`], every open through cap-std,
//! which resolves beneath the directory's descriptor. Whatever a path meets on
//! its way, the answer is a regular file or directory of this workspace, the
//! text of a symbolic link, or an error. Links are made and read as text, of
//! whatever content, and never followed: that, and not where they lead to, is
//! what protects the host. FIFOs, sockets and devices are not opened.

pub(crate) mod empty;
pub(crate) mod entry;
mod found;
pub(crate) mod link;
mod new_file;
mod path;
pub(crate) mod path_map;
pub(crate) mod permissions;
pub(crate) mod survey;
pub(crate) mod untouched;

use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};
use nix::libc;
use nix::sys::stat::{UtimensatFlags, fchmod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::symlinkat;

pub use self::found::Found;
pub(crate) use self::found::Lookup;
use self::found::{BEHIND_LINK, is_behind_link};
pub(crate) use self::new_file::NewFile;
use self::new_file::{set_modified, time_spec};
pub use self::path::WorkspacePath;
pub(crate) use self::path::{MAX_DEPTH, MAX_PATH_BYTES, shown};
use self::permissions::Mode;
use self::survey::{DirectoryStamp, DiskUse, FileKind, FileStamp, Survey, SurveyError, Time};
use crate::error::{Error, IoContext as _};
use crate::filesystem::directories;
use crate::filesystem::removal::remove_tree;

/// Where a guest sees its workspace.
pub(crate) const GUEST_PATH: &str = "/workspace";

/// The folder behind `/tmp`, which all languages of a session share.
pub(crate) const TEMPORARY: &str = ".tmp";
/// Where guests see it.
pub(crate) const TEMPORARY_PATH: &str = "/tmp";

/// A directory tree that guests write and the server reads.
#[derive(Debug)]
pub struct Workspace {
    dir: Dir,
    path: PathBuf,
    /// Whether a native program ran in it, which may have set attributes on the
    /// directory itself.
    served_native: AtomicBool,
}

impl Workspace {
    /// Makes the directory `path`, which must not exist, for its owner alone.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the directory cannot be made or opened.
    pub fn create(path: PathBuf) -> Result<Self, Error> {
        nix::unistd::mkdir(&path, nix::sys::stat::Mode::S_IRWXU)
            .map_err(io::Error::from)
            .doing(|| format!("make the workspace {}", path.display()))?;
        Self::open(path)
    }

    /// Opens the directory `path`. A link in its place is not followed: a worker
    /// may write to what lies above it.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when it is not there.
    pub fn open(path: PathBuf) -> Result<Self, Error> {
        let directory = directories::open_last(&path).doing(|| format!("open the workspace {}", path.display()))?;
        Ok(Self { dir: Dir::from_std_file(directory), path, served_native: AtomicBool::new(false) })
    }

    /// Moves the whole tree to `path`, where nothing is.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when it cannot be moved; it is where it was then.
    pub(crate) fn rename(&mut self, path: PathBuf) -> Result<(), Error> {
        std::fs::rename(&self.path, &path).doing(|| format!("move the workspace {}", self.path.display()))?;
        self.path = path;
        Ok(())
    }

    /// Where it lies on the host.
    pub fn host_path(&self) -> &Path {
        &self.path
    }

    /// Whether it can serve another run or session as if it were new.
    pub(crate) fn is_as_new(&self) -> bool {
        !self.served_native.load(Ordering::Relaxed)
            && self.dir.entries().is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Takes note that a native program runs in it.
    pub(crate) fn serve_native(&self) {
        self.served_native.store(true, Ordering::Relaxed);
    }

    /// Counts every file.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when directories nest too deep, [`Error::Host`] when
    /// the tree cannot be read. Entries that vanish meanwhile are left out.
    pub fn survey(&self) -> Result<Survey, Error> {
        Survey::of(&self.dir).map_err(|error| match error {
            SurveyError::TooDeep | SurveyError::TooMany => {
                Error::Denied { action: "using these files".into(), reason: error.to_string() }
            }
            SurveyError::Io(source) => Error::io(format!("count the files of {}", self.path.display()), source),
        })
    }

    /// Writes files whole, making the directories above them. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] past `quota` and through a symbolic link,
    /// [`Error::InvalidRequest`] when a path is a directory or goes through a
    /// file, [`Error::Host`] otherwise. A failed write leaves the old content,
    /// and stops before the next file.
    ///
    /// A file that is replaced keeps its mode; a link is replaced itself.
    pub fn write<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a WorkspacePath, &'a [u8])>,
        quota: DiskUse,
    ) -> Result<(), Error> {
        let mut survey = self.survey()?;
        files.into_iter().try_for_each(|(path, bytes)| self.write_one(path, bytes, quota, &mut survey))
    }

    fn write_one(&self, path: &WorkspacePath, bytes: &[u8], quota: DiskUse, survey: &mut Survey) -> Result<(), Error> {
        if path.is_root() {
            return Err(Error::invalid("path", "must name a file, got the workspace itself"));
        }
        if is_behind_link(&self.dir, path.as_path()) {
            return Err(Error::Denied { action: format!("writing {path}"), reason: BEHIND_LINK.into() });
        }
        let used = self.check_quota(path, bytes.len() as u64, quota, survey)?;
        let replaced = survey.files.get(path.as_path()).filter(|stamp| stamp.kind == FileKind::Regular);
        let mode = replaced.map_or(Mode::NEW_FILE, |stamp| stamp.mode);
        let as_caller = |source: io::Error| match source.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Error::invalid("path", format!("goes through a file that is not a directory, got {path}"))
            }
            // What the file system below does not take in a name.
            io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => {
                Error::invalid("path", format!("is no name that this disk can hold ({source}), got {path}"))
            }
            io::ErrorKind::IsADirectory => Error::invalid("path", format!("is a directory, got {path}")),
            _ => Error::io(format!("write {path} in {}", self.path.display()), source),
        };
        if let Some(parent) = path.as_path().parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.dir.create_dir_all(parent).map_err(as_caller)?;
        }
        let put = |mut new: NewFile| {
            new.write_all(bytes)?;
            new.set_mode(mode)?;
            new.put(path.as_path())
        };
        self.start_file().and_then(put).map_err(as_caller)?;
        survey.disk_use = used;
        let stamp = FileStamp { size: bytes.len() as u64, mode, kind: FileKind::Regular, ..FileStamp::default() };
        survey.files.insert(path.as_path(), stamp);
        Ok(())
    }

    /// What is used once a file is written, if the quota allows it.
    fn check_quota(&self, path: &WorkspacePath, size: u64, quota: DiskUse, now: &Survey) -> Result<DiskUse, Error> {
        let freed = now.files.get(path.as_path()).map_or(0, |stamp| stamp.size);
        let bytes = now.disk_use.bytes.saturating_sub(freed) + size;
        let new_names = (0..path.as_path().iter().count())
            .filter(|depth| {
                let prefix: PathBuf = path.as_path().iter().take(depth + 1).collect();
                self.dir.symlink_metadata(prefix).is_err()
            })
            .count() as u64;
        let files = now.disk_use.files + new_names;
        let deny = |limit: &str, bound: u64, value: u64| {
            Err(Error::Denied {
                action: format!("writing {path}"),
                reason: format!(
                    "the workspace would exceed {limit}: at most {bound}, got {value}; delete something first"
                ),
            })
        };
        if bytes > quota.bytes {
            return deny("disk_bytes", quota.bytes, bytes);
        }
        if files > quota.files {
            return deny("disk_files", quota.files, files);
        }
        Ok(DiskUse { bytes, files })
    }

    /// Opens a file, lists a directory, or reads where a link says it leads.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing is there, [`Error::Denied`] when it is
    /// of another kind, or is reached through a symbolic link.
    pub fn read(&self, path: &WorkspacePath) -> Result<Found, Error> {
        let is_there = || self.dir.symlink_metadata(path.as_path());
        // The folder behind `/tmp` is made when it is first used.
        if path.is_temporary() && is_there().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(Found::Directory(Vec::new()));
        }
        let advice = " in the workspace; read `.` to list what is there";
        Lookup { dir: &self.dir, path: path.as_path(), shown: path.to_string(), advice, hidden: Some(TEMPORARY) }.read()
    }

    /// Whether `path`, as a guest wrote it, is a directory here.
    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        self.dir.symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Whether anything is at `path`, as a guest wrote it.
    pub(crate) fn exists(&self, path: &[u8]) -> bool {
        self.dir.symlink_metadata(Path::new(OsStr::from_bytes(path))).is_ok()
    }

    /// Starts a file that gets its name when it is whole: a reader sees the
    /// old content or the new, and a failure in the middle loses nothing.
    pub(crate) fn start_file(&self) -> io::Result<NewFile> {
        self.start_file_at(PathBuf::from(format!(".{}.part", crate::handle::random_name())))
    }

    /// Starts a file that has its name from the start. Nothing may have it.
    pub(crate) fn start_file_at(&self, path: PathBuf) -> io::Result<NewFile> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = self.dir.open_with(&path, &options)?.into_std();
        Ok(NewFile { dir: self.dir.try_clone()?, file, unfinished: Some(path) })
    }

    /// Opens the file at `path` for reading. `None` when there is no regular
    /// file.
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<Option<(std::fs::File, FileStamp)>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let file = match self.dir.open_with(path, &options) {
            Err(error) if is_no_file(&error) => return Ok(None),
            other => other?,
        };
        let stamp = FileStamp::from(&file.metadata()?);
        Ok((stamp.kind == FileKind::Regular).then(|| (file.into_std(), stamp)))
    }

    /// Sets when the file at `path` was last modified, if there is one.
    pub(crate) fn set_modified(&self, path: &Path, modified: Time) -> io::Result<()> {
        self.open_file(path)?.map_or(Ok(()), |(file, _)| set_modified(&file, modified))
    }

    /// The text of the symbolic link at `path`. `None` when there is none.
    pub(crate) fn read_link(&self, path: &Path) -> io::Result<Option<(Vec<u8>, FileStamp)>> {
        let stamp = match self.dir.symlink_metadata(path) {
            Err(error) if is_no_file(&error) => return Ok(None),
            other => FileStamp::from(&other?),
        };
        if stamp.kind != FileKind::Link {
            return Ok(None);
        }
        match self.dir.read_link_contents(path) {
            // Something else took its place.
            Err(error) if is_no_file(&error) || error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            other => Ok(Some((other?.into_os_string().into_vec(), stamp))),
        }
    }

    /// Makes a symbolic link of any content. Nothing may have its name.
    pub(crate) fn make_link(&self, path: &Path, target: &[u8], modified: Time) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.dir.open_dir(parent)?;
        symlinkat(OsStr::from_bytes(target), &parent, name)?;
        let time = time_spec(modified);
        Ok(utimensat(&parent, name, &TimeSpec::UTIME_OMIT, &time, UtimensatFlags::NoFollowSymlink)?)
    }

    /// Makes one directory.
    pub(crate) fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        self.dir.create_dir_with(path, &builder)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.dir.remove_dir(path)
    }

    /// Removes anything that is not a directory.
    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.dir.remove_file(path)
    }

    /// Sets who may use a directory, and when it was last modified.
    pub(crate) fn set_directory(&self, path: &Path, stamp: DirectoryStamp) -> io::Result<()> {
        // The directory is not opened by `open_dir`: through such a descriptor nothing
        // can be changed.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW);
        let directory = self.dir.open_with(path, &options)?.into_std();
        fchmod(&directory, stamp.mode.into())?;
        set_modified(&directory, stamp.modified)
    }

    /// Removes the whole tree, later, on a thread that may block. Its path is
    /// free at once; whoever reads a file of it may go on.
    pub(crate) fn remove_later(&self) {
        let leaving = self.path.with_file_name(crate::handle::random_name());
        if let Err(error) = std::fs::rename(&self.path, &leaving) {
            tracing::warn!(%error, path = %self.path.display(), "a workspace was left behind");
            return;
        }
        tokio::task::spawn_blocking(move || {
            if let Err(error) = remove_tree(&leaving) {
                tracing::warn!(%error, path = %leaving.display(), "a workspace was left behind");
            }
        });
    }

    /// Removes the whole tree. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when something could not be removed.
    pub fn remove(&self) -> Result<(), Error> {
        remove_tree(&self.path).doing(|| format!("remove the workspace {}", self.path.display()))
    }
}

impl AsFd for Workspace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Whether there is no file that could be opened: a symbolic link, a socket,
/// or nothing.
fn is_no_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO))
}

/// Reads at most `limit` bytes from `offset` on.
///
/// # Errors
///
/// [`Error::Host`] when the file cannot be read.
pub fn read_range(file: &mut std::fs::File, offset: u64, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.take(limit).read_to_end(&mut bytes))
        .doing(|| "read a file of a workspace".into())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
