//! The memory that all runs and sessions together may use.
//!
//! What an instance starts with is taken before its run begins, and a run
//! waits for it. What it grows by is taken as it grows, and refused when there
//! is no more. Counted are linear memory and what the server holds of sessions
//! (`session/ledger.rs`); not the rest of the host's bookkeeping.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of account. Coarser than a page, finer than any instance.
const MIB: u64 = 1 << 20;

/// A bounded amount of memory, given out first in, first out.
#[derive(Clone)]
pub(crate) struct MemoryBudget {
    free: Arc<Semaphore>,
    total_bytes: u64,
    /// Who gives back what it does not need at once.
    giver: Arc<OnceLock<Giver>>,
}

type Giver = Box<dyn Fn(u64) + Send + Sync>;

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryBudget").field("total_bytes", &self.total_bytes).finish_non_exhaustive()
    }
}

/// Memory that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

impl Share {
    /// Keeps only `bytes` of this share.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let keep = (units(bytes) as usize).min(self.0.num_permits());
        drop(self.0.split(self.0.num_permits() - keep));
    }

    /// Adds another share.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.num_permits() as u64 * MIB
    }

    /// Gives `bytes` of it back.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.shrink_to(self.bytes().saturating_sub(bytes));
    }
}

impl MemoryBudget {
    pub(crate) fn new(total_bytes: u64) -> Self {
        Self { free: Arc::new(Semaphore::new(units(total_bytes) as usize)), total_bytes, giver: Arc::default() }
    }

    pub(crate) const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.free.available_permits() as u64 * MIB)
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.used_bytes())
    }

    /// Has `giver` asked for memory when somebody needs some: the first counts.
    pub(crate) fn set_giver(&self, giver: impl Fn(u64) + Send + Sync + 'static) {
        let _ = self.giver.set(Box::new(giver));
    }

    /// Asks for memory until `bytes` are free, or nobody has any to give.
    pub(crate) fn ask_back(&self, bytes: u64) {
        if let Some(giver) = self.giver.get() {
            giver(bytes);
        }
    }

    /// An empty share to merge others into.
    pub(crate) fn nothing(&self) -> Option<Share> {
        self.try_take(0)
    }

    /// Takes `bytes` if they are there and nobody waits.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Share> {
        Arc::clone(&self.free).try_acquire_many_owned(units(bytes)).ok().map(Share)
    }

    /// Waits for `bytes`. `None` when the budget can never have as many.
    pub(crate) async fn take(&self, bytes: u64) -> Option<Share> {
        if bytes > self.total_bytes {
            return None;
        }
        Arc::clone(&self.free).acquire_many_owned(units(bytes)).await.ok().map(Share)
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX)
}
