//! The keys of one issuer: fetched when they are needed, by one fetch at a time, and
//! not oftener than its floor, whatever tokens come. While the issuer does not answer,
//! what it last said holds for a while.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::age::{Known, STALE_AGE, State, Step};
use super::discovery::{self, DiscoveryError};
use super::fetch::{FetchError, Fetcher};
use super::key_set::{KeySet, KeySetError};
use super::refusal::TokenError;
use super::settings::IssuerSettings;
use super::token::Token;

/// How long all requests of one fetch may take: less than the floor.
const REFRESH_TIME: Duration = Duration::from_secs(9);

/// Why keys cannot be had.
#[derive(Debug, Error)]
enum KeysError {
    #[error("nothing within {} s", REFRESH_TIME.as_secs())]
    TooSlow,
    #[error("failed to find out where its keys are")]
    Discovery(#[source] DiscoveryError),
    #[error("failed to fetch {address}")]
    Fetch { address: Address, source: FetchError },
    #[error("failed to understand {address}")]
    Document { address: Address, source: KeySetError },
}

/// An issuer.
pub(super) struct Issuer {
    name: Address,
    identifier: Arc<str>,
    /// Where the operator says that the issuer's keys are.
    jwks_uri: Option<Address>,
    fetcher: Fetcher,
    state: Mutex<State>,
    /// How often the issuer's keys were fetched, and how often that failed.
    fetches: Mutex<KeyFetches>,
}

/// How often keys were to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyFetches {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

impl Issuer {
    pub(super) fn new(settings: &IssuerSettings, fetcher: Fetcher) -> Arc<Self> {
        Arc::new(Self {
            name: settings.name.clone(),
            identifier: settings.name.as_str().into(),
            jwks_uri: settings.jwks_uri.clone(),
            fetcher,
            state: Mutex::default(),
            fetches: Mutex::default(),
        })
    }

    /// What the issuer calls itself.
    pub(super) const fn identifier(&self) -> &Arc<str> {
        &self.identifier
    }

    /// How often the issuer's keys were fetched.
    pub(super) fn fetches(&self) -> KeyFetches {
        *self.fetches.lock()
    }

    /// Has the issuer's keys fetched, so that no call need wait for them.
    pub(super) fn warm_up(self: &Arc<Self>) {
        self.fetch(Instant::now());
    }

    /// Verifies the signature of a token of this issuer.
    ///
    /// # Errors
    ///
    /// When its keys cannot be had, or it was not signed by the one that it names.
    pub(super) async fn verify(self: &Arc<Self>, token: &Token<'_>) -> Result<(), TokenError> {
        let mut waited = false;
        loop {
            let now = Instant::now();
            let step = self.state.lock().step(now, waited, |keys| keys.knows(token));
            match step {
                Step::Use(keys) => return keys.verify(token),
                Step::UseAndFetch(keys) => {
                    self.fetch(now);
                    return keys.verify(token);
                }
                Step::Wait => {
                    // The keys may be elsewhere by now, whatever is where they were.
                    self.state.lock().found = None;
                    self.fetch(now).cancelled().await;
                }
                Step::Refuse(reason) => return Err(reason),
            }
            waited = true;
        }
    }

