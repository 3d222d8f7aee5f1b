//! How many tokens were refused, by reason.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Reasons and numbers.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<&'static str, u64>>);

impl Counts {
    pub(super) fn add(&self, reason: &'static str) {
        *self.0.lock().entry(reason).or_default() += 1;
    }

    pub(super) fn all(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().clone()
    }
}
