//! How many bytes the store holds, as far as this server knows: what the last
//! sweep found, and what this server wrote and removed since.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::lock::lock;

/// Signed: what others wrote may be removed before it is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    all: i64,
    principals: HashMap<String, i64>,
}

/// The one [`Usage`] of a store.
#[derive(Debug, Default)]
pub(super) struct Counted(Mutex<Usage>);

impl Usage {
    /// Counts what `principal` has.
    pub(super) fn add(&mut self, principal: &str, bytes: u64) {
        self.change(principal, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn change(&mut self, principal: &str, bytes: i64) {
        self.all = self.all.saturating_add(bytes);
        match self.principals.get_mut(principal) {
            Some(own) => *own = own.saturating_add(bytes),
            None => drop(self.principals.insert(principal.to_owned(), bytes)),
        }
    }

    /// The bytes of everybody.
    pub(super) fn all(&self) -> u64 {
        u64::try_from(self.all).unwrap_or(0)
    }

    fn of(&self, principal: &str) -> i64 {
        self.principals.get(principal).copied().unwrap_or(0)
    }
}

impl Counted {
    /// Counts what was written.
    pub(super) fn wrote(&self, principal: &str, bytes: u64) {
        lock(&self.0).add(principal, bytes);
    }

    /// Counts what was removed.
    pub(super) fn removed(&self, principal: &str, bytes: u64) {
        lock(&self.0).change(principal, -i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The bytes of everybody, and of `principal`.
    pub(super) fn get(&self, principal: &str) -> (u64, u64) {
        let usage = lock(&self.0);
        (usage.all(), u64::try_from(usage.of(principal)).unwrap_or(0))
    }

    /// What is known now.
    pub(super) fn current(&self) -> Usage {
        lock(&self.0).clone()
    }

    /// Puts `found` in the place of what was known when the search began, and
    /// keeps what this server did meanwhile.
    pub(super) fn replace(&self, before: &Usage, mut found: Usage) {
        let mut usage = lock(&self.0);
        for (principal, now) in &usage.principals {
            found.change(principal, now.saturating_sub(before.of(principal)));
        }
        *usage = found;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_during_a_search_is_kept() {
        let counted = Counted::default();
        counted.wrote("one", 100);
        let before = counted.current();
        counted.wrote("one", 7);
        counted.removed("one", 2);
        counted.wrote("two", 1);
        let mut found = Usage::default();
        found.add("one", 1000);
        counted.replace(&before, found);
        assert_eq!(counted.get("one"), (1006, 1005));
        assert_eq!(counted.get("two"), (1006, 1));
    }
}
