//! Admission: how many calls go on at once, and who is next.
//!
//! A run has a place from its start to its end. Everything else that a client may
//! ask for has one of another, cheaper kind, so that nobody has more than so many
//! calls going on, and a run that takes long keeps nobody from looking at it. Such a
//! call has one of its tenant until its answer is with the client, and one of all only
//! while the answer is made: whoever takes its answers slowly keeps nobody waiting but
//! itself.

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

/// A place of a run among all, until this is dropped.
#[derive(Debug)]
pub(super) struct RunPlace(#[expect(dead_code, reason = "held")] Units<Principal>);

/// A place of a call that runs nothing among those of its tenant, until this is dropped.
#[derive(Debug)]
pub struct Place {
    own: Units<Principal>,
    all: Pot<Principal>,
    of_all: Option<Units<Principal>>,
    _visit: Option<Visit>,
}

impl Place {
    /// Waits for a place among those of everybody.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`].
    pub async fn begin(&mut self, cancel: &CancellationToken) -> Result<(), Error> {
        let taken = self.all.take(self.own.key(), (u64::MAX, self.own.units()), Urgency::CanWait, usize::MAX);
        let taken = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Cancelled),
            taken = taken => taken,
        };
        // No queue can be full here: no more calls wait than have a place of their own.
        self.of_all = taken.ok();
        Ok(())
    }

    /// Leaves the place among those of everybody to others: the answer is made.
    pub fn answered(&mut self) {
        self.of_all = None;
    }
}

/// The places of one kind of call that runs nothing.
struct Looks {
    /// Places of each tenant, bounded for each alone: all together never run out of them.
    own: Pot<Principal>,
    all: Pot<Principal>,
}

impl Looks {
    fn of(look: Look) -> Self {
        Self { own: Pot::new(u64::from(u32::MAX)), all: Pot::new(look.bound().of_all) }
    }
}

/// Gives out all places.
pub(super) struct Admission {
    runs: Pot<Principal>,
    total: usize,
    reads: Looks,
    sessions: Looks,
    glances: Looks,
    bounds: Arc<TenantBounds>,
}

/// How many of something have a place, and how many wait for one.
pub(super) struct Count {
    pub(super) active: usize,
    pub(super) waiting: usize,
}

impl Admission {
    pub(super) fn new(runs: usize, bounds: Arc<TenantBounds>) -> Self {
        Self {
            runs: Pot::new(runs as u64),
            total: runs,
            reads: Looks::of(Look::Read),
            sessions: Looks::of(Look::Session),
            glances: Looks::of(Look::Glance),
            bounds,
        }
    }

    /// A place for a run of `principal`, waited for in its own queue.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] with the bound of the queue; what `stop` says.
    pub(super) async fn run(&self, principal: &Principal, stop: &Stop) -> Result<RunPlace, Error> {
        let limits = self.bounds.of(principal);
        let most = limits.runs.min(self.total) as u64;
        let taken = self.runs.take(principal, (most, 1), Urgency::CanWait, limits.queue);
        let what = if self.bounds.several().is_some() {
            "too many of your runs are waiting"
        } else {
            "too many runs are waiting"
        };
        let full = |Full { waiting }| Error::Busy { what, active: waiting, limit: limits.queue };
        Ok(RunPlace(stop.unless(taken).await?.map_err(full)?))
    }

