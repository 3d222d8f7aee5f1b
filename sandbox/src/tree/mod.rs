//! The files of a workspace as data: taken out to be kept, put back exactly.
//!
//! Files keep content, time of change and permissions, symbolic links their text
//! and time. Files with several names come back as several files; FIFOs, sockets
//! and devices do not come back.
//!
//! A file that has not changed since it was last taken out or put back is
//! neither read nor written. What tells is its stamp, and only if the file was
//! at rest by then: one that changes twice within a tick of the kernel's clock
//! keeps its stamp, so a file that had just changed is read again.

mod capture;
mod manifest;
mod path;
mod restore;

use std::sync::Arc;

pub(crate) use manifest::Manifest;

use crate::store::BlobName;
use crate::survey::Survey;

/// How many small files are on their way at once.
const IN_FLIGHT: usize = 8;
/// Up to here a file is small. Larger ones go one after another, so that no
/// more than two blobs or so are in memory.
const SMALL_BYTES: u64 = 1 << 20;

/// A manifest, and the stamps that the files on disk had when they were equal
/// to it. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    manifest: Arc<Manifest>,
    survey: Arc<Survey>,
}

impl Tree {
    /// What a new workspace holds.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    fn new(manifest: Arc<Manifest>, survey: Survey) -> Self {
        Self { manifest, survey: Arc::new(survey) }
    }

    /// What it holds. The same one as long as nothing changes.
    pub(crate) const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The blobs that it refers to, some perhaps twice.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &BlobName> {
        self.manifest.blobs()
    }
}

#[cfg(test)]
mod tests;
