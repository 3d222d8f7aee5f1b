//! A file of ours in the state directory that says who is let in: for its user alone, and
//! never changed, only replaced, so that who reads it has one state of it.

#![expect(clippy::disallowed_methods, reason = "owns the files of the keys of clients")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::unistd::geteuid;
use serde::Serialize;

use super::error::KeysError;
use crate::given_file::{GivenFile, Stamp};

const LOCK: &str = "client-keys.lock";

/// The file.
#[derive(Clone, Debug)]
pub(super) struct OwnFile {
    path: PathBuf,
}

impl OwnFile {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("/"))
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> KeysError {
        failed(&self.path, doing)
    }

    /// The stamp of the file as it is now; none where there is no file.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        Some(Stamp::of(&fs::symlink_metadata(&self.path).ok()?))
    }

    /// The file, if it is there and as it must be.
    pub(super) fn open(&self) -> Result<Option<GivenFile>, KeysError> {
        let file = match GivenFile::open(&self.path, libc::O_NOFOLLOW) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(self.failed("read"))?,
        };
        if !file.is_file() {
            return Err(self.failed("read")(io::Error::other("it is no file")));
        }
        let (path, mode, owner, user) = (self.path.clone(), file.mode(), file.owner(), geteuid().as_raw());
        if mode & 0o077 != 0 || owner != user {
            return Err(KeysError::Shared { path, mode, owner, user });
        }
        Ok(Some(file))
    }

    /// Puts this in place of what is there.
    pub(super) fn replace(&self, contents: &impl Serialize) -> Result<(), KeysError> {
        let failed = self.failed("replace");
        let text = serde_json::to_vec_pretty(contents).map_err(io::Error::other).map_err(&failed)?;
        let staged = (|| {
            // The new file has mode 0600, as all have that this makes.
            let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(self.directory())?;
            file.write_all(&text)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            // A key that was revoked must not be back after a power failure.
            File::open(self.directory())?.sync_all()
        })();
        staged.map_err(&failed)
    }

    /// Keeps others from replacing this and every other such file of the directory meanwhile.
    pub(super) fn lock(&self) -> Result<Flock<File>, KeysError> {
        let failed = self.failed("lock");
        DirBuilder::new().recursive(true).mode(0o700).create(self.directory()).map_err(&failed)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(self.directory().join(LOCK)).map_err(&failed)?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| failed(error.into()))
    }
}

/// What is said when something could not be done to a file.
pub(super) fn failed(path: &Path, doing: &'static str) -> impl Fn(io::Error) -> KeysError {
    let path = path.to_path_buf();
    move |source| KeysError::Failed { doing, path: path.clone(), source }
}
