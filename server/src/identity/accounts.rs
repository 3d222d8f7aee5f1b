//! What tenants have used of what they may use over time, and how often they were
//! refused. All of it is this server's own, from its start on.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use sandbox::{Error, Observer, Principal, RunCall, RunEvent, RunStage};
use thiserror::Error;

use super::tenants::{Quota, Roster};

const DAY: u64 = 86_400;

/// How many accounts are kept before those that are over go.
const KEPT: usize = 4096;
/// How long refusals of a tenant are remembered that does nothing any more.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// A tenant has used more than a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this tenant has used {used} of {bound} {name}; try again in {} s", self.retry_after_seconds())]
pub(crate) struct Exceeded {
    /// The quota, as it is configured.
    pub(crate) name: &'static str,
    pub(crate) bound: u64,
    pub(crate) used: u64,
    retry_after: Duration,
}

impl Exceeded {
    /// When it is worth another try: a whole number, and not too early.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing that counts.
    Nothing,
    /// One call.
    Call,
    /// One call that runs a program.
    Run,
}

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

/// How often requests were refused, by the reason.
type Refusals = BTreeMap<&'static str, u64>;

#[derive(Debug)]
struct Account {
    /// Calls that may be made at once, and when that was so.
    calls: f64,
    at: Instant,
    /// The day since 1970, in UTC, and the time on processors in it.
    day: u64,
    cpu_ms: u64,
    refusals: Refusals,
    /// When anything was last done to the account.
    touched: Instant,
}

impl Account {
    fn new(quota: Quota, now: Instant) -> Self {
        let calls = quota.calls_per_minute.unwrap_or(0) as f64;
        Self { calls, at: now, day: 0, cpu_ms: 0, refusals: Refusals::new(), touched: now }
    }

    /// Takes what is asked for.
    fn take(&mut self, quota: Quota, demand: Demand, now: Instant, today: Duration) -> Result<(), Exceeded> {
        if demand == Demand::Nothing {
            return Ok(());
        }
        if demand == Demand::Run {
            self.has_time(quota, today)?;
        }
        let Some(bound) = quota.calls_per_minute else { return Ok(()) };
        let in_a_second = bound as f64 / 60.0;
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.calls = (bound as f64).min(self.calls + passed * in_a_second);
        self.at = now;
        if self.calls < 1.0 {
            let retry_after = Duration::from_secs_f64((1.0 - self.calls) / in_a_second);
            return Err(Exceeded { name: "calls_per_minute", bound, used: bound, retry_after });
        }
        self.calls -= 1.0;
        Ok(())
    }

    /// Fails when the time of the day is used up.
    fn has_time(&mut self, quota: Quota, today: Duration) -> Result<(), Exceeded> {
        self.begin_day(today.as_secs() / DAY);
        let Some(bound) = quota.cpu_seconds_per_day.filter(|bound| self.cpu_ms >= bound.saturating_mul(1000)) else {
            return Ok(());
        };
        let midnight = Duration::from_secs((self.day + 1) * DAY);
        let retry_after = midnight.saturating_sub(today);
        Err(Exceeded { name: "cpu_seconds_per_day", bound, used: self.cpu_ms / 1000, retry_after })
    }

    /// A clock that is set back across midnight gives nobody the day once more. One that
    /// is further back was wrong before.
    fn begin_day(&mut self, day: u64) {
        if day != self.day && day + 1 != self.day {
            (self.day, self.cpu_ms) = (day, 0);
        }
    }

    /// Whether nobody misses the account: nothing in it bounds what comes, and what was
    /// refused was long ago.
    fn is_over(&self, now: Instant, day: u64) -> bool {
        let is_idle = |time| now.saturating_duration_since(self.touched) >= time;
        let is_told = self.refusals.is_empty() || is_idle(REMEMBERED);
        is_idle(Duration::from_secs(60)) && (self.day < day || self.cpu_ms == 0) && is_told
    }
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

