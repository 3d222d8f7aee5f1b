//! Files that an operator names, each with something that is read as a whole: keys,
//! certificates, credentials.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc;

/// What tells a file from another in its place, and from itself once it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    /// Permissions count as well.
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// An open file. What is asked of it is of what was opened, not of what may lie there
/// by now.
#[derive(Debug)]
pub(crate) struct GivenFile {
    file: File,
    metadata: Metadata,
}

impl GivenFile {
    /// Opens a file, and waits for no other end of a pipe. `flags` are those of open(2).
    pub(crate) fn open(path: &Path, flags: i32) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | flags).open(path)?;
        let metadata = file.metadata()?;
        Ok(Self { file, metadata })
    }

    /// Whether it is a file: no directory, pipe or device.
    pub(crate) fn is_file(&self) -> bool {
        self.metadata.is_file()
    }

    /// Its permissions.
    pub(crate) fn mode(&self) -> u32 {
        self.metadata.mode() & 0o7777
    }

    /// The user that it belongs to.
    pub(crate) fn owner(&self) -> u32 {
        self.metadata.uid()
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::of(&self.metadata)
    }

    /// All that is in it; `None` if it is longer than that.
    pub(crate) fn read(self, most_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.file.take(most_bytes + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= most_bytes).then_some(bytes))
    }
}
