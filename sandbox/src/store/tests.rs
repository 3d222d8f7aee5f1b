#![expect(clippy::disallowed_methods, reason = "looks at the files of a store")]

mod cached;
mod collect;
mod commits;
mod key_list;
mod keys;
mod objects;
mod sweep;
mod weak;

use std::collections::HashSet;
use std::error::Error as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use self::weak::WeakStore;
use super::clock::Moment;
use super::ends::Closed;
use super::layout::{Object, location};
use super::sweep::Swept;
use super::usage::SESSION_BYTES;
use super::*;
use crate::error::Error;
use crate::handle::{Principal, SessionId};
use crate::tenancy::TenantBounds;

/// What a small session takes: two directories and a small object.
const SMALL: u64 = SESSION_BYTES + 4096;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    /// A directory, with either durability.
    Process,
    Disk,
    /// What a store across a network may be like.
    Weak,
}

pub(crate) fn settings(directory: &Path, kind: Kind) -> StoreSettings {
    let backend = match kind {
        Kind::Memory => StoreBackend::Memory,
        Kind::Process | Kind::Disk => StoreBackend::Directory,
        Kind::Weak => StoreBackend::Objects(Arc::new(WeakStore::new(2026, Arc::default()))),
    };
    let durability = if kind == Kind::Disk { Durability::Disk } else { Durability::Process };
    let (directory, lifetime) = (directory.join("store"), 30 * DAY);
    StoreSettings {
        backend,
        directory,
        keys: None,
        cache: None,
        durability,
        bytes: 100 << 20,
        bounds: TenantBounds::storing(60 << 20),
        lifetime,
    }
}

pub(crate) fn store(kind: Kind) -> (TempDir, Store) {
    // As the program does at its start.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let parent = tempfile::tempdir().unwrap();
    let store = Store::open(settings(parent.path(), kind)).unwrap();
    (parent, store)
}

/// Another server's view of the same store.
fn beside(store: &Store) -> Store {
    match store.settings.backend {
        StoreBackend::Memory => store.clone(),
        StoreBackend::Directory | StoreBackend::Objects(_) => Store::open((*store.settings).clone()).unwrap(),
    }
}

/// Every file of a local store.
pub(crate) fn files(parent: &TempDir) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&parent.path().join("store/objects"), &mut found);
    found.sort();
    found
}

fn path_of(parent: &TempDir, session: &SessionId, name: &str) -> PathBuf {
    parent.path().join("store/objects/local").join(session.as_str()).join(name)
}

fn commit_path(parent: &TempDir, session: &SessionId, sequence: u64) -> PathBuf {
    path_of(parent, session, &format!("{sequence:016x}"))
}

fn blob_path(parent: &TempDir, session: &SessionId, name: &BlobName) -> PathBuf {
    path_of(parent, session, &format!("blobs/{name}"))
}

fn cause(error: &Error) -> String {
    error.source().unwrap().to_string()
}

fn me() -> Principal {
    Principal::local()
}

/// A moment of a clock that nobody set.
fn at(wall: SystemTime) -> Moment {
    let uptime = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Moment { wall, uptime, boot: "this".into() }
}

async fn sequence_of(store: &Store, session: &SessionId) -> Option<u64> {
    match store.head(&me(), session).await.unwrap() {
        Head::At { sequence, .. } => Some(sequence),
        Head::Absent | Head::Closed(_) => None,
    }
}

const EVERY: [Kind; 4] = [Kind::Memory, Kind::Process, Kind::Disk, Kind::Weak];
