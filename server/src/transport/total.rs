//! A count of what all have together, of which each has a part.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The amount that all have together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    amount: AtomicUsize,
    shrunk: Notify,
}

/// The part of one in a total, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    total: Total,
    amount: usize,
}

impl Total {
    /// How much all have together.
    pub(crate) fn get(&self) -> usize {
        self.0.amount.load(Ordering::Relaxed)
    }

    /// Waits until all have less than `bound` together.
    pub(crate) async fn falls_below(&self, bound: usize) {
        loop {
            let mut shrunk = std::pin::pin!(self.0.shrunk.notified());
            // What goes between the look and the wait is heard as well.
            shrunk.as_mut().enable();
            if self.get() < bound {
                return;
            }
            shrunk.await;
        }
    }

    /// Adds a part of this amount.
    pub(crate) fn add(&self, amount: usize) -> Part {
        self.0.amount.fetch_add(amount, Ordering::Relaxed);
        Part { total: self.clone(), amount }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.total.0.amount.fetch_sub(self.amount, Ordering::Relaxed);
        self.total.0.shrunk.notify_waiters();
    }
}
