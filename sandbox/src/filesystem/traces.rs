//! Whether a file system shows that a file was written through a mapping.
//!
//! A write through a shared mapping is no call of the kernel's. Most file
//! systems stamp the file when its page is first written. On tmpfs a page that
//! was only looked at is writable from then on, and others stamp later. There,
//! what a native program did to a file is known only by its content.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::handle::random_name;
use crate::sys;

/// Tries it in `directory`. What cannot be tried is not relied on.
pub(super) fn shows_mapped_writes(directory: &Path) -> bool {
    match try_one(&directory.join(random_name())) {
        Ok(shows) => shows,
        Err(error) => {
            tracing::warn!(%error, directory = %directory.display(), "what writes through mappings leave cannot be tried");
            false
        }
    }
}

fn try_one(path: &Path) -> io::Result<bool> {
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    fs::remove_file(path)?;
    // Room is taken now, so that none is asked for when the page is written.
    file.write_all(&[0; sys::PAGE])?;
    // Longer ago than any tick of a clock.
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))?;
    let modified = |file: &File| file.metadata().map(|found| (found.mtime(), found.mtime_nsec()));
    let before = modified(&file)?;
    sys::write_through_mapping(&file)?;
    Ok(modified(&file)? != before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_shows_what_memory_does_not() {
        // A directory of the build, as workspaces of developers are on a disk.
        let disk = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        assert!(shows_mapped_writes(disk.path()));
        assert!(!shows_mapped_writes(Path::new("/dev/shm")));
        assert!(!shows_mapped_writes(Path::new("/proc")), "what cannot be tried is not relied on");
        assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
    }
}
