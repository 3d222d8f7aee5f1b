//! Goes through the whole store now and then: ends what nobody uses, removes
//! what interrupted servers left, and counts the rest. Never at start, and
//! nobody waits for it.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, SystemTime};

use super::clock::Moment;
use super::layout::blobs_location;
use super::listing::Seen;
use super::objects::Store;
use super::usage::Usage;
use crate::error::Error;
use crate::handle::SessionId;

/// Blobs without a commit may be those of a session that is just beginning.
/// Its first commit takes seconds; a day forgives wrong clocks.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// That a session is over is known for as long as this: far longer than a server
/// may be stopped in a run whose commit must not bring the session back.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Of how many it is known at most. They take no room, but names and inodes.
const MAX_REMEMBERED: usize = 65_536;

/// How long the clock must have been steady before anything is removed for its
/// age, unless that is more than half of a lifetime.
const STEADY: Duration = Duration::from_secs(3600);

/// What a sweep did, and what there is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Sessions that can be used.
    pub(crate) sessions: usize,
    /// Sessions that nobody used for their lifetime.
    pub(crate) expired: HashSet<(String, SessionId)>,
    /// Ended sessions of which nothing is known any more.
    pub(crate) forgotten: usize,
    /// Sessions that never came to a commit.
    pub(crate) uncommitted: usize,
    /// Files of writes that were interrupted.
    pub(crate) leftovers: usize,
    /// The bytes of what is left.
    pub(crate) bytes: u64,
}

impl Store {
    /// Sweeps the store, and lets what is in use, of whom and by which handle, alone however old it is.
    /// Nothing is old while the clock was set lately.
    /// Several servers may do so at once.
    ///
    /// # Cancellation
    ///
    /// Safe: the next sweep does the rest.
    pub(crate) async fn sweep(&self, now: &Moment, in_use: &HashSet<(String, SessionId)>) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        let is_steady = self.clock.is_steady(now, STEADY.min(self.settings.lifetime / 2));
        // The beginning of time makes nothing old. Of two clocks that differ the one that
        // is behind can only let something live too long.
        let now = if is_steady { now.wall.min(self.store_time(now.wall).await?) } else { SystemTime::UNIX_EPOCH };
        let before = self.usage.current();
        let seen = self.see(None).await?;
        let mut found = Usage::default();
        for ((owner, _), session) in &seen {
            found.add(owner, session.taken);
            if session.closed.is_none() && session.head().is_some() {
                found.add_session(owner);
            }
        }
        self.usage.replace(&before, found);
        for (key @ (owner, id), session) in &seen {
            if in_use.contains(key) {
                swept.sessions += 1;
            } else if let Err(error) = self.sweep_session(owner, id, session, now, &mut swept).await {
                // The others must not suffer for it.
                tracing::warn!(%error, session = %id, "a session in the store could not be swept");
            }
        }
        self.forget(&seen, now, MAX_REMEMBERED, &mut swept).await?;
        swept.leftovers = self.backend.remove_leftovers(now).await?;
        swept.bytes = self.usage.current().all();
        Ok(swept)
    }

    /// What the clock of the backend says where that of this server says `wall`.
    async fn store_time(&self, wall: SystemTime) -> Result<SystemTime, Error> {
        let here = SystemTime::now();
        let there = self.backend.now().await?;
        let behind = here.duration_since(there).unwrap_or_default();
        Ok(wall.checked_sub(behind).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    async fn sweep_session(
        &self,
        owner: &str,
        id: &SessionId,
        session: &Seen,
        now: SystemTime,
        swept: &mut Swept,
    ) -> Result<(), Error> {
        let lifetime = self.settings.lifetime;
        match (session.closed, session.head()) {
            (Some(_), _) if session.taken > 0 => {
                self.remove_contents(owner, id).await?;
                self.usage.ended(owner);
            }
            (Some(_), _) => {}
            (None, Some((_, modified))) if is_older(lifetime, modified, now) => {
                // It was listed a while ago.
                let listing = self.look_at(owner, id).await?;
                if let Some((head, Some(commit))) = listing.commits.last_key_value()
                    && is_older(lifetime, commit.modified, now)
                    && self.expire(owner, id, *head, *commit).await?
                {
                    swept.expired.insert((owner.to_owned(), id.clone()));
                }
            }
            (None, None) if is_older(ABANDONED, session.newest.max(self.last_addition(owner, id).await), now) => {
                // A commit and a collection during the listing can hide a head.
                if self.look_at(owner, id).await?.is_empty() {
                    self.remove_contents(owner, id).await?;
                    self.usage.ended(owner);
                    swept.uncommitted += 1;
                }
            }
            (None, Some(_)) => swept.sessions += 1,
            (None, None) => {}
        }
        Ok(())
    }

    /// Forgets that sessions ended long ago, and of more than `limit` the oldest.
    pub(super) async fn forget(
        &self,
        seen: &BTreeMap<(String, SessionId), Seen>,
        now: SystemTime,
        limit: usize,
        swept: &mut Swept,
    ) -> Result<(), Error> {
        let mut ended: Vec<_> =
            seen.iter().filter_map(|((owner, id), session)| Some((session.closed?, owner, id))).collect();
        ended.sort_unstable();
        let too_many = ended.len().saturating_sub(limit);
        for (number, (at, owner, id)) in ended.into_iter().enumerate() {
            if number < too_many || is_older(REMEMBERED, at, now) {
                self.unmark(owner, id).await?;
                swept.forgotten += 1;
            }
        }
        Ok(())
    }

    /// When a session was last given an object, where its time does not tell: a
    /// copy may be a link, and as old as what it was copied from.
    async fn last_addition(&self, owner: &str, id: &SessionId) -> SystemTime {
        self.backend.last_addition(&blobs_location(owner, id)).await
    }
}

fn is_older(than: Duration, time: SystemTime, now: SystemTime) -> bool {
    now.duration_since(time).is_ok_and(|age| age > than)
}
