//! How old keys may be, and what is to be done for a token by the age of those that
//! there are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::key_set::KeySet;
use super::refusal::TokenError;

/// How long there is no other fetch after one began.
pub(super) const FLOOR: Duration = Duration::from_secs(10);
/// Keys of this age are fetched again beside the call.
pub(super) const REFRESH_AGE: Duration = Duration::from_secs(5 * 60);
/// Keys of this age are fetched again before the call goes on.
pub(super) const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// Keys of this age are not used, even if there are no others.
pub(super) const STALE_AGE: Duration = Duration::from_secs(60 * 60);

/// What is known of the keys of an issuer.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) keys: Option<Known>,
    /// Where its metadata say that they are, and since when that is known.
    pub(super) found: Option<(Address, Instant)>,
    /// When the last fetch began.
    pub(super) tried: Option<Instant>,
    /// Whether the last fetch failed.
    pub(super) failed: bool,
    /// Cancelled when the fetch that goes on is over.
    pub(super) fetching: Option<CancellationToken>,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) keys: Arc<KeySet>,
    pub(super) since: Instant,
}

/// What to do for a token.
#[derive(Debug)]
pub(super) enum Step {
    Use(Arc<KeySet>),
    /// Use these keys, and fetch them again beside the call.
    UseAndFetch(Arc<KeySet>),
    /// Wait for a fetch.
    Wait,
    Refuse(TokenError),
}

impl State {
    /// `waited` says that a fetch was waited for already.
    pub(super) fn step(&self, now: Instant, waited: bool, knows: impl Fn(&KeySet) -> bool) -> Step {
        let is_fetching = self.is_fetching();
        let may_fetch = is_fetching || self.tried.is_none_or(|tried| now.duration_since(tried) >= FLOOR);
        let may_wait = may_fetch && !waited;
        let known = self.keys.as_ref().map(|known| (&known.keys, now.duration_since(known.since)));
        let Some((keys, age)) = known.filter(|(_, age)| *age < STALE_AGE) else {
            return if may_wait { Step::Wait } else { Step::Refuse(self.unavailable(now)) };
        };
        if !knows(keys) {
            return match (may_wait, self.failed) {
                (true, _) => Step::Wait,
                (false, true) => Step::Refuse(self.unavailable(now)),
                (false, false) => Step::Refuse(TokenError::UnknownKey),
            };
        }
        // While an issuer is known not to answer, nobody waits for it.
        if age >= MAX_AGE && may_wait && !self.failed {
            return Step::Wait;
        }
        if age >= REFRESH_AGE && may_fetch && !is_fetching {
            return Step::UseAndFetch(Arc::clone(keys));
        }
        Step::Use(Arc::clone(keys))
    }

    fn is_fetching(&self) -> bool {
        self.fetching.as_ref().is_some_and(|fetch| !fetch.is_cancelled())
    }

    fn unavailable(&self, now: Instant) -> TokenError {
        let past = self.tried.map_or(Duration::ZERO, |tried| now.duration_since(tried));
        let seconds = FLOOR.saturating_sub(past).as_secs_f64().ceil().max(1.0);
        TokenError::KeysUnavailable { retry_after: Duration::from_secs_f64(seconds) }
    }
}
