//! Reads sessions from the store.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use super::files::Manifest;
use super::snapshot;
use super::snapshot::{Commit, Saved, SavedFiles, SavedInterpreter, SnapshotRecord, beside_files};
use super::{Session, Turn};
use crate::error::{Error, IoContext as _};
use crate::fair::{Full, Pot, Units, Urgency};
use crate::handle::{Principal, SnapshotId};
use crate::store::{BlobName, CloseReason, Head, Store, blocking};
use crate::wasm::MAX_PART_BYTES;
use crate::worker::{Transfer, Transfers};

/// The largest manifest. The server holds that of every session that is here.
pub(super) const MAX_MANIFEST_BYTES: u64 = 32 << 20;

/// One large manifest at a time is on its way between memory and store, which
/// takes up to three times its size: see [`large_manifest`].
static LARGE: LazyLock<Pot<Principal>> = LazyLock::new(|| Pot::new(1));

/// The right to have a large manifest on its way between memory and store.
pub(super) type LargeManifest = Units<Principal>;

/// Waits for the right to have a large manifest on its way. Whoever has it must not
/// wait for anybody else, and whoever waits must hold nothing that others need, such as
/// a thread of the store.
pub(super) async fn large_manifest(owner: &Principal) -> Result<LargeManifest, Error> {
    let waiting = LARGE.take(owner, (1, 1), Urgency::CanWait, MAX_WAITING).await;
    waiting.map_err(|Full { waiting }| Error::Busy {
        what: "too many sessions with long lists of files wait to be read or saved",
        active: waiting,
        limit: MAX_WAITING,
    })
}

/// How many of one tenant may wait for the right to a large manifest: more than it has
/// sessions in use, since each holds the turn of one.
const MAX_WAITING: usize = 4096;

/// A manifest from the store.
pub(super) struct ReadManifest {
    pub(super) manifest: Manifest,
    /// The right to a large manifest, kept until it is known who holds that.
    pub(super) large: Option<LargeManifest>,
}

/// Why a session is not there.
pub(super) const NEVER: &str = "; `session: \"new\"` starts one";
const CLOSED: &str = ": it was closed; start another with `session: \"new\"`";
const EXPIRED: &str = ": it expired after too long without use; start another with `session: \"new\"`";

/// What the store says of a session.
pub(super) enum LookedUp {
    /// The session is what is known already.
    Known,
    Newer(Box<Stored>),
    /// The session has a large manifest, and the right to read one is needed.
    Large,
    /// The session is not there, and why.
    Gone(&'static str),
}

/// The largest interpreter that is read together with its commit, for a run that will
/// need it: any other is read once the run has its place.
const SOON_BYTES: u64 = 1 << 20;

/// A saved interpreter on its way to a worker.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) transfer: Arc<Transfer>,
    /// The lengths of its parts.
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

impl Stored {
    /// The memory that the session takes once it is here.
    pub(super) fn heap_bytes(&self) -> usize {
        self.files.manifest.heap_bytes_laid_out() + beside_files(&self.commit.saved, &self.commit.snapshots)
    }
}

/// Looks up a session, and reads it unless it is at the `known` commit, with its
/// interpreter for the `wanted` runtime. It waits for nobody's turn: without the
/// right to read a large manifest it finds one and leaves it.
pub(super) async fn look_up(
    store: &Store,
    transfers: &Transfers,
    session: &Session,
    known: Option<u64>,
    wanted: Option<&str>,
    mut large: Option<LargeManifest>,
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
        let read = read_commit(store, transfers, session, (sequence, modified), wanted, &mut large).await;
        let now = if read.is_err() { store.head(&session.owner, &session.id).await? } else { head };
        match read {
            Ok(Some(stored)) => return Ok(LookedUp::Newer(Box::new(stored))),
            Ok(None) => return Ok(LookedUp::Large),
            // Another server went on, and what was read is gone, or became
            // something else while it was read.
            Err(_) if now != head => head = now,
            Err(error) => return Err(error),
        }
    }
}

