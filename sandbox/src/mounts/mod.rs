//! Folders of the host that an operator shows to programs, each at one path that
//! is the same in all languages.
//!
//! A folder is found once, when the server starts, and held from then on: whatever
//! takes its place later is not shown. What is in it is never saved, never counted
//! among the files of a session, and never given to another user.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "makes what is to be mounted"))]

mod destination;
mod files;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{AccessFlags, faccessat};
use serde::{Deserialize, Serialize};

pub use self::files::MountedPath;
use crate::error::Error;
use crate::filesystem::canonical::canonical;

/// The most mounts of a policy: more than anybody wants to tell a model about.
const MAX_MOUNTS: usize = 16;

/// What programs may do in a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountAccess {
    /// Read, list, execute.
    #[default]
    ReadOnly,
    /// Change and make files and directories as well.
    ReadWrite,
}

impl MountAccess {
    /// The access in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }
}

/// A folder of the host that programs see.
#[derive(Clone, Debug)]
pub struct Mount {
    source: PathBuf,
    held: Arc<HeldMount>,
}

/// A mount as whoever opens files in it needs it.
#[derive(Debug)]
pub(crate) struct HeldMount {
    pub(crate) destination: PathBuf,
    pub(crate) access: MountAccess,
    pub(crate) directory: OwnedFd,
}

impl HeldMount {
    /// The names of its destination, from the root on.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.destination.as_os_str().as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }
}

impl AsFd for HeldMount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Mount {
    /// Finds the folder `source`, through whatever links lead to it, and holds it.
    ///
    /// # Errors
    ///
    /// When it is no folder that this process can use so, or `destination` is no
    /// place where programs can see it; the message says which.
    pub fn open(source: &Path, destination: &Path, access: MountAccess) -> Result<Self, String> {
        destination::check(destination).map_err(|reason| format!("the destination of a mount {reason}"))?;
        let shown = source.display();
        if !source.is_absolute() {
            return Err(format!("the source of a mount must be an absolute path, got {shown}"));
        }
        let failed = |reason: &str| format!("{shown} cannot be mounted at {}: {reason}", destination.display());
        let real = canonical(source).map_err(|error| failed(&error.to_string()))?;
        if real == Path::new("/") {
            return Err(failed("it is the root of this machine: name a folder in it"));
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        // Opened to be listed, for this is what programs do with it first.
        let listed = open(&real, OFlag::O_RDONLY | OFlag::O_NONBLOCK | flags, Mode::empty());
        let listed = listed.map_err(|errno| match errno {
            Errno::ENOENT => failed("it is not there"),
            Errno::ENOTDIR => failed("it is not a folder, and a file cannot be mounted by itself: name its folder"),
            Errno::EACCES | Errno::EPERM => failed("this server may not read it"),
            other => failed(other.desc()),
        })?;
        if access == MountAccess::ReadWrite {
            let may_write = faccessat(&listed, ".", AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::empty());
            may_write.map_err(|errno| failed(&format!("this server may not write to it ({})", errno.desc())))?;
        }
        let directory = open(&real, OFlag::O_PATH | flags, Mode::empty()).map_err(|errno| failed(errno.desc()))?;
        let is_same = |one: &OwnedFd, other: &OwnedFd| {
            fstat(one)
                .ok()
                .zip(fstat(other).ok())
                .is_some_and(|(one, other)| (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
        };
        if !is_same(&listed, &directory) {
            return Err(failed("something took its place meanwhile"));
        }
        let held = HeldMount { destination: destination.to_path_buf(), access, directory };
        Ok(Self { source: real, held: Arc::new(held) })
    }

    /// Where the folder lay when it was found, without links.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Where programs see it.
    pub fn destination(&self) -> &Path {
        &self.held.destination
    }

    /// What programs may do in the mount.
    pub fn access(&self) -> MountAccess {
        self.held.access
    }

    pub(crate) fn held(&self) -> &Arc<HeldMount> {
        &self.held
    }
}

/// Two mounts are equal that were asked for in the same words.
impl PartialEq for Mount {
    fn eq(&self, other: &Self) -> bool {
        let words = |mount: &Self| (mount.source.clone(), mount.held.destination.clone(), mount.held.access);
        words(self) == words(other)
    }
}

impl Eq for Mount {}

/// All mounts of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

impl Mounts {
    /// Puts mounts together.
    ///
    /// # Errors
    ///
    /// When one would be seen in another, or there are too many.
    pub fn new(mounts: Vec<Mount>) -> Result<Self, String> {
        if mounts.len() > MAX_MOUNTS {
            return Err(format!("there can be {MAX_MOUNTS} mounts at most, got {}", mounts.len()));
        }
        for (index, one) in mounts.iter().enumerate() {
            for other in &mounts[..index] {
                let (one, other) = (one.destination(), other.destination());
                if one == other {
                    return Err(format!("two mounts have the destination {}", one.display()));
                }
                if one.starts_with(other) || other.starts_with(one) {
                    return Err(format!(
                        "the mounts {} and {} would lie in each other: choose destinations beside each other",
                        other.display(),
                        one.display()
                    ));
                }
            }
        }
        Ok(Self(mounts))
    }

    /// Each of the mounts.
    pub fn iter(&self) -> std::slice::Iter<'_, Mount> {
        self.0.iter()
    }

    /// Whether there is no mount.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a path that a caller gave as `field` leads to, if that is in a mount.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when it is no path that can be read.
    pub fn path(&self, field: &str, path: &str) -> Option<Result<MountedPath, Error>> {
        let (mount, rest) = self.find(path)?;
        Some(MountedPath::new(mount, field, rest))
    }

    /// The mount that a path of a guest leads into.
    pub fn holding(&self, path: &str) -> Option<&Mount> {
        self.find(path).map(|(mount, _)| mount)
    }

    fn find<'a>(&self, path: &'a str) -> Option<(&Mount, &'a str)> {
        self.0.iter().find_map(|mount| {
            let rest = path.strip_prefix(mount.destination().to_str()?)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((mount, rest))
        })
    }
}

impl<'a> IntoIterator for &'a Mounts {
    type Item = &'a Mount;
    type IntoIter = std::slice::Iter<'a, Mount>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn open(source: &Path, destination: &str) -> Result<Mount, String> {
        Mount::open(source, Path::new(destination), MountAccess::ReadOnly)
    }

