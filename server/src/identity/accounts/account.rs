//! What one tenant has used of its quotas, and what is left of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::identity::tenants::Quota;

pub(super) const DAY: u64 = 86_400;

/// How long refusals of a tenant are remembered that does nothing any more.
pub(super) const REMEMBERED: Duration = Duration::from_secs(3600);

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

/// How often requests were refused, by the reason.
pub(super) type Refusals = BTreeMap<&'static str, u64>;

/// What a tenant has used at another server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) calls: u64,
    /// Time on processors, today.
    pub(super) cpu_ms: u64,
}

/// What a tenant has used at this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    /// All calls since the account was opened.
    pub(super) taken: u64,
    /// Those of them that would not have come back by now.
    pub(super) recent: u64,
    /// Time on processors, today.
    pub(super) cpu_ms: u64,
}

#[derive(Debug)]
pub(super) struct Account {
    /// Calls that may be made at once, and when that was so. Less than none where other
    /// servers let through what there was: they have to come back first.
    calls: f64,
    at: Instant,
    /// Calls that this server let through; and those of them that would not have come back
    /// yet if it were the only one.
    taken: u64,
    recent: f64,
    /// The day since 1970, in UTC, and the time on processors in it: of all servers, as far
    /// as this one knows, and of itself.
    day: u64,
    cpu_ms: u64,
    own_cpu_ms: u64,
    pub(super) refusals: Refusals,
    /// When the tenant last did anything here.
    pub(super) touched: Instant,
    /// Whether other servers were told of this account when they were last told anything.
    pub(super) is_told: bool,
}

impl Account {
    pub(super) fn new(quota: Quota, now: Instant) -> Self {
        Self {
            calls: quota.calls_per_minute.unwrap_or(0) as f64,
            at: now,
            taken: 0,
            recent: 0.0,
            day: 0,
            cpu_ms: 0,
            own_cpu_ms: 0,
            refusals: Refusals::new(),
            touched: now,
            is_told: false,
        }
    }

    /// Takes what is asked for.
    pub(super) fn take(&mut self, quota: Quota, demand: Demand, now: Instant, today: Duration) -> Result<(), Exceeded> {
        if demand == Demand::Nothing {
            return Ok(());
        }
        if demand == Demand::Run {
            self.has_time(quota, today)?;
        }
        let Some(bound) = quota.calls_per_minute else { return Ok(()) };
        self.refill(bound, now);
        if self.calls < 1.0 {
            let retry_after = Duration::from_secs_f64((1.0 - self.calls) / per_second(bound));
            let used = bound.saturating_add((-self.calls).max(0.0) as u64);
            return Err(Exceeded { name: "calls_per_minute", bound, used, retry_after });
        }
        self.calls -= 1.0;
        self.taken = self.taken.saturating_add(1);
        self.recent += 1.0;
        Ok(())
    }

    /// Gives back the calls that come back by now.
    fn refill(&mut self, bound: u64, now: Instant) {
        let back = now.saturating_duration_since(self.at).as_secs_f64() * per_second(bound);
        self.calls = (bound as f64).min(self.calls + back);
        self.recent = (self.recent - back).max(0.0);
        self.at = now;
    }

    /// Takes what was used at other servers, of which there are so many. What they let
    /// through before they knew of each other has to come back: at most a minute's worth for
    /// each of them, so nobody is kept out for longer than that, whatever they say.
    pub(super) fn charge(&mut self, quota: Quota, charge: Charge, servers: usize, now: Instant, today: Duration) {
        let day = today.as_secs() / DAY;
        self.begin_day(day);
        // By a clock that was set back it is of a day that is over.
        if self.day == day {
            self.cpu_ms = self.cpu_ms.saturating_add(charge.cpu_ms);
        }
        let Some(bound) = quota.calls_per_minute else { return };
        self.refill(bound, now);
        let least = self.calls.min(-(bound as f64 * servers as f64));
        self.calls = (self.calls - charge.calls as f64).max(least);
    }

    /// Counts time on processors that was used here.
    pub(super) fn use_own_time(&mut self, cpu_ms: u64, today: Duration) {
        self.begin_day(today.as_secs() / DAY);
        self.cpu_ms = self.cpu_ms.saturating_add(cpu_ms);
        self.own_cpu_ms = self.own_cpu_ms.saturating_add(cpu_ms);
    }

