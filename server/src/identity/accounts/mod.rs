//! What tenants have used of what they may use over time, and how often they were
//! refused. Refusals are this server's own, from its start on; so is what was used, and
//! servers that share something beside their store tell each other.
//!
//! - `account`: one tenant.
//! - `tally`: what a server says of what tenants used there; `servers`: what others said.
//! - `told`: how it is said and heard. Nothing of that is waited for by a call, and
//!   nothing gives a tenant more than this server would by itself.

mod account;
mod servers;
mod tally;
mod told;

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use sandbox::{Error, Observer, Principal, RunCall, RunEvent, RunStage};

use self::account::{Account, Charge, DAY, Own, Refusals};
pub(crate) use self::account::{Demand, Exceeded};
use self::tally::Used;
pub(crate) use self::told::tell_used;
use super::tenants::{Quota, Roster};

/// How many accounts are kept before those that are over go.
const KEPT: usize = 4096;

/// What all tenants have used.
#[derive(Debug)]
pub(crate) struct Accounts {
    roster: Roster,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    of: HashMap<Principal, Account>,
    /// Refusals of callers whom nobody knows.
    nobody: Refusals,
    /// The number of accounts at which those that are over go.
    full: usize,
}

impl Accounts {
    /// Nobody has used anything yet.
    pub(crate) fn new(roster: Roster) -> Self {
        Self { roster, known: Mutex::new(Known { full: KEPT, ..Known::default() }) }
    }

    /// Takes what a request asks for.
    ///
    /// # Errors
    ///
    /// When its tenant has used it up.
    pub(crate) fn take(&self, principal: &Principal, demand: Demand) -> Result<(), Exceeded> {
        let quota = self.roster.quota(principal);
        if quota == Quota::default() {
            return Ok(());
        }
        self.with(principal, |account| account.take(quota, demand, Instant::now(), since_1970()))
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, principal: Option<&Principal>, reason: &'static str) {
        match principal {
            Some(principal) => self.with(principal, |account| *account.refusals.entry(reason).or_default() += 1),
            None => *self.known.lock().nobody.entry(reason).or_default() += 1,
        }
    }

    /// How often `principal` was refused, and for what. The one user of a server is told
    /// of those too whom nobody knows.
    pub(crate) fn refusals_of(&self, principal: &Principal) -> Refusals {
        let known = self.known.lock();
        let mut refusals = known.of.get(principal).map(|account| account.refusals.clone()).unwrap_or_default();
        if matches!(self.roster, Roster::One) {
            for (reason, count) in &known.nobody {
                *refusals.entry(reason).or_default() += count;
            }
        }
        refusals
    }

    /// Takes what a tenant used at another server, of which there are so many.
    fn charge(&self, tenant: &str, charge: Charge, servers: usize) {
        // Nobody is a tenant here because another server says so.
        let Ok(principal) = self.roster.find(Some(tenant)) else { return };
        let quota = self.roster.quota(&principal);
        if quota == Quota::default() || charge == Charge::default() {
            return;
        }
        let change = |account: &mut Account| account.charge(quota, charge, servers, Instant::now(), since_1970());
        self.change(&principal, change);
    }

    /// What tenants used here lately or `today`, of as many as `most`. Those who were among
    /// them before are so again, since whoever is told of one keeps count.
    fn own(&self, most: usize, today: Duration) -> Vec<Used> {
        let now = Instant::now();
        let mut known = self.known.lock();
        let mut used: Vec<_> = known
            .of
            .iter_mut()
            .filter_map(|(principal, account)| {
                let own = account.own(self.roster.quota(principal), now, today);
                let is_told = std::mem::take(&mut account.is_told);
                (own.recent > 0 || own.cpu_ms > 0).then(|| (!is_told, principal.clone(), own))
            })
            .collect();
        used.sort_unstable_by(|(one, name, _), (other, other_name, _)| (one, name).cmp(&(other, other_name)));
        used.truncate(most);
        for (_, principal, _) in &used {
            if let Some(account) = known.of.get_mut(principal) {
                account.is_told = true;
            }
        }
        let written = |(_, principal, own): (bool, Principal, Own)| Used {
            tenant: principal.directory_name().to_owned(),
            taken: own.taken,
            recent: own.recent,
            cpu_ms: own.cpu_ms,
        };
        used.into_iter().map(written).collect()
    }

    /// Does something to the account of a tenant that does something here.
    fn with<T>(&self, principal: &Principal, change: impl FnOnce(&mut Account) -> T) -> T {
        self.change(principal, |account| {
            account.touched = Instant::now();
            change(account)
        })
    }

    fn change<T>(&self, principal: &Principal, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut known = self.known.lock();
        let now = Instant::now();
        if known.of.len() >= known.full && !known.of.contains_key(principal) {
            let day = since_1970().as_secs() / DAY;
            known.of.retain(|principal, account| !account.is_over(self.roster.quota(principal), now, day));
            known.full = (2 * known.of.len()).max(KEPT);
        }
        let account = known.of.entry(principal.clone());
        change(account.or_insert_with(|| Account::new(self.roster.quota(principal), now)))
    }
}

impl Observer for Accounts {
    /// The tenant of a call may have used up its time while the call waited.
    fn begins(&self, call: &RunCall) -> Result<(), Error> {
        let quota = self.roster.quota(&call.principal);
        if quota.cpu_seconds_per_day.is_none() {
            return Ok(());
        }
        let allowed = self.with(&call.principal, |account| account.has_time(quota, since_1970()));
        allowed.map_err(|exceeded| Error::Denied { action: "beginning this run".into(), reason: exceeded.to_string() })
    }

    fn used(&self, call: &RunCall, cpu_time_ms: u64) {
        if self.roster.quota(&call.principal).cpu_seconds_per_day.is_none() {
            return;
        }
        // A run that takes less than a millisecond is not nothing a million times over.
        self.with(&call.principal, |account| account.use_own_time(cpu_time_ms.max(1), since_1970()));
    }

    fn told(&self, event: &RunEvent) {
        if let RunStage::Refused(failure) = &event.stage {
            self.refused(Some(&event.call.principal), failure.kind);
        }
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::account::REMEMBERED;
    use super::*;

    #[test]
    fn refusals_are_counted_for_each_and_accounts_with_nothing_in_them_go() {
        let accounts = Accounts::new(Roster::Many { named: HashMap::new(), others: Some(Quota::default()) });
        let named = |number: usize| Principal::new(&format!("t{number}")).unwrap();
        accounts.refused(Some(&named(0)), "busy");
        accounts.refused(Some(&named(0)), "busy");
        accounts.refused(None, "no_token");
        assert_eq!(accounts.refusals_of(&named(0)), BTreeMap::from([("busy", 2)]));
        assert!(accounts.refusals_of(&named(1)).is_empty());
        let one = Accounts::new(Roster::One);
        one.refused(None, "no_token");
        assert_eq!(one.refusals_of(&Principal::local()), BTreeMap::from([("no_token", 1)]));
        let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
        for number in 1..KEPT {
            accounts.with(&named(number), |account| account.touched = long_ago);
        }
        accounts.with(&named(KEPT), |_| ());
        assert_eq!(accounts.known.lock().of.len(), 2, "who was refused is remembered");
        // An account with refusals is not kept for ever.
        let longer_ago = Instant::now().checked_sub(REMEMBERED).unwrap();
        accounts.known.lock().of.values_mut().for_each(|account| account.touched = longer_ago);
        accounts.known.lock().full = 2;
        accounts.with(&named(1), |_| ());
        assert_eq!(accounts.known.lock().of.len(), 1);
    }
}
