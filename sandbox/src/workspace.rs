//! The directory tree of a session or a run, and the only access of the
//! server to files of guests.
//!
//! Every path goes through [`WorkspacePath`], every open through cap-std,
//! which resolves beneath the directory's descriptor. Whatever a path meets on
//! its way, the answer is a regular file or directory of this workspace, or an
//! error: symbolic links, FIFOs and devices are never followed, opened or read.

use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};
use nix::libc;
use nix::sys::stat::futimens;
use nix::sys::time::TimeSpec;

use crate::error::{Error, IoContext as _};
use crate::outcome::FileEntry;
use crate::removal::remove_tree;
use crate::survey::{DiskUse, FileStamp, Survey, Time};

/// The longest path of a workspace, in bytes.
pub(crate) const MAX_PATH_BYTES: usize = 1024;
/// How deep directories may nest. Recursion over a workspace is bounded by it.
pub(crate) const MAX_DEPTH: usize = 32;
/// Where a guest sees its workspace.
pub(crate) const GUEST_PATH: &str = "/workspace";

/// A checked path, relative to a workspace. It may name the workspace itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkspacePath(PathBuf);

impl WorkspacePath {
    /// Checks `text`, which is relative or starts with `/workspace`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] for `field` when the path is empty, absolute
    /// elsewhere, too long or too deep, leads upwards, or holds a control
    /// character.
    pub fn new(field: &str, text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| {
            let shown: String = text.chars().take(80).collect();
            Err(Error::invalid(field, format!("{reason}, got {shown:?}")))
        };
        if text.len() > MAX_PATH_BYTES {
            return refuse(&format!("must be at most {MAX_PATH_BYTES} bytes of path"));
        }
        if text.chars().any(char::is_control) {
            return refuse("must be a path without control characters");
        }
        let relative = match text.strip_prefix(GUEST_PATH) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
            _ if text.starts_with('/') => return refuse("must be relative to the workspace"),
            _ if text.is_empty() => return refuse("must not be empty; `.` is the workspace itself"),
            _ => text,
        };
        let mut path = PathBuf::new();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => return refuse("must not lead upwards"),
                name => path.push(name),
            }
        }
        if path.iter().count() > MAX_DEPTH {
            return refuse(&format!("must be at most {MAX_DEPTH} directories deep"));
        }
        Ok(Self(path))
    }

    /// The path as given to cap-std; the workspace itself is `.`.
    fn as_path(&self) -> &Path {
        if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 }
    }

    /// Whether this is the workspace itself.
    pub fn is_root(&self) -> bool {
        self.0.as_os_str().is_empty()
    }
}

impl std::fmt::Display for WorkspacePath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_path().display().fmt(formatter)
    }
}

/// What a read found.
#[derive(Debug)]
pub enum Found {
    /// A regular file, opened.
    File {
        /// Positioned at its start.
        file: std::fs::File,
        /// Its size when it was opened.
        size_bytes: u64,
    },
    /// A directory: names with sizes, sorted; directories end in `/`.
    Directory(Vec<FileEntry>),
}

/// A directory tree that guests write and the server reads.
#[derive(Debug)]
pub struct Workspace {
    dir: Dir,
    path: PathBuf,
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

