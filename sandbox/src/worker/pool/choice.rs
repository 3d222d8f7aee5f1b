//! Which worker a run goes to, if it is not at home in one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Pool;
use super::worker::{Claim, Worker};
use crate::error::Error;
use crate::handle::Principal;

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
            let workers = self.workers.lock();
            let mine = workers.get(principal).map(Vec::as_slice).unwrap_or_default();
            let able = mine.iter().filter(|worker| image.is_none_or(|image| worker.has_image(image)));
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
            let mut turns = self.starting.lock();
            // Turns that nobody has any more are not kept.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(principal.clone()).or_default())
        };
        let _turn = turn.lock().await;
        if let Some(worker) = choose() {
            return Ok(worker);
        }
        if let Some(worker) = self.replaceable(principal, image) {
            self.evict(&worker);
        }
        let _starting = self.evict_for(principal);
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
        let homes = self.homes.lock();
        let workers = self.workers.lock();
        let most = self.settings.bounds.of(principal).workers;
        let mine = workers.get(principal).filter(|mine| mine.len() >= most)?;
        let lacks = |worker: &&Arc<Worker>| !worker.has_image(image) && worker.is_idle();
        mine.iter().filter(lacks).find(|worker| !homes.any_at(worker)).cloned()
    }

    /// Evicts workers of others for one of `principal` that is to start, as long as
    /// there are as many as all may have: see [`Pool::evict_surplus`].
    fn evict_for(&self, principal: &Principal) -> Starting<'_> {
        let starting = Starting::new(&self.being_started);
        self.evict_surplus(Some(principal));
        starting
    }

    /// Evicts workers until there are no more than all may have, with those that are
    /// being started: the longest unused that nobody uses, first among those without
    /// sessions, and none of the tenant that one is started `for_whom`. What
    /// interpreters they have are saved, and come back.
    pub(super) fn evict_surplus(&self, for_whom: Option<&Principal>) {
        if self.settings.bounds.several().is_none() {
            return;
        }
        while let Some(worker) = self.take_surplus(for_whom) {
            tracing::debug!(owner = worker.owner().directory_name(), "a worker is evicted for that of another tenant");
            self.end_worker(&worker);
        }
    }

    fn take_surplus(&self, for_whom: Option<&Principal>) -> Option<Arc<Worker>> {
        let mut homes = self.homes.lock();
        let mut workers = self.workers.lock();
        let count = workers.values().map(Vec::len).sum::<usize>() + self.being_started.load(Ordering::SeqCst);
        if count <= self.settings.workers {
            return None;
        }
        let order = |worker: &&Arc<Worker>| {
            let is_idle = worker.is_idle() && !homes.any_running_at(worker);
            is_idle.then(|| (homes.any_at(worker), worker.last_used()))
        };
        let others = workers.iter().filter(|(owner, _)| Some(*owner) != for_whom).flat_map(|(_, theirs)| theirs);
        let idle = others.filter_map(|worker| Some((order(&worker)?, worker)));
        let chosen = Arc::clone(idle.min_by_key(|(order, _)| *order)?.1);
        homes.leave(&chosen);
        remove(&mut workers, &chosen);
        Some(chosen)
    }

    /// Ends a worker unless a run has claimed it, or a session came to it, since it
    /// was chosen.
    pub(super) fn evict(&self, worker: &Arc<Worker>) {
        {
            let homes = self.homes.lock();
            let mut workers = self.workers.lock();
            if !worker.is_idle() || homes.any_at(worker) {
                return;
            }
            remove(&mut workers, worker);
        }
        self.end_worker(worker);
    }
}

/// A worker that is being started, and counts already.
struct Starting<'a>(&'a AtomicUsize);

impl<'a> Starting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Takes a worker out: nobody finds it any more.
pub(super) fn remove(workers: &mut HashMap<Principal, Vec<Arc<Worker>>>, worker: &Arc<Worker>) {
    worker.die();
    let Some(mine) = workers.get_mut(worker.owner()) else { return };
    mine.retain(|other| !Arc::ptr_eq(other, worker));
    if mine.is_empty() {
        workers.remove(worker.owner());
    }
}