    #[test]
    fn a_source_is_a_folder_that_is_there_whatever_links_lead_to_it() {
        let parent = tempfile::tempdir().unwrap();
        let top = parent.path().canonicalize().unwrap();
        fs::create_dir(top.join("folder")).unwrap();
        fs::write(top.join("file"), "x").unwrap();
        symlink("folder", top.join("link")).unwrap();
        symlink("nowhere", top.join("dangling")).unwrap();
        for name in ["folder", "link", "link/", "link/../folder/."] {
            assert_eq!(open(&top.join(name), "/data").unwrap().source(), top.join("folder"), "{name}");
        }
        for (source, reason) in [
            (top.join("none"), "it is not there"),
            (top.join("dangling"), "it is not there"),
            (top.join("file"), "a file cannot be mounted by itself"),
            (PathBuf::from("relative"), "must be an absolute path, got relative"),
            (PathBuf::from("/"), "the root of this machine"),
            (PathBuf::from("/tmp/../"), "the root of this machine"),
        ] {
            let error = open(&source, "/data").unwrap_err();
            assert!(error.contains(reason), "{}: {error}", source.display());
        }
        assert!(open(&top, "/usr/x").unwrap_err().contains("the destination of a mount must not lie in /usr"));
    }

    #[test]
    fn destinations_lie_beside_each_other_and_paths_find_theirs() {
        let parent = tempfile::tempdir().unwrap();
        let mounts = |destinations: &[&str]| {
            Mounts::new(destinations.iter().map(|destination| open(parent.path(), destination).unwrap()).collect())
        };
        assert!(mounts(&["/data", "/data"]).unwrap_err().contains("two mounts have the destination /data"));
        assert!(mounts(&["/data/x", "/data"]).unwrap_err().contains("/data/x and /data would lie in each other"));
        let names: Vec<_> = (0..17).map(|number| format!("/m{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert!(mounts(&names).unwrap_err().contains("16 mounts at most, got 17"));
        let two = mounts(&["/data", "/database"]).unwrap();
        let found = |path| two.find(path).map(|(mount, rest)| (mount.destination().to_str().unwrap().to_owned(), rest));
        assert_eq!(found("/data/a/b"), Some(("/data".into(), "/a/b")));
        assert_eq!(found("/database"), Some(("/database".into(), "")));
        assert_eq!((found("/dat"), found("data/a"), found("/datab")), (None, None, None));
    }

    #[test]
    fn what_takes_the_place_of_a_folder_is_not_what_is_held() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, other) = (parent.path().join("folder"), parent.path().join("other"));
        fs::create_dir(&folder).unwrap();
        fs::create_dir(&other).unwrap();
        let mount = open(&folder, "/data").unwrap();
        let before = fstat(&mount.held().directory).unwrap().st_ino;
        fs::rename(&folder, parent.path().join("moved")).unwrap();
        symlink(&other, &folder).unwrap();
        assert_eq!(fstat(&mount.held().directory).unwrap().st_ino, before);
    }
}
