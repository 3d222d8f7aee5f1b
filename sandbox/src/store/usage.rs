//! How many bytes the store takes of a disk, as far as this server knows: what
//! the last sweep found, and what this server wrote and removed since.

use std::collections::HashMap;

use parking_lot::Mutex;

/// File systems give out space in blocks of this size, as a rule.
const BLOCK: u64 = 4096;
/// What a session takes besides its objects: a directory for it and one for its
/// blobs. Without that, sessions with nothing in them would be free.
pub(super) const SESSION_BYTES: u64 = 2 * BLOCK;

/// What an object of `bytes` takes.
pub(super) const fn taken_by(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

/// Signed: what others wrote may be removed before it is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    all: i64,
    principals: HashMap<String, i64>,
    /// How many sessions each had at the last sweep.
    sessions: HashMap<String, usize>,
}

/// The one [`Usage`] of a store.
#[derive(Debug, Default)]
pub(super) struct Counted(Mutex<Usage>);

impl Usage {
    /// Counts what `principal` has.
    pub(super) fn add(&mut self, principal: &str, bytes: u64) {
        self.change(principal, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts a session of `principal` that can be used.
    pub(super) fn add_session(&mut self, principal: &str) {
        *self.sessions.entry(principal.to_owned()).or_default() += 1;
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
    /// Counts an object that was written.
    pub(super) fn wrote(&self, principal: &str, bytes: u64) {
        self.0.lock().add(principal, taken_by(bytes));
    }

    /// Counts objects that were linked.
    pub(super) fn linked(&self, principal: &str, objects: usize, bytes: u64) {
        let rest = BLOCK.saturating_mul(objects as u64) / 2;
        self.0.lock().add(principal, bytes.saturating_add(rest));
    }

    /// Counts an object that was removed.
    pub(super) fn removed(&self, principal: &str, bytes: u64) {
        self.less(principal, taken_by(bytes));
    }

    /// Counts a session that began.
    pub(super) fn began(&self, principal: &str) {
        self.0.lock().add(principal, SESSION_BYTES);
    }

    /// Counts a session that is over.
    pub(super) fn ended(&self, principal: &str) {
        self.less(principal, SESSION_BYTES);
    }

    fn less(&self, principal: &str, bytes: u64) {
        self.0.lock().change(principal, -i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The bytes of everybody, and of `principal`.
    pub(super) fn get(&self, principal: &str) -> (u64, u64) {
        let usage = self.0.lock();
        (usage.all(), u64::try_from(usage.of(principal)).unwrap_or(0))
    }

    /// How many sessions `principal` had at the last sweep.
    pub(super) fn sessions_of(&self, principal: &str) -> usize {
        self.0.lock().sessions.get(principal).copied().unwrap_or(0)
    }

    /// What is known now.
    pub(super) fn current(&self) -> Usage {
        self.0.lock().clone()
    }

    /// Puts `found` in the place of what was known when the search began, and
    /// keeps what this server did meanwhile.
    pub(super) fn replace(&self, before: &Usage, mut found: Usage) {
        let mut usage = self.0.lock();
        for (principal, now) in &usage.principals {
            found.change(principal, now.saturating_sub(before.of(principal)));
        }
        // Whoever has nothing is not remembered.
        found.principals.retain(|_, bytes| *bytes != 0);
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
        counted.wrote("one", 5000);
        counted.removed("one", 2);
        counted.wrote("two", 1);
        let mut found = Usage::default();
        found.add("one", 10 * BLOCK);
        counted.replace(&before, found);
        assert_eq!(counted.get("one"), (12 * BLOCK, 11 * BLOCK));
        assert_eq!(counted.get("two"), (12 * BLOCK, BLOCK));
        let before = counted.current();
        let mut found = Usage::default();
        found.add("one", BLOCK);
        counted.replace(&before, found);
        assert_eq!(counted.current().principals.into_keys().collect::<Vec<_>>(), ["one"]);
    }

    #[test]
    fn nothing_in_the_store_is_free_and_what_ends_leaves_nothing() {
        let counted = Counted::default();
        counted.began("one");
        counted.wrote("one", 1);
        assert_eq!(counted.get("one").1, SESSION_BYTES + BLOCK);
        counted.removed("one", 1);
        counted.ended("one");
        assert_eq!(counted.get("one"), (0, 0));
    }
}
