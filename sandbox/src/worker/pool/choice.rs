//! Which worker a run goes to, if it is not at home in one.

use std::sync::Arc;

use super::Pool;
use super::handle::Worker;
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
    ) -> Result<Arc<Worker>, Error> {
        let least = || {
            let workers = lock(&self.workers);
            let mine = workers.get(principal).map(Vec::as_slice).unwrap_or_default();
            let able = mine.iter().filter(|worker| image.is_none_or(|image| worker.images.contains_key(image)));
            let least = able.min_by_key(|worker| lock(&worker.runs).len()).cloned();
            least.map(|worker| (worker, mine.len() < self.settings.workers))
        };
        let choose = || {
            let (worker, room) = least()?;
            let is_idle = lock(&worker.runs).is_empty();
            (is_idle || !room && self.replaceable(principal, image).is_none()).then_some(worker)
        };
        if let Some(worker) = choose() {
            return Ok(worker);
        }
        let _starting = self.starting.lock().await;
        if let Some(worker) = choose() {
            return Ok(worker);
        }
        if let Some(worker) = self.replaceable(principal, image) {
            self.retire(&worker);
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
            Err(error @ Error::Exhausted { .. }) => least().map(|(worker, _)| worker).ok_or(error),
            started => started,
        }
    }

    /// A worker that a new one may take the place of: nobody uses it, it lacks
    /// `image`, and there may be no more.
    fn replaceable(&self, principal: &Principal, image: Option<&str>) -> Option<Arc<Worker>> {
        let image = image?;
        let homes = lock(&self.homes);
        let workers = lock(&self.workers);
        let mine = workers.get(principal).filter(|mine| mine.len() >= self.settings.workers)?;
        let has_session = |worker: &Arc<Worker>| homes.values().any(|home| Arc::ptr_eq(&home.worker, worker));
        let lacks = |worker: &&Arc<Worker>| !worker.images.contains_key(image) && lock(&worker.runs).is_empty();
        mine.iter().filter(lacks).find(|worker| !has_session(worker)).cloned()
    }
}
