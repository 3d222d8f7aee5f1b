//! What commits refer to: contents that are written once and shared by the
//! commits after.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::layout::{BlobHash, BlobName, Object, location};
use super::objects::Store;
use super::seal::Binding;
use crate::error::Error;
use crate::handle::{Principal, SessionId};

/// How many blobs are copied at once.
const COPIES: usize = 8;

impl Store {
    /// What tells `content` from other contents of `principal`. Takes a
    /// millisecond for 2 MiB.
    pub(crate) fn blob_hash(&self, principal: &Principal, content: &[u8]) -> BlobHash {
        self.keys.blob_hash(principal.directory_name(), content)
    }

    /// Writes a blob for the commit `sequence`.
    pub(crate) async fn put_blob(
        &self,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
        content: Vec<u8>,
    ) -> Result<BlobName, Error> {
        let hash = self.blob_hash(principal, &content);
        self.put_hashed_blob(principal, session, sequence, hash, content).await
    }

    /// Writes a blob whose [`Store::blob_hash`] is known.
    pub(crate) async fn put_hashed_blob(
        &self,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
        hash: BlobHash,
        content: Vec<u8>,
    ) -> Result<BlobName, Error> {
        let owner = principal.directory_name();
        let name = BlobName::new(sequence, hash);
        let sealed = self.seal(Binding::Blob { principal: owner.into(), hash }, content).await?;
        let path = location(owner, session, &Object::Blob(name.clone()));
        // What is there already has the same content, and was counted.
        self.create(owner, &path, sealed).await?;
        Ok(name)
    }

    /// Reads a blob of at most `max_bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when it is missing, larger or damaged.
    pub(crate) async fn get_blob(
        &self,
        principal: &Principal,
        session: &SessionId,
        name: &BlobName,
        max_bytes: u64,
    ) -> Result<Vec<u8>, Error> {
        let owner = principal.directory_name();
        let path = location(owner, session, &Object::Blob(name.clone()));
        let binding = Binding::Blob { principal: owner.into(), hash: name.hash() };
        // Whoever sealed it computed the hash, to which it is bound.
        self.read(&path, binding, max_bytes)
            .await?
            .ok_or_else(|| Error::host(format!("read blob {name} of session {session}"), "it is missing"))
    }

    /// Gives a session that begins blobs of another, under the same names: about `bytes` of
    /// them, which count as its own although files are only linked. If that fails, the new
    /// one is to be closed.
    pub(crate) async fn copy_blobs(
        &self,
        principal: &Principal,
        from: &SessionId,
        to: &SessionId,
        names: HashSet<BlobName>,
        bytes: u64,
    ) -> Result<(), Error> {
        let owner = principal.directory_name();
        self.usage.linked(owner, names.len(), bytes);
        self.usage.began(owner);
        let paths: Vec<_> = names
            .into_iter()
            .map(Object::Blob)
            .map(|blob| (location(owner, from, &blob), location(owner, to, &blob)))
            .collect();
        stream::iter(paths)
            .map(|(source, target)| async move { self.backend.copy(&source, &target).await })
            .buffer_unordered(COPIES)
            .try_collect::<()>()
            .await
    }
}
