//! Tokens that were verified a moment ago, by a hash, so that a call does not pay for
//! the signature of every token again.
//!
//! In two halves: what is new goes into the young one, and when that is full it takes
//! the place of the old one. So the bound holds without looking for what to forget.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::claims::Claims;

/// How long a token is taken without another look, in seconds: a key that was withdrawn
/// is found out so much later.
const TRUSTED_SECONDS: u64 = 30;
/// The most of each half.
const HALF: usize = 2048;

/// Tokens and what they said.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<[u8; 32], Entry>,
    old: HashMap<[u8; 32], Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    claims: Arc<Claims>,
    /// When it was verified, and until when that is good, in seconds since 1970. A
    /// clock that was set back is behind the first.
    since: u64,
    until: u64,
}

impl Verified {
    /// What a token said that was verified a moment ago.
    pub(super) fn get(&self, token: &str, now: u64) -> Option<Arc<Claims>> {
        let hash = hash(token);
        let halves = self.0.lock();
        let entry = halves.young.get(&hash).or_else(|| halves.old.get(&hash))?;
        (entry.since..entry.until).contains(&now).then(|| Arc::clone(&entry.claims))
    }

    /// Remembers a token that was just verified.
    pub(super) fn put(&self, token: &str, claims: &Arc<Claims>, now: u64) {
        // Never past its end, whatever clocks are allowed to differ.
        let until = claims.expires.min(now.saturating_add(TRUSTED_SECONDS));
        if until <= now {
            return;
        }
        let entry = Entry { claims: Arc::clone(claims), since: now, until };
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

    fn claims(expires: u64) -> Arc<Claims> {
        let issuer = "https://a.example".into();
        let (subject, client, tenant) = ("s".into(), None, None);
        Arc::new(Claims { issuer, subject, client, scopes: Vec::new(), tenant, expires })
    }

    #[test]
    fn a_token_is_trusted_for_a_moment_and_never_past_its_end() {
        let verified = Verified::default();
        verified.put("a", &claims(1000), 100);
        assert_eq!(verified.get("a", 100), Some(claims(1000)));
        assert!(verified.get("a", 100 + TRUSTED_SECONDS - 1).is_some());
        assert_eq!(verified.get("a", 100 + TRUSTED_SECONDS), None);
        assert_eq!(verified.get("a", 99), None, "the clock was set back");
        assert_eq!(verified.get("b", 100), None);
        verified.put("c", &claims(105), 100);
        assert!(verified.get("c", 104).is_some());
        assert_eq!(verified.get("c", 105), None);
        // Taken by what clocks may differ, and looked at each time.
        verified.put("d", &claims(100), 100);
        assert_eq!(verified.get("d", 100), None);
    }

    #[test]
    fn a_flood_of_tokens_has_a_bound_and_does_not_push_out_what_came_last() {
        let verified = Verified::default();
        for token in 0..10 * HALF {
            verified.put(&token.to_string(), &claims(1000), 1);
            assert!(verified.get(&token.to_string(), 1).is_some());
            assert!(verified.get(&token.saturating_sub(HALF - 1).to_string(), 1).is_some());
        }
        let halves = verified.0.lock();
        assert!(halves.young.len() <= HALF && halves.old.len() <= HALF);
        drop(halves);
        assert_eq!(verified.get("0", 1), None);
    }
}
