//! What this server holds of sessions: their files in directories, their
//! interpreters in workers, and what it knows of them. All of that is a faster
//! copy of what the store has. The server pays before it keeps more, and
//! sessions that nobody uses give theirs back: they hibernate.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::in_memory::InMemory;
use super::interpreters::Interpreters;
use super::ledger::Ledger;
use super::store_space::collect_rest;
use super::watchers::Watchers;
use super::workspaces::Workspaces;
use super::{Session, Turn};
use crate::error::Error;
use crate::fair::Urgency;
use crate::handle::Principal;
use crate::memory_budget::MemoryBudget;
use crate::store::Store;

/// How long a session waits for memory that others give back.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// A session that holds less makes no room worth its coming back.
const WORTHWHILE_BYTES: u64 = 64 << 10;

/// What this server holds of sessions.
pub(super) struct Holding {
    in_memory: InMemory,
    workspaces: Workspaces,
    interpreters: Interpreters,
    ledger: Arc<Ledger>,
    store: Store,
    watchers: Arc<Watchers>,
}

impl Holding {
    pub(super) const fn new(
        in_memory: InMemory,
        workspaces: Workspaces,
        interpreters: Interpreters,
        ledger: Arc<Ledger>,
        store: Store,
        watchers: Arc<Watchers>,
    ) -> Self {
        Self { in_memory, workspaces, interpreters, ledger, store, watchers }
    }

    pub(super) const fn in_memory(&self) -> &InMemory {
        &self.in_memory
    }

    pub(super) fn budget(&self) -> &MemoryBudget {
        self.ledger.budget()
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
        if self.pay_at_once(turn, bytes) {
            return Ok(());
        }
        let (ledger, owner) = (&self.ledger, turn.session.owner.clone());
        let most = ledger.most_of(&owner);
        let bytes = bytes as u64;
        let mut held = turn.held().take().unwrap_or_else(|| ledger.nothing(&owner));
        let more = bytes.saturating_sub(held.bytes());
        let mut is_paid = false;
        if bytes <= most {
            self.interpreters.recall(&owner, more);
            let budget = ledger.budget();
            self.make_memory(
                &owner,
                || ledger.bytes_of(&owner) + more <= most && budget.left_of(&owner) >= more,
                || ledger.bytes() + more <= ledger.most_bytes() && budget.free_bytes() >= more,
            );
            // What workers give back comes a little later.
            let taken = tokio::time::timeout(ROOM_WAIT, budget.take(&owner, more, Urgency::GoesOn)).await;
            is_paid = held.resize_with(bytes, taken.unwrap_or(None));
        }
        *turn.held() = Some(held);
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
            active: usize::try_from(ledger.bytes_of(&owner) >> 20).unwrap_or(usize::MAX),
            limit: usize::try_from(most >> 20).unwrap_or(usize::MAX),
        })
    }

    /// Pays for the `bytes` that a session is held in, if nobody has to make room.
    pub(super) fn pay_at_once(&self, turn: &mut Turn, bytes: usize) -> bool {
        let mut held = match turn.held().take() {
            Some(held) => held,
            None => self.ledger.nothing(&turn.session.owner),
        };
        let is_paid = held.resize(bytes as u64);
        *turn.held() = Some(held);
        is_paid
    }

    /// Lets sessions hibernate that nobody uses, the longest unused first: those of
    /// `owner` until it has `own_room`, and then any until there `is_room`, beginning
    /// with the tenant that holds the most.
    pub(super) fn make_memory(&self, owner: &Principal, own_room: impl Fn() -> bool, is_room: impl Fn() -> bool) {
        let ledger = &self.ledger;
        if ledger.bytes() == 0 || (own_room() && is_room()) {
            return;
        }
        let is_large = |turn: &Turn| turn.held_bytes() >= WORTHWHILE_BYTES;
        let make = |sessions: &[Arc<Session>], has_room: &dyn Fn() -> bool| {
            for session in sessions {
                if has_room() {
                    return;
                }
                if let Some(turn) = session.idle_turn().filter(is_large) {
                    self.hibernate(turn);
                }
            }
        };
        let mut sessions = self.in_memory.by_last_use();
        let own: Vec<_> = sessions.iter().filter(|session| session.owner == *owner).cloned().collect();
        make(&own, &own_room);
        sessions.sort_by_cached_key(|session| Reverse(ledger.bytes_of(&session.owner)));
        make(&sessions, &is_room);
    }

    /// Gives a session that just came here an empty workspace. If there are too
    /// many, the least recently used one hibernates for it.
    pub(super) fn admit(&self, session: &Session) -> Result<(), Error> {
        if let Some(turn) = self.in_memory.surplus(&session.owner)? {
            self.interpreters.close(&turn.session.key());
            self.hibernate(turn);
        }
        self.workspaces.make(session)
    }

    /// Lets sessions hibernate that nobody has used for so long. Each renames a
    /// directory, and calls in between do not wait for all of them.
    pub(super) async fn hibernate_unused_for(&self, idle_time: Duration, now: Instant) {
        for session in self.in_memory.unused_for(idle_time, now) {
            // A session may have been used since the unused ones were listed.
            let is_unused = |_: &Turn| now.saturating_duration_since(session.last_used()) >= idle_time;
            if let Some(turn) = session.idle_turn().filter(is_unused) {
                self.hibernate(turn);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Lets all sessions of `owner` hibernate that nobody uses.
    pub(super) fn hibernate_all_of(&self, owner: &Principal) {
        self.in_memory.of(owner).iter().filter_map(Session::idle_turn).for_each(|turn| self.hibernate(turn));
    }

    /// Lets a session lie in the store alone.
    fn hibernate(&self, mut turn: Turn) {
        tracing::debug!(session = %turn.session.id, "a session hibernates");
        collect_rest(&self.store, &mut turn);
        self.watchers.left(&turn.session.key(), turn.sequence());
        self.forget(&mut turn);
    }

    /// Forgets a session that is over, or lies in the store.
    pub(super) fn forget(&self, turn: &mut Turn) {
        let has_files = turn.end();
        let key = turn.session.key();
        self.interpreters.close(&key);
        self.workspaces.take_away(&turn.session, has_files);
        // Last: as long as it is known its tenant is, and what was just put away with it.
        self.in_memory.remove(&key);
    }
}
