//! Verifies tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::address::Address;
use super::claims::Claims;
use super::counts::Counts;
use super::fetch::{Fetcher, TlsError};
use super::issuer::Issuer;
use super::refusal::TokenError;
use super::settings::OauthSettings;
use super::token::Token;
use super::verified::Verified;

/// A resource server.
pub(crate) struct Verifier {
    settings: OauthSettings,
    issuers: Vec<Arc<Issuer>>,
    verified: Verified,
    refused: Counts,
}

impl Verifier {
    /// One with these settings. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// When an issuer is reached by TLS, and this machine trusts no certificate authority.
    pub(crate) fn new(settings: OauthSettings) -> Result<Self, TlsError> {
        let is_tls = settings
            .issuers
            .iter()
            .any(|issuer| issuer.name.is_tls() || issuer.jwks_uri.as_ref().is_some_and(Address::is_tls));
        let fetcher = if is_tls { Fetcher::with_tls()? } else { Fetcher::clear() };
        let issuers = settings.issuers.iter().map(|issuer| Issuer::new(issuer, fetcher.clone())).collect();
        Ok(Self { settings, issuers, verified: Verified::default(), refused: Counts::default() })
    }

    /// Has the keys of all issuers fetched, so that the first call need not wait.
    pub(crate) fn warm_up(&self) {
        self.issuers.iter().for_each(Issuer::warm_up);
    }

    /// What a token says, if it is to be believed.
    ///
    /// # Errors
    ///
    /// For the first thing that speaks against it.
    pub(crate) async fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let verified = self.verify_at(token, now()).await;
        if let Err(error) = &verified {
            self.refused.add(error.reason());
        }
        verified
    }

    /// How many tokens were refused, by reason.
    pub(crate) fn refused(&self) -> BTreeMap<&'static str, u64> {
        self.refused.all()
    }

    async fn verify_at(&self, text: &str, now: u64) -> Result<Arc<Claims>, TokenError> {
        if let Some(claims) = self.verified.get(text, now) {
            return Ok(claims);
        }
        let token = Token::read(text)?;
        let Some(Value::String(named)) = token.says.get("iss") else { return Err(TokenError::WrongIssuer) };
        let issuer = self.issuers.iter().find(|issuer| **issuer.identifier() == **named);
        let issuer = issuer.ok_or(TokenError::WrongIssuer)?;
        issuer.verify(&token).await?;
        let claims = Arc::new(Claims::of(&token, issuer.identifier(), &self.settings, now)?);
        self.verified.put(text, &claims, now);
        Ok(claims)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::algorithm::Algorithm;
    use super::super::testing::{NOW, Signer, Web, claims, encode, settings};
    use super::*;

    async fn said(verifier: &Verifier, token: &str) -> &'static str {
        verifier.verify_at(token, NOW).await.map_or_else(|error| error.reason(), |_| "taken")
    }

    #[tokio::test]
    async fn a_token_of_every_algorithm_is_taken_and_one_that_was_changed_is_not() {
        for algorithm in Algorithm::ALL {
            let (web, signer) = (Web::new().await, Signer::new(algorithm));
            web.document("/jwks", &json!({"keys": [signer.jwk("k")]}));
            let verifier = Verifier::new(settings(&[&web.origin])).unwrap();
            let token = signer.token("k", &claims(&web.origin));
            assert_eq!(said(&verifier, &token).await, "taken", "{algorithm:?}");
            let parts: Vec<_> = token.split('.').collect();
            let mut other = claims(&web.origin);
            other["scope"] = "sandbox:admin".into();
            let changed = format!("{}.{}.{}", parts[0], encode(other.to_string().as_bytes()), parts[2]);
            assert_eq!(said(&verifier, &changed).await, "bad_signature", "{algorithm:?}");
            let head = json!({"alg": algorithm.name(), "typ": "at+jwt", "kid": "k", "x": 1});
            let changed = format!("{}.{}.{}", encode(head.to_string().as_bytes()), parts[1], parts[2]);
            assert_eq!(said(&verifier, &changed).await, "bad_signature", "{algorithm:?}");
        }
    }

    #[tokio::test]
    async fn an_issuer_is_one_of_the_list_letter_by_letter_and_nothing_is_fetched_for_another() {
        let (web, signer) = (Web::new().await, Signer::new(Algorithm::Es256));
        web.document("/jwks", &json!({"keys": [signer.jwk("k")]}));
        let verifier = Verifier::new(settings(&[&web.origin])).unwrap();
        for other in
            [format!("{}/", web.origin), web.origin.to_uppercase(), "https://evil.example".into(), String::new()]
        {
            assert_eq!(said(&verifier, &signer.token("k", &claims(&other))).await, "wrong_issuer", "{other}");
        }
        for odd in [json!([web.origin]), json!(null), json!({})] {
            let mut claims = claims(&web.origin);
            claims["iss"] = odd;
            assert_eq!(said(&verifier, &signer.token("k", &claims)).await, "wrong_issuer");
        }
        assert!(web.asked().is_empty());
        assert_eq!(said(&verifier, &signer.token("k", &claims(&web.origin))).await, "taken", "the control");
    }

    #[tokio::test]
    async fn one_issuer_does_not_sign_for_another() {
        let (one, other) = (Web::new().await, Web::new().await);
        let (first, second) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
        one.document("/jwks", &json!({"keys": [first.jwk("k")]}));
        other.document("/jwks", &json!({"keys": [second.jwk("k")]}));
        let verifier = Verifier::new(settings(&[&one.origin, &other.origin])).unwrap();
        assert_eq!(said(&verifier, &first.token("k", &claims(&one.origin))).await, "taken");
        assert_eq!(said(&verifier, &second.token("k", &claims(&other.origin))).await, "taken");
        assert_eq!(said(&verifier, &first.token("k", &claims(&other.origin))).await, "bad_signature");
    }

    #[tokio::test]
    async fn what_is_remembered_is_as_it_was_and_ends_with_the_token() {
        let (mut web, signer) = (Web::new().await, Signer::new(Algorithm::Es256));
        web.document("/jwks", &json!({"keys": [signer.jwk("k")]}));
        let verifier = Verifier::new(settings(&[&web.origin])).unwrap();
        let mut claims = claims(&web.origin);
        claims["exp"] = (NOW + 5).into();
        let token = signer.token("k", &claims);
        let first = verifier.verify_at(&token, NOW).await.unwrap();
        let second = verifier.verify_at(&token, NOW + 4).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let third = verifier.verify_at(&token, NOW + 5).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &third) && first == third, "looked at again, within what clocks may differ");
        web.end().await;
        assert_eq!(verifier.verify_at(&token, NOW + 65).await, Err(TokenError::Expired));
    }

    #[tokio::test]
    async fn refusals_are_counted_by_their_reason() {
        let verifier = Verifier::new(settings(&["http://127.0.0.1:9"])).unwrap();
        for token in ["", "a.b.c", &Signer::new(Algorithm::Es256).token("k", &claims("https://evil.example"))] {
            verifier.verify(token).await.unwrap_err();
        }
        assert_eq!(verifier.refused(), BTreeMap::from([("malformed_token", 2), ("wrong_issuer", 1)]));
    }
}
