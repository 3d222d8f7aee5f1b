//! Verifies tokens.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandbox::RequestedLimits;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::claims::Claims;
use super::fetch::Fetcher;
use super::issuer::{Issuer, KeyFetches};
use super::refusal::TokenError;
use super::settings::{IssuerSettings, OauthSettings};
use super::subject;
use super::token::Token;
use super::verified::Verified;
use crate::authorities::TlsError;
use crate::identity::{Identity, Roster, Subject};

/// Verifies tokens of some issuers.
pub(super) struct Verifier {
    settings: OauthSettings,
    roster: Roster,
    /// Each issuer with what the operator says of it.
    issuers: Vec<(Arc<Issuer>, IssuerSettings)>,
    verified: Verified,
}

impl Verifier {
    /// A verifier with these settings, on a server with these tenants. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// When an issuer is reached by TLS, and this machine trusts no certificate authority.
    pub(super) fn new(settings: OauthSettings, roster: Roster) -> Result<Self, TlsError> {
        let addresses = |issuer: &IssuerSettings| std::iter::once(issuer.name.clone()).chain(issuer.jwks_uri.clone());
        let is_tls = settings.issuers.iter().flat_map(addresses).any(|address| address.is_tls());
        // Metadata in clear, of this machine, may say that keys are reached by TLS.
        let may_be_tls = settings.issuers.iter().any(|issuer| issuer.jwks_uri.is_none());
        let fetcher = match (is_tls || may_be_tls).then(Fetcher::with_tls) {
            Some(Err(error)) if is_tls => return Err(error),
            Some(Ok(fetcher)) => fetcher,
            Some(Err(_)) | None => Fetcher::clear(),
        };
        let with_keys = |issuer: &IssuerSettings| (Issuer::new(issuer, fetcher.clone()), issuer.clone());
        let issuers = settings.issuers.iter().map(with_keys).collect();
        Ok(Self { settings, roster, issuers, verified: Verified::default() })
    }

    /// How often keys of all issuers were fetched.
    pub(super) fn key_fetches(&self) -> KeyFetches {
        let each = self.issuers.iter().map(|(issuer, _)| issuer.fetches());
        each.fold(KeyFetches::default(), |sum, one| KeyFetches {
            succeeded: sum.succeeded + one.succeeded,
            failed: sum.failed + one.failed,
        })
    }

    /// Has the keys of all issuers fetched, so that the first call need not wait.
    pub(super) fn warm_up(&self) {
        self.issuers.iter().for_each(|(issuer, _)| issuer.warm_up());
    }

    /// Whose a token is, if it is to be believed.
    ///
    /// # Errors
    ///
    /// For the first thing that speaks against it.
    pub(super) async fn verify(&self, token: &[u8]) -> Result<Arc<Identity>, TokenError> {
        let text = std::str::from_utf8(token).map_err(|_| TokenError::Malformed("it is no text"))?;
        self.verify_at(text, now()).await
    }

    async fn verify_at(&self, text: &str, now: u64) -> Result<Arc<Identity>, TokenError> {
        if let Some(identity) = self.verified.get(text, now) {
            return Ok(identity);
        }
        let token = Token::read(text)?;
        let Some(Value::String(named)) = token.says.get("iss") else { return Err(TokenError::WrongIssuer) };
        let issuer = self.issuers.iter().find(|(issuer, _)| **issuer.identifier() == **named);
        let (issuer, of_issuer) = issuer.ok_or(TokenError::WrongIssuer)?;
        issuer.verify(&token).await?;
        let claims = Claims::of(&token, issuer.identifier(), &self.settings, now)?;
        let identity = Arc::new(Identity {
            principal: subject::tenant(&claims, of_issuer, &self.settings, &self.roster)?,
            scopes: self.settings.scopes.among(&claims.scopes),
            credential: subject::name(&claims).into(),
            subject: Some(Subject {
                issuer: Arc::clone(&claims.issuer),
                name: claims.subject.as_str().into(),
                client: claims.client.as_deref().map(Arc::from),
            }),
            expires: Some(UNIX_EPOCH + Duration::from_secs(claims.expires) + self.settings.leeway),
            ceilings: RequestedLimits::default(),
            revoked: CancellationToken::new(),
        });
        self.verified.put(text, &identity, claims.expires, now);
        Ok(identity)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::super::algorithm::Algorithm;
    use super::super::testing::{NOW, Signer, Web, claims, encode, settings};
    use super::*;
    use crate::identity::Quota;

    fn verifier(issuers: &[&str]) -> Verifier {
        let open = Roster::Many { named: HashMap::new(), others: Some(Quota::default()) };
        Verifier::new(settings(issuers), open).unwrap()
    }

    async fn said(verifier: &Verifier, token: &str) -> &'static str {
        verifier.verify_at(token, NOW).await.map_or_else(|error| error.reason(), |_| "taken")
    }

    #[tokio::test]
    async fn a_token_of_every_algorithm_is_taken_and_one_that_was_changed_is_not() {
        for algorithm in Algorithm::ALL {
            let (web, signer) = (Web::new().await, Signer::new(algorithm));
            web.document("/jwks", &json!({"keys": [signer.jwk("k")]}));
            let verifier = verifier(&[&web.origin]);
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
        let verifier = verifier(&[&web.origin]);
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
        let verifier = verifier(&[&one.origin, &other.origin]);
        assert_eq!(said(&verifier, &first.token("k", &claims(&one.origin))).await, "taken");
        let token = second.token("k", &claims(&other.origin));
        let (one_of_them, another) = (
            verifier.verify_at(&first.token("k", &claims(&one.origin)), NOW).await.unwrap(),
            verifier.verify_at(&token, NOW).await.unwrap(),
        );
        assert_ne!(one_of_them.principal, another.principal, "of one name, and two people");
        assert_eq!(said(&verifier, &first.token("k", &claims(&other.origin))).await, "bad_signature");
    }

    #[tokio::test]
    async fn what_is_remembered_is_as_it_was_and_ends_with_the_token() {
        let (mut web, signer) = (Web::new().await, Signer::new(Algorithm::Es256));
        web.document("/jwks", &json!({"keys": [signer.jwk("k")]}));
        let verifier = verifier(&[&web.origin]);
        let mut claims = claims(&web.origin);
        claims["exp"] = (NOW + 5).into();
        let token = signer.token("k", &claims);
        let first = verifier.verify_at(&token, NOW).await.unwrap();
        let second = verifier.verify_at(&token, NOW + 4).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let third = verifier.verify_at(&token, NOW + 5).await.unwrap();
        assert!(
            !Arc::ptr_eq(&first, &third) && first.principal == third.principal,
            "looked at again, within what clocks may differ"
        );
        web.end().await;
        assert_eq!(verifier.verify_at(&token, NOW + 65).await.unwrap_err(), TokenError::Expired);
    }
}