    /// Has keys fetched, unless that is going on. It goes on when nobody waits for it
    /// any longer, so callers who leave take nothing from those who stay.
    fn fetch(self: &Arc<Self>, now: Instant) -> CancellationToken {
        let mut state = self.state.lock();
        if let Some(fetching) = state.fetching.as_ref().filter(|fetching| !fetching.is_cancelled()) {
            return fetching.clone();
        }
        let over = CancellationToken::new();
        (state.fetching, state.tried) = (Some(over.clone()), Some(now));
        drop(state);
        let (issuer, ends) = (Arc::clone(self), over.clone().drop_guard());
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing is lost with it when the server ends, and it ends in time"
        )]
        tokio::spawn(async move {
            let fetched = timeout(REFRESH_TIME, issuer.get(now)).await.unwrap_or(Err(KeysError::TooSlow));
            issuer.take(fetched, now);
            drop(ends);
        });
        over
    }

    fn take(&self, fetched: Result<KeySet, KeysError>, began: Instant) {
        {
            let mut fetches = self.fetches.lock();
            match fetched {
                Ok(_) => fetches.succeeded += 1,
                Err(_) => fetches.failed += 1,
            }
        }
        let mut state = self.state.lock();
        let failed_before = std::mem::replace(&mut state.failed, fetched.is_err());
        match fetched {
            Ok(keys) => {
                state.keys = Some(Known { keys: Arc::new(keys), since: began });
                if failed_before {
                    tracing::warn!(issuer = %self.name, "the keys of an issuer can be had again");
                }
            }
            Err(error) => {
                // The keys may have moved.
                state.found = None;
                if !failed_before {
                    let error = anyhow::Error::new(error);
                    tracing::warn!(issuer = %self.name, error = ?error, "the keys of an issuer cannot be had");
                }
            }
        }
    }

    async fn get(&self, now: Instant) -> Result<KeySet, KeysError> {
        let address = self.address(now).await.map_err(KeysError::Discovery)?;
        let document = match self.fetcher.get(&address).await {
            Ok(document) => document,
            Err(source) => return Err(KeysError::Fetch { address, source }),
        };
        KeySet::read(&document).map_err(|source| KeysError::Document { address, source })
    }

    async fn address(&self, now: Instant) -> Result<Address, DiscoveryError> {
        if let Some(address) = &self.jwks_uri {
            return Ok(address.clone());
        }
        let found = self.state.lock().found.clone();
        if let Some((address, _)) = found.filter(|(_, since)| now.duration_since(*since) < STALE_AGE) {
            return Ok(address);
        }
        let address = discovery::keys_of(&self.name, &self.fetcher).await?;
        self.state.lock().found = Some((address.clone(), now));
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::age::{FLOOR, MAX_AGE, REFRESH_AGE};
    use super::super::algorithm::Algorithm;
    use super::super::testing::{Signer, Web, claims, settings};
    use super::*;

    /// An issuer with a key, and who signs with it.
    struct Trial {
        web: Web,
        issuer: Arc<Issuer>,
        signer: Signer,
    }

    impl Trial {
        async fn new() -> Self {
            let (web, signer) = (Web::new().await, Signer::new(Algorithm::Es256));
            let issuer = Issuer::new(&settings(&[&web.origin]).issuers[0], Fetcher::clear());
            let trial = Self { web, issuer, signer };
            trial.publish(&[trial.signer.jwk("k")]);
            trial
        }

        fn publish(&self, keys: &[Value]) {
            self.web.document("/jwks", &json!({"keys": keys}));
        }

        async fn says(&self, signer: &Signer, key: &str) -> &'static str {
            let text = signer.token(key, &claims(&self.web.origin));
            let token = Token::read(&text).unwrap();
            self.issuer.verify(&token).await.map_or_else(|error| error.reason(), |()| "taken")
        }

        async fn said(&self, key: &str) -> &'static str {
            self.says(&self.signer, key).await
        }

        /// Has time pass since keys were fetched, and since that was tried.
        fn pass(&self, time: Duration) {
            let mut state = self.issuer.state.lock();
            if let Some(known) = &mut state.keys {
                known.since -= time;
            }
            state.tried = state.tried.map(|tried| tried - time);
        }

        /// Waits for the fetch that goes on, if one does.
        async fn settle(&self) {
            let fetching = self.issuer.state.lock().fetching.clone();
            if let Some(fetching) = fetching {
                fetching.cancelled().await;
            }
        }

        fn fetches(&self) -> usize {
            self.web.asked().len()
        }
    }

    #[tokio::test]
    async fn keys_are_fetched_once_for_many_tokens() {
        let trial = Trial::new().await;
        let said = futures_util::future::join_all((0..100).map(|_| trial.said("k"))).await;
        assert!(said.iter().all(|said| *said == "taken"), "{said:?}");
        assert_eq!(trial.fetches(), 1);
    }

    #[tokio::test]
    async fn a_storm_of_unknown_keys_is_one_fetch_for_each_floor() {
        let trial = Trial::new().await;
        assert_eq!(trial.said("k").await, "taken");
        for storm in 0..3 {
            trial.pass(FLOOR);
            let names: Vec<_> = (0..100).map(|number| format!("{storm}-{number}")).collect();
            let said = futures_util::future::join_all(names.iter().map(|name| trial.said(name))).await;
            assert!(said.iter().all(|said| *said == "unknown_key"), "{said:?}");
            assert_eq!(trial.said("k").await, "taken");
            assert_eq!(trial.fetches(), storm + 2);
        }
        trial.pass(FLOOR / 2);
        assert_eq!((trial.said("another").await, trial.fetches()), ("unknown_key", 4));
    }

    #[tokio::test]
    async fn a_new_key_is_found_and_one_that_was_withdrawn_is_gone() {
        let trial = Trial::new().await;
        assert_eq!(trial.said("k").await, "taken");
        let new = Signer::new(Algorithm::EdDsa);
        trial.publish(&[new.jwk("new")]);
        assert_eq!(trial.says(&new, "new").await, "unknown_key", "within the floor");
        trial.pass(FLOOR);
        assert_eq!(trial.says(&new, "new").await, "taken");
        assert_eq!(trial.said("k").await, "unknown_key");
        // The keys are fetched by their age alone, without anybody who knows of a change.
        trial.publish(&[]);
        trial.pass(REFRESH_AGE);
        assert_eq!(trial.says(&new, "new").await, "taken", "beside the fetch");
        trial.settle().await;
        assert_eq!(trial.says(&new, "new").await, "unknown_key");
        trial.publish(&[new.jwk("new")]);
        trial.pass(MAX_AGE);
        assert_eq!(trial.says(&new, "new").await, "taken");
        trial.publish(&[]);
        trial.pass(MAX_AGE);
        assert_eq!(trial.says(&new, "new").await, "unknown_key", "they are fetched first");
    }

    #[tokio::test]
    async fn keys_serve_while_the_issuer_does_not_answer_but_not_for_ever() {
        let mut trial = Trial::new().await;
        assert_eq!(trial.said("k").await, "taken");
        trial.web.end().await;
        trial.pass(MAX_AGE);
        assert_eq!(trial.said("k").await, "taken");
        let token = trial.signer.token("other", &claims(&trial.web.origin));
        let refused = trial.issuer.verify(&Token::read(&token).unwrap()).await.unwrap_err();
        let TokenError::KeysUnavailable { retry_after } = refused else { panic!("{refused:?}") };
        assert!(retry_after <= FLOOR && retry_after >= Duration::from_secs(1), "{retry_after:?}");
        trial.pass(STALE_AGE - MAX_AGE - FLOOR);
        assert_eq!(trial.said("k").await, "taken");
        trial.settle().await;
        trial.pass(FLOOR);
        assert_eq!(trial.said("k").await, "keys_unavailable");
    }

    #[tokio::test]
    async fn an_issuer_that_does_not_answer_at_first_is_asked_again() {
        let trial = Trial::new().await;
        for broken in ["HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
        {
            trial.web.answer("/jwks", broken);
            assert_eq!(trial.said("k").await, "keys_unavailable");
            trial.pass(FLOOR);
        }
        assert_eq!(trial.said("k").await, "keys_unavailable");
        trial.publish(&[trial.signer.jwk("k")]);
        assert_eq!(trial.said("k").await, "keys_unavailable", "within the floor");
        assert_eq!(trial.fetches(), 3);
        trial.pass(FLOOR);
        assert_eq!(trial.said("k").await, "taken");
    }

    #[tokio::test]
    async fn a_fetch_goes_on_when_who_began_it_has_left() {
        let trial = Trial::new().await;
        let text = trial.signer.token("k", &claims(&trial.web.origin));
        let token = Token::read(&text).unwrap();
        {
            let left = std::pin::pin!(trial.issuer.verify(&token));
            assert!(futures_util::poll!(left).is_pending());
        }
        trial.settle().await;
        assert_eq!((trial.said("k").await, trial.fetches()), ("taken", 1));
    }

    #[tokio::test]
    async fn where_keys_are_is_found_out_and_looked_for_again_when_they_are_not_there() {
        let trial = Trial::new().await;
        let mut settings = settings(&[&trial.web.origin]).issuers.remove(0);
        settings.jwks_uri = None;
        let trial = Trial { issuer: Issuer::new(&settings, Fetcher::clear()), ..trial };
        let says = |path: &str| {
            let origin = &trial.web.origin;
            let metadata = json!({"issuer": origin, "jwks_uri": format!("{origin}{path}")});
            trial.web.document("/.well-known/openid-configuration", &metadata);
        };
        says("/jwks");
        assert_eq!(trial.said("k").await, "taken");
        let discovered = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/jwks"]
            .map(str::to_owned);
        assert_eq!(trial.web.asked(), discovered);
        trial.pass(FLOOR);
        assert_eq!((trial.said("other").await, trial.fetches()), ("unknown_key", 6));
        // The keys move, and what is where they were still answers.
        trial.web.document("/moved", &json!({"keys": [trial.signer.jwk("new")]}));
        says("/moved");
        trial.pass(FLOOR);
        assert_eq!((trial.said("new").await, trial.said("k").await), ("taken", "unknown_key"));
        // The keys move, and nothing is there any more.
        trial.web.answer("/moved", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
        says("/jwks");
        trial.pass(FLOOR);
        assert_eq!(trial.said("k").await, "taken");
    }
}
