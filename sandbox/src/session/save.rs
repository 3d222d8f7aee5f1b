//! Saving a session: what a call made of it becomes its next state in the
//! store. Everyone saves in this order:
//!
//! 1. What a worker claims is checked.
//! 2. There is room in the store for all of it, before any of it is written.
//! 3. Blobs are written: memory, contents of files, remembered states.
//! 4. The guest image that a memory differs from is kept.
//! 5. The commit makes it the session. Only then may the call be answered.
//!
//! What fails before the commit leaves blobs that nothing refers to, which
//! garbage collection removes, and the session as it was.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use guest_runtimes::{GuestRuntime, Image};
use parking_lot::Mutex;
use serde_bytes::ByteBuf;

use super::files::{Manifest, Tree};
use super::holding::Holding;
use super::load::fenced_or;
use super::snapshot::{self, Commit, Saved, SavedInterpreter, SavedPart, SnapshotRecord, beside_files};
use super::store_space::{collect, make_space};
use super::watchers::Watchers;
use super::{Session, Turn, changed};
use crate::error::{Error, IoContext as _};
use crate::handle::{SessionId, SnapshotId};
use crate::run::limits::{Limits, Resource};
use crate::run::observer::{Observers, SessionEvent};
use crate::store::{CloseReason, Committed, Store};
use crate::wasm::engine::ENGINE_VERSION;
use crate::worker::{Capture, MAX_STATE_BYTES, Transfer, saved_bytes};
use crate::workspace::untouched::Untouched;

/// The largest tail. Above what a worker makes of one.
const MAX_TAIL_BYTES: u64 = 1 << 20;

/// What a call made of a session. What it leaves out stays as it is.
#[derive(Default)]
pub(crate) struct Change {
    /// An earlier state to go on from.
    pub(crate) earlier: Option<Earlier>,
    /// The interpreter of a run, which knows what became of the files.
    pub(crate) interpreter: Option<CapturedInterpreter>,
    /// Says that files may have changed.
    pub(crate) files: Option<ChangedFiles>,
    pub(crate) snapshots: Option<SnapshotChange>,
}

/// An interpreter as its run left it, in its worker's words.
pub(crate) struct CapturedInterpreter {
    pub(crate) runtime: Arc<GuestRuntime>,
    /// The image of this build, for an interpreter that is new.
    pub(crate) image: Arc<Image>,
    pub(crate) capture: Capture,
    /// The transfer that has the bytes of the interpreter.
    pub(crate) transfer: Arc<Transfer>,
}

/// Files that may have changed.
#[derive(Default)]
pub(crate) struct ChangedFiles {
    /// About how many bytes of the changed files are new.
    pub(crate) bytes: u64,
    /// Files that are as they were, although their stamps differ.
    pub(crate) untouched: Untouched,
}

/// A state that a snapshot remembers.
pub(crate) struct Earlier {
    pub(crate) saved: Saved,
    /// The memory that its files are known by, once they are laid out.
    pub(crate) files_bytes: usize,
}

/// What becomes of the remembered states.
pub(crate) enum SnapshotChange {
    /// The present state is one more.
    Take,
    Remove(SnapshotId),
}

/// Saves sessions.
pub(super) struct Saver {
    store: Store,
    holding: Arc<Holding>,
    ceilings: Limits,
    /// The digests of guest images that the store has for certain.
    kept_images: Mutex<HashSet<String>>,
    watchers: Arc<Watchers>,
    observers: Observers,
}

impl Saver {
    pub(super) fn new(
        store: Store,
        holding: Arc<Holding>,
        ceilings: Limits,
        watchers: Arc<Watchers>,
        observers: Observers,
    ) -> Self {
        Self { store, holding, ceilings, kept_images: Mutex::default(), watchers, observers }
    }

