//! What the log says of those whom nobody knows: a line for each address and minute, as
//! anybody can have any number of requests refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long an address has no other line.
const TOLD_AGAIN: Duration = Duration::from_secs(60);
/// Addresses that have a line of their own in a minute: far more than one looks at.
const ADDRESSES: usize = 1024;

/// Strangers who were refused.
#[derive(Debug)]
pub(super) struct Strangers(Mutex<Minutes>);

#[derive(Debug)]
struct Minutes {
    began: Instant,
    /// How many requests of each address had no line.
    current: HashMap<IpAddr, u64>,
    last: HashMap<IpAddr, u64>,
    /// Requests of addresses for which there was no room any more.
    others: u64,
}

/// What is to be said of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// How many requests of the same address had no line in the minute before.
    pub(super) left_out: Option<u64>,
    /// How many requests of all addresses that had no room had no line in the minute before.
    pub(super) others_left_out: Option<u64>,
}

impl Strangers {
    /// Nobody was refused yet.
    pub(super) fn new() -> Self {
        let began = Instant::now();
        Self(Mutex::new(Minutes { began, current: HashMap::new(), last: HashMap::new(), others: 0 }))
    }

    /// Counts a request of `client`, and says whether it is worth a line.
    pub(super) fn refused(&self, client: IpAddr) -> Option<Line> {
        self.0.lock().refused(client, Instant::now())
    }
}

impl Minutes {
    fn refused(&mut self, client: IpAddr, now: Instant) -> Option<Line> {
        let mut others_left_out = None;
        let passed = now.saturating_duration_since(self.began);
        if passed >= TOLD_AGAIN {
            self.began = now;
            self.last = std::mem::take(&mut self.current);
            others_left_out = Some(std::mem::take(&mut self.others)).filter(|count| *count > 0);
        }
        if let Some(left_out) = self.current.get_mut(&client) {
            *left_out += 1;
            return None;
        }
        if self.current.len() >= ADDRESSES {
            self.others += 1;
            return None;
        }
        self.current.insert(client, 0);
        let left_out = self.last.remove(&client).filter(|count| *count > 0);
        Some(Line { left_out, others_left_out })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_address_has_a_line_a_minute_with_what_was_left_out_and_there_are_not_too_many() {
        let Strangers(minutes) = Strangers::new();
        let mut minutes = minutes.into_inner();
        let address = |n: usize| IpAddr::from(Ipv4Addr::from_bits(n as u32));
        let began = minutes.began;
        let line = |left_out, others_left_out| Some(Line { left_out, others_left_out });
        assert_eq!(minutes.refused(address(0), began), line(None, None));
        for _ in 0..5 {
            assert_eq!(minutes.refused(address(0), began), None);
        }
        for n in 1..ADDRESSES {
            assert_eq!(minutes.refused(address(n), began), line(None, None));
        }
        for n in ADDRESSES..2 * ADDRESSES {
            assert_eq!(minutes.refused(address(n), began), None);
        }
        assert_eq!(minutes.current.len(), ADDRESSES);
        let next = began + TOLD_AGAIN;
        assert_eq!(minutes.refused(address(0), next), line(Some(5), Some(ADDRESSES as u64)));
        assert_eq!(minutes.refused(address(0), next), None);
        assert_eq!(minutes.refused(address(1), next), line(None, None));
        assert_eq!(minutes.refused(address(0), next + TOLD_AGAIN), line(Some(1), None));
    }
}