    /// A place for a call of `principal` that runs nothing, among its own.
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
        let Looks { own, all } = match look {
            Look::Read => &self.reads,
            Look::Session => &self.sessions,
            Look::Glance => &self.glances,
        };
        let taken = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Cancelled),
            taken = own.take(principal, (of_one, 1), Urgency::CanWait, queue) => taken,
        };
        let full = |Full { waiting }| Error::Busy { what: "too many calls are waiting", active: waiting, limit: queue };
        Ok(Place { own: taken.map_err(full)?, all: all.clone(), of_all: None, _visit: visit })
    }

    /// How many runs of everybody have a place, and how many wait for one.
    pub(super) fn count(&self) -> Count {
        let free = usize::try_from(self.runs.free()).unwrap_or(usize::MAX);
        Count { active: self.total.saturating_sub(free), waiting: self.runs.waiting() }
    }

    /// How many runs of `principal` have a place, and how many wait for one.
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
        let admission = Admission::new(4, TenantBounds::many(1));
        let (one, other) = (Principal::named("one"), Principal::named("other"));
        let stop = Stop::new(CancellationToken::new(), CancellationToken::new());
        let held = [admission.run(&one, &stop).await.unwrap(), admission.run(&one, &stop).await.unwrap()];
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(admission.run(&one, &stop))).collect();
        for waits in &mut waiting {
            assert!(futures_util::poll!(waits).is_pending());
        }
        let refused = admission.run(&one, &stop).await.unwrap_err().to_string();
        assert!(refused.contains("too many of your runs are waiting (2 of 2 in use)"), "{refused}");
        let theirs = admission.run(&other, &stop).await.unwrap();
        let (Count { active, waiting: queued }, all) = (admission.count_of(&one), admission.count());
        assert_eq!((active, queued, all.active, all.waiting), (2, 2, 3, 2));
        drop((held, theirs));
        for waits in waiting {
            waits.await.unwrap();
        }
        assert_eq!(admission.count().active, 0);
    }

    #[tokio::test]
    async fn reads_and_other_calls_have_places_of_their_own_and_can_be_cancelled() {
        let admission = Admission::new(1, TenantBounds::many(1));
        let (one, other, cancel) = (Principal::named("one"), Principal::named("other"), CancellationToken::new());
        let mut held = Vec::new();
        for _ in 0..Look::Read.bound().of_one {
            held.push(admission.look(&one, Look::Read, None, &cancel).await.unwrap());
        }
        let mut waits = Box::pin(admission.look(&one, Look::Read, None, &cancel));
        assert!(futures_util::poll!(&mut waits).is_pending());
        admission.look(&one, Look::Session, None, &cancel).await.unwrap();
        admission.look(&other, Look::Read, None, &cancel).await.unwrap();
        cancel.cancel();
        assert!(matches!(waits.await, Err(Error::Cancelled)));
        drop(held);
        assert_eq!(admission.reads.own.accounts(), 0);
    }

    #[tokio::test]
    async fn answers_that_are_made_and_not_taken_keep_nobody_else_waiting() {
        let admission = Admission::new(1, TenantBounds::many(1));
        let cancel = CancellationToken::new();
        let named = |number: u64| Principal::named(&format!("t{number}"));
        for look in [Look::Read, Look::Session, Look::Glance] {
            let Bound { of_one, of_all, .. } = look.bound();
            let mut held = Vec::new();
            for number in 0..of_all {
                let mut place = admission.look(&named(number / of_one), look, None, &cancel).await.unwrap();
                place.begin(&cancel).await.unwrap();
                held.push(place);
            }
            let mut other = admission.look(&named(of_all), look, None, &cancel).await.unwrap();
            assert!(futures_util::poll!(Box::pin(other.begin(&cancel))).is_pending(), "{look:?}: all are being made");
            held.iter_mut().for_each(Place::answered);
            other.begin(&cancel).await.unwrap();
            let first = named(0);
            let mut own = Box::pin(admission.look(&first, look, None, &cancel));
            assert!(futures_util::poll!(&mut own).is_pending(), "{look:?}: its own are not with it yet");
            drop((held, own));
            let mut place = admission.look(&first, look, None, &cancel).await.unwrap();
            drop(other);
            cancel_begins(&mut place, &admission, look).await;
        }
    }

    /// Whoever stops waiting leaves nothing behind.
    async fn cancel_begins(place: &mut Place, admission: &Admission, look: Look) {
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(matches!(place.begin(&cancel).await, Err(Error::Cancelled)));
        let Looks { all, .. } = match look {
            Look::Read => &admission.reads,
            Look::Session => &admission.sessions,
            Look::Glance => &admission.glances,
        };
        assert_eq!((all.free(), all.waiting()), (look.bound().of_all, 0));
    }
}
