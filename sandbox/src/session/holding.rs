//! What the server holds of sessions in its memory: it pays before it keeps
//! more, and sessions that nobody uses give theirs back.

use std::time::Duration;

use super::registry::Sessions;
use super::snapshot::{SavedFiles, SavedInterpreter, SnapshotRecord};
use super::{Head, Turn};
use crate::error::Error;
use crate::lock::lock;

/// How long a session waits for memory that others give back.
const ROOM_WAIT: Duration = Duration::from_millis(200);
/// A session that holds less makes no room worth its coming back.
const WORTHWHILE_BYTES: u64 = 64 << 10;

impl SavedInterpreter {
    fn heap_bytes(&self) -> usize {
        let tail = self.tail.iter().map(|part| part.capacity() + size_of::<Vec<u8>>()).sum::<usize>();
        // A blob's name has its hash and number in text beside it.
        tail + self.state.capacity() + self.parts.len() * 128 + size_of::<Self>()
    }
}

impl Head {
    /// The memory that it takes beside its files.
    fn heap_bytes(&self) -> usize {
        let files = match &self.files {
            SavedFiles::Inline(bytes) => bytes.capacity(),
            SavedFiles::Blob(_) => 0,
        };
        let interpreters = self.interpreters.values().map(SavedInterpreter::heap_bytes).sum::<usize>();
        files + interpreters + self.snapshots.len() * (size_of::<SnapshotRecord>() + 128)
    }
}

impl Sessions {
    /// Pays for `bytes` of files, and for what the session takes beside them, if
    /// need be once others made room.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when the server could never hold as much,
    /// [`Error::Busy`] when it cannot now.
    pub(crate) async fn hold(&self, turn: &mut Turn, bytes: usize) -> Result<(), Error> {
        let (ledger, most) = (&self.ledger, self.ledger.most_bytes());
        let bytes = (bytes + turn.heap_bytes()) as u64;
        let mut held = turn.held.take().unwrap_or_else(|| ledger.nothing());
        let more = bytes.saturating_sub(held.bytes());
        let mut is_paid = held.resize(bytes);
        if !is_paid && bytes <= most {
            if let Some(pool) = self.pool.get() {
                pool.recall(more);
            }
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
    pub(crate) fn make_memory(&self, is_enough: impl Fn() -> bool) {
        if is_enough() || self.ledger.bytes() == 0 {
            return;
        }
        let mut sessions: Vec<_> = lock(&self.here).values().cloned().collect();
        sessions.sort_by_cached_key(|session| session.last_used());
        for session in sessions {
            if is_enough() {
                return;
            }
            let is_large = |turn: &Turn| turn.held.as_ref().is_some_and(|held| held.bytes() >= WORTHWHILE_BYTES);
            if let Some(turn) = session.idle_turn().filter(is_large) {
                self.hibernate(turn);
            }
        }
    }
}