    /// Opens the directory `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when it is not there.
    pub fn open(path: PathBuf) -> Result<Self, Error> {
        let dir = Dir::open_ambient_dir(&path, ambient_authority())
            .doing(|| format!("open the workspace {}", path.display()))?;
        Ok(Self { dir, path })
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

    /// Whether nothing is in it, of whatever kind.
    pub(crate) fn is_empty(&self) -> bool {
        self.dir.entries().is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Counts every file.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the tree cannot be read. Entries that vanish
    /// meanwhile are left out.
    pub fn survey(&self) -> Result<Survey, Error> {
        Survey::of(&self.dir).doing(|| format!("count the files of {}", self.path.display()))
    }

    /// Writes files whole, making the directories above them. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] past `quota`, [`Error::InvalidRequest`] when a path
    /// is a directory or goes through a file, [`Error::Host`] otherwise.
    /// A failed write leaves the old content, and stops before the next file.
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
        let used = self.check_quota(path, bytes.len() as u64, quota, survey)?;
        let as_caller = |source: io::Error| match source.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Error::invalid("path", format!("goes through a file that is not a directory, got {path}"))
            }
            io::ErrorKind::IsADirectory => Error::invalid("path", format!("is a directory, got {path}")),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Denied { action: format!("writing {path}"), reason: "the disk of the host is full".into() }
            }
            _ => Error::host(format!("write {path} in {}", self.path.display()), source),
        };
        if let Some(parent) = path.as_path().parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.dir.create_dir_all(parent).map_err(as_caller)?;
        }
        self.start_file()
            .and_then(|mut new| new.write_all(bytes).and_then(|()| new.put(path.as_path())))
            .map_err(as_caller)?;
        survey.disk_use = used;
        let stamp = FileStamp { size: bytes.len() as u64, ..FileStamp::default() };
        survey.files.insert(path.as_path().to_path_buf(), stamp);
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

    /// Opens a file or lists a directory.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing is there, [`Error::Denied`] when it is
    /// neither a regular file nor a directory, or is reached through a
    /// symbolic link.
    pub fn read(&self, path: &WorkspacePath) -> Result<Found, Error> {
        let missing = || Error::NotFound {
            kind: "file",
            id: path.to_string(),
            advice: " in the workspace; read `.` to list what is there",
        };
        let denied = |reason: &str| Error::Denied { action: format!("reading {path}"), reason: reason.into() };
        let mut prefix = PathBuf::new();
        for part in path.0.iter() {
            prefix.push(part);
            match self.dir.symlink_metadata(&prefix) {
                Ok(metadata) if metadata.is_symlink() => return Err(denied("it leads through a symbolic link")),
                Ok(_) => {}
                Err(_) => return Err(missing()),
            }
        }
        // NONBLOCK so that a FIFO cannot make the server wait for a writer.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let metadata = self.dir.metadata(path.as_path()).map_err(|_| missing())?;
        if metadata.is_dir() {
            let dir = if path.is_root() { self.dir.try_clone() } else { self.dir.open_dir(path.as_path()) };
            return list(&dir.map_err(|_| missing())?)
                .doing(|| format!("list {path} in {}", self.path.display()))
                .map(Found::Directory);
        }
        if !metadata.is_file() {
            return Err(denied("it is neither a regular file nor a directory"));
        }
        let file = self.dir.open_with(path.as_path(), &options).map_err(|_| missing())?.into_std();
        // Another program may have put something else there meanwhile.
        let opened = file.metadata().doing(|| format!("look at {path}"))?;
        if !opened.is_file() {
            return Err(denied("it is not a regular file"));
        }
        Ok(Found::File { file, size_bytes: opened.size() })
    }

    /// Whether `path`, as a guest wrote it, is a directory here.
    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        self.dir.symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
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
        Ok(stamp.is_regular.then(|| (file.into_std(), stamp)))
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

    /// Sets when a directory was last modified.
    pub(crate) fn set_directory_time(&self, path: &Path, modified: Time) -> io::Result<()> {
        // Not `open_dir`: through such a descriptor nothing can be changed.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW);
        set_modified(&self.dir.open_with(path, &options)?.into_std(), modified)
    }

    /// Removes the whole tree, later, on a thread that may block. Its path is
    /// free at once; whoever reads a file of it may go on.
    pub(crate) fn discard(&self) {
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

/// A file that is not whole yet. Removed when dropped.
#[derive(Debug)]
pub(crate) struct NewFile {
    dir: Dir,
    file: std::fs::File,
    unfinished: Option<PathBuf>,
}

impl NewFile {
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(crate) fn set_modified(&self, modified: Time) -> io::Result<()> {
        set_modified(&self.file, modified)
    }

    /// Gives it its name, in the place of whatever file has it.
    pub(crate) fn put(mut self, path: &Path) -> io::Result<()> {
        if let Some(unfinished) = self.unfinished.as_deref().filter(|unfinished| *unfinished != path) {
            self.dir.rename(unfinished, &self.dir, path)?;
        }
        self.unfinished = None;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            // If it stays it counts as any file of the workspace.
            let _ = self.dir.remove_file(unfinished);
        }
    }
}

