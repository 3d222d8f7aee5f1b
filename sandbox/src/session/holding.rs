//! What this server holds of sessions: their files in directories, their
//! interpreters in workers, and what it knows of them. All of that is a faster
//! copy of what the store has. The server pays before it keeps more, and
//! sessions that nobody uses give theirs back: they hibernate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::in_memory::InMemory;
use super::interpreters::Interpreters;
use super::ledger::Ledger;
use super::snapshot::{SavedFiles, SavedInterpreter, SnapshotRecord};
use super::store_space::collect_rest;
use super::workspaces::Workspaces;
use super::{Life, Session, Turn};
use crate::error::Error;
use crate::store::Store;

/// How long a session waits for memory that others give back.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// A session that holds less makes no room worth its coming back.
const WORTHWHILE_BYTES: u64 = 64 << 10;

impl SavedInterpreter {
    fn heap_bytes(&self) -> usize {
        let tail = self.tail.iter().map(|part| part.capacity() + size_of::<Vec<u8>>()).sum::<usize>();
        // A blob's name has its hash and number in text beside it.
        tail + self.state.capacity() + self.parts.len() * 128 + size_of::<Self>()
    }
}

/// The memory that a session takes beside what its files are known by.
pub(super) fn beside_files(
    files: &SavedFiles,
    interpreters: &BTreeMap<String, SavedInterpreter>,
    snapshots: &[SnapshotRecord],
) -> usize {
    let files = match files {
        SavedFiles::Inline(bytes) => bytes.capacity(),
        SavedFiles::Blob(_) => 0,
    };
    let interpreters = interpreters.values().map(SavedInterpreter::heap_bytes).sum::<usize>();
    files + interpreters + snapshots.len() * (size_of::<SnapshotRecord>() + 128)
}

/// What is held.
pub(super) struct Holding {
    in_memory: InMemory,
    workspaces: Workspaces,
    interpreters: Interpreters,
    ledger: Arc<Ledger>,
    store: Store,
}

impl Holding {
    pub(super) const fn new(
        in_memory: InMemory,
        workspaces: Workspaces,
        interpreters: Interpreters,
        ledger: Arc<Ledger>,
        store: Store,
    ) -> Self {
        Self { in_memory, workspaces, interpreters, ledger, store }
    }

    pub(super) const fn in_memory(&self) -> &InMemory {
        &self.in_memory
    }

    pub(super) const fn workspaces(&self) -> &Workspaces {
        &self.workspaces
    }

    pub(super) const fn interpreters(&self) -> &Interpreters {
        &self.interpreters
    }

    /// Pays for the `bytes` that a session is held in, if need be once others made
    /// room.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when the server could never hold as much,
    /// [`Error::Busy`] when it cannot now.
    pub(super) async fn pay(&self, turn: &mut Turn, bytes: usize) -> Result<(), Error> {
        let (ledger, most) = (&self.ledger, self.ledger.most_bytes());
        let bytes = bytes as u64;
        let mut held = turn.held.take().unwrap_or_else(|| ledger.nothing());
        let more = bytes.saturating_sub(held.bytes());
        let mut is_paid = held.resize(bytes);
        if !is_paid && bytes <= most {
            self.interpreters.recall(more);
            self.make_memory(|| ledger.bytes() + more <= most && ledger.budget().free_bytes() >= more);
            // What workers give back comes a little later.
            drop(tokio::time::timeout(ROOM_WAIT, ledger.budget().take(more)).await);
            is_paid = held.resize(bytes);
        }
        turn.held = Some(held);
        if is_paid {
            return Ok(());
        }
        if bytes > most {
            return Err(Error::Denied {
                action: "keeping the files of this session".into(),
                reason: format!(
                    "to know them by, all sessions together have half of the server's memory_bytes, {most} bytes, and \
                     these take {bytes}; keep fewer files, or pack them"
                ),
            });
        }
        Err(Error::Busy {
            what: "the memory to know files of sessions by is in use, in MiB",
            active: usize::try_from(ledger.bytes() >> 20).unwrap_or(usize::MAX),
            limit: usize::try_from(most >> 20).unwrap_or(usize::MAX),
        })
    }

    /// Lets sessions hibernate that nobody uses, the longest unused first, until
    /// there `is_enough`.
    pub(super) fn make_memory(&self, is_enough: impl Fn() -> bool) {
        if is_enough() || self.ledger.bytes() == 0 {
            return;
        }
        for session in self.in_memory.by_last_use() {
            if is_enough() {
                return;
            }
            let is_large = |turn: &Turn| turn.held.as_ref().is_some_and(|held| held.bytes() >= WORTHWHILE_BYTES);
            if let Some(turn) = session.idle_turn().filter(is_large) {
                self.hibernate(turn);
            }
        }
    }

    /// Gives a session that just came here an empty workspace. If there are too
    /// many, the least recently used one hibernates for it.
    pub(super) fn admit(&self, session: &Session) -> Result<(), Error> {
        if let Some(turn) = self.in_memory.surplus()? {
            self.interpreters.close_later(&turn.session.id);
            self.hibernate(turn);
        }
        self.workspaces.make(session)
    }

    /// Lets sessions hibernate that nobody has used for so long. Each renames a
    /// directory, and calls in between do not wait for all of them.
    pub(super) async fn hibernate_unused_for(&self, idle_time: Duration, now: Instant) {
        for session in self.in_memory.unused_for(idle_time, now) {
            // One may have been used since they were listed.
            let is_unused = |_: &Turn| now.saturating_duration_since(session.last_used()) >= idle_time;
            if let Some(turn) = session.idle_turn().filter(is_unused) {
                self.hibernate(turn);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Lets a session lie in the store alone.
    fn hibernate(&self, mut turn: Turn) {
        tracing::debug!(session = %turn.session.id, "a session hibernates");
        collect_rest(&self.store, &mut turn);
        self.forget(&mut turn);
    }

    /// Forgets a session that is over, or lies in the store.
    pub(super) fn forget(&self, turn: &mut Turn) {
        let has_files = turn.life != Life::Loaded || turn.is_ahead || !turn.tree.manifest().is_empty();
        turn.life = Life::Gone;
        turn.held = None;
        self.in_memory.remove(&turn.session.id);
        self.interpreters.close(&turn.session.id);
        self.workspaces.take_away(&turn.session, has_files);
    }
}
