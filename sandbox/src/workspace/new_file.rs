//! A file on its way into a workspace.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use nix::sys::stat::{fchmod, futimens};
use nix::sys::time::TimeSpec;

use super::permissions::Mode;
use super::survey::Time;

/// A file that is not whole yet. Removed when dropped.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(super) dir: Dir,
    pub(super) file: std::fs::File,
    /// The name that it has meanwhile.
    pub(super) unfinished: Option<PathBuf>,
}

impl NewFile {
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(crate) fn set_mode(&self, mode: Mode) -> io::Result<()> {
        fchmod(&self.file, mode.into()).map_err(io::Error::from)
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

pub(super) fn set_modified(file: &std::fs::File, modified: Time) -> io::Result<()> {
    futimens(file, &TimeSpec::UTIME_OMIT, &time_spec(modified)).map_err(io::Error::from)
}

pub(super) const fn time_spec((seconds, nanoseconds): Time) -> TimeSpec {
    TimeSpec::new(seconds, nanoseconds)
}
