//! The files of a local store, looked at and changed on whichever thread asks.
//!
//! A file system like ext4 does not give out again what was deleted in the last
//! minutes, and looks through all of that for each new file: a store that makes
//! and deletes one for every call gets slower and slower. So a commit goes into
//! the file of another that nobody needs any longer.

#![expect(clippy::disallowed_methods, reason = "owns the files of the store")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::SystemTime;

use nix::libc;
use object_store::PutPayload;
use object_store::path::Path;

use super::directory::{files, is_private, last_addition, unless_gone};
use super::reusable::Reusable;
use crate::store::backend::{Created, Looked};

/// The directory of the objects of a local store.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) root: PathBuf,
    pub(super) reusable: Reusable,
    /// Whether what is written must be on disk.
    durable: bool,
}

impl Files {
    pub(super) fn new(root: PathBuf, durable: bool) -> Self {
        Self { root, reusable: Reusable::default(), durable }
    }

    /// The file of an object.
    pub(super) fn path(&self, object: &Path) -> PathBuf {
        self.root.join(object.as_ref())
    }

    /// When an object was made; none where there is no such.
    fn modified(&self, object: &Path) -> io::Result<Option<SystemTime>> {
        unless_gone(fs::symlink_metadata(self.path(object)))?.map(|metadata| metadata.modified()).transpose()
    }

    /// The files of a directory of objects, and then the first of `marks`.
    pub(super) fn look(&self, directory: &Path, marks: &[Path]) -> io::Result<Looked> {
        let names = files(&self.path(directory))?;
        for (number, mark) in marks.iter().enumerate() {
            if let Some(at) = self.modified(mark)? {
                return Ok(Looked { names, mark: Some((number, at)) });
            }
        }
        Ok(Looked { names, mark: None })
    }

    /// When a name in a directory of objects was last made or removed.
    pub(super) fn last_addition(&self, directory: &Path) -> SystemTime {
        last_addition(&self.path(directory))
    }

    /// Removes a directory of objects, if there are none in it.
    pub(super) fn remove_empty(&self, directory: &Path) {
        // Something may have come to it, or it is gone.
        let _ = fs::remove_dir(self.path(directory));
    }

    /// Has the file of a commit say that its session is over. That needs no new
    /// file, and room for a name at most.
    pub(super) fn end_in(&self, commit: &Path, end: &Path) -> io::Result<()> {
        let (commit, end) = (self.path(commit), self.path(end));
        if let Some(parent) = end.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        fs::rename(&commit, &end)?;
        OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&end)?.set_len(0)?;
        if self.durable {
            sync_parent(&end)?;
            sync_parent(&commit)?;
        }
        Ok(())
    }

    /// Sets when an object was made.
    pub(super) fn touch(&self, object: &Path, now: SystemTime) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        options.open(self.path(object))?.set_modified(now)
    }

    /// The names in a directory of objects; none where there is no directory.
    pub(super) fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let entries = unless_gone(fs::read_dir(self.path(directory)))?.into_iter().flatten();
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    /// Puts `content` at `new`, and leaves what is there already, in the file of
    /// a commit of `principal` that nobody needs any longer. None when there is
    /// none.
    pub(super) fn put_reusing(&self, principal: &str, new: &Path, content: &PutPayload) -> io::Result<Option<Created>> {
        // Where a session begins its directory is yet to be made.
        if self.path(new).parent().is_none_or(|parent| fs::symlink_metadata(parent).is_err()) {
            return Ok(None);
        }
        while let Some(old) = self.reusable.take(principal) {
            if let Some(placed) = self.reuse(&old, new, content)? {
                return Ok(Some(placed));
            }
        }
        Ok(None)
    }

    /// Puts `content` at `new` into the file at `old`, which is gone then. None
    /// when that cannot be had.
    pub(super) fn reuse(&self, old: &Path, new: &Path, content: &PutPayload) -> io::Result<Option<Created>> {
        let (old, new) = (self.path(old), self.path(new));
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let mut staging = new.as_os_str().to_owned();
        staging.push(format!("#{}", u64::from_le_bytes(number)));
        let staging = PathBuf::from(staging);
        // From here on it is ours alone.
        if unless_gone(fs::rename(&old, &staging))?.is_none() {
            return Ok(None);
        }
        if self.durable && old.parent() != new.parent() {
            // What comes into it must not show at its old place again.
            sync_parent(&old)?;
        }
        let placed = self.refill(&staging, &new, content);
        unless_gone(fs::remove_file(&staging))?;
        if self.durable {
            sync_parent(&new)?;
        }
        placed
    }

    fn refill(
        &self,
        staging: &std::path::Path,
        new: &std::path::Path,
        content: &PutPayload,
    ) -> io::Result<Option<Created>> {
        let opened = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(staging);
        let Ok(file) = opened else { return Ok(None) };
        let metadata = file.metadata()?;
        // It may have another name in somebody's backup.
        if !metadata.is_file() || metadata.nlink() != 1 || !is_private(&metadata) {
            return Ok(None);
        }
        if metadata.len() > content.content_length() as u64 {
            file.set_len(content.content_length() as u64)?;
        }
        self.fill(&file, content)?;
        let is_new = match fs::hard_link(staging, new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            // Somebody swept, or the whole session is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            linked => linked.map(|()| true)?,
        };
        Ok(Some(Created { is_new, gone_bytes: metadata.len() }))
    }

    fn fill(&self, mut file: &File, content: &PutPayload) -> io::Result<()> {
        content.iter().try_for_each(|chunk| file.write_all(chunk))?;
        if self.durable { file.sync_all() } else { Ok(()) }
    }
}

fn sync_parent(path: &std::path::Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_serves_again_only_where_nothing_is_and_if_it_has_no_other_name() {
        let parent = tempfile::tempdir().unwrap();
        let at = |name: &str| parent.path().join(name);
        let make = |name: &str, text: &str| {
            fs::write(at(name), text).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let reuse = |old: &str, new: &str, text: &str, durable| {
            let files = Files::new(parent.path().to_path_buf(), durable);
            let placed = files.reuse(&old.into(), &new.into(), &text.as_bytes().to_vec().into()).unwrap();
            placed.map(|placed| (placed.is_new, placed.gone_bytes))
        };
        make("1", "a long text");
        let inode = fs::metadata(at("1")).unwrap().ino();
        assert_eq!(reuse("1", "3", "short", false), Some((true, 11)));
        assert_eq!((names(), fs::read(at("3")).unwrap()), (vec!["3".into()], b"short".to_vec()));
        assert_eq!(reuse("3", "5", "a longer one", true), Some((true, 5)));
        assert_eq!(fs::read(at("5")).unwrap(), b"a longer one");
        assert_eq!(fs::metadata(at("5")).unwrap().ino(), inode);
        assert_eq!(reuse("3", "6", "x", false), None, "it is gone");

        make("4", "old");
        assert_eq!(reuse("4", "5", "late", false), Some((false, 3)));
        assert_eq!((names(), fs::read(at("5")).unwrap()), (vec!["5".into()], b"a longer one".to_vec()));

        make("4", "old");
        fs::hard_link(at("4"), at("backup")).unwrap();
        assert_eq!(reuse("4", "6", "new", false), None);
        assert_eq!((names(), fs::read(at("backup")).unwrap()), (vec!["5".into(), "backup".into()], b"old".to_vec()));

        std::os::unix::fs::symlink("backup", at("4")).unwrap();
        assert_eq!(reuse("4", "6", "new", false), None);
        assert_eq!((names(), fs::read(at("backup")).unwrap()), (vec!["5".into(), "backup".into()], b"old".to_vec()));
    }
}
