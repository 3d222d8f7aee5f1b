//! A count of what all have together, of which each has a part.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What there is of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total(Arc<AtomicUsize>);

/// A part of it, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    total: Total,
    amount: usize,
}

impl Total {
    /// How much there is.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// So much more.
    pub(crate) fn add(&self, amount: usize) -> Part {
        self.0.fetch_add(amount, Ordering::Relaxed);
        Part { total: self.clone(), amount }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.amount, Ordering::Relaxed);
    }
}
