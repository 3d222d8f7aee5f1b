//! How often refusals before MCP are said: a line for each caller, reason and minute, as
//! anybody can have any number of requests refused, and a disk that is full of them keeps
//! others from running anything.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::identity::Identity;

/// How long there is no other line.
const SAID_AGAIN: Duration = Duration::from_secs(60);
/// Lines in that time: each has some 300 bytes.
const LINES: usize = 4096;

/// Who was refused, and why.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    who: String,
    reason: &'static str,
}

/// Refusals of this minute, and how many of them had no line.
#[derive(Default)]
struct Minute {
    began: Option<Instant>,
    current: HashMap<Key, u64>,
    last: HashMap<Key, u64>,
}

/// All of them.
pub(super) struct Refusals(Mutex<Minute>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// How many were left out before this one, if it is to be said.
    pub(super) fn next(
        &self,
        identity: Option<&Identity>,
        address: Option<IpAddr>,
        reason: &'static str,
    ) -> Option<u64> {
        let who = match (identity, address) {
            (Some(identity), _) => format!("{} {}", identity.tenant(), identity.credential),
            (None, Some(address)) => address.to_string(),
            (None, None) => String::new(),
        };
        self.0.lock().next(Key { who, reason }, Instant::now())
    }
}

impl Minute {
    fn next(&mut self, key: Key, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= SAID_AGAIN) {
            self.began = Some(now);
            self.last = std::mem::take(&mut self.current);
        }
        if let Some(left_out) = self.current.get_mut(&key) {
            *left_out += 1;
            return None;
        }
        if self.current.len() >= LINES {
            // One for all that have no room, of whom metrics have the number.
            return None;
        }
        let left_out = self.last.remove(&key).unwrap_or(0);
        self.current.insert(key, 0);
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_and_reason_has_a_line_a_minute_with_what_was_left_out() {
        let mut minute = Minute::default();
        let key = |who: &str, reason| Key { who: who.into(), reason };
        let now = Instant::now();
        assert_eq!(minute.next(key("a", "busy"), now), Some(0));
        for _ in 0..3 {
            assert_eq!(minute.next(key("a", "busy"), now), None);
        }
        assert_eq!(minute.next(key("a", "other"), now), Some(0));
        assert_eq!(minute.next(key("b", "busy"), now), Some(0));
        assert_eq!(minute.next(key("a", "busy"), now + SAID_AGAIN), Some(3));
        let said = (0..2 * LINES).filter(|n| minute.next(key(&n.to_string(), "x"), now + SAID_AGAIN).is_some());
        assert_eq!(said.count(), LINES - 1);
    }
}
