//! Which tenants are known, and when one is forgotten.
//!
//! Everything that is kept for a tenant (workers, directories, memory files, empty
//! workspaces) is made when it is first wanted, under the tenant's name. Here is
//! written down who is calling, so that it all goes when somebody has not for
//! long, and so that there is a bound to how many are known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::error::Error;
use crate::handle::Principal;
use crate::tenancy::{TenantBounds, Tenants as Settings};

/// The tenants that are known, where there are several. A single one is never
/// forgotten, and nothing is written down about it.
#[derive(Debug)]
pub(super) struct Tenants {
    bounds: Arc<TenantBounds>,
    known: Mutex<HashMap<Principal, Known>>,
}

#[derive(Debug)]
struct Known {
    /// Calls that go on.
    calls: usize,
    /// When the last call ended.
    last_used: Instant,
    /// Runs that have ended since the tenant is known, and those that found an instance ready.
    runs: u64,
    warm_starts: u64,
}

impl Known {
    fn new() -> Self {
        Self { calls: 1, last_used: Instant::now(), runs: 0, warm_starts: 0 }
    }
}

/// A call that goes on. Its tenant is not forgotten before this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    tenants: Arc<Tenants>,
    principal: Principal,
}

impl Tenants {
    pub(super) fn new(bounds: Arc<TenantBounds>) -> Arc<Self> {
        Arc::new(Self { bounds, known: Mutex::default() })
    }

    /// Takes note of a call of `principal`. One too many is known only once `forget`
    /// has forgotten another: the longest unused of those that do nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when all that may be known are calling.
    pub(super) fn enter(
        self: &Arc<Self>,
        principal: &Principal,
        mut forget: impl FnMut(&Principal) -> bool,
    ) -> Result<Option<Visit>, Error> {
        let Some(Settings { most, .. }) = self.bounds.several() else { return Ok(None) };
        let mut known = self.known.lock();
        if let Some(known) = known.get_mut(principal) {
            known.calls += 1;
        } else {
            if known.len() >= *most {
                let idle = known.iter().filter(|(_, known)| known.calls == 0);
                let mut idle: Vec<_> = idle.map(|(principal, known)| (known.last_used, principal.clone())).collect();
                idle.sort_unstable();
                let Some((_, longest)) = idle.into_iter().find(|(_, principal)| forget(principal)) else {
                    return Err(Error::Busy {
                        what: "too many tenants are calling at this moment",
                        active: known.len(),
                        limit: *most,
                    });
                };
                known.remove(&longest);
            }
            known.insert(principal.clone(), Known::new());
        }
        Ok(Some(Visit { tenants: Arc::clone(self), principal: principal.clone() }))
    }

    /// Tenants that have done nothing for long enough.
    pub(super) fn idle(&self, now: Instant) -> Vec<Principal> {
        let Some(Settings { idle, .. }) = self.bounds.several() else { return Vec::new() };
        let is_idle = |known: &Known| known.calls == 0 && now.saturating_duration_since(known.last_used) >= *idle;
        let known = self.known.lock();
        known.iter().filter(|(_, known)| is_idle(known)).map(|(principal, _)| principal.clone()).collect()
    }

    /// Forgets `principal` if `forget` could, unless it is calling. It cannot begin
    /// to meanwhile: `forget` must not wait for anything.
    pub(super) fn forget(&self, principal: &Principal, forget: impl FnOnce() -> bool) {
        let mut known = self.known.lock();
        if known.get(principal).is_some_and(|known| known.calls == 0) && forget() {
            known.remove(principal);
        }
    }

    /// Counts a run of `principal`.
    pub(super) fn ran(&self, principal: &Principal, is_warm: bool) {
        if let Some(known) = self.known.lock().get_mut(principal) {
            known.runs += 1;
            known.warm_starts += u64::from(is_warm);
        }
    }

    /// How many runs of `principal` were counted, and how many of them were warm.
    pub(super) fn runs_of(&self, principal: &Principal) -> (u64, u64) {
        self.known.lock().get(principal).map_or((0, 0), |known| (known.runs, known.warm_starts))
    }

    /// How many tenants are known.
    pub(super) fn count(&self) -> usize {
        self.known.lock().len()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(known) = self.tenants.known.lock().get_mut(&self.principal) {
            known.calls -= 1;
            known.last_used = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_calls_is_known_until_it_has_done_nothing_for_long() {
        let tenants = Tenants::new(TenantBounds::many(1));
        let (one, other) = (Principal::named("one"), Principal::named("other"));
        let never = |_: &Principal| -> bool { unreachable!() };
        let visit = tenants.enter(&one, never).unwrap();
        drop(tenants.enter(&one, never).unwrap());
        drop(tenants.enter(&other, never).unwrap());
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(tenants.idle(later), std::slice::from_ref(&other), "the first is still calling");
        assert!(tenants.idle(Instant::now()).is_empty());
        tenants.forget(&one, || unreachable!());
        tenants.forget(&other, || false);
        assert_eq!(tenants.count(), 2, "something of it is still needed");
        tenants.forget(&other, || true);
        drop(visit);
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!((tenants.count(), tenants.idle(later)), (1, vec![one]));
    }

    #[test]
    fn of_too_many_the_longest_unused_goes_and_none_that_calls() {
        let tenants = Tenants::new(TenantBounds::many(1));
        let named = |number: usize| Principal::named(&format!("t{number}"));
        let enter = |number, forgotten: &mut Option<Principal>| {
            tenants.enter(&named(number), |principal| {
                *forgotten = Some(principal.clone());
                true
            })
        };
        let mut forgotten = None;
        let mut visits: Vec<_> = (0..8).map(|number| enter(number, &mut forgotten).unwrap()).collect();
        let refused = enter(8, &mut forgotten).unwrap_err().to_string();
        assert!(refused.contains("too many tenants are calling at this moment (8 of 8 in use)"), "{refused}");
        assert!(enter(3, &mut forgotten).is_ok() && forgotten.is_none());
        drop(visits.remove(5));
        drop(visits.remove(2));
        assert!(enter(9, &mut forgotten).is_ok());
        assert_eq!((forgotten, tenants.count()), (Some(named(5)), 8), "its call ended first");
    }

    #[test]
    fn nothing_is_written_down_about_a_single_tenant() {
        let tenants = Tenants::new(TenantBounds::one(1));
        assert!(tenants.enter(&Principal::local(), |_| unreachable!()).unwrap().is_none());
        assert_eq!(tenants.count(), 0);
    }
}