fn set_modified(file: &std::fs::File, modified: Time) -> io::Result<()> {
    let (seconds, nanoseconds) = modified;
    futimens(file, &TimeSpec::UTIME_OMIT, &TimeSpec::new(seconds, nanoseconds)).map_err(io::Error::from)
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

fn list(dir: &Dir) -> io::Result<Vec<FileEntry>> {
    let mut entries = dir
        .entries()?
        .map(|entry| {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let mut path = entry.file_name().to_string_lossy().into_owned();
            if metadata.is_dir() {
                path.push('/');
            }
            Ok(FileEntry { path, size_bytes: if metadata.is_dir() { 0 } else { metadata.len() } })
        })
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "looks from outside")]

    use super::*;

    const QUOTA: DiskUse = DiskUse { bytes: 1 << 20, files: 10 };

    fn workspace() -> (tempfile::TempDir, Workspace) {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path().join("w")).unwrap();
        (parent, workspace)
    }

    fn write(workspace: &Workspace, name: &str, bytes: &[u8], quota: DiskUse) -> Result<(), Error> {
        workspace.write([(&path(name), bytes)], quota)
    }

    fn path(text: &str) -> WorkspacePath {
        WorkspacePath::new("path", text).unwrap()
    }

    #[test]
    fn paths_that_leave_the_workspace_are_refused_with_the_reason() {
        for (text, reason) in [
            ("../x", "upwards"),
            ("a/../../x", "upwards"),
            ("/etc/passwd", "relative"),
            ("/workspacex/y", "relative"),
            ("", "empty"),
            ("a\nb", "control"),
            ("a\0b", "control"),
            (&"x/".repeat(40), "deep"),
            (&"x".repeat(2000), "bytes of path"),
        ] {
            let error = WorkspacePath::new("path", text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        assert_eq!(path("/workspace/a//./b"), path("a/b"));
        assert!(path("/workspace").is_root());
    }

    #[test]
    fn symbolic_links_and_fifos_are_denied_where_a_plain_file_is_read() {
        let (parent, workspace) = workspace();
        std::fs::write(parent.path().join("secret"), "s").unwrap();
        write(&workspace, "plain", b"p", QUOTA).unwrap();
        std::os::unix::fs::symlink("plain", parent.path().join("w/inner")).unwrap();
        std::os::unix::fs::symlink("../secret", parent.path().join("w/outer")).unwrap();
        std::os::unix::fs::symlink("..", parent.path().join("w/up")).unwrap();
        nix::unistd::mkfifo(&parent.path().join("w/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(workspace.read(&path("plain")).unwrap(), Found::File { size_bytes: 1, .. }));
        for name in ["inner", "outer", "up/secret"] {
            let error = workspace.read(&path(name)).unwrap_err().to_string();
            assert!(error.contains("symbolic link"), "{name}: {error}");
        }
        assert!(workspace.read(&path("fifo")).unwrap_err().to_string().contains("neither a regular file"));
        // Writing through a link replaces the link, not what it names.
        write(&workspace, "outer", b"mine", QUOTA).unwrap();
        assert_eq!(std::fs::read(parent.path().join("secret")).unwrap(), b"s");
    }

    #[test]
    fn writes_stop_at_the_quota_and_keep_the_old_content() {
        let (_parent, workspace) = workspace();
        let small = DiskUse { bytes: 16 << 10, files: 2 };
        write(&workspace, "a", b"old", small).unwrap();
        let error = write(&workspace, "a", &[0; 20 << 10], small).unwrap_err().to_string();
        assert!(error.contains("disk_bytes") && error.contains("16384"), "{error}");
        write(&workspace, "b", b"", small).unwrap();
        let error = write(&workspace, "c/d", b"", small).unwrap_err().to_string();
        assert!(error.contains("disk_files"), "{error}");
        let Found::File { mut file, .. } = workspace.read(&path("a")).unwrap() else { panic!() };
        assert_eq!(read_range(&mut file, 0, 10).unwrap(), b"old");
    }

    #[test]
    fn a_survey_tells_what_changed() {
        let (_parent, workspace) = workspace();
        write(&workspace, "same", b"1", QUOTA).unwrap();
        let before = workspace.survey().unwrap();
        write(&workspace, "d/new", b"22", QUOTA).unwrap();
        let changes = workspace.survey().unwrap().changes_since(&before);
        assert_eq!(changes, [FileEntry { path: "d/new".into(), size_bytes: 2 }]);
    }
}
