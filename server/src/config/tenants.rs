//! Tenants, as they are written: `[tenants.NAME]` has what one may use, and
//! `[tenants.default]` what those may who do not say otherwise, and any that is not
//! named.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use sandbox::{Amounts, Catalogue, Limits, Policy, Principal, Resource, Tenancy, TenantLimits, Tenants};
use serde::Deserialize;

use super::in_range;
use super::mounts;
use super::policy::{Grants, policy};
use super::values::MountSetting;
use crate::identity::{Quota, Roster};

/// The section of tenants that are not named.
pub(super) const DEFAULT: &str = "default";

/// Tenants that are known at once: each that does nothing takes some kilobytes.
const MOST: usize = 4096;

/// How long a tenant is known that does nothing: as long as the results of its runs are kept.
const IDLE: Duration = sandbox::RUN_LIFETIME;

/// The part of what there is that one tenant has, unless it says otherwise: one of so many.
const PARTS: usize = 2;

/// The part of all runs at once that one tenant has. There are four runs for each
/// processor, so a single tenant that keeps all of its own busy has every processor
/// once, and another's run waits for few.
const RUNS_PARTS: usize = 4;

/// What one tenant may use; absent is what the section of the others says, and absent
/// there its part of what there is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TenantSettings {
    runs: Option<usize>,
    queue: Option<usize>,
    workers: Option<usize>,
    memory_bytes: Option<u64>,
    sessions: Option<usize>,
    store_bytes: Option<u64>,
    ceilings: Amounts,
    languages: Option<Vec<String>>,
    mounts: Vec<MountSetting>,
    environment: BTreeMap<String, String>,
    calls: Option<Vec<String>>,
    calls_per_minute: Option<u64>,
    cpu_seconds_per_day: Option<u64>,
}

impl TenantSettings {
    /// These settings, with what `others` says where they say nothing.
    fn over(mut self, others: &Self) -> Self {
        let mut ceilings = others.ceilings;
        for resource in Resource::ALL {
            if let Some(ceiling) = self.ceilings.get(resource) {
                ceilings.set(resource, ceiling);
            }
        }
        let mut environment = others.environment.clone();
        environment.append(&mut self.environment);
        Self {
            runs: self.runs.or(others.runs),
            queue: self.queue.or(others.queue),
            workers: self.workers.or(others.workers),
            memory_bytes: self.memory_bytes.or(others.memory_bytes),
            sessions: self.sessions.or(others.sessions),
            store_bytes: self.store_bytes.or(others.store_bytes),
            ceilings,
            languages: self.languages.or_else(|| others.languages.clone()),
            mounts: mounts::layered([others.mounts.clone(), self.mounts]),
            environment,
            calls: self.calls.or_else(|| others.calls.clone()),
            calls_per_minute: self.calls_per_minute.or(others.calls_per_minute),
            cpu_seconds_per_day: self.cpu_seconds_per_day.or(others.cpu_seconds_per_day),
        }
    }

    fn grants_nothing_else(&self) -> bool {
        self.languages.is_none() && self.mounts.is_empty() && self.environment.is_empty() && self.calls.is_none()
    }
}

/// What all tenants have together, and the grants of a server without any.
pub(super) struct Whole<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) runs: usize,
    pub(super) queue: usize,
    pub(super) workers: usize,
    pub(super) memory_bytes: u64,
    pub(super) sessions: usize,
    pub(super) store_bytes: u64,
    pub(super) limit_ceilings: Limits,
    pub(super) grants: &'a Grants,
    pub(super) policy: &'a Arc<Policy>,
}

/// The tenants that the sandbox keeps apart, and those that callers may be of.
pub(super) fn tenants(
    mut written: BTreeMap<String, TenantSettings>,
    whole: &Whole<'_>,
) -> anyhow::Result<(Tenancy, Roster)> {
    if written.is_empty() {
        return Ok((Tenancy::One, Roster::One));
    }
    let default = written.remove(DEFAULT);
    let others = default.clone().unwrap_or_default();
    let (default_limits, default_quota) = one(DEFAULT, &others, whole, whole.policy)?;
    let mut tenants =
        Tenants { most: MOST, idle: IDLE, default: default_limits, named: HashMap::with_capacity(written.len()) };
    let mut quotas = HashMap::with_capacity(written.len());
    for (name, settings) in written {
        let principal = Principal::new(&name).with_context(|| format!("tenants.{name} is no name"))?;
        let is_like_others = settings.grants_nothing_else();
        let settings = settings.over(&others);
        let shared = is_like_others.then_some(&tenants.default.policy);
        let (limits, quota) = match shared {
            Some(policy) => with_policy(&name, &settings, whole, Arc::clone(policy))?,
            None => one(&name, &settings, whole, whole.policy)?,
        };
        tenants.named.insert(principal.clone(), limits);
        quotas.insert(principal, quota);
    }
    let roster = Roster::Many { named: quotas, others: default.map(|_| default_quota) };
    Ok((Tenancy::Many(tenants), roster))
}

