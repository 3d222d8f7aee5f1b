//! What other servers said of what tenants used there, and what there is to be counted for
//! it here: of each thing once.
//!
//! A tally is taken that is newer than the last of its server. Calls are what came to those
//! that were taken before; of these, if that was longer ago, as many as would not have come
//! back yet, and of a server that was not heard of before all of those. They count only if
//! the tally is of now, time on processors only if it is of today.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::account::{Charge, DAY};
use super::tally::{ServerId, Tally, Used};

/// How far clocks of servers may be apart, and how long a tally may be on its way.
pub(super) const TOLERANCE: Duration = Duration::from_secs(30);
/// For how long calls are counted one by one between two tallies.
const FOLLOWED: Duration = Duration::from_secs(10);
/// How long a server is one of those that are there.
const THERE: Duration = Duration::from_secs(120);
/// The most servers that are remembered, with those that ended today. Of what more say
/// nothing counts, since forgetting one would have what it said counted again.
const MOST: usize = 256;

/// Other servers.
#[derive(Debug, Default)]
pub(super) struct Servers(HashMap<ServerId, Server>);

#[derive(Debug)]
struct Server {
    number: u64,
    heard: Instant,
    /// The day of what was counted of time on processors.
    day: u64,
    used: HashMap<String, Counted>,
}

/// What was counted of one tenant.
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// None where no tally counted for calls.
    taken: Option<u64>,
    cpu_ms: u64,
}

impl Servers {
    /// How many there are.
    pub(super) fn there(&self, now: Instant) -> usize {
        self.0.values().filter(|server| now.saturating_duration_since(server.heard) < THERE).count()
    }

    /// What there is to be counted for a tally that was read `since_1970`, of each tenant.
    pub(super) fn hear(&mut self, tally: &Tally, now: Instant, since_1970: Duration) -> Vec<(String, Charge)> {
        let today = since_1970.as_secs() / DAY;
        if !self.has_room_for(&tally.server, now, today) {
            return Vec::new();
        }
        let known = self.0.get(&tally.server);
        if known.is_some_and(|known| tally.number <= known.number) {
            return Vec::new();
        }
        let is_of_now = Duration::from_secs(tally.at).abs_diff(since_1970) <= TOLERANCE;
        let is_of_today = tally.at / DAY == today;
        let is_followed =
            is_of_now && known.is_some_and(|known| now.saturating_duration_since(known.heard) <= FOLLOWED);
        let of_today = known.is_some_and(|known| known.day == today);
        let mut counted = HashMap::with_capacity(tally.used.len());
        let mut charges = Vec::new();
        for Used { tenant, taken, recent, cpu_ms } in &tally.used {
            let before = known.and_then(|known| known.used.get(tenant).copied());
            let cpu_before = before.filter(|_| of_today).map_or(0, |before| before.cpu_ms);
            let taken_before = before.and_then(|before| before.taken);
            let calls = match taken_before.map(|before| taken.checked_sub(before)) {
                _ if !is_of_now => 0,
                Some(Some(new)) if is_followed => new,
                Some(Some(new)) => new.min(*recent),
                // One that was closed and opened again has begun anew.
                Some(None) if is_followed => *taken,
                Some(None) | None => *recent,
            };
            let cpu_now = if is_of_today { cpu_before.max(*cpu_ms) } else { cpu_before };
            let charge = Charge { calls, cpu_ms: cpu_now - cpu_before };
            if charge != Charge::default() {
                charges.push((tenant.clone(), charge));
            }
            let taken = if is_of_now { Some(*taken) } else { taken_before };
            counted.insert(tenant.clone(), Counted { taken, cpu_ms: cpu_now });
        }
        // Time of today that is not said again must not be counted again when it is.
        if let Some(known) = known.filter(|_| of_today) {
            for (tenant, before) in known.used.iter().filter(|(_, before)| before.cpu_ms > 0) {
                counted.entry(tenant.clone()).or_insert(*before);
            }
        }
        // An old one says nothing of whether its server is there.
        let heard = if is_of_now { now } else { known.map_or_else(|| long_before(now), |known| known.heard) };
        self.0.insert(tally.server.clone(), Server { number: tally.number, heard, day: today, used: counted });
        charges
    }

    /// Makes room for one more, of those that ended and said nothing of time today. What
    /// they said of calls is too old to count again by then.
    fn has_room_for(&mut self, server: &ServerId, now: Instant, today: u64) -> bool {
        if self.0.len() >= MOST && !self.0.contains_key(server) {
            let has_time = |known: &Server| known.day == today && known.used.values().any(|used| used.cpu_ms > 0);
            self.0.retain(|_, known| has_time(known) || now.saturating_duration_since(known.heard) < THERE);
        }
        self.0.len() < MOST || self.0.contains_key(server)
    }
}

