//! Files of the host that a program may only read, with locks of their own. A
//! lock needs no more than a file that is open, and whoever else uses that file
//! waits for it: by way of an overlay the program locks another file.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

use crate::failure::{Doing, Failure};
use crate::parts::kind;
use crate::sys;

/// The place that is covered, in this process's own namespace, by the empty directory
/// that an overlay needs beside the one that it shows. Nothing below it is taken later.
const COVERED: &str = "/dev";

/// The directory that one overlay shows whole: what lies there is many, and small.
const TOGETHER: &str = "/etc";

/// Overlays, by the directories that they show.
pub(crate) struct Overlays {
    made: Vec<(PathBuf, Option<OwnedFd>)>,
}

impl Overlays {
    /// Makes the place for overlays. Devices must have been taken before.
    pub(crate) fn prepare() -> Result<Self, Failure> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
        mount(Some("tmpfs"), COVERED, Some("tmpfs"), flags, Some("size=4k,nr_inodes=2"))
            .doing("mounting an empty directory")?;
        Ok(Self { made: Vec::new() })
    }

    /// What `found`, at `path`, is by way of an overlay; `None` where the kernel
    /// does not do that: before Linux 5.11, for a part of what an overlay shows
    /// before 6.15, and where something is mounted below.
    pub(crate) fn of(&mut self, path: &Path, found: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Failure> {
        let base = if path.starts_with(TOGETHER) {
            Path::new(TOGETHER)
        } else if kind(found, path)? == libc::S_IFDIR {
            path
        } else {
            path.parent().unwrap_or(path)
        };
        let index = match self.made.iter().position(|(made, _)| made == base) {
            Some(index) => index,
            None => {
                self.made.push((base.to_path_buf(), overlay(base)));
                self.made.len() - 1
            }
        };
        let Some((_, Some(overlay))) = self.made.get(index) else { return Ok(None) };
        let below = path.strip_prefix(base).doing_at("using", path)?;
        if below.as_os_str().is_empty() {
            return Ok(Some(overlay.try_clone().doing("copying a descriptor")?));
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let part = openat(overlay, below, flags, Mode::empty());
        Ok(part.ok().and_then(|part| sys::clone_mount(part.as_fd()).ok()))
    }
}

fn overlay(directory: &Path) -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = open(directory, flags, Mode::empty()).ok()?;
    // The path may have characters in it that mean something in options.
    fchdir(&opened).ok()?;
    let options = format!(".:{COVERED}");
    sys::mount_overlay(&std::ffi::CString::new(options).ok()?).ok()
}