fn one(
    name: &str,
    settings: &TenantSettings,
    whole: &Whole<'_>,
    of_server: &Arc<Policy>,
) -> anyhow::Result<(TenantLimits, Quota)> {
    let policy = if settings.grants_nothing_else() {
        Arc::clone(of_server)
    } else {
        let mut grants = whole.grants.clone();
        grants.languages = settings.languages.clone().or(grants.languages);
        grants.calls = settings.calls.clone().or(grants.calls);
        grants.environment.extend(settings.environment.clone());
        grants.mounts = mounts::layered([grants.mounts, settings.mounts.clone()]);
        Arc::new(policy(whole.catalogue, grants).with_context(|| format!("tenants.{name}"))?)
    };
    with_policy(name, settings, whole, policy)
}

fn with_policy(
    name: &str,
    settings: &TenantSettings,
    whole: &Whole<'_>,
    policy: Arc<Policy>,
) -> anyhow::Result<(TenantLimits, Quota)> {
    let key = |key: &str| format!("tenants.{name}.{key}");
    let count = |name: &str, value: Option<usize>, all: usize, parts: usize| {
        in_range(&key(name), value.unwrap_or((all / parts).max(1)), 1, all)
    };
    let bytes =
        |name: &str, value: Option<u64>, all: u64| in_range(&key(name), value.unwrap_or(all / PARTS as u64), 1, all);
    let over_time =
        |name: &str, value: Option<u64>| value.map(|value| in_range(&key(name), value, 1, 1_000_000_000)).transpose();
    let mut limit_ceilings = whole.limit_ceilings;
    for resource in Resource::ALL {
        let Some(ceiling) = settings.ceilings.get(resource) else { continue };
        let (least, most) = (resource.minimum(), whole.limit_ceilings.get(resource));
        ensure!(
            (least..=most).contains(&ceiling),
            "tenants.{name}.ceilings.{resource} must be between {least} and the ceiling of all, {most}, got {ceiling}"
        );
        limit_ceilings.set(resource, ceiling);
    }
    let limits = TenantLimits {
        runs: count("runs", settings.runs, whole.runs, RUNS_PARTS)?,
        queue: in_range(&key("queue"), settings.queue.unwrap_or(whole.queue), 0, 65_536)?,
        workers: count("workers", settings.workers, whole.workers, PARTS)?,
        memory_bytes: bytes("memory_bytes", settings.memory_bytes, whole.memory_bytes)?,
        sessions: count("sessions", settings.sessions, whole.sessions, PARTS)?,
        store_bytes: bytes("store_bytes", settings.store_bytes, whole.store_bytes)?,
        limit_ceilings,
        policy,
    };
    let quota = Quota {
        calls_per_minute: over_time("calls_per_minute", settings.calls_per_minute)?,
        cpu_seconds_per_day: over_time("cpu_seconds_per_day", settings.cpu_seconds_per_day)?,
    };
    Ok((limits, quota))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Tenants, Roster) {
        let written: BTreeMap<String, TenantSettings> = toml::from_str(text).unwrap();
        let (catalogue, grants, of_server) = (Catalogue::built_in(), Grants::default(), Arc::default());
        let whole = Whole {
            catalogue: &catalogue,
            runs: 8,
            queue: 64,
            workers: 2,
            memory_bytes: 1 << 30,
            sessions: 64,
            store_bytes: 5 << 30,
            limit_ceilings: Limits::ceilings(),
            grants: &grants,
            policy: &of_server,
        };
        match tenants(written, &whole).unwrap() {
            (Tenancy::Many(tenants), roster) => (tenants, roster),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_tenant_has_what_its_section_says_then_what_that_of_all_says_then_its_part() {
        let (tenants, roster) = parsed(
            "[default]\nruns = 3\ncalls_per_minute = 60\nenvironment = { A = \"1\", B = \"1\" }\n\
             [default.ceilings]\nfuel = 20_000_000\n[one]\nruns = 5\nenvironment = { B = \"2\" }\n\
             [one.ceilings]\nwall_time_ms = 1000\n[two]\n",
        );
        let (one, two) =
            (&tenants.named[&Principal::new("one").unwrap()], &tenants.named[&Principal::new("two").unwrap()]);
        assert_eq!((one.runs, two.runs, tenants.default.runs), (5, 3, 3));
        assert_eq!((one.workers, one.sessions, one.memory_bytes, one.queue), (1, 32, 1 << 29, 64));
        assert_eq!(one.limit_ceilings.get(Resource::WallTimeMs), 1000);
        assert_eq!(one.limit_ceilings.get(Resource::Fuel), 20_000_000);
        assert_eq!(two.limit_ceilings.get(Resource::WallTimeMs), 300_000);
        let variables = |limits: &TenantLimits| limits.policy.environment.values().cloned().collect::<Vec<_>>();
        assert_eq!(
            (variables(one), variables(two)),
            (vec!["1".to_owned(), "2".into()], vec!["1".to_owned(), "1".into()])
        );
        // Nobody keeps a policy of its own that is like that of the others.
        assert!(Arc::ptr_eq(&two.policy, &tenants.default.policy) && !Arc::ptr_eq(&one.policy, &two.policy));
        assert_eq!(roster.quota(&Principal::new("three").unwrap()).calls_per_minute, Some(60));
        assert!(roster.find(Some("three")).is_ok());
    }

    #[test]
    fn without_a_section_for_others_there_are_no_others() {
        let (tenants, roster) = parsed("[one]\n");
        assert_eq!((tenants.named.len(), roster.find(Some("two")).is_err()), (1, true));
    }
}