    /// What was used here, for other servers.
    pub(super) fn own(&mut self, quota: Quota, now: Instant, today: Duration) -> Own {
        let day = today.as_secs() / DAY;
        self.begin_day(day);
        if let Some(bound) = quota.calls_per_minute {
            self.refill(bound, now);
        }
        let cpu_ms = if self.day == day { self.own_cpu_ms } else { 0 };
        Own { taken: self.taken, recent: self.recent.ceil() as u64, cpu_ms }
    }

    /// Fails when the time of the day is used up.
    pub(super) fn has_time(&mut self, quota: Quota, today: Duration) -> Result<(), Exceeded> {
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
            (self.day, self.cpu_ms, self.own_cpu_ms) = (day, 0, 0);
        }
    }

    /// Whether nobody misses the account: nothing in it bounds what comes, and what was
    /// refused was long ago.
    pub(super) fn is_over(&mut self, quota: Quota, now: Instant, day: u64) -> bool {
        let is_idle = now.saturating_duration_since(self.touched) >= REMEMBERED;
        let is_full = quota.calls_per_minute.is_none_or(|bound| {
            self.refill(bound, now);
            self.calls >= bound as f64
        });
        is_full && (self.day < day || self.cpu_ms == 0) && (self.refusals.is_empty() || is_idle)
    }
}

/// Calls that come back in a second.
fn per_second(bound: u64) -> f64 {
    bound as f64 / 60.0
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
    fn what_other_servers_let_through_has_to_come_back_and_keeps_nobody_out_for_longer_than_that() {
        let quota = Quota { calls_per_minute: Some(6), cpu_seconds_per_day: None };
        let start = Instant::now();
        let calls = |calls| Charge { calls, cpu_ms: 0 };
        let mut account = Account::new(quota, start);
        let later = |seconds| start + Duration::from_secs(seconds);
        let take = |account: &mut Account, seconds| {
            let taken = account.take(quota, Demand::Call, later(seconds), TODAY);
            taken.map_err(|exceeded| (exceeded.used, exceeded.retry_after_seconds()))
        };
        account.charge(quota, calls(4), 1, start, TODAY);
        take(&mut account, 0).unwrap();
        take(&mut account, 0).unwrap();
        assert_eq!(take(&mut account, 0), Err((6, 10)));
        // Both let through a minute's worth before they knew of each other.
        account.charge(quota, calls(6), 1, start, TODAY);
        assert_eq!(take(&mut account, 0), Err((12, 70)));
        assert!(take(&mut account, 69).is_err());
        take(&mut account, 70).unwrap();
        // Whatever is said, a minute for each other server is the most.
        account.charge(quota, calls(u64::MAX), 2, later(70), TODAY);
        assert_eq!(take(&mut account, 70), Err((18, 130)));
        account.charge(quota, calls(u64::MAX), 1, later(70), TODAY);
        assert_eq!(take(&mut account, 70), Err((18, 130)), "and it gives nothing back");
        take(&mut account, 200).unwrap();
        // What is owed is not forgotten with the account.
        account.charge(quota, calls(9), 1, later(200), TODAY);
        let day = TODAY.as_secs() / DAY;
        assert!(!account.is_over(quota, later(261), day) && account.is_over(quota, later(400), day));
    }

    #[test]
    fn what_is_told_to_others_is_what_was_used_here() {
        let quota = Quota { calls_per_minute: Some(60), cpu_seconds_per_day: Some(2) };
        let start = Instant::now();
        let mut account = Account::new(quota, start);
        let own = |account: &mut Account, seconds, days: u64| {
            account.own(quota, start + Duration::from_secs(seconds), TODAY + Duration::from_secs(days * DAY))
        };
        account.charge(quota, Charge { calls: 10, cpu_ms: 1500 }, 1, start, TODAY);
        assert_eq!(own(&mut account, 0, 0), Own::default());
        for _ in 0..5 {
            account.take(quota, Demand::Run, start, TODAY).unwrap();
        }
        account.use_own_time(500, TODAY);
        assert_eq!(own(&mut account, 0, 0), Own { taken: 5, recent: 5, cpu_ms: 500 });
        assert!(account.has_time(quota, TODAY).is_err(), "both together have used it up");
        assert_eq!(own(&mut account, 3, 0), Own { taken: 5, recent: 2, cpu_ms: 500 });
        assert_eq!(own(&mut account, 60, 1), Own { taken: 5, recent: 0, cpu_ms: 0 });
        account.has_time(quota, TODAY + Duration::from_secs(DAY)).unwrap();
        // A clock that was set back says nothing of the day that it left.
        account.use_own_time(700, TODAY + Duration::from_secs(DAY));
        assert_eq!(own(&mut account, 60, 0).cpu_ms, 0);
    }
}