fn long_before(now: Instant) -> Instant {
    now.checked_sub(THERE).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Duration = Duration::from_secs(20_000 * DAY + 3600);

    struct Heard {
        servers: Servers,
        start: Instant,
    }

    impl Heard {
        fn new() -> Self {
            Self { servers: Servers::default(), start: Instant::now() }
        }

        /// What counts of a tally that comes so many seconds after the start.
        fn hear(&mut self, after: u64, tally: &Tally) -> (u64, u64) {
            let after = Duration::from_secs(after);
            let charges = self.servers.hear(tally, self.start + after, TODAY + after);
            charges.iter().fold((0, 0), |(calls, cpu), (_, charge)| (calls + charge.calls, cpu + charge.cpu_ms))
        }
    }

    /// What a server says so many seconds after the start.
    fn tally(server: u8, number: u64, after: u64, (taken, recent, cpu_ms): (u64, u64, u64)) -> Tally {
        let used = vec![Used { tenant: "one".into(), taken, recent, cpu_ms }];
        Tally { server: format!("{server:032x}"), number, at: TODAY.as_secs() + after, used }
    }

    #[test]
    fn each_call_counts_once_and_what_has_come_back_by_now_does_not() {
        let mut heard = Heard::new();
        assert_eq!(heard.hear(0, &tally(1, 40, 0, (900, 7, 50))), (7, 50), "before, there was much");
        assert_eq!(heard.hear(1, &tally(1, 41, 1, (905, 11, 80))), (5, 30));
        assert_eq!(heard.hear(1, &tally(1, 41, 1, (905, 11, 80))), (0, 0), "the same again");
        assert_eq!(heard.hear(2, &tally(1, 40, 0, (900, 7, 50))), (0, 0), "an earlier one");
        assert_eq!(heard.hear(2, &tally(2, 1, 2, (3, 3, 0))), (3, 0), "another server");
        // After a while in which nothing was heard, calls have come back here as well.
        assert_eq!(heard.hear(60, &tally(1, 90, 60, (1800, 2, 90))), (2, 10));
        // An account that was opened again begins anew.
        assert_eq!(heard.hear(61, &tally(1, 91, 61, (4, 4, 90))), (4, 0));
        // What counted before a pause is not counted after it, although it has not come back.
        assert_eq!(heard.hear(62, &tally(3, 1, 62, (60, 60, 0))), (60, 0));
        for (number, after, recent) in [(2, 73, 49), (3, 84, 38), (4, 95, 27)] {
            assert_eq!(heard.hear(after, &tally(3, number, after, (60, recent, 0))), (0, 0));
        }
        assert_eq!(heard.hear(107, &tally(3, 5, 107, (65, 20, 0))), (5, 0));
    }

    #[test]
    fn calls_count_now_and_time_today_whatever_is_brought_back() {
        let mut heard = Heard::new();
        assert_eq!(heard.hear(100, &tally(1, 1, 60, (9, 9, 700))), (0, 700), "it is too old for calls");
        assert_eq!(heard.hear(100, &tally(1, 2, 200, (99, 9, 700))), (0, 0), "it is too far ahead");
        // One after the other, as if the server were there: what it says of time is so.
        for number in 3..50 {
            assert_eq!(heard.hear(100, &tally(1, number, number, (number * 100, 9, 700 + number))).0, 0);
        }
        assert_eq!(heard.servers.there(heard.start + Duration::from_secs(100)), 0);
        let yesterday = Tally { at: TODAY.as_secs() - DAY, ..tally(2, 1, 0, (5, 5, 1_000_000)) };
        let tomorrow = Tally { at: TODAY.as_secs() + DAY, ..tally(2, 2, 0, (5, 5, 1_000_000)) };
        assert_eq!((heard.hear(100, &yesterday), heard.hear(100, &tomorrow)), ((0, 0), (0, 0)));
        assert_eq!(heard.hear(100, &tally(2, 3, 100, (5, 5, 30))), (5, 30), "the control");
        // Time that is left out and said again is the same time.
        let silent = Tally { used: Vec::new(), ..tally(2, 4, 101, (0, 0, 0)) };
        assert_eq!(heard.hear(101, &silent), (0, 0));
        assert_eq!(heard.hear(102, &tally(2, 5, 102, (6, 1, 31))), (1, 1));
        assert_eq!(heard.hear(102, &tally(2, 6, 102, (6, 1, 0))), (0, 0));
        assert_eq!(heard.hear(103, &tally(2, 7, 103, (6, 1, 31))), (0, 0), "it had been counted");
        // Another day begins with nothing.
        let next = Tally { at: TODAY.as_secs() + DAY, ..tally(2, 8, 0, (6, 0, 40)) };
        let charges =
            heard.servers.hear(&next, heard.start + Duration::from_secs(DAY), TODAY + Duration::from_secs(DAY));
        assert_eq!(charges, [("one".to_owned(), Charge { calls: 0, cpu_ms: 40 })]);
    }

    #[test]
    fn servers_are_as_many_as_may_be_and_none_is_forgotten_today() {
        let mut heard = Heard::new();
        let of = |server: usize, number| Tally { server: format!("{server:032x}"), ..tally(0, number, 0, (1, 1, 5)) };
        for server in 0..MOST {
            assert_eq!(heard.hear(0, &of(server, 1)), (1, 5));
        }
        assert_eq!(heard.hear(0, &of(MOST, 1)), (0, 0));
        assert_eq!(heard.hear(500, &of(MOST, 1)), (0, 0), "all that are known said something of today");
        assert_eq!(heard.hear(500, &of(0, 2)), (0, 0));
        let tomorrow = TODAY + Duration::from_secs(DAY);
        let tally = Tally { at: tomorrow.as_secs(), ..of(MOST, 2) };
        let charges = heard.servers.hear(&tally, heard.start + Duration::from_secs(DAY), tomorrow);
        assert_eq!(charges, [("one".to_owned(), Charge { calls: 1, cpu_ms: 5 })]);
        assert_eq!(heard.servers.0.len(), 1);
        // Of those that said nothing of time none has to be remembered.
        let mut heard = Heard::new();
        for server in 0..MOST {
            let used = vec![Used { tenant: "one".into(), taken: 1, recent: 1, cpu_ms: 0 }];
            assert_eq!(heard.hear(0, &Tally { used, ..of(server, 1) }), (1, 0));
        }
        assert_eq!(heard.hear(121, &Tally { at: TODAY.as_secs() + 121, ..of(MOST, 1) }), (1, 5));
    }
}
