//! What programs use of what their tenants may use over time.

use crate::handle::Principal;

/// Who counts it. Nothing is lost on the way, as what [events](super::RunEvents) tell
/// may be.
pub trait Meter: Send + Sync {
    /// Whether another run of `principal` may begin, which has its place.
    ///
    /// # Errors
    ///
    /// The reason why not, for whoever called.
    fn allows(&self, principal: &Principal) -> Result<(), String>;

    /// Counts what a run of `principal` used, before the next one has its place.
    fn used(&self, principal: &Principal, cpu_time_ms: u64);
}
