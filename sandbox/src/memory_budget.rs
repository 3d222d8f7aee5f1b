//! The memory that all runs and sessions together may use, and of that each
//! tenant's at most.
//!
//! What an instance starts with is taken before its run begins, and a run
//! waits for it. What it grows by is taken as it grows, and refused when there
//! is no more. Counted are linear memory and what the server holds of sessions
//! (`session/ledger.rs`); not the rest of the host's bookkeeping.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Error;
use crate::fair::{Pot, Units, Urgency};
use crate::handle::Principal;
use crate::tenancy::TenantBounds;

/// How long a run waits for memory that others use.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often those who hold memory are asked for some, while a run waits.
const RECALL_INTERVAL: Duration = Duration::from_millis(100);
/// The unit of account. Coarser than a page, finer than any instance.
const MIB: u64 = 1 << 20;

/// A bounded amount of memory, given out fairly.
#[derive(Clone)]
pub(crate) struct MemoryBudget {
    pot: Pot<Principal>,
    total_bytes: u64,
    bounds: Arc<TenantBounds>,
    /// Who gives back what it does not need at once.
    giver: Arc<OnceLock<Giver>>,
}

type Giver = Box<dyn Fn(&Principal, u64) + Send + Sync>;

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryBudget").field("total_bytes", &self.total_bytes).finish_non_exhaustive()
    }
}

/// Memory that one tenant has taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Share(Units<Principal>);

impl Share {
    /// Keeps only `bytes` of this share.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        self.0.shrink_to(units(bytes));
    }

    /// Adds another share of the same tenant.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// How many bytes this share has.
    pub(crate) const fn bytes(&self) -> u64 {
        self.0.units() * MIB
    }

    /// Gives `bytes` of this share back.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.shrink_to(self.bytes().saturating_sub(bytes));
    }

    /// The tenant that has this share.
    pub(crate) const fn owner(&self) -> &Principal {
        self.0.key()
    }
}

impl MemoryBudget {
    pub(crate) fn new(total_bytes: u64, bounds: Arc<TenantBounds>) -> Self {
        Self { pot: Pot::new(units(total_bytes)), total_bytes, bounds, giver: Arc::default() }
    }

    pub(crate) const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.free_bytes())
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        self.pot.free() * MIB
    }

    /// The most that `owner` may have.
    pub(crate) fn most_of(&self, owner: &Principal) -> u64 {
        self.bounds.of(owner).memory_bytes.min(self.total_bytes)
    }

    /// How much memory `owner` has.
    pub(crate) fn used_by(&self, owner: &Principal) -> u64 {
        self.pot.used_by(owner) * MIB
    }

    /// How much more memory `owner` could have, if it were there.
    pub(crate) fn left_of(&self, owner: &Principal) -> u64 {
        self.most_of(owner).saturating_sub(self.used_by(owner))
    }

    /// Has `giver` asked for memory when somebody needs some: the first counts.
    pub(crate) fn set_giver(&self, giver: impl Fn(&Principal, u64) + Send + Sync + 'static) {
        let _ = self.giver.set(Box::new(giver));
    }

    /// Asks for memory until `owner` can have `bytes`, or nobody has any to give.
    pub(crate) fn ask_back(&self, owner: &Principal, bytes: u64) {
        if let Some(giver) = self.giver.get() {
            giver(owner, bytes);
        }
    }

    /// An empty share to merge others into.
    pub(crate) fn nothing(&self, owner: &Principal) -> Option<Share> {
        self.try_take(owner, 0)
    }

    /// Takes `bytes` if they are there.
    pub(crate) fn try_take(&self, owner: &Principal, bytes: u64) -> Option<Share> {
        self.pot.try_take(owner, units(self.most_of(owner)), units(bytes)).map(Share)
    }

    /// Waits for `bytes`. `None` when `owner` can never have as many.
    pub(crate) async fn take(&self, owner: &Principal, bytes: u64, urgency: Urgency) -> Option<Share> {
        let most = self.most_of(owner);
        if bytes > most {
            return None;
        }
        self.pot.take(owner, (units(most), units(bytes)), urgency, usize::MAX).await.ok().map(Share)
    }

    /// Waits for `bytes` that a run begins with, as long as others may take to give
    /// some back, while `recall` asks those for memory again and again: some are idle
    /// only then. `None` when nobody gave any.
    pub(crate) async fn wait(&self, owner: &Principal, bytes: u64, recall: impl Fn()) -> Option<Share> {
        let mut taken = pin!(self.take(owner, bytes, Urgency::CanWait));
        // A run that need not wait, as most need not, starts no clock.
        tokio::select! {
            biased;
            share = &mut taken => return share,
            () = std::future::ready(()) => {}
        }
        let mut patience = pin!(tokio::time::sleep(PATIENCE));
        let mut again = tokio::time::interval(RECALL_INTERVAL);
        loop {
            tokio::select! {
                biased;
                share = &mut taken => return share,
                () = &mut patience => return None,
                _ = again.tick() => recall(),
            }
        }
    }

    /// Why a run is not begun, or goes on without what it wants. Whoever shares it with others is told how much of it is its own.
    pub(crate) fn no_memory(&self, principal: &Principal) -> Error {
        let mebibytes = |bytes: u64| usize::try_from(bytes >> 20).unwrap_or(usize::MAX);
        let (used, most) = (self.used_by(principal), self.most_of(principal));
        let what = if most == self.total_bytes() {
            "the memory of all runs is in use, in MiB"
        } else if self.left_of(principal) < self.free_bytes() {
            "the memory of your runs and sessions is in use, in MiB"
        } else {
            "the memory of the machine is in use by others; of your own, in MiB"
        };
        Error::Busy { what, active: mebibytes(used), limit: mebibytes(most) }
    }
}

const fn units(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_has_its_own_bound_and_one_that_waits_for_itself_holds_up_nobody() {
        let budget = MemoryBudget::new(10 * MIB, TenantBounds::many(6 * MIB));
        let (one, other) = (Principal::named("one"), Principal::named("other"));
        assert!(budget.take(&one, 7 * MIB, Urgency::CanWait).await.is_none(), "never");
        let held = budget.try_take(&one, 5 * MIB).unwrap();
        assert!(budget.try_take(&one, 2 * MIB).is_none() && budget.left_of(&one) == MIB);
        let mut waits = Box::pin(budget.take(&one, 2 * MIB, Urgency::CanWait));
        tokio::select! {
            biased;
            _ = &mut waits => unreachable!(),
            theirs = budget.take(&other, 4 * MIB, Urgency::CanWait) => assert_eq!(theirs.unwrap().bytes(), 4 * MIB),
        }
        assert_eq!((budget.used_bytes(), budget.used_by(&one), held.owner()), (5 * MIB, 5 * MIB, &one));
        drop(held);
        assert_eq!(waits.await.unwrap().bytes(), 2 * MIB);
        assert_eq!(budget.free_bytes(), 10 * MIB);
    }
}
