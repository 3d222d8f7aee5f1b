//! Removes what a session no longer needs. Goes on beside writers, on this
//! server and others, and needs no clock for that.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt as _;
use object_store::path::Path;

use super::layout::{BlobName, Object, blobs_location, location, parse, session_location};
use super::objects::Store;
use crate::error::Error;
use crate::handle::{Principal, SessionId};

impl Store {
    /// Removes the commits before `committed`, and the blobs that were written
    /// for it or before it and are not in `keep`, which are all that it refers
    /// to. Does nothing unless `committed` is there or was replaced.
    ///
    /// Whoever still writes a blob for `committed` or before is fenced, and
    /// later commits refer to no older blob than `committed` does: they grew
    /// from it.
    ///
    /// # Cancellation
    ///
    /// Safe: the next collection removes the rest.
    pub(crate) async fn collect(
        &self,
        principal: &Principal,
        session: &SessionId,
        committed: u64,
        keep: &HashSet<BlobName>,
    ) -> Result<(), Error> {
        let owner = principal.directory_name();
        let listing = self.look_at(owner, session).await?;
        if listing.commits.range(committed..).next().is_none() {
            return Ok(());
        }
        // From the oldest on: a number that is free again has none below it.
        for (sequence, commit) in listing.commits.range(..committed) {
            let path = location(owner, session, &Object::Commit(*sequence));
            self.remove(owner, [(path, commit.map_or(0, |commit| commit.bytes))].into()).await?;
        }
        let is_unneeded = |object: &Object| match object {
            Object::Blob(name) => name.sequence() <= committed && !keep.contains(name),
            Object::Commit(_) | Object::Used | Object::End(_) => false,
        };
        let blobs = self.find(&blobs_location(owner, session), is_unneeded).await?;
        self.remove(owner, blobs).await
    }

    /// Removes everything of a session but what says that it is over.
    pub(crate) async fn remove_contents(&self, owner: &str, session: &SessionId) -> Result<(), Error> {
        let contents = self.find(&session_location(owner, session), |_| true).await?;
        self.remove(owner, contents).await?;
        self.backend.remove_empty(vec![blobs_location(owner, session), session_location(owner, session)]).await;
        Ok(())
    }

    async fn find(&self, beneath: &Path, is_wanted: impl Fn(&Object) -> bool) -> Result<HashMap<Path, u64>, Error> {
        let mut found = HashMap::new();
        let mut objects = self.backend.list(Some(beneath));
        while let Some(listed) = objects.next().await {
            let (path, stored) = listed?;
            if parse(&path).is_some_and(|(_, _, object)| is_wanted(&object)) {
                found.insert(path, stored.bytes);
            }
        }
        Ok(found)
    }
}
