//! The store as files, seen from outside.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A directory in which servers keep sessions.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// Everything beneath a directory, with what the kernel says of it.
fn everything(directory: &Path) -> Vec<(PathBuf, Metadata)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            found.extend(everything(&path));
        }
        found.push((path, metadata));
    }
    found
}

/// A key as random as any, and the same for the same number.
pub fn store_key(number: u64) -> [u8; 32] {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    [(); 32].map(|()| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    })
}

impl Store {
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The key that everything is sealed with.
    pub fn key(&self) -> PathBuf {
        self.directory.join("key")
    }

    /// Everything that is in the store, and not what is still being written.
    pub fn everything(&self) -> Vec<(PathBuf, Metadata)> {
        let mut found = everything(&self.directory);
        found.retain(|(path, _)| !path.to_string_lossy().contains('#'));
        found
    }

    /// The bytes that sessions take on disk: a file with several names counts
    /// once, and the guest images that they share do not.
    pub fn disk_bytes(&self) -> u64 {
        let bases = self.directory.join("objects/bases");
        let is_counted = |path: &Path, metadata: &Metadata| metadata.is_file() && !path.starts_with(&bases);
        let files = self.everything().into_iter().filter(|(path, metadata)| is_counted(path, metadata));
        let by_inode: std::collections::HashMap<_, _> =
            files.map(|(_, metadata)| (metadata.ino(), metadata.len())).collect();
        by_inode.values().sum()
    }

    /// The commits of a session, the newest last.
    pub fn commits(&self, session: &str) -> Vec<PathBuf> {
        let mut commits: Vec<_> = everything(&self.of_session(session))
            .into_iter()
            .map(|(path, _)| path)
            .filter(|path| path.file_name().is_some_and(|name| name.len() == 16))
            .collect();
        commits.sort();
        commits
    }

    /// What commits of a session refer to.
    pub fn blobs(&self, session: &str) -> Vec<(PathBuf, Metadata)> {
        everything(&self.of_session(session).join("blobs"))
    }

    fn of_session(&self, session: &str) -> PathBuf {
        self.directory.join("objects/local").join(session)
    }
}