    /// Saves `change` as the next state of the session. Only then may it be
    /// acknowledged.
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`] when another server went on with the session,
    /// [`Error::Denied`] when there is no room, [`Error::Busy`] when others have the
    /// memory that it takes. In each case nothing has changed in the store.
    pub(super) async fn save(&self, turn: &mut Turn, change: Change) -> Result<(), Error> {
        let Change { earlier, interpreter, files, snapshots } = change;
        if let Some(captured) = &interpreter {
            self.check(turn, captured)?;
        }
        let present = || turn.saved().clone();
        let remembered = match snapshots {
            Some(SnapshotChange::Take) => Some(snapshot::encode(turn.saved())?),
            Some(SnapshotChange::Remove(_)) | None => None,
        };
        let later_bytes = earlier.as_ref().map_or(0, |earlier| earlier.files_bytes);
        let saved = earlier.map_or_else(present, |earlier| earlier.saved);
        let mut next = Commit { parent: turn.sequence(), saved, snapshots: turn.snapshots().to_vec() };

        let memory =
            interpreter.as_ref().map_or(0, |captured| sum(&captured.capture.parts) + sum(&captured.capture.tail));
        let bytes = memory
            .saturating_add(files.as_ref().map_or(0, |files| files.bytes))
            .saturating_add(remembered.as_ref().map_or(0, |bytes| bytes.len() as u64));
        if bytes > 0 {
            make_space(&self.store, turn, bytes).await?;
        }

        let knows_files = interpreter.is_some();
        let mut image = None;
        if let Some(captured) = interpreter {
            self.observers.session(SessionEvent::Captured { bytes: memory });
            let (runtime, own) = (Arc::clone(&captured.runtime), Arc::clone(&captured.image));
            let before = next.saved.interpreters.remove(runtime.id());
            let saved = self.put_interpreter(turn, before, captured).await?;
            image = (saved.image == own.digest()).then_some(own);
            next.saved.interpreters.insert(runtime.id().to_owned(), saved);
        }
        let mut tree = None;
        if let Some(ChangedFiles { untouched, .. }) = files {
            turn.set_untouched(untouched);
            let captured = if knows_files {
                changed::capture(&self.store, turn).await?
            } else {
                changed::capture_apart(&self.store, turn).await?
            };
            next.saved.files = captured.files.unwrap_or(next.saved.files);
            tree = Some(captured.tree);
        }
        if let Some(state) = remembered {
            next.snapshots.push(self.put_snapshot(turn, &next.saved, state).await?);
        }
        if let Some(SnapshotChange::Remove(id)) = snapshots {
            next.snapshots.retain(|record| record.id != id);
        }

        if let Some(image) = image {
            self.keep_image(&image).await?;
        }

        self.commit(turn, next, tree, later_bytes).await?;
        if knows_files {
            turn.seen_by_interpreters();
        }
        Ok(())
    }

    /// Makes the state `saved` of a session, with the files `manifest`, the
    /// first of another. The two share nothing from then on.
    pub(super) async fn fork(
        &self,
        turn: &mut Turn,
        saved: Saved,
        manifest: &Manifest,
    ) -> Result<(SessionId, u64), Error> {
        let mut blobs: HashSet<_> = manifest.blobs().cloned().collect();
        saved.add_blobs(&mut blobs);
        let bytes = saved.size_bytes() + manifest.stored_bytes();
        let fork = Session::new(SessionId::random(), turn.session.owner.clone());
        let body = snapshot::encode(&Commit { parent: turn.sequence(), saved, snapshots: Vec::new() })?;
        // Links take no room, but the other session may go first.
        make_space(&self.store, turn, bytes + body.len() as u64).await?;
        // The numbers of the fork go on from those of the session it comes from, whose
        // blobs it takes over under their names.
        let sequence = turn.sequence() + 1;
        let copied = self.store.copy_blobs(&fork.owner, &turn.session.id, &fork.id, blobs, bytes).await;
        if let Err(error) = copied {
            self.give_up(fork);
            return Err(fenced_or(&self.store, error, turn).await);
        }
        let began = Instant::now();
        let committed = self.store.commit(&fork.owner, &fork.id, sequence, &body).await;
        match self.told(began, body.len(), committed) {
            Ok(Committed::Done) => Ok((fork.id.clone(), sequence)),
            Ok(Committed::Fenced) => {
                self.give_up(fork);
                Err(Error::host("fork a session", "its new handle is taken"))
            }
            Err(error) => {
                self.give_up(fork);
                Err(error)
            }
        }
    }

    /// Ends a fork that nobody learns of, beside the call: what does not answer now may
    /// not answer then. A commit that arrives late does not bring it back.
    fn give_up(&self, fork: Arc<Session>) {
        let store = self.store.clone();
        self.store.background.spawn(async move {
            if let Err(error) = store.close(&fork.owner, &fork.id, CloseReason::Closed).await {
                tracing::warn!(%error, session = %fork.id, "a session that could not be forked is left in the store");
            }
        });
    }

    /// Checks what a worker says of an interpreter: it may be the guest that
    /// speaks.
    fn check(&self, turn: &Turn, captured: &CapturedInterpreter) -> Result<(), Error> {
        let Capture { keep, parts, tail, state } = &captured.capture;
        let before = turn.interpreter(captured.runtime.id()).map_or(&[][..], |saved| &saved.parts);
        let memory = self.ceilings.get(Resource::MemoryBytes);
        let most_parts = usize::try_from(memory >> 21).unwrap_or(usize::MAX).saturating_add(64);
        let most_bytes = saved_bytes(memory);
        let kept = before.iter().take(*keep).map(|part| u64::from(part.bytes)).sum::<u64>();
        // Segments halve in size, so all together are less than twice the first.
        if *keep > before.len()
            || keep + parts.len() > 2 * most_parts
            || tail.len() > most_parts
            || parts.iter().chain(tail).any(|length| *length == 0)
            || sum(parts) > most_bytes
            || kept + sum(parts) > 2 * most_bytes
            || sum(tail) > MAX_TAIL_BYTES
            || state.len() > MAX_STATE_BYTES
        {
            self.holding.interpreters().distrust(&turn.session.key(), "what it saved is more than it may be");
            return Err(Error::host("save the state of a session", "its worker broke the protocol and was ended"));
        }
        Ok(())
    }

    /// Writes the parts of a memory that are new since it was saved `before`.
    async fn put_interpreter(
        &self,
        turn: &Turn,
        before: Option<SavedInterpreter>,
        captured: CapturedInterpreter,
    ) -> Result<SavedInterpreter, Error> {
        let CapturedInterpreter { image, capture, transfer, .. } = captured;
        // An interpreter goes on in the image and under the ABI that it began with.
        let (image, abi, mut parts) = match before {
            Some(saved) => (saved.image, saved.abi, saved.parts),
            None => (image.digest().to_owned(), image.abi(), Vec::new()),
        };
        parts.truncate(capture.keep);
        let doing = || "take over the state of a session".to_owned();
        let lengths = capture.parts.iter().chain(&capture.tail).copied().collect();
        let (new_parts, sequence) = (capture.parts.len(), turn.sequence() + 1);
        let session = Arc::clone(&turn.session);
        let put = |store: Store| async move {
            let mut incoming = transfer.parts(lengths);
            for bytes in incoming.by_ref().take(new_parts) {
                let bytes = bytes.doing(doing)?;
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let blob = store.put_blob(&session.owner, &session.id, sequence, bytes).await?;
                parts.push(SavedPart { blob, bytes: length });
            }
            let tail: Vec<_> = incoming.map(|bytes| bytes.map(ByteBuf::from)).collect::<Result<_, _>>().doing(doing)?;
            Ok((parts, tail))
        };
        let (parts, tail) = if new_parts == 0 {
            // A tail alone is small enough to be written without a thread of the store.
            put(self.store.clone()).await?
        } else {
            self.store.at_once(put).await?
        };
        let engine = ENGINE_VERSION.to_owned();
        Ok(SavedInterpreter { image, abi, engine, parts, tail, state: capture.state })
    }

    /// Writes the present state, encoded, so that it is remembered.
    async fn put_snapshot(&self, turn: &Turn, saved: &Saved, encoded: Vec<u8>) -> Result<SnapshotRecord, Error> {
        let session = &turn.session;
        let blob = self.store.put_blob(&session.owner, &session.id, turn.sequence() + 1, encoded).await?;
        Ok(SnapshotRecord {
            id: SnapshotId::random(),
            sequence: turn.sequence(),
            created: SystemTime::now(),
            size_bytes: saved.size_bytes() + turn.manifest().size_bytes(),
            blob,
        })
    }

    /// Has the store keep the image of this build. Later calls do nothing.
    async fn keep_image(&self, image: &Image) -> Result<(), Error> {
        let digest = image.digest();
        if self.kept_images.lock().contains(digest) {
            return Ok(());
        }
        let compressed = || image.compressed().map_err(|source| Error::host("read a guest image", source));
        self.store.keep_base(digest, compressed).await?;
        self.kept_images.lock().insert(digest.to_owned());
        Ok(())
    }

    /// Makes `next` the session. Where that fails, this server's copy is not
    /// relied on any more: it is not known what the store has. `later_bytes` are
    /// what its files will be known by, if they are others after that.
    async fn commit(&self, turn: &mut Turn, next: Commit, tree: Option<Tree>, later_bytes: usize) -> Result<(), Error> {
        let committed = self.try_commit(turn, next, tree, later_bytes).await;
        if committed.is_err() {
            self.holding.interpreters().close(&turn.session.key());
            turn.session.set_disordered(true);
            turn.commit_failed();
        }
        committed
    }

    /// Tells observers of a commit.
    fn told(&self, began: Instant, bytes: usize, committed: Result<Committed, Error>) -> Result<Committed, Error> {
        let result = match &committed {
            Ok(Committed::Done) => "done",
            Ok(Committed::Fenced) => "fenced",
            Err(error) => error.kind(),
        };
        self.observers.session(SessionEvent::Committed { result, bytes: bytes as u64, took: began.elapsed() });
        committed
    }

    async fn try_commit(
        &self,
        turn: &mut Turn,
        next: Commit,
        tree: Option<Tree>,
        later_bytes: usize,
    ) -> Result<(), Error> {
        let session = Arc::clone(&turn.session);
        let sequence = turn.sequence() + 1;
        let files = tree.as_ref().unwrap_or(turn.tree()).heap_bytes_with(turn.seen()).max(later_bytes);
        let beside = beside_files(&next.saved, &next.snapshots);
        self.holding.pay(turn, files + beside).await?;
        let body = snapshot::encode(&next)?;
        // Fewer snapshots than before are a step to more room.
        if next.snapshots.len() >= turn.snapshots().len() {
            make_space(&self.store, turn, body.len() as u64).await?;
        }
        let (to, bytes, began) = (Arc::clone(&session), body.len(), Instant::now());
        let write = |store: Store| async move { store.commit(&to.owner, &to.id, sequence, &body).await };
        let committed = self.told(began, bytes, self.store.at_once(write).await)?;
        if committed == Committed::Fenced {
            return Err(Error::Fenced { session: session.id.to_string() });
        }
        if let Some(tree) = &tree {
            self.watchers.changed(session.key(), turn.manifest(), tree.manifest());
        }
        turn.committed(next, tree, self.store.now());
        if turn.is_collection_due() {
            collect(&self.store, turn);
        }
        Ok(())
    }
}

fn sum(lengths: &[u32]) -> u64 {
    lengths.iter().map(|length| u64::from(*length)).sum()
}
