//! Locks of the standard library, without their poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose data is never left half-changed by a panic, so that poisoning
/// carries no news.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