/// Reads a session at one commit; `None` for one with a large manifest and without the
/// right to read that.
async fn read_commit(
    store: &Store,
    transfers: &Transfers,
    session: &Session,
    (sequence, modified): (u64, SystemTime),
    wanted: Option<&str>,
    large: &mut Option<LargeManifest>,
) -> Result<Option<Stored>, Error> {
    let body = store.load(&session.owner, &session.id, sequence).await?;
    let commit: Commit = snapshot::decode(&body)?;
    if matches!(commit.saved.files, SavedFiles::Blob(_)) && large.is_none() {
        return Ok(None);
    }
    let manifest = read_manifest(store, session, &commit.saved.files).await?;
    let saved = wanted.and_then(|runtime| commit.saved.interpreters.get(runtime));
    let fetched = match saved.filter(|saved| saved.size_bytes() <= SOON_BYTES) {
        Some(saved) => Some(fetch(store, transfers, session, saved).await?),
        None => None,
    };
    let mut blobs: HashSet<_> = manifest.blobs().cloned().collect();
    commit.saved.add_blobs(&mut blobs);
    blobs.extend(commit.snapshots.iter().map(|record| record.blob.clone()));
    // What snapshots refer to besides is not known here, and not asked for.
    let has_garbage = store.count_blobs(&session.owner, &session.id) > blobs.len();
    let files = ReadManifest { manifest, large: large.take() };
    Ok(Some(Stored { sequence, modified, commit, files, fetched, has_garbage }))
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
    turn.snapshots().iter().find(|record| record.id == *id).ok_or_else(|| Error::NotFound {
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
        let ReadManifest { manifest, .. } = read_manifest_in_turn(store, &session, &saved.files).await?;
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

/// The files of a state. A large manifest is read only by whoever has the right to.
async fn read_manifest(store: &Store, session: &Session, files: &SavedFiles) -> Result<Manifest, Error> {
    match files {
        SavedFiles::Inline(bytes) if bytes.is_empty() => Ok(Manifest::default()),
        SavedFiles::Inline(bytes) => snapshot::decode(bytes),
        SavedFiles::Blob(name) => {
            let bytes = store.get_blob(&session.owner, &session.id, name, MAX_MANIFEST_BYTES).await?;
            blocking("read the files of a session", move || snapshot::decode(&bytes)).await
        }
    }
}

/// The files of a state, once the turn to read a large manifest has come.
async fn read_manifest_in_turn(store: &Store, session: &Session, files: &SavedFiles) -> Result<ReadManifest, Error> {
    let large = match files {
        SavedFiles::Inline(_) => None,
        SavedFiles::Blob(_) => Some(large_manifest(&session.owner).await?),
    };
    Ok(ReadManifest { manifest: read_manifest(store, session, files).await?, large })
}

/// Why what the last commit refers to could not be read: because it is not
/// the last any more, perhaps.
pub(super) async fn fenced_or(store: &Store, error: Error, turn: &mut Turn) -> Error {
    let is_newest = store.is_newest(&turn.session.owner, &turn.session.id, turn.sequence()).await;
    if !matches!(is_newest, Ok(false)) {
        return error;
    }
    turn.doubt();
    Error::Fenced { session: turn.session.id.to_string() }
}

/// Every blob that a state needs.
pub(super) async fn blobs_of(store: &Store, session: &Session, saved: &Saved) -> Result<HashSet<BlobName>, Error> {
    let ReadManifest { manifest, large: _large } = read_manifest_in_turn(store, session, &saved.files).await?;
    let mut blobs: HashSet<_> = manifest.blobs().cloned().collect();
    saved.add_blobs(&mut blobs);
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::handle::SessionId;
    use crate::store::tests::{Kind, store};

    /// Far more than anything here takes: whoever is waited for so long does not come.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// More than threads of a store.
    const MANY: usize = 16;

    #[tokio::test]
    async fn nobody_waits_on_a_thread_of_the_store_for_the_turn_to_read_a_long_list_of_files() {
        let (_directory, store) = store(Kind::Process);
        let session = |owner: &str| Session::new(SessionId::random(), Principal::named(owner));
        let (large, small) = (session("one"), session("other"));
        let list = snapshot::encode(&Manifest::default()).unwrap();
        let blob = store.put_blob(&large.owner, &large.id, 1, list).await.unwrap();
        for (session, files) in [(&large, SavedFiles::Blob(blob)), (&small, SavedFiles::Inline(Vec::new()))] {
            let saved = Saved { files, ..Saved::default() };
            let body = snapshot::encode(&Commit { parent: 0, saved, snapshots: Vec::new() }).unwrap();
            store.commit(&session.owner, &session.id, 1, &body).await.unwrap();
        }
        let find = |session: &Arc<Session>, large| {
            let (session, store) = (Arc::clone(session), store.clone());
            async move {
                let transfers = Transfers::default();
                store
                    .at_once(|store| async move { look_up(&store, &transfers, &session, None, None, large).await })
                    .await
            }
        };
        let taken = large_manifest(&large.owner).await.unwrap();
        let waiting = || async {
            let found = find(&large, None).await.unwrap();
            assert!(matches!(found, LookedUp::Large));
            large_manifest(&large.owner).await.unwrap()
        };
        let mut all: Vec<_> = (0..MANY).map(|_| Box::pin(waiting())).collect();
        let all_wait = futures_util::future::join_all(all.iter_mut());
        tokio::select! {
            biased;
            _ = all_wait => unreachable!("nobody else has the turn"),
            found = tokio::time::timeout(PATIENCE, find(&small, None)) => {
                assert!(matches!(found.unwrap().unwrap(), LookedUp::Newer(_)), "it waits for nobody");
            }
        }
        drop(all);
        assert!(matches!(find(&large, Some(taken)).await.unwrap(), LookedUp::Newer(_)));
    }
}
