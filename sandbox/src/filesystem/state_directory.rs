//! The directory where a server keeps workspaces while it lives.
//!
//! Every server has one of its own beneath the state directory, locked for as
//! long as it lives, so that two servers of one user never meet, and one that
//! was killed leaves nothing that the next does not remove.
//!
//! Of each principal there are two directories in it: one that is shared with
//! its workers, which may do in there what they like, and one beside it that is
//! the server's alone. Only the last name of a path below the first may have
//! been changed by somebody else, and so no such name is ever gone through.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use parking_lot::Mutex;
use rustix::fs::IFlags;

use super::directories::open_own;
use super::removal::remove_tree;
use super::traces::shows_mapped_writes;
use crate::error::{Error, IoContext as _};
use crate::handle::{Principal, random_name};

const PREFIX: &str = "server-";
const LOCK: &str = "lock";
const SHARED: &str = "files";
const OWN: &str = "runs";

/// Makes every file that this process and its children create readable for
/// its user alone. Call it first: what was created before stays as it is.
pub fn make_files_private() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
}

/// A server's own directory. Removed when dropped.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    principals: Mutex<HashSet<Principal>>,
    shows_mapped_writes: bool,
    _lock: Flock<File>,
}

impl StateDirectory {
    /// Makes a directory beneath `parent`, which is made too, and removes what
    /// dead servers left there.
    pub(crate) fn create(parent: &Path) -> Result<Self, Error> {
        let doing = || format!("use the state directory {}", parent.display());
        DirBuilder::new().recursive(true).mode(0o700).create(parent).doing(doing)?;
        let metadata = fs::metadata(parent).doing(doing)?;
        if metadata.mode() & 0o066 != 0 || metadata.uid() != nix::unistd::geteuid().as_raw() {
            return Err(Error::Denied {
                action: format!("keeping workspaces in {}", parent.display()),
                reason: "it must have mode 0700 (or 0711) and belong to the user of this process".into(),
            });
        }
        let_runs_through(parent).doing(doing)?;
        // Servers start in parallel: one at a time looks and makes, so that
        // none takes another's new directory for a dead one.
        let starting = File::create(parent.join(LOCK)).doing(doing)?;
        let _starting =
            Flock::lock(starting, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error)).doing(doing)?;
        remove_leftovers(parent).doing(doing)?;
        let path = parent.join(format!("{PREFIX}{}", random_name()));
        DirBuilder::new().mode(0o700).create(&path).doing(doing)?;
        let_runs_through(&path).doing(doing)?;
        let lock = try_lock(&path).doing(doing)?.ok_or_else(|| Error::host(doing(), "its lock is taken"))?;
        let shows_mapped_writes = shows_mapped_writes(&path);
        Ok(Self { path, principals: Mutex::default(), shows_mapped_writes, _lock: lock })
    }

    /// Whether a file's stamp tells that a native program wrote to it, however
    /// it did that.
    pub(crate) const fn shows_mapped_writes(&self) -> bool {
        self.shows_mapped_writes
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file that no program may ever read.
    pub(crate) fn secret(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    /// Where workspaces of a principal lie, and what its workers write besides:
    /// all that they can write. Made when first asked for.
    pub(crate) fn shared(&self, principal: &Principal) -> Result<PathBuf, Error> {
        self.of_principal(principal).map(|path| path.join(SHARED))
    }

    /// Where the server keeps what is made for runs of a principal, and no
    /// worker gets.
    pub(crate) fn own(&self, principal: &Principal) -> Result<PathBuf, Error> {
        self.of_principal(principal).map(|path| path.join(OWN))
    }

    /// Forgets a principal of whom nothing is used. Returns where its directory
    /// lies then, for the caller to remove.
    pub(crate) fn forget(&self, principal: &Principal) -> Option<PathBuf> {
        let mut principals = self.principals.lock();
        if !principals.remove(principal) {
            return None;
        }
        // No principal's name begins so.
        let gone = self.path.join(format!(".gone-{}", random_name()));
        match fs::rename(self.path.join(principal.directory_name()), &gone) {
            Ok(()) => Some(gone),
            Err(error) => {
                tracing::warn!(%error, "the directory of a tenant was left behind");
                None
            }
        }
    }

    /// Removes what [`StateDirectory::forget`] returned. Blocks.
    pub(crate) fn remove(gone: &Path) {
        if let Err(error) = remove_tree(gone) {
            tracing::warn!(%error, path = %gone.display(), "the directory of a tenant was left behind");
        }
    }

    fn of_principal(&self, principal: &Principal) -> Result<PathBuf, Error> {
        let path = self.path.join(principal.directory_name());
        let mut principals = self.principals.lock();
        if !principals.contains(principal) {
            for path in [&path, &path.join(SHARED), &path.join(OWN)] {
                let doing = || format!("make {}", path.display());
                match DirBuilder::new().mode(0o700).create(path) {
                    // The directory was left by an attempt that failed halfway.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => made.doing(doing)?,
                }
                let_runs_through(path).doing(doing)?;
            }
            for name in [SHARED, OWN] {
                spread(&path.join(name));
            }
            principals.insert(principal.clone());
        }
        Ok(path)
    }
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a state directory was left behind");
        }
    }
}

