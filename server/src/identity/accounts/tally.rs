//! What a server says of what tenants used there, as it is written. It is sealed for the
//! place where it lies, and says of which server and when it is, since whoever holds what
//! servers share may bring back an earlier one.

use serde::{Deserialize, Serialize};

/// The longest that is written or read.
pub(super) const MAX_BYTES: usize = 192 << 10;
/// The most tenants in it: as many as fit with the longest names and numbers.
pub(super) const MOST_TENANTS: usize = 1024;

/// One start of a server: 128 random bits, as hexadecimal digits.
pub(super) type ServerId = String;

/// What was used at a server. What it counts only gets more as long as the server lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) server: ServerId,
    /// Its number among those of this server.
    pub(super) number: u64,
    /// When it was written, in seconds since 1970, by the clock of that server.
    pub(super) at: u64,
    pub(super) used: Vec<Used>,
}

/// What one tenant used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) tenant: String,
    /// All calls that were taken there since its account was opened.
    pub(super) taken: u64,
    /// Those of them that would not have come back by then.
    pub(super) recent: u64,
    /// Time on processors on the day of `at`.
    pub(super) cpu_ms: u64,
}

impl Tally {
    pub(super) fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A tally, if it is one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let tally: Self = serde_json::from_slice(bytes).ok()?;
        (tally.server.len() == 32 && tally.used.len() <= MOST_TENANTS).then_some(tally)
    }
}

/// A server that nobody has heard of.
pub(super) fn new_server() -> Result<ServerId, getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_tally_has_room_and_what_is_none_is_refused() {
        let used = Used { tenant: "t".repeat(64), taken: u64::MAX, recent: u64::MAX, cpu_ms: u64::MAX };
        let server = new_server().unwrap();
        let full = Tally { server, number: u64::MAX, at: u64::MAX, used: vec![used.clone(); MOST_TENANTS] };
        let written = full.written();
        assert!(written.len() <= MAX_BYTES, "{}", written.len());
        assert_eq!(Tally::read(&written), Some(full.clone()));
        let more = Tally { used: vec![used; MOST_TENANTS + 1], ..full.clone() };
        let nobody = Tally { server: String::new(), ..full };
        for wrong in [&b""[..], b"{}", b"\xff", &written[1..], &more.written(), &nobody.written()] {
            assert_eq!(Tally::read(wrong), None);
        }
        for number in ["-1", "1.5", "1e99", "18446744073709551616", "\"1\"", "null"] {
            let text = format!(r#"{{"server":"{}","number":{number},"at":0,"used":[]}}"#, "0".repeat(32));
            assert_eq!(Tally::read(text.as_bytes()), None, "{number}");
        }
    }
}
