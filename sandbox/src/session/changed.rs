//! What a workspace holds now, as a part of the session's next state.

use std::sync::Arc;

use super::Turn;
use super::files::{Manifest, Tree};
use super::load::{MAX_MANIFEST_BYTES, large_manifest};
use super::snapshot;
use super::snapshot::SavedFiles;
use crate::error::{Error, IoContext as _};
use crate::store::{Store, blocking};

/// A manifest up to this size lies in the commit itself.
const INLINE_BYTES: usize = 32 << 10;

/// Work on a manifest that takes this much memory or more is done beside the
/// event loop: on 8,000 files it takes tens of milliseconds.
const HELD_UP_BYTES: usize = 64 << 10;

/// The files of a session that are to be committed.
pub(super) struct Captured {
    /// `None` when they are as the last commit has them.
    pub(super) files: Option<SavedFiles>,
    pub(super) tree: Tree,
}

/// Writes what changed to the store, for the next commit.
pub(super) async fn capture(store: &Store, turn: &Turn) -> Result<Captured, Error> {
    let session = &turn.session;
    let workspace =
        session.workspace().ok_or_else(|| Error::host("save the files of a session", "it has no workspace"))?;
    let sequence = turn.sequence() + 1;
    let tree = turn.tree().capture(&workspace, None, store, &session.owner, &session.id, sequence).await?;
    if Arc::ptr_eq(tree.manifest(), turn.manifest()) {
        return Ok(Captured { files: None, tree });
    }
    let length = of_manifest(tree.manifest(), snapshot::encoded_bytes).await?;
    if length as u64 > MAX_MANIFEST_BYTES {
        return Err(Error::Denied {
            action: "keeping the files of this session".into(),
            reason: format!(
                "their names, links and small contents must be at most {MAX_MANIFEST_BYTES} bytes together, got \
                 {length}; keep fewer files, or pack them"
            ),
        });
    }
    let _large = if length > INLINE_BYTES { Some(large_manifest(&turn.session.owner).await?) } else { None };
    let bytes = of_manifest(tree.manifest(), move |manifest| snapshot::encode_in(manifest, length)).await?;
    let files = if bytes.len() <= INLINE_BYTES {
        SavedFiles::Inline(bytes)
    } else {
        SavedFiles::Blob(store.put_blob(&session.owner, &session.id, sequence, bytes).await?)
    };
    Ok(Captured { files: Some(files), tree })
}

/// Captures files that something else than an interpreter wrote to. An
/// interpreter that holds a file open recognises it by its size and time of
/// change, so another file with both equal gets the next time there is.
pub(super) async fn capture_apart(store: &Store, turn: &Turn) -> Result<Captured, Error> {
    let captured = capture(store, turn).await?;
    let Some(workspace) = turn.session.workspace() else { return Ok(captured) };
    if turn.saved().interpreters.is_empty() {
        return Ok(captured);
    }
    let seen = Arc::clone(turn.seen());
    let doubles = of_manifest(captured.tree.manifest(), move |manifest| Ok(manifest.doubles(&seen))).await?;
    if doubles.is_empty() {
        return Ok(captured);
    }
    for (path, (seconds, nanoseconds)) in doubles {
        let next = if nanoseconds < 999_999_999 { (seconds, nanoseconds + 1) } else { (seconds + 1, 0) };
        workspace.set_modified(&path, next).doing(|| format!("set the time of {}", path.display()))?;
    }
    capture(store, turn).await
}

/// What `work` makes of a manifest, without holding up the calls of others.
async fn of_manifest<T: Send + 'static>(
    manifest: &Arc<Manifest>,
    work: impl FnOnce(&Manifest) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if manifest.heap_bytes() < HELD_UP_BYTES {
        return work(manifest);
    }
    let manifest = Arc::clone(manifest);
    blocking("save the files of a session", move || work(&manifest)).await
}