/// As root, runs of native programs have users of their own, who must get to
/// what is theirs and see nothing of what is beside it.
fn let_runs_through(directory: &Path) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o711))?;
    }
    Ok(())
}

/// Has directories that are made in this one lie apart on the disk. Ext4 gives
/// no inode away again for minutes, and passes over each that was freed near
/// the place where it looks for one: where runs come and go side by side,
/// making a file takes twenty times as long.
fn spread(directory: &Path) {
    let known = open_own(directory).and_then(|directory| {
        let flags = rustix::fs::ioctl_getflags(&directory)?;
        Ok(rustix::fs::ioctl_setflags(&directory, flags | IFlags::TOPDIR)?)
    });
    if let Err(error) = known {
        // Other file systems know no such thing, and need none.
        tracing::debug!(%error, path = %directory.display(), "directories in it are not spread over the disk");
    }
}

fn try_lock(directory: &Path) -> io::Result<Option<Flock<File>>> {
    let file = File::create(directory.join(LOCK))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

fn remove_leftovers(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !ours {
            continue;
        }
        // Another server may be removing the same directory.
        if let Ok(Some(_lock)) = try_lock(&entry.path())
            && let Err(error) = remove_tree(&entry.path())
        {
            tracing::warn!(%error, path = %entry.path().display(), "what a dead server left cannot be removed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "leaves what a dead server would")]

    use super::*;

    #[test]
    fn what_runs_come_and_go_in_is_spread_over_the_disk_where_that_can_be_said() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        spread(parent.path());
        let is_spread = |path: &Path| {
            let flags = rustix::fs::ioctl_getflags(File::open(path).unwrap());
            flags.is_ok_and(|flags| flags.contains(IFlags::TOPDIR))
        };
        let can_be_said = is_spread(parent.path());
        let state = StateDirectory::create(parent.path()).unwrap();
        let principal = Principal::local();
        for path in [state.shared(&principal).unwrap(), state.own(&principal).unwrap()] {
            assert_eq!(is_spread(&path), can_be_said, "{path:?}");
        }
    }

    #[test]
    fn a_principal_that_is_forgotten_leaves_its_directory_to_be_removed_and_may_come_back() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let state = StateDirectory::create(parent.path()).unwrap();
        let (one, other) = (Principal::new("one").unwrap(), Principal::new("other").unwrap());
        let (mine, theirs) = (state.shared(&one).unwrap(), state.shared(&other).unwrap());
        fs::write(mine.join("left"), "x").unwrap();
        let gone = state.forget(&one).unwrap();
        assert!(!mine.exists() && theirs.exists() && gone.join(SHARED).join("left").exists());
        assert_eq!(state.forget(&one), None);
        assert!(state.shared(&one).unwrap().exists() && fs::read_dir(&mine).unwrap().next().is_none());
        StateDirectory::remove(&gone);
        assert!(!gone.exists());
    }

    #[test]
    fn what_a_dead_server_left_is_removed_and_a_living_one_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let living = StateDirectory::create(parent.path()).unwrap();
        let dead = parent.path().join("server-dead");
        fs::create_dir_all(dead.join("local/s_1")).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        let _new = StateDirectory::create(parent.path()).unwrap();
        assert!(!dead.exists() && living.path.exists());
        let path = living.path.clone();
        drop(living);
        assert!(!path.exists());
    }
}
