//! Reads sessions from the store.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use super::files::Manifest;
use super::snapshot;
use super::snapshot::{Commit, Saved, SavedFiles, SavedInterpreter, SnapshotRecord};
use super::{Life, Session, Turn};
use crate::error::{Error, IoContext as _};
use crate::fair::{Pot, Units, Urgency};
use crate::handle::{Principal, SnapshotId};
use crate::store::{BlobName, CloseReason, Head, Store, blocking};
use crate::wasm::MAX_PART_BYTES;
use crate::worker::{Transfer, Transfers};

/// The largest manifest. The server holds that of every session that is here.
pub(super) const MAX_MANIFEST_BYTES: u64 = 32 << 20;

/// One large manifest at a time is on its way between memory and store, which
/// takes up to three times its size: see [`large_manifest`].
static LARGE: LazyLock<Pot<Principal>> = LazyLock::new(|| Pot::new(1));

/// The right to have one on its way.
pub(super) type LargeManifest = Units<Principal>;

/// Waits for that right. Whoever has it must not wait for anybody's turn.
pub(super) async fn large_manifest(owner: &Principal) -> Option<LargeManifest> {
    // Each that waits has a session's turn, so there are few.
    LARGE.take(owner, (1, 1), Urgency::CanWait, usize::MAX).await.ok()
}

/// A manifest from the store.
pub(super) struct ReadManifest {
    pub(crate) manifest: Manifest,
    /// Kept until it is known who holds the manifest.
    pub(crate) large: Option<LargeManifest>,
}

/// Why a session is not there.
pub(super) const NEVER: &str = "; `session: \"new\"` starts one";
const CLOSED: &str = ": it was closed; start another with `session: \"new\"`";
const EXPIRED: &str = ": it expired after too long without use; start another with `session: \"new\"`";

/// What the store says of a session.
pub(super) enum LookedUp {
    /// It is what is known already.
    Known,
    Newer(Box<Stored>),
    /// It is not there, and why.
    Gone(&'static str),
}

/// What is read together with its commit, for a run that will need it: the
/// rest is read once the run has its place.
const SOON_BYTES: u64 = 1 << 20;

/// A saved interpreter on its way to a worker.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) transfer: Arc<Transfer>,
    /// Of its parts.
    pub(crate) lengths: Vec<u32>,
}

/// A session as it was found in the store.
pub(super) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) modified: SystemTime,
    pub(crate) commit: Commit,
    pub(crate) files: ReadManifest,
    /// The interpreter that was wanted with it, if there is one and it is small.
    pub(crate) fetched: Option<Fetched>,
    /// Whether there are blobs that it does not refer to.
    pub(crate) has_garbage: bool,
}

/// Looks up a session, and reads it unless it is at the `known` commit, with its
/// interpreter for the `wanted` runtime.
pub(super) async fn look_up(
    store: &Store,
    transfers: &Transfers,
    session: &Session,
    known: Option<u64>,
    wanted: Option<&str>,
) -> Result<LookedUp, Error> {
    let mut head = store.head(&session.owner, &session.id).await?;
    loop {
        let (sequence, modified) = match head {
            Head::At { sequence, modified } => (sequence, modified),
            Head::Absent => return Ok(LookedUp::Gone(NEVER)),
            Head::Closed(closed) => {
                return Ok(LookedUp::Gone(match closed.reason {
                    CloseReason::Closed => CLOSED,
                    CloseReason::Expired => EXPIRED,
                }));
            }
        };
        if known == Some(sequence) {
            return Ok(LookedUp::Known);
        }
        let read = read_commit(store, transfers, session, (sequence, modified), wanted).await;
        let now = if read.is_err() { store.head(&session.owner, &session.id).await? } else { head };
        match read {
            Ok(stored) => return Ok(LookedUp::Newer(Box::new(stored))),
            // Another server went on, and what was read is gone, or became
            // something else while it was read.
            Err(_) if now != head => head = now,
            Err(error) => return Err(error),
        }
    }
}

async fn read_commit(
    store: &Store,
    transfers: &Transfers,
    session: &Session,
    (sequence, modified): (u64, SystemTime),
    wanted: Option<&str>,
) -> Result<Stored, Error> {
    let body = store.load(&session.owner, &session.id, sequence).await?;
    let commit: Commit = snapshot::decode(&body)?;
    let files = read_manifest(store, session, &commit.saved.files).await?;
    let saved = wanted.and_then(|runtime| commit.saved.interpreters.get(runtime));
    let fetched = match saved.filter(|saved| saved.size_bytes() <= SOON_BYTES) {
        Some(saved) => Some(fetch(store, transfers, session, saved).await?),
        None => None,
    };
    let mut blobs: HashSet<_> = files.manifest.blobs().cloned().collect();
    commit.saved.add_blobs(&mut blobs);
    blobs.extend(commit.snapshots.iter().map(|record| record.blob.clone()));
    // What snapshots refer to besides is not known here, and not asked for.
    let has_garbage = store.count_blobs(&session.owner, &session.id) > blobs.len();
    Ok(Stored { sequence, modified, commit, files, fetched, has_garbage })
}

