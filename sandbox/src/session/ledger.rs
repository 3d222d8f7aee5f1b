//! What the server itself holds for sessions that are here, paid for by the
//! budget of all runs, and at most half of it, and of what each tenant may have
//! half of that: runs can always go on.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::handle::Principal;
use crate::memory_budget::{MemoryBudget, Share};

/// How much is paid for at once. Less than this is free, for all sessions of one tenant together.
const UNIT: u64 = 1 << 20;

/// The accounts of all sessions.
#[derive(Debug)]
pub(crate) struct Ledger {
    budget: MemoryBudget,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    /// How much is held of sessions of everybody.
    bytes: u64,
    /// What each tenant holds and has paid for, if it holds anything.
    owners: HashMap<Principal, Paid>,
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
    owner: Principal,
    bytes: u64,
}

impl Ledger {
    pub(crate) fn new(budget: MemoryBudget) -> Arc<Self> {
        Arc::new(Self { budget, accounts: Mutex::default() })
    }

    pub(crate) const fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// The most that may be held of sessions of `owner`.
    pub(crate) fn most_of(&self, owner: &Principal) -> u64 {
        self.budget.most_of(owner) / 2
    }

    /// The most that may be held of all sessions.
    pub(crate) const fn most_bytes(&self) -> u64 {
        self.budget.total_bytes() / 2
    }

    /// How much is held of all sessions.
    pub(crate) fn bytes(&self) -> u64 {
        self.accounts.lock().bytes
    }

    /// How much is held of sessions of `owner`.
    pub(crate) fn bytes_of(&self, owner: &Principal) -> u64 {
        self.accounts.lock().owners.get(owner).map_or(0, |paid| paid.bytes)
    }

    /// The account of a session of `owner` of which nothing is held yet.
    pub(crate) fn nothing(self: &Arc<Self>, owner: &Principal) -> Held {
        Held { ledger: Arc::clone(self), owner: owner.clone(), bytes: 0 }
    }

    /// `less` goes and `more` comes, for which `taken` is there already if anything is.
    fn change(&self, owner: &Principal, less: u64, more: u64, taken: Option<Share>) -> bool {
        let mut accounts = self.accounts.lock();
        let Accounts { bytes: all, owners } = &mut *accounts;
        let Paid { bytes, share } = owners.entry(owner.clone()).or_default();
        let [new, new_all] = [*bytes, *all].map(|held| held.saturating_sub(less).saturating_add(more));
        // Only whole units are paid for, so that a few small sessions take none.
        let (paid, due) = (share.as_ref().map_or(0, Share::bytes), new / UNIT * UNIT);
        if due > paid {
            if new > self.most_of(owner) || new_all > self.most_bytes() {
                return false;
            }
            let taken = taken.filter(|taken| taken.bytes() >= due - paid);
            let Some(mut taken) = taken.or_else(|| self.budget.try_take(owner, due - paid)) else { return false };
            taken.shrink_to(due - paid);
            match share {
                Some(share) => share.merge(taken),
                None => *share = Some(taken),
            }
        } else if let Some(share) = share {
            share.shrink_to(due);
        }
        (*bytes, *all) = (new, new_all);
        if new == 0 {
            owners.remove(owner);
        }
        true
    }
}

impl Held {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Pays for `bytes` in place of what this session paid for. False, and nothing
    /// changes, if there is no more.
    pub(crate) fn resize(&mut self, bytes: u64) -> bool {
        self.resize_with(bytes, None)
    }

    /// Pays for `bytes`, where the memory for what is more was `taken` before.
    pub(crate) fn resize_with(&mut self, bytes: u64, taken: Option<Share>) -> bool {
        let is_paid = self.ledger.change(&self.owner, self.bytes, bytes, taken);
        if is_paid {
            self.bytes = bytes;
        }
        is_paid
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.change(&self.owner, self.bytes, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::TenantBounds;

    #[test]
    fn what_is_held_is_paid_for_in_whole_units_up_to_half_and_given_back() {
        let (budget, me) = (MemoryBudget::new(8 * UNIT, TenantBounds::one(8 * UNIT)), Principal::local());
        let ledger = Ledger::new(budget.clone());
        let (mut one, mut other) = (ledger.nothing(&me), ledger.nothing(&me));
        assert!(one.resize(UNIT / 2) && budget.used_bytes() == 0);
        assert!(other.resize(3 * UNIT) && budget.used_bytes() == 3 * UNIT);
        assert!(!one.resize(2 * UNIT) && budget.used_bytes() == 3 * UNIT, "half is for runs");
        drop(other);
        assert!(one.resize(2 * UNIT) && budget.used_bytes() == 2 * UNIT);
        let run = budget.try_take(&me, 6 * UNIT).unwrap();
        assert!(!one.resize(3 * UNIT) && one.bytes() == 2 * UNIT, "there is no more");
        assert!(one.resize(UNIT), "less is always possible");
        drop(run);
        let taken = budget.try_take(&me, 3 * UNIT);
        let run = budget.try_take(&me, 4 * UNIT).unwrap();
        assert!(!one.resize(3 * UNIT) && one.resize_with(3 * UNIT, taken), "what was taken before is there");
        assert_eq!((budget.used_bytes(), ledger.bytes()), (7 * UNIT, 3 * UNIT), "and no more of it is kept");
        drop((run, one));
        assert_eq!((budget.used_bytes(), ledger.bytes()), (0, 0));
    }

    #[test]
    fn each_tenant_has_half_of_its_own_and_all_of_them_half_of_everything() {
        let budget = MemoryBudget::new(12 * UNIT, TenantBounds::many(8 * UNIT));
        let ledger = Ledger::new(budget.clone());
        let of = |name: &str| ledger.nothing(&Principal::named(name));
        let (mut one, mut other, mut third) = (of("one"), of("other"), of("third"));
        assert!(!one.resize(5 * UNIT) && one.resize(4 * UNIT));
        assert!(other.resize(2 * UNIT) && !third.resize(UNIT), "together they have their half");
        assert_eq!((ledger.bytes(), ledger.bytes_of(&Principal::named("one"))), (6 * UNIT, 4 * UNIT));
        drop(one);
        assert!(third.resize(UNIT));
        drop((other, third));
        assert!(ledger.accounts.lock().owners.is_empty() && budget.used_bytes() == 0);
    }
}
