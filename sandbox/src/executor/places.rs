//! Places: how many calls go on at once, and who is next.
//!
//! A run has a place from its start to its end. Everything else that a client may
//! ask for has one of another, cheaper kind, so that nobody has more than so many
//! calls going on, and a run that takes long keeps nobody from looking at it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::stop::Stop;
use super::tenants::Visit;
use crate::error::Error;
use crate::fair::{Full, Pot, Units, Urgency};
use crate::handle::Principal;
use crate::tenancy::TenantBounds;

/// What a call wants a place for that runs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Reading, which may make a reply with an image in it.
    Read,
    /// What is done to sessions, and may wait for one.
    Session,
    /// What waits for nothing.
    Glance,
}

/// How many go on at once, and how many more of one tenant wait.
struct Bound {
    of_one: u64,
    of_all: u64,
    queue: usize,
}

impl Look {
    const fn bound(self) -> Bound {
        match self {
            // A reply has up to 16 MiB.
            Self::Read => Bound { of_one: 8, of_all: 64, queue: 256 },
            Self::Session => Bound { of_one: 64, of_all: 1024, queue: 256 },
            Self::Glance => Bound { of_one: 8, of_all: 64, queue: 256 },
        }
    }
}

/// A place among what goes on at once, until this is dropped.
#[derive(Debug)]
pub struct Place {
    _units: Units<Principal>,
    _visit: Option<Visit>,
}

/// All places.
pub(super) struct Places {
    runs: Pot<Principal>,
    total: usize,
    reads: Pot<Principal>,
    sessions: Pot<Principal>,
    glances: Pot<Principal>,
    bounds: Arc<TenantBounds>,
}

/// How many of something have a place, and how many wait for one.
pub(super) struct Count {
    pub(super) active: usize,
    pub(super) waiting: usize,
}

impl Places {
    pub(super) fn new(runs: usize, bounds: Arc<TenantBounds>) -> Self {
        let of = |look: Look| Pot::new(look.bound().of_all);
        Self {
            runs: Pot::new(runs as u64),
            total: runs,
            reads: of(Look::Read),
            sessions: of(Look::Session),
            glances: of(Look::Glance),
            bounds,
        }
    }

    /// A place for a run of `principal`, waited for in its own queue.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] with the bound of the queue; what `stop` says.
    pub(super) async fn run(&self, principal: &Principal, stop: &Stop) -> Result<Place, Error> {
        let limits = self.bounds.of(principal);
        let most = limits.runs.min(self.total) as u64;
        let taken = self.runs.take(principal, (most, 1), Urgency::CanWait, limits.queue);
        let what = if self.bounds.several().is_some() {
            "too many of your runs are waiting"
        } else {
            "too many runs are waiting"
        };
        let full = |Full { waiting }| Error::Busy { what, active: waiting, limit: limits.queue };
        Ok(Place { _units: stop.unless(taken).await?.map_err(full)?, _visit: None })
    }

    /// A place for a call of `principal` that runs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] with the bound of the queue; [`Error::Cancelled`].
    pub(super) async fn look(
        &self,
        principal: &Principal,
        look: Look,
        visit: Option<Visit>,
        cancel: &CancellationToken,
    ) -> Result<Place, Error> {
        let Bound { of_one, queue, .. } = look.bound();
        let pot = match look {
            Look::Read => &self.reads,
            Look::Session => &self.sessions,
            Look::Glance => &self.glances,
        };
        let taken = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Cancelled),
            taken = pot.take(principal, (of_one, 1), Urgency::CanWait, queue) => taken,
        };
        let full = |Full { waiting }| Error::Busy { what: "too many calls are waiting", active: waiting, limit: queue };
        Ok(Place { _units: taken.map_err(full)?, _visit: visit })
    }

    /// The runs of everybody.
    pub(super) fn count(&self) -> Count {
        let free = usize::try_from(self.runs.free()).unwrap_or(usize::MAX);
        Count { active: self.total.saturating_sub(free), waiting: self.runs.waiting() }
    }

    /// Those of one.
    pub(super) fn count_of(&self, principal: &Principal) -> Count {
        let active = usize::try_from(self.runs.used_by(principal)).unwrap_or(usize::MAX);
        Count { active, waiting: self.runs.waiting_of(principal) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_has_all_places_of_its_own_is_told_its_bound_and_others_go_on() {
        let places = Places::new(4, TenantBounds::many(1));
        let (one, other) = (Principal::named("one"), Principal::named("other"));
        let stop = Stop::new(CancellationToken::new(), CancellationToken::new());
        let held = [places.run(&one, &stop).await.unwrap(), places.run(&one, &stop).await.unwrap()];
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(places.run(&one, &stop))).collect();
        for waits in &mut waiting {
            assert!(futures_util::poll!(waits).is_pending());
        }
        let refused = places.run(&one, &stop).await.unwrap_err().to_string();
        assert!(refused.contains("too many of your runs are waiting (2 of 2 in use)"), "{refused}");
        let theirs = places.run(&other, &stop).await.unwrap();
        let (Count { active, waiting: queued }, all) = (places.count_of(&one), places.count());
        assert_eq!((active, queued, all.active, all.waiting), (2, 2, 3, 2));
        drop((held, theirs));
        for waits in waiting {
            waits.await.unwrap();
        }
        assert_eq!(places.count().active, 0);
    }

    #[tokio::test]
    async fn reads_and_other_calls_have_places_of_their_own_and_can_be_cancelled() {
        let places = Places::new(1, TenantBounds::many(1));
        let (one, other, cancel) = (Principal::named("one"), Principal::named("other"), CancellationToken::new());
        let mut held = Vec::new();
        for _ in 0..Look::Read.bound().of_one {
            held.push(places.look(&one, Look::Read, None, &cancel).await.unwrap());
        }
        let mut waits = Box::pin(places.look(&one, Look::Read, None, &cancel));
        assert!(futures_util::poll!(&mut waits).is_pending());
        places.look(&one, Look::Session, None, &cancel).await.unwrap();
        places.look(&other, Look::Read, None, &cancel).await.unwrap();
        cancel.cancel();
        assert!(matches!(waits.await, Err(Error::Cancelled)));
        drop(held);
        assert_eq!(places.reads.free(), Look::Read.bound().of_all);
    }
}