/// Reads a saved interpreter, for a worker to take over.
pub(super) async fn fetch(
    store: &Store,
    transfers: &Transfers,
    session: &Session,
    saved: &SavedInterpreter,
) -> Result<Fetched, Error> {
    let doing = || "hand over the state of a session".to_owned();
    let transfer = transfers.take(&session.owner).doing(doing)?;
    let mut lengths = Vec::with_capacity(saved.parts.len() + saved.tail.len());
    for part in &saved.parts {
        let bytes = store.get_blob(&session.owner, &session.id, &part.blob, MAX_PART_BYTES as u64).await?;
        lengths.push(transfer.append(&bytes).doing(doing)?);
    }
    for part in &saved.tail {
        lengths.push(transfer.append(part).doing(doing)?);
    }
    Ok(Fetched { transfer: Arc::new(transfer), lengths })
}

/// The snapshot of that handle.
///
/// # Errors
///
/// [`Error::NotFound`].
pub(super) fn find_snapshot<'a>(turn: &'a Turn, id: &SnapshotId) -> Result<&'a SnapshotRecord, Error> {
    turn.snapshots.iter().find(|record| record.id == *id).ok_or_else(|| Error::NotFound {
        kind: "snapshot",
        id: id.to_string(),
        advice: " in this session; `list` with the session shows those that there are",
    })
}

/// The state that a snapshot of a session remembers, with its files.
///
/// # Errors
///
/// As [`find_snapshot`], and [`fenced_or`] where it cannot be read.
pub(super) async fn remembered(
    store: &Store,
    turn: &mut Turn,
    id: &SnapshotId,
) -> Result<(Saved, Arc<Manifest>), Error> {
    let (session, record) = (Arc::clone(&turn.session), find_snapshot(turn, id)?.clone());
    let read = async {
        let saved = read_snapshot(store, &session, &record).await?;
        let ReadManifest { manifest, .. } = read_manifest(store, &session, &saved.files).await?;
        Ok((saved, Arc::new(manifest)))
    };
    match read.await {
        Ok(read) => Ok(read),
        Err(error) => Err(fenced_or(store, error, turn).await),
    }
}

/// The state that a snapshot remembers.
pub(super) async fn read_snapshot(store: &Store, session: &Session, record: &SnapshotRecord) -> Result<Saved, Error> {
    let bytes = store.get_blob(&session.owner, &session.id, &record.blob, MAX_MANIFEST_BYTES).await?;
    snapshot::decode(&bytes)
}

/// The files of a state.
pub(super) async fn read_manifest(store: &Store, session: &Session, files: &SavedFiles) -> Result<ReadManifest, Error> {
    let small = |manifest| ReadManifest { manifest, large: None };
    match files {
        SavedFiles::Inline(bytes) if bytes.is_empty() => Ok(small(Manifest::default())),
        SavedFiles::Inline(bytes) => snapshot::decode(bytes).map(small),
        SavedFiles::Blob(name) => {
            let large = large_manifest(&session.owner).await;
            let bytes = store.get_blob(&session.owner, &session.id, name, MAX_MANIFEST_BYTES).await?;
            let manifest = blocking("read the files of a session", move || snapshot::decode(&bytes)).await?;
            Ok(ReadManifest { manifest, large })
        }
    }
}

/// Why what the last commit refers to could not be read: because it is not
/// the last any more, perhaps.
pub(super) async fn fenced_or(store: &Store, error: Error, turn: &mut Turn) -> Error {
    let is_newest = store.is_newest(&turn.session.owner, &turn.session.id, turn.sequence).await;
    if !matches!(is_newest, Ok(false)) {
        return error;
    }
    turn.life = Life::Unknown;
    Error::Fenced { session: turn.session.id.to_string() }
}

/// Every blob that a state needs.
pub(super) async fn blobs_of(store: &Store, session: &Session, saved: &Saved) -> Result<HashSet<BlobName>, Error> {
    let mut blobs: HashSet<_> = read_manifest(store, session, &saved.files).await?.manifest.blobs().cloned().collect();
    saved.add_blobs(&mut blobs);
    Ok(blobs)
}
