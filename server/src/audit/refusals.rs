//! How often refusals are said: a line for each caller and reason, and after each minute
//! how many more there were, as anybody can have any number of requests refused, and a
//! disk that is full of them keeps others from running anything.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sandbox::Principal;

use crate::identity::Identity;

/// How long a caller has no other line for the same reason.
const MINUTE: Duration = Duration::from_secs(60);
/// Lines in a minute of callers who are known: each has some 300 bytes.
const KNOWN: usize = 4096;
/// Lines in a minute of one tenant, so that none takes the room of all others.
const OF_A_TENANT: usize = 256;
/// Lines in a minute of strangers, of whom one can have any number of addresses.
const STRANGERS: usize = 1024;

/// Who was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) event: &'static str,
    pub(super) who: Who,
    pub(super) reason: &'static str,
    /// The argument that was wrong, in a word of the schema.
    pub(super) field: Option<String>,
}

/// Who was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Known {
        tenant: Principal,
        credential: Option<Arc<str>>,
    },
    /// A stranger, by its address, or the network of it that one customer has.
    Stranger(Option<IpAddr>),
}

impl Who {
    pub(super) fn of(identity: Option<&Identity>, address: Option<IpAddr>) -> Self {
        match identity {
            Some(identity) => {
                Self::Known { tenant: identity.principal.clone(), credential: Some(Arc::clone(&identity.credential)) }
            }
            None => Self::Stranger(address.map(network)),
        }
    }

    const fn tenant(&self) -> Option<&Principal> {
        match self {
            Self::Known { tenant, .. } => Some(tenant),
            Self::Stranger(_) => None,
        }
    }
}

/// So many refusals had no line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    Of(Key, u64),
    /// So many refusals had no line, of callers for whom there was no room: of a
    /// tenant, or of strangers.
    Others(Option<Principal>, u64),
}

/// Refusals of this minute.
#[derive(Default)]
struct Minute {
    began: Option<Instant>,
    /// How many more refusals there were than had a line.
    known: HashMap<Key, u64>,
    strangers: HashMap<Key, u64>,
    lines: HashMap<Principal, usize>,
    others: HashMap<Option<Principal>, u64>,
}

/// The refusals of all callers.
pub(super) struct Refusals(Mutex<Minute>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Whether a refusal is to be said, and what is to be said before it.
    pub(super) fn next(&self, key: Key) -> (bool, Vec<LeftOut>) {
        let mut minute = self.0.lock();
        let now = Instant::now();
        let before = minute.over(now);
        (minute.next(key, now), before)
    }

    /// What is to be said of a minute that is over.
    pub(super) fn over(&self) -> Vec<LeftOut> {
        self.0.lock().over(Instant::now())
    }

    /// What is to be said at the end.
    pub(super) fn rest(&self) -> Vec<LeftOut> {
        self.0.lock().take()
    }
}

impl Minute {
    fn over(&mut self, now: Instant) -> Vec<LeftOut> {
        let is_over = self.began.is_some_and(|began| now.saturating_duration_since(began) >= MINUTE);
        if is_over { self.take() } else { Vec::new() }
    }

    fn take(&mut self) -> Vec<LeftOut> {
        let Self { began: _, known, strangers, lines: _, others } = std::mem::take(self);
        let said = known.into_iter().chain(strangers).map(|(key, count)| LeftOut::Of(key, count));
        said.filter(|left_out| !matches!(left_out, LeftOut::Of(_, 0)))
            .chain(others.into_iter().map(|(tenant, count)| LeftOut::Others(tenant, count)))
            .collect()
    }

    fn next(&mut self, key: Key, now: Instant) -> bool {
        self.began.get_or_insert(now);
        let (table, most) = match key.who {
            Who::Known { .. } => (&mut self.known, KNOWN),
            Who::Stranger(_) => (&mut self.strangers, STRANGERS),
        };
        if let Some(left_out) = table.get_mut(&key) {
            *left_out += 1;
            return false;
        }
        let tenant = key.who.tenant().cloned();
        let lines = tenant.as_ref().map_or(0, |tenant| self.lines.get(tenant).copied().unwrap_or(0));
        if table.len() >= most || lines >= OF_A_TENANT {
            // More tenants than have room are told of together with strangers.
            let tenant = tenant.filter(|_| self.others.len() < KNOWN);
            *self.others.entry(tenant).or_default() += 1;
            return false;
        }
        table.insert(key, 0);
        if let Some(tenant) = tenant {
            self.lines.insert(tenant, lines + 1);
        }
        true
    }
}

/// What one customer of a network has: an address, or 2^64 of the newer ones.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        older @ IpAddr::V4(_) => older,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn known(tenant: &str, credential: usize, reason: &'static str) -> Key {
        let who =
            Who::Known { tenant: Principal::new(tenant).unwrap(), credential: Some(credential.to_string().into()) };
        Key { event: "x", who, reason, field: None }
    }

    fn stranger(address: impl Into<IpAddr>) -> Key {
        Key { event: "x", who: Who::of(None, Some(address.into())), reason: "wrong_token", field: None }
    }

    #[test]
    fn each_caller_and_reason_has_a_line_a_minute_and_one_after_it_with_what_was_left_out() {
        let mut minute = Minute::default();
        let now = Instant::now();
        assert!(minute.next(known("a", 1, "busy"), now));
        for _ in 0..3 {
            assert!(!minute.next(known("a", 1, "busy"), now));
        }
        assert!(minute.next(known("a", 1, "other"), now) && minute.next(known("b", 1, "busy"), now));
        assert_eq!(minute.over(now + MINUTE / 2), []);
        // Nobody need come again.
        assert_eq!(minute.over(now + MINUTE), [LeftOut::Of(known("a", 1, "busy"), 3)]);
        assert_eq!(minute.over(now + MINUTE), []);
        assert!(minute.next(known("a", 1, "busy"), now + MINUTE), "another minute");
        assert!(!minute.next(known("a", 1, "busy"), now + MINUTE));
        assert_eq!(minute.take(), [LeftOut::Of(known("a", 1, "busy"), 1)], "at the end");
    }

    #[test]
    fn strangers_and_tenants_of_many_names_take_no_room_of_others() {
        let mut minute = Minute::default();
        let now = Instant::now();
        let address = |n: usize| Ipv4Addr::from(u32::try_from(n).unwrap());
        let said = (0..2 * STRANGERS).filter(|n| minute.next(stranger(address(*n)), now)).count();
        assert_eq!(said, STRANGERS);
        assert!(minute.next(known("a", 1, "busy"), now), "who is known has room all the same");
        let said = (2..=2 * OF_A_TENANT).filter(|n| minute.next(known("a", *n, "busy"), now)).count();
        assert_eq!(said, OF_A_TENANT - 1);
        assert!(minute.next(known("b", 1, "busy"), now), "and so has another tenant");
        let mut left_out = minute.take();
        left_out.sort_by_key(|left_out| matches!(left_out, LeftOut::Others(None, _)));
        let a = Some(Principal::new("a").unwrap());
        let expected = [LeftOut::Others(a, OF_A_TENANT as u64), LeftOut::Others(None, STRANGERS as u64)];
        assert_eq!(left_out, expected);
    }

    #[test]
    fn strangers_of_a_network_are_one() {
        let mut minute = Minute::default();
        let now = Instant::now();
        let said: Vec<_> = ["2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1"]
            .into_iter()
            .filter(|address| minute.next(stranger(address.parse::<IpAddr>().unwrap()), now))
            .collect();
        assert_eq!(said, ["2001:db8::1", "2001:db8:0:1::1", "192.0.2.1"]);
    }
}