    fn with<T>(&self, principal: &Principal, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut known = self.known.lock();
        if known.of.len() >= known.full && !known.of.contains_key(principal) {
            let (now, day) = (Instant::now(), since_1970().as_secs() / DAY);
            known.of.retain(|_, account| !account.is_over(now, day));
            known.full = (2 * known.of.len()).max(KEPT);
        }
        let now = Instant::now();
        let account = known.of.entry(principal.clone());
        let account = account.or_insert_with(|| Account::new(self.roster.quota(principal), now));
        account.touched = now;
        change(account)
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
        self.with(&call.principal, |account| {
            account.begin_day(since_1970().as_secs() / DAY);
            // A run that takes less than a millisecond is not nothing a million times over.
            account.cpu_ms = account.cpu_ms.saturating_add(cpu_time_ms.max(1));
        });
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
    use super::*;

    const TODAY: Duration = Duration::from_secs(20_000 * DAY + 3600);

    #[test]
    fn calls_come_back_one_after_the_other_and_a_refusal_says_when() {
        let quota = Quota { calls_per_minute: Some(6), cpu_seconds_per_day: None };
        let start = Instant::now();
        let mut account = Account::new(quota, start);
        let mut take = |after: f64, demand| {
            let now = start + Duration::from_secs_f64(after);
            account.take(quota, demand, now, TODAY).map_err(|exceeded| exceeded.retry_after_seconds())
        };
        for _ in 0..6 {
            take(0.0, Demand::Call).unwrap();
        }
        assert_eq!(take(0.0, Demand::Run), Err(10));
        assert_eq!(take(0.0, Demand::Nothing), Ok(()));
        assert_eq!(take(9.5, Demand::Call), Err(1), "not a moment too early");
        take(10.0, Demand::Call).unwrap();
        assert_eq!(take(10.0, Demand::Call), Err(10));
        // A long rest is worth a minute and no more.
        for _ in 0..6 {
            take(1000.0, Demand::Call).unwrap();
        }
        assert_eq!(take(1000.0, Demand::Call), Err(10));
    }

    #[test]
    fn the_time_of_a_day_is_used_up_until_midnight_and_lets_through_what_runs_nothing() {
        let quota = Quota { calls_per_minute: None, cpu_seconds_per_day: Some(2) };
        let now = Instant::now();
        let mut account = Account::new(quota, now);
        let take = |account: &mut Account, demand, today| {
            account.take(quota, demand, now, today).map_err(|exceeded| (exceeded.used, exceeded.retry_after_seconds()))
        };
        take(&mut account, Demand::Run, TODAY).unwrap();
        account.cpu_ms = 1999;
        take(&mut account, Demand::Run, TODAY).unwrap();
        account.cpu_ms = 2500;
        assert_eq!(take(&mut account, Demand::Run, TODAY), Err((2, DAY - 3600)));
        take(&mut account, Demand::Call, TODAY).unwrap();
        assert!(take(&mut account, Demand::Run, TODAY - Duration::from_secs(DAY)).is_err(), "the clock was set back");
        take(&mut account, Demand::Run, TODAY + Duration::from_secs(DAY)).unwrap();
    }

    #[test]
    fn a_clock_that_was_far_ahead_for_a_while_leaves_each_day_its_time() {
        let quota = Quota { calls_per_minute: None, cpu_seconds_per_day: Some(2) };
        let now = Instant::now();
        let mut account = Account::new(quota, now);
        let mut take = |cpu_ms, days_ahead: u32| {
            let taken = account.take(quota, Demand::Run, now, TODAY + days_ahead * Duration::from_secs(DAY));
            account.cpu_ms += cpu_ms;
            taken.map_err(|exceeded| exceeded.retry_after_seconds())
        };
        take(3000, 400).unwrap();
        assert_eq!(take(0, 400), Err(DAY - 3600));
        take(3000, 0).unwrap();
        assert_eq!(take(0, 0), Err(DAY - 3600), "and no more than that");
        take(0, 1).unwrap();
    }

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
