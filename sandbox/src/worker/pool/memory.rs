//! Who pays for memory: every instance that runs, every session for what it
//! keeps, every worker for what its guests have grown by. Where there is none
//! left, whoever needs some waits, and interpreters that nobody uses make room.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::worker::Worker;
use super::{CompiledImage, Pool};
use crate::error::Error;
use crate::fair::Urgency;
use crate::handle::Principal;
use crate::memory_budget::Share;
use crate::worker::wire::protocol::ToWorker;

/// How long a growing guest waits for other workers to give unused memory back.
const RECALL_WAIT: Duration = Duration::from_millis(100);
/// The largest memory of 32 bits.
const MAX_GUEST_BYTES: u64 = 4 << 30;

impl Pool {
    /// Takes the memory that an instance of `image` starts with.
    pub(crate) async fn admit(
        &self,
        principal: &Principal,
        image: &CompiledImage,
        cancel: &CancellationToken,
    ) -> Result<Share, Error> {
        let bytes = image.initial_bytes();
        let taken = self.budget.wait(principal, bytes, || self.recall(principal, bytes));
        tokio::select! {
            biased;
            share = taken => share.ok_or_else(|| self.budget.no_memory(principal)),
            () = cancel.cancelled() => Err(self.budget.no_memory(principal)),
        }
    }

    /// Why a session of that size does not come back.
    pub(crate) fn no_memory_for(&self, principal: &Principal, mebibytes: u64) -> Error {
        let most = self.budget.most_of(principal);
        if mebibytes <= most >> 20 {
            return self.budget.no_memory(principal);
        }
        let whose = if most == self.budget.total_bytes() { "this server" } else { "your tenant" };
        Error::Denied {
            action: "going on with the variables of this session".into(),
            reason: format!(
                "they take {mebibytes} MiB of memory, and memory_bytes of {whose} is {} MiB; its files can be read, and \
                 a server with more memory can go on with it",
                most >> 20
            ),
        }
    }

    /// Answers a worker whose guest wants to grow by `bytes`.
    pub(super) fn answer_memory(self: &Arc<Self>, worker: &Arc<Worker>, ask: u64, bytes: u64) {
        let pool = Arc::clone(self);
        let grant = move |worker: &Arc<Worker>, share: Option<Share>| {
            let granted = share.is_some_and(|share| {
                worker.lease(share);
                pool.allow(worker).is_ok()
            });
            worker.answer_memory(ask, granted);
        };
        let owner = worker.owner();
        if bytes > MAX_GUEST_BYTES.min(self.budget.most_of(owner)) {
            // Nobody makes room for what can never be had.
            return grant(worker, None);
        }
        if let Some(share) = self.budget.try_take(owner, bytes) {
            return grant(worker, Some(share));
        }
        self.recall(owner, bytes);
        let (budget, worker) = (self.budget.clone(), Arc::clone(worker));
        #[expect(clippy::disallowed_methods, reason = "the run that asks is tracked, and ends without an answer too")]
        tokio::spawn(async move {
            let taken = budget.take(worker.owner(), bytes, Urgency::GoesOn);
            let share = tokio::time::timeout(RECALL_WAIT, taken).await.ok().flatten();
            grant(&worker, share);
        });
    }

    /// Asks workers to give back what they do not use, and drops interpreters that
    /// nobody uses, until `principal` can have `bytes`: each is saved, and comes
    /// back when it is wanted. Where its own bound is in the way its own go, and
    /// else those of the tenant that has the most; the longest unused first.
    pub(crate) fn recall(&self, principal: &Principal, bytes: u64) {
        let budget = &self.budget;
        let mut homes = self.homes.lock();
        // What they had grown by comes back a little later.
        let (mut coming, mut own_coming) = (0, 0);
        let mut is_own_short = false;
        loop {
            let is_own = budget.left_of(principal) + own_coming < bytes;
            is_own_short |= is_own;
            if !is_own && budget.free_bytes() + coming >= bytes {
                break;
            }
            let Some(went) = homes.close_longest_unused(is_own.then_some(principal), budget) else { break };
            coming += went.bytes;
            own_coming += if went.owner == *principal { went.bytes } else { 0 };
        }
        drop(homes);
        // Interpreters go before whole sessions: to come back without its interpreter
        // costs one less.
        budget.ask_back(principal, bytes.saturating_sub(if is_own_short { own_coming } else { coming }));
        let is_whole_short = budget.free_bytes() + coming < bytes;
        let asked = |worker: &&Arc<Worker>| !is_own_short || is_whole_short || worker.owner() == principal;
        for worker in self.workers.lock().values().flatten().filter(asked) {
            worker.send(&ToWorker::MemoryRecall);
        }
    }
}

#[cfg(test)]
mod tests {
    use guest_runtimes::Instance;

    use super::*;
    use crate::children::spawner::Spawner;
    use crate::filesystem::state_directory::StateDirectory;
    use crate::memory_budget::MemoryBudget;
    use crate::tenancy::TenantBounds;
    use crate::worker::pool::PoolSettings;

    const MIB: u64 = 1 << 20;

    fn instance(initial_bytes: u64) -> Instance {
        Instance {
            initial_bytes,
            minimum_bytes: 64 * MIB,
            headroom_bytes: 0,
            stack_bytes: MIB,
            warm_slots: 1,
            warm_bytes: MIB,
            hot_bytes: 0,
        }
    }

    fn no_code() -> std::fs::File {
        tempfile::tempfile().unwrap()
    }

    #[tokio::test]
    async fn each_run_pays_what_its_own_image_starts_with() {
        let parent = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDirectory::create(parent.path()).unwrap());
        let spawner = Arc::new(Spawner::new().unwrap());
        let (bounds, me) = (TenantBounds::one(100 * MIB), Principal::local());
        let budget = MemoryBudget::new(100 * MIB, Arc::clone(&bounds));
        let pool = Pool::new(PoolSettings { workers: 1, bounds }, spawner, budget, state);
        let (small, large) = (instance(128 << 10), instance(40 * MIB));
        let cancel = CancellationToken::new();
        for (image, bytes) in [
            (CompiledImage::current(no_code(), 1, small), MIB),
            (CompiledImage::current(no_code(), 1, large), 40 * MIB),
            (CompiledImage::older(no_code(), 1, small), 64 * MIB),
        ] {
            let share = pool.admit(&me, &image, &cancel).await.unwrap();
            assert_eq!((share.bytes(), pool.budget.used_bytes()), (bytes, bytes));
        }
        // An older one is known once a worker has it.
        let older = CompiledImage::older(no_code(), 1, large);
        older.starts_with(3 * MIB).unwrap();
        assert_eq!(pool.admit(&me, &older, &cancel).await.unwrap().bytes(), 3 * MIB);
    }

    #[test]
    fn an_image_that_starts_with_other_than_its_description_says_is_refused_with_both() {
        let described = CompiledImage::current(no_code(), 1, instance(MIB));
        described.starts_with(MIB).unwrap();
        let refused = described.starts_with(2 * MIB).unwrap_err().with_causes();
        assert!(refused.contains("instance.initial_bytes of its runtime.toml is 1048576"), "{refused}");
        assert!(refused.ends_with("and its memory starts with 2097152"), "{refused}");
    }
}
