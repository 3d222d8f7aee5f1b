//! Which worker a run goes to, if it is not at home in one.

use std::sync::Arc;

use super::Pool;
use super::handle::{Claim, Worker};
use crate::error::Error;
use crate::handle::Principal;
use crate::lock::lock;

impl Pool {
    /// A worker with nothing to do, a new one, or the one with the least to do
    /// when there may be no more; among those that have `image`, if any is
    /// asked for. A new one takes the place of one that lacks the image and that
    /// nobody uses. Where all are in use and none has it there is one more than
    /// there may be, until one is idle.
    pub(super) async fn least_busy(
        self: &Arc<Self>,
        principal: &Principal,
        image: Option<&str>,
    ) -> Result<Claim, Error> {
        let most = self.settings.bounds.of(principal).workers;
        let least = || {
            let workers = lock(&self.workers);
            let mine = workers.get(principal).map(Vec::as_slice).unwrap_or_default();
            let able = mine.iter().filter(|worker| image.is_none_or(|image| worker.images.contains_key(image)));
            let least = able.min_by_key(|worker| worker.load())?;
            Some((least.is_idle(), mine.len() < most, Claim::of(least)))
        };
        let choose = || {
            let (is_idle, room, worker) = least()?;
            (is_idle || !room && self.replaceable(principal, image).is_none()).then_some(worker)
        };
        if let Some(worker) = choose() {
            return Ok(worker);
        }
        let turn = {
            let mut turns = lock(&self.starting);
            // Those that nobody has any more.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(principal.clone()).or_default())
        };
        let _turn = turn.lock().await;
        if let Some(worker) = choose() {
            return Ok(worker);
        }
        match self.replaceable(principal, image) {
            Some(worker) => self.retire(&worker),
            None => self.evict_for(principal),
        }
        let started = match self.start(principal).await {
            // No run has anything to do with it yet, and the next may do better:
            // without an image that could not be loaded, unless that is wanted.
            Err(error @ (Error::Host { .. } | Error::Interrupted))
                if image.is_none_or(|image| self.sets.has(principal, image)) =>
            {
                tracing::warn!(?error, "a worker did not start and another is tried");
                self.start(principal).await
            }
            started => started,
        };
        match started {
            // Better slowly than not at all.
            Err(error @ Error::Exhausted { .. }) => least().map(|(_, _, worker)| worker).ok_or(error),
            started => started,
        }
    }

    /// A worker that a new one may take the place of: nobody uses it, it lacks
    /// `image`, and there may be no more.
    fn replaceable(&self, principal: &Principal, image: Option<&str>) -> Option<Arc<Worker>> {
        let image = image?;
        let homes = lock(&self.homes);
        let workers = lock(&self.workers);
        let most = self.settings.bounds.of(principal).workers;
        let mine = workers.get(principal).filter(|mine| mine.len() >= most)?;
        let has_session = |worker: &Arc<Worker>| homes.values().any(|home| Arc::ptr_eq(&home.worker, worker));
        let lacks = |worker: &&Arc<Worker>| !worker.images.contains_key(image) && worker.is_idle();
        mine.iter().filter(lacks).find(|worker| !has_session(worker)).cloned()
    }

    /// Evicts a worker of another principal for one of `principal`, if there are as
    /// many as all may have: the longest unused that nobody uses, first among those
    /// without sessions. What interpreters it has are saved, and come back.
    fn evict_for(&self, principal: &Principal) {
        let chosen = {
            let mut homes = lock(&self.homes);
            let mut workers = lock(&self.workers);
            if workers.values().map(Vec::len).sum::<usize>() < self.settings.workers {
                return;
            }
            let others = workers.iter().filter(|(owner, _)| *owner != principal).flat_map(|(_, theirs)| theirs);
            let of = |worker: &Arc<Worker>| {
                let mut running =
                    homes.values().filter(|home| Arc::ptr_eq(&home.worker, worker)).map(|home| home.running);
                let first = running.next();
                (first.is_some(), first.is_some_and(|is_running| is_running || running.any(|is_running| is_running)))
            };
            let idle = others.filter(|worker| worker.is_idle()).filter_map(|worker| {
                let (has_sessions, is_running) = of(worker);
                (!is_running).then(|| ((has_sessions, *lock(&worker.last_used)), Arc::clone(worker)))
            });
            let Some((_, chosen)) = idle.min_by_key(|(order, _)| *order) else { return };
            if let Some(theirs) = workers.get_mut(&chosen.owner) {
                theirs.retain(|worker| !Arc::ptr_eq(worker, &chosen));
            }
            homes.retain(|_, home| !Arc::ptr_eq(&home.worker, &chosen));
            chosen
        };
        tracing::debug!(owner = chosen.owner.directory_name(), "a worker is evicted for that of another tenant");
        self.retire(&chosen);
    }
}
