//! The directory of a local store.
//!
//! Every file in it is for its owner alone. What the store writes gets its
//! mode from the umask of this process, so that is checked and never set: it
//! belongs to the whole process.

#![expect(clippy::disallowed_methods, reason = "owns the directory of the store")]

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, IoContext as _};
use crate::store::backend::Stored;

pub(in crate::store) const OBJECTS: &str = "objects";
/// Principal, session, `blobs`.
const DIRECTORY_DEPTH: usize = 3;
/// No write of a living process takes as long.
const LEFTOVER: Duration = Duration::from_secs(3600);

/// Makes the directory of a store and what its objects go to, which it returns.
/// On disk then if `durable`, with its parents and what else is in it.
pub(in crate::store) fn open(directory: &Path, durable: bool) -> Result<PathBuf, Error> {
    let objects = directory.join(OBJECTS);
    make_private(&objects)?;
    if durable {
        // Whoever made it, and its parents.
        for path in objects.ancestors().skip(1) {
            let doing = || format!("sync {}", path.display());
            match fs::File::open(path) {
                // Not ours to read, so not ours to make.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                opened => opened.and_then(|directory| directory.sync_all()).doing(doing)?,
            }
        }
    }
    Ok(objects)
}

/// Makes the directory that a store has beside its objects, if it is not there.
pub(in crate::store) fn open_beside(directory: &Path) -> Result<(), Error> {
    let status = fs::read_to_string("/proc/self/status").doing(|| "read the umask of this process".into())?;
    check_umask(&status)?;
    make_private(directory)
}

/// Makes a directory that nobody else can look into, or sees to it that it is
/// one.
fn make_private(path: &Path) -> Result<(), Error> {
    let doing = || format!("use the store {}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(path).doing(doing)?;
    let metadata = fs::symlink_metadata(path).doing(doing)?;
    if metadata.is_dir() && is_private(&metadata) {
        return Ok(());
    }
    Err(Error::Denied {
        action: format!("keeping sessions in {}", path.display()),
        reason: "it must be a directory of mode 0700 that belongs to the user of this process".into(),
    })
}

/// The files of one directory: name, and size and time of the last change
/// unless they vanished after they were listed. None where there is no
/// directory.
pub(super) fn files(directory: &Path) -> io::Result<Vec<(String, Option<Stored>)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Whatever is called otherwise is not ours.
        let Ok(name) = entry.file_name().into_string() else { continue };
        // The kernel says so without another look, mostly.
        let is_file = unless_gone(entry.file_type())?.is_none_or(|kind| kind.is_file());
        if !is_file {
            continue;
        }
        let metadata = unless_gone(entry.metadata())?;
        let stored = |metadata: fs::Metadata| {
            metadata.modified().map(|modified| Stored { bytes: metadata.len(), modified, tag: None })
        };
        files.push((name, metadata.map(stored).transpose()?));
    }
    Ok(files)
}

/// None for what is not there any more.
pub(in crate::store) fn unless_gone<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn check_umask(status: &str) -> Result<(), Error> {
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).map_or("", str::trim);
    if u32::from_str_radix(umask, 8).is_ok_and(|bits| bits & 0o077 == 0o077) {
        return Ok(());
    }
    Err(Error::Denied {
        action: "keeping sessions".into(),
        reason: format!("what this process writes would be open to others: its umask must be 077, got {umask:?}"),
    })
}

pub(in crate::store) fn is_private(metadata: &fs::Metadata) -> bool {
    metadata.mode() & 0o077 == 0 && metadata.uid() == nix::unistd::geteuid().as_raw()
}

/// Removes what writers that were killed left beneath `root`: files that were
/// never put in their place, and directories that nothing came to. Returns how
/// many files.
pub(super) fn remove_leftovers(root: &Path, now: SystemTime) -> Result<usize, Error> {
    let mut removed = 0;
    remove_leftovers_in(root, now, 0, &mut removed).doing(|| format!("sweep {}", root.display()))?;
    Ok(removed)
}

fn remove_leftovers_in(directory: &Path, now: SystemTime, depth: usize, removed: &mut usize) -> io::Result<()> {
    // Others remove things too.
    let Some(entries) = unless_gone(fs::read_dir(directory))? else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else { continue };
        // Not when it was written to: what is reused, or is a link to what
        // is old, is new under this name.
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(metadata.ctime().max(0).unsigned_abs());
        let is_old = now.duration_since(changed).is_ok_and(|age| age > LEFTOVER);
        if metadata.is_dir() && depth < DIRECTORY_DEPTH {
            remove_leftovers_in(&path, now, depth + 1, removed)?;
            if is_old {
                // Does nothing unless it is empty.
                let _ = fs::remove_dir(&path);
            }
        } else if is_old && is_leftover_name(&entry.file_name()) && fs::remove_file(&path).is_ok() {
            *removed += 1;
        }
    }
    Ok(())
}

/// When a name in `directory` was last made or removed.
pub(super) fn last_addition(directory: &Path) -> SystemTime {
    fs::metadata(directory).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// `LocalFileSystem` writes to `name#1` before it puts a file in its place, and
/// what is to be reused waits under a longer number. Earlier versions kept in a
/// file of this name that a session is over.
fn is_leftover_name(name: &OsStr) -> bool {
    if name == "closed" {
        return true;
    }
    let number = name.as_bytes().rsplitn(2, |byte| *byte == b'#').next().unwrap_or_default();
    number.len() < name.len() && !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_that_lets_others_in_is_refused() {
        check_umask("Name:\tx\nUmask:\t0077\n").unwrap();
        for status in ["Umask:\t0022\n", "Umask:\t0067\n", "Name:\tx\n"] {
            assert!(check_umask(status).unwrap_err().to_string().contains("must be 077"), "{status}");
        }
    }
}
