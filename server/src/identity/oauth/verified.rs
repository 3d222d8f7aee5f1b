//! Whose tokens are that were verified a moment ago, by a hash, so that a call does not pay for
//! the signature of every token again.
//!
//! In two halves: what is new goes into the young one, and when that is full it takes
//! the place of the old one. So the bound holds without looking for what to forget.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::identity::Identity;

/// How long a token is taken without another look, in seconds: a key that was withdrawn
/// is found out so much later.
const TRUSTED_SECONDS: u64 = 30;
/// The most tokens of each half.
const HALF: usize = 2048;

/// Tokens and whose they are.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<[u8; 32], Entry>,
    old: HashMap<[u8; 32], Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    identity: Arc<Identity>,
    /// When the token was verified, and until when that is good, in seconds since 1970.
    /// A clock that was set back is behind the first.
    since: u64,
    until: u64,
}

impl Verified {
    /// Whose a token is that was verified a moment ago.
    pub(super) fn get(&self, token: &str, now: u64) -> Option<Arc<Identity>> {
        let hash = hash(token);
        let halves = self.0.lock();
        let entry = halves.young.get(&hash).or_else(|| halves.old.get(&hash))?;
        (entry.since..entry.until).contains(&now).then(|| Arc::clone(&entry.identity))
    }

    /// Remembers a token that was just verified and ends at `expires`.
    pub(super) fn put(&self, token: &str, identity: &Arc<Identity>, expires: u64, now: u64) {
        // A token is never remembered past its end, whatever clocks are allowed to differ.
        let until = expires.min(now.saturating_add(TRUSTED_SECONDS));
        if until <= now {
            return;
        }
        let entry = Entry { identity: Arc::clone(identity), since: now, until };
        let mut halves = self.0.lock();
        if halves.young.len() >= HALF {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(hash(token), entry);
    }
}

fn hash(token: &str) -> [u8; 32] {
    blake3::hash(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trusted_for_a_moment_and_never_past_its_end() {
        let somebody = Identity::local();
        let verified = Verified::default();
        verified.put("a", &somebody, 1000, 100);
        assert!(verified.get("a", 100).is_some_and(|found| Arc::ptr_eq(&found, &somebody)));
        assert!(verified.get("a", 100 + TRUSTED_SECONDS - 1).is_some());
        assert!(verified.get("a", 100 + TRUSTED_SECONDS).is_none());
        assert!(verified.get("a", 99).is_none(), "the clock was set back");
        assert!(verified.get("b", 100).is_none());
        verified.put("c", &somebody, 105, 100);
        assert!(verified.get("c", 104).is_some());
        assert!(verified.get("c", 105).is_none());
        // Taken by what clocks may differ, and looked at each time.
        verified.put("d", &somebody, 100, 100);
        assert!(verified.get("d", 100).is_none());
    }

    #[test]
    fn a_flood_of_tokens_has_a_bound_and_does_not_push_out_what_came_last() {
        let (verified, somebody) = (Verified::default(), Identity::local());
        for token in 0..10 * HALF {
            verified.put(&token.to_string(), &somebody, 1000, 1);
            assert!(verified.get(&token.to_string(), 1).is_some());
            assert!(verified.get(&token.saturating_sub(HALF - 1).to_string(), 1).is_some());
        }
        let halves = verified.0.lock();
        assert!(halves.young.len() <= HALF && halves.old.len() <= HALF);
        drop(halves);
        assert!(verified.get("0", 1).is_none());
    }
}
