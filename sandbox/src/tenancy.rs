//! Whether one tenant is served here or several, and what each may use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::handle::Principal;
use crate::policy::Policy;
use crate::run::limits::Limits;

/// Whom an executor serves.
#[derive(Clone, Debug)]
pub enum Tenancy {
    /// One tenant, who may use all that there is.
    One,
    /// Several, who do not trust each other.
    Many(Tenants),
}

/// Several tenants.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// How many may be known at once.
    pub most: usize,
    /// How long a tenant is known who does nothing.
    pub idle: Duration,
    /// What each may use.
    pub default: TenantLimits,
    /// What these may use in place of that.
    pub named: HashMap<Principal, TenantLimits>,
}

/// What one tenant may use of what all share.
#[derive(Clone, Debug)]
pub struct TenantLimits {
    /// The most runs at once.
    pub runs: usize,
    /// The most runs that wait.
    pub queue: usize,
    /// The most worker processes.
    pub workers: usize,
    /// Memory of its runs and sessions together.
    pub memory_bytes: u64,
    /// The most sessions that are in memory at once.
    pub sessions: usize,
    /// The most that its stored sessions may take.
    pub store_bytes: u64,
    /// The highest limits that its runs may ask for.
    pub limit_ceilings: Limits,
    /// What its programs are granted.
    pub policy: Arc<Policy>,
}

/// [`Tenancy`], with what there is for all as the bound of each.
#[derive(Debug)]
pub(crate) struct TenantBounds {
    several: Option<Tenants>,
    whole: TenantLimits,
}

impl TenantBounds {
    /// `whole` is what all tenants have together, and a single one for itself.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] where a tenant may have nothing, or more than
    /// there is.
    pub(crate) fn new(tenancy: Tenancy, whole: TenantLimits) -> Result<Self, Error> {
        let several = match tenancy {
            Tenancy::One => None,
            Tenancy::Many(tenants) => {
                at_least_one("tenants.most", tenants.most)?;
                check("tenants.default", &tenants.default, &whole)?;
                for (principal, limits) in &tenants.named {
                    check(&format!("tenants.{}", principal.directory_name()), limits, &whole)?;
                }
                Some(tenants)
            }
        };
        Ok(Self { several, whole })
    }

    /// What `principal` may use.
    pub(crate) fn of(&self, principal: &Principal) -> &TenantLimits {
        match &self.several {
            None => &self.whole,
            Some(tenants) => tenants.named.get(principal).unwrap_or(&tenants.default),
        }
    }

    /// What anybody is granted.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        let several = self.several.iter().flat_map(|tenants| tenants.named.values().chain([&tenants.default]));
        let one = self.several.is_none().then_some(&self.whole);
        several.chain(one).map(|limits| &*limits.policy)
    }

    /// The tenants, if there are several.
    pub(crate) const fn several(&self) -> Option<&Tenants> {
        self.several.as_ref()
    }

    /// One tenant, who may use so much memory, for tests.
    #[cfg(test)]
    pub(crate) fn one(memory_bytes: u64) -> Arc<Self> {
        Arc::new(Self { several: None, whole: TenantLimits::for_tests(memory_bytes) })
    }

    /// One tenant, who may store so many bytes, for tests.
    #[cfg(test)]
    pub(crate) fn storing(store_bytes: u64) -> Arc<Self> {
        Arc::new(Self { several: None, whole: TenantLimits { store_bytes, ..TenantLimits::for_tests(1 << 30) } })
    }

    /// Several, each with at most so much memory, for tests.
    #[cfg(test)]
    pub(crate) fn many(memory_bytes: u64) -> Arc<Self> {
        let tenants = Tenants {
            most: 8,
            idle: Duration::from_secs(60),
            default: TenantLimits::for_tests(memory_bytes),
            named: HashMap::new(),
        };
        Arc::new(Self { several: Some(tenants), whole: TenantLimits::for_tests(u64::MAX) })
    }
}

#[cfg(test)]
impl TenantLimits {
    /// Little of everything, with so much memory.
    pub(crate) fn for_tests(memory_bytes: u64) -> Self {
        Self {
            runs: 2,
            queue: 2,
            workers: 1,
            memory_bytes,
            sessions: 2,
            store_bytes: 1 << 30,
            limit_ceilings: Limits::ceilings(),
            policy: Arc::default(),
        }
    }
}

fn at_least_one(name: &str, value: usize) -> Result<(), Error> {
    if value == 0 { Err(Error::invalid(name, "must be at least 1, got 0")) } else { Ok(()) }
}

fn check(name: &str, limits: &TenantLimits, whole: &TenantLimits) -> Result<(), Error> {
    // Taken apart, so that one that is added is decided here. A queue is no part
    // of anything, a policy stands alone, and ceilings are compared with each request.
    let TenantLimits { runs, queue: _, workers, memory_bytes, sessions, store_bytes, limit_ceilings: _, policy: _ } =
        limits;
    for (field, value, bound) in [
        ("runs", *runs as u64, whole.runs as u64),
        ("workers", *workers as u64, whole.workers as u64),
        ("memory_bytes", *memory_bytes, whole.memory_bytes),
        ("sessions", *sessions as u64, whole.sessions as u64),
        ("store_bytes", *store_bytes, whole.store_bytes),
    ] {
        if !(1..=bound).contains(&value) {
            let reason = format!("must be between 1 and {bound}, what all tenants have together, got {value}");
            return Err(Error::invalid(format!("{name}.{field}"), reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(default: TenantLimits, named: &[(&str, TenantLimits)]) -> Tenancy {
        let named = named.iter().map(|(name, limits)| (Principal::named(name), limits.clone())).collect();
        Tenancy::Many(Tenants { most: 8, idle: Duration::from_secs(1), default, named })
    }

    #[test]
    fn one_tenant_has_everything_and_of_several_each_has_its_own() {
        let (whole, some, more) =
            (TenantLimits::for_tests(100), TenantLimits::for_tests(10), TenantLimits::for_tests(20));
        let one = TenantBounds::new(Tenancy::One, whole.clone()).unwrap();
        assert_eq!((one.of(&Principal::named("any")).memory_bytes, one.several().is_none()), (100, true));
        let several = TenantBounds::new(tenants(some, &[("a", more)]), whole).unwrap();
        let memory = |name| several.of(&Principal::named(name)).memory_bytes;
        assert_eq!((memory("a"), memory("b"), several.several().is_some()), (20, 10, true));
    }

    #[test]
    fn what_no_tenant_can_have_is_refused_by_name_with_both_numbers() {
        let (whole, some) = (TenantLimits::for_tests(100), TenantLimits::for_tests(10));
        let refused = |tenancy| TenantBounds::new(tenancy, whole.clone()).unwrap_err().to_string();
        let much = TenantLimits { runs: 3, ..some.clone() };
        assert_eq!(
            refused(tenants(much.clone(), &[])),
            "tenants.default.runs must be between 1 and 2, what all tenants have together, got 3"
        );
        assert!(refused(tenants(some.clone(), &[("a", much)])).starts_with("tenants.a.runs must be"));
        assert!(refused(tenants(TenantLimits { sessions: 0, ..some.clone() }, &[])).contains("sessions must be"));
        assert!(refused(tenants(TenantLimits { memory_bytes: 101, ..some.clone() }, &[])).ends_with("got 101"));
        let Tenancy::Many(tenants) = tenants(some, &[]) else { unreachable!() };
        assert!(refused(Tenancy::Many(Tenants { most: 0, ..tenants })).starts_with("tenants.most must be"));
    }
}
