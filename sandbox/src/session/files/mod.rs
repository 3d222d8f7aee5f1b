//! The files of a workspace as data: taken out to be kept, put back exactly.
//!
//! Files keep content, time of change and permissions, symbolic links their text
//! and time. Files with several names come back as several files; FIFOs, sockets
//! and devices do not come back.
//!
//! A file that has not changed since it was last taken out or put back is
//! neither read nor written. What tells is its stamp, and only if the file was
//! at rest by then: one that changes twice within a tick of the kernel's clock
//! keeps its stamp, so a file that had just changed is read again. Where native
//! programs can write without leaving a trace (`filesystem/traces.rs`), every file is read
//! after they ran.

mod capture;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod manifest;
mod path;
mod restore;

use std::sync::Arc;

use futures_util::future::join_all;
pub(crate) use manifest::Manifest;

use crate::error::Error;
use crate::store::{BlobName, Store};
use crate::workspace::survey::Survey;
use crate::workspace::untouched::Untouched;

/// On how many threads of the store small files are on their way at once: not
/// on all of them, which others wait for.
const PARTS: usize = 2;
/// How many paths of files that are on their way are in memory at once.
const BATCH: usize = 512;
/// Up to here a file is small. Larger ones go one after another, so that no
/// more than two blobs or so are in memory.
const SMALL_BYTES: u64 = 1 << 20;

/// A manifest, and the stamps that the files on disk had when they were equal
/// to it. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    manifest: Arc<Manifest>,
    survey: Arc<Survey>,
    /// Files that are as they were although their stamps are not.
    untouched: Arc<Untouched>,
}

impl Tree {
    /// What a new workspace holds.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    fn new(manifest: Arc<Manifest>, survey: Survey) -> Self {
        Self { manifest, survey: Arc::new(survey), untouched: Arc::default() }
    }

    /// Says that nothing has written to the files since they were looked at,
    /// until now: those that had just changed then are known to be at rest.
    pub(crate) fn rest(&mut self) {
        Arc::make_mut(&mut self.survey).rest();
    }

    /// Says that whatever writes to the files from now on leaves no trace in
    /// their stamps: they are known by their content alone until they have been
    /// taken out or put back.
    pub(crate) fn distrust_stamps(&mut self) {
        Arc::make_mut(&mut self.survey).distrust();
    }

    /// Says which files are as they were, to whoever captures next.
    pub(crate) fn set_untouched(&mut self, untouched: Untouched) {
        self.untouched = Arc::new(untouched);
    }

    /// The manifest of this tree. The same one as long as nothing changes.
    pub(crate) const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The memory that it and `other` take.
    pub(crate) fn heap_bytes_with(&self, other: &Arc<Manifest>) -> usize {
        let survey = self.survey.files.heap_bytes() + self.survey.directories.heap_bytes();
        let other = if Arc::ptr_eq(other, &self.manifest) { 0 } else { other.heap_bytes() };
        self.manifest.heap_bytes() + survey + self.untouched.heap_bytes() + other
    }

    /// The blobs that it refers to, some perhaps twice.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &BlobName> {
        self.manifest.blobs()
    }
}

/// Does something with small files, those of each part one after another on one
/// thread: changing threads takes longer than any of them.
async fn in_parts<T, R, F>(store: &Store, files: Vec<T>, work: impl Fn(Store, Vec<T>) -> F) -> Result<Vec<R>, Error>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Future<Output = Result<R, Error>> + Send + 'static,
{
    let (size, mut files, mut parts) = (files.len().div_ceil(PARTS).max(1), files, Vec::with_capacity(PARTS));
    while !files.is_empty() {
        let part = files.split_off(files.len().saturating_sub(size));
        parts.push(store.at_once(|store| work(store, part)));
    }
    // All parts are waited for, so that nothing goes on after an error.
    join_all(parts).await.into_iter().collect()
}

#[cfg(test)]
mod tests;
