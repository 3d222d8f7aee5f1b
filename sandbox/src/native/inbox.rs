//! What a run is given beside its workspace: its code or request, the files of
//! its runtime, and places for temporary files and caches. Read-only to the program but
//! for the last two; removed with everything when dropped.
//!
//! It lies where no worker may write, and what is in it is reached by descriptors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use guest_runtimes::{Argument, Native};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, fchown};

use crate::filesystem::directories;
use crate::filesystem::removal::remove_tree;
use crate::run::abi::{DISK_BYTES, DISK_FILES, GuestRequest};

/// The directory of a run on the host.
#[derive(Debug)]
pub(super) struct Inbox {
    path: PathBuf,
    directory: File,
    given_directory: File,
    cache_directory: File,
}

impl Inbox {
    /// Makes it at `path`, which must not exist.
    pub(super) fn create(
        path: PathBuf,
        native: &Native,
        code: &str,
        args: &[String],
        env: &BTreeMap<String, String>,
        (result_bytes, output_bytes): (u64, u64),
    ) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // What lies in it is for whoever gets through here.
        let directory = directories::make_in(directories::open_own(parent)?, name, Mode::S_IRWXU)?;
        directories::make_in(&directory, TEMPORARY, Mode::S_IRWXU)?;
        let cache_directory = directories::make_in(&directory, CACHE, Mode::S_IRWXU)?;
        let given_directory = directories::make_in(&directory, GIVEN, Mode::from_bits_truncate(0o755))?;
        let inbox = Self { path, directory, given_directory, cache_directory };
        for (name, content) in native.files() {
            inbox.give(name, content, 0o644)?;
        }
        for argument in native.arguments() {
            match argument {
                Argument::Program => inbox.give(&program_name(native), code.as_bytes(), 0o644)?,
                Argument::Request => {
                    let request = GuestRequest {
                        code,
                        args,
                        env,
                        fresh: true,
                        last: true,
                        result_bytes,
                        output_bytes,
                        elsewhere: &BTreeMap::new(),
                        disk_bytes: DISK_BYTES,
                        disk_files: DISK_FILES,
                    };
                    inbox.give(REQUEST, &serde_json::to_vec(&request)?, 0o644)?;
                }
                Argument::Text(_) | Argument::Args => {}
            }
        }
        Ok(inbox)
    }

    /// Lets the user of the run through, who sees only what it is given, and
    /// nobody else of this machine.
    pub(super) fn admit(&self, gid: u32) -> io::Result<()> {
        fchown(&self.directory, None, Some(Gid::from_raw(gid)))?;
        Ok(fchmod(&self.directory, Mode::S_IRWXU | Mode::S_IXGRP)?)
    }

    /// Gives the program a file of its own, at a path below what it is given.
    pub(super) fn give(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let mut directory = self.given_directory.try_clone()?;
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        for name in above.split('/').filter(|name| !name.is_empty()) {
            directory = match directories::make_in(&directory, name, Mode::from_bits_truncate(0o755)) {
                Err(error) if error.raw_os_error() == Some(Errno::EEXIST as i32) => {
                    directories::open_in(&directory, name)?
                }
                made => made?,
            };
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        file.write_all(content)?;
        // The umask of this process hides new files from everyone else.
        Ok(fchmod(&file, Mode::from_bits_truncate(mode))?)
    }

    /// What the program may read.
    pub(super) fn given(&self) -> PathBuf {
        self.path.join(GIVEN)
    }

    /// What the program sees as `/tmp`, or is told to use in its place.
    pub(super) fn temporary(&self) -> PathBuf {
        self.path.join(TEMPORARY)
    }

    /// Where the program may keep what it can make again, if it has no file
    /// system of its own for that.
    pub(super) fn cache(&self) -> PathBuf {
        self.path.join(CACHE)
    }

    /// The directory itself.
    pub(super) const fn directory(&self) -> &File {
        &self.directory
    }

    /// [`Inbox::cache`].
    pub(super) const fn cache_directory(&self) -> &File {
        &self.cache_directory
    }

    /// [`Inbox::temporary`], which may be another directory by now.
    pub(super) fn open_temporary(&self) -> io::Result<File> {
        directories::open_in(&self.directory, TEMPORARY)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the directory of a run was left behind");
        }
    }
}

/// The name of [`Inbox::temporary`].
pub(super) const TEMPORARY: &str = "tmp";
const CACHE: &str = "cache";
const GIVEN: &str = "given";
const REQUEST: &str = "request.json";

fn program_name(native: &Native) -> String {
    format!("main.{}", native.extension())
}

/// The command line of `native` where its directory is seen at `given`. An
/// interpreter finds its own files by the path that it is called by.
pub(super) fn command_line(native: &Native, interpreter: &Path, given: &Path, args: &[String]) -> Vec<String> {
    let path = |name: &str| given.join(name).to_string_lossy().into_owned();
    let mut line = vec![interpreter.to_string_lossy().into_owned()];
    for argument in native.arguments() {
        match argument {
            Argument::Text(text) => line.push(text.replace("{runtime}", &given.to_string_lossy())),
            Argument::Program => line.push(path(&program_name(native))),
            Argument::Request => line.push(path(REQUEST)),
            Argument::Args => line.extend_from_slice(args),
        }
    }
    line
}
