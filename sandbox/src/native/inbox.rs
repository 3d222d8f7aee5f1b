//! What a run is given beside its workspace: its code or request, the files of
//! its runtime, and places for temporary files and caches. Read-only to the program but
//! for the last two; removed with everything when dropped.
//!
//! A program with a root of its own finds its files in there. What has a
//! directory on the host lies where no worker may write, and is reached by
//! descriptors.

use std::borrow::Cow;
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
use crate::run::abi::GuestRequest;
use crate::run::order::Order;

/// The directory of a run on the host.
#[derive(Debug)]
pub(super) struct Inbox {
    path: PathBuf,
    directory: File,
    /// What there is for a program without a root of its own.
    beside: Option<Beside>,
}

/// What a program finds on the host for want of a root of its own.
#[derive(Debug)]
struct Beside {
    given: File,
    cache: File,
}

/// Files that a program finds below what it is given: their names, and content.
/// They tell it what to do, and how.
pub(super) fn files(native: &Native, order: &Order, shown: bool) -> io::Result<Vec<(String, Cow<'static, str>)>> {
    let of_runtime = native.files().map(|(name, content)| (name.to_owned(), Cow::from(content)));
    let mut files: Vec<_> = of_runtime.collect();
    for argument in native.arguments() {
        match argument {
            Argument::Program => files.push((program_name(native), order.task.program.code.clone().into())),
            Argument::Request => {
                let request =
                    GuestRequest { fresh: true, shown, ..GuestRequest::new(&order.task.program, &order.task.limits) };
                files.push((REQUEST.to_owned(), serde_json::to_string(&request)?.into()));
            }
            Argument::Text(_) | Argument::Args => {}
        }
    }
    Ok(files)
}

impl Inbox {
    /// Makes the inbox at `path`, which must not exist.
    pub(super) fn create(path: PathBuf, own_root: bool) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // What lies in an inbox can be read by whoever gets through its directory.
        let directory = directories::make_in(directories::open_own(parent)?, name, Mode::S_IRWXU)?;
        let mut inbox = Self { path, directory, beside: None };
        directories::make_in(&inbox.directory, TEMPORARY, Mode::S_IRWXU)?;
        if !own_root {
            let cache = directories::make_in(&inbox.directory, CACHE, Mode::S_IRWXU)?;
            let given = directories::make_in(&inbox.directory, GIVEN, Mode::from_bits_truncate(0o755))?;
            inbox.beside = Some(Beside { given, cache });
        }
        Ok(inbox)
    }

    /// Lets the user of the run through, who sees only what it is given, and
    /// nobody else of this machine.
    pub(super) fn admit(&self, gid: u32) -> io::Result<()> {
        fchown(&self.directory, None, Some(Gid::from_raw(gid)))?;
        Ok(fchmod(&self.directory, Mode::S_IRWXU | Mode::S_IXGRP)?)
    }

    /// Gives a program without a root of its own a file, at a path below what it
    /// is given.
    pub(super) fn give(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let beside = self.beside.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
        let mut directory = beside.given.try_clone()?;
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

    /// What a program without a root of its own may read.
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

    /// The directory of this inbox.
    pub(super) const fn directory(&self) -> &File {
        &self.directory
    }

    /// [`Inbox::cache`], of a program without a root of its own.
    pub(super) fn cache_directory(&self) -> Option<&File> {
        self.beside.as_ref().map(|beside| &beside.cache)
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
