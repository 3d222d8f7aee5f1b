//! What the server itself holds for sessions that are here, paid for by the
//! budget of all runs, and at most half of it: runs can always go on.

use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::memory_budget::{MemoryBudget, Share};

/// Less than this is free, for all sessions together.
const UNIT: u64 = 1 << 20;

/// The account of all sessions.
#[derive(Debug)]
pub(crate) struct Ledger {
    budget: MemoryBudget,
    paid: Mutex<Paid>,
}

#[derive(Debug, Default)]
struct Paid {
    bytes: u64,
    share: Option<Share>,
}

/// What one session is held in, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Ledger {
    pub(crate) fn new(budget: MemoryBudget) -> Arc<Self> {
        Arc::new(Self { budget, paid: Mutex::default() })
    }

    pub(crate) const fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// The most that may be held.
    pub(crate) const fn most_bytes(&self) -> u64 {
        self.budget.total_bytes() / 2
    }

    /// How much is held.
    pub(crate) fn bytes(&self) -> u64 {
        lock(&self.paid).bytes
    }

    /// Nothing yet.
    pub(crate) fn nothing(self: &Arc<Self>) -> Held {
        Held { ledger: Arc::clone(self), bytes: 0 }
    }

    fn change(&self, less: u64, more: u64) -> bool {
        let Paid { bytes, share } = &mut *lock(&self.paid);
        let new = bytes.saturating_sub(less).saturating_add(more);
        // Units that are whole, so that a few small sessions take none.
        let (paid, due) = (share.as_ref().map_or(0, Share::bytes), new / UNIT * UNIT);
        if due > paid {
            if new > self.most_bytes() {
                return false;
            }
            let Some(taken) = self.budget.try_take(due - paid) else { return false };
            match share {
                Some(share) => share.merge(taken),
                None => *share = Some(taken),
            }
        } else if let Some(share) = share {
            share.shrink_to(due);
        }
        *bytes = new;
        true
    }
}

impl Held {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Pays for `bytes` in place of what it paid for. False, and nothing
    /// changes, if there is no more.
    pub(crate) fn resize(&mut self, bytes: u64) -> bool {
        let is_paid = self.ledger.change(self.bytes, bytes);
        if is_paid {
            self.bytes = bytes;
        }
        is_paid
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.change(self.bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_paid_for_in_whole_units_up_to_half_and_given_back() {
        let budget = MemoryBudget::new(8 * UNIT);
        let ledger = Ledger::new(budget.clone());
        let (mut one, mut other) = (ledger.nothing(), ledger.nothing());
        assert!(one.resize(UNIT / 2) && budget.used_bytes() == 0);
        assert!(other.resize(3 * UNIT) && budget.used_bytes() == 3 * UNIT);
        assert!(!one.resize(2 * UNIT) && budget.used_bytes() == 3 * UNIT, "half is for runs");
        drop(other);
        assert!(one.resize(2 * UNIT) && budget.used_bytes() == 2 * UNIT);
        let run = budget.try_take(6 * UNIT).unwrap();
        assert!(!one.resize(3 * UNIT) && one.bytes() == 2 * UNIT, "there is no more");
        assert!(one.resize(UNIT), "less is always possible");
        drop((run, one));
        assert_eq!((budget.used_bytes(), ledger.bytes()), (0, 0));
    }
}
