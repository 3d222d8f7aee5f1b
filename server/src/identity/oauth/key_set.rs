//! The keys of an issuer, as its JWKS document has them (RFC 7517, section 5).

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::key::Key;
use super::refusal::TokenError;
use super::token::Token;

/// The most keys of one issuer: real ones have a handful.
const MAX_KEYS: usize = 64;

/// Why a document has no keys.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum KeySetError {
    #[error("it is no JSON object with a list `keys`")]
    Unreadable,
    #[error("it has {0} keys, and at most {MAX_KEYS} are taken")]
    TooMany(usize),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The keys of an issuer.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// The keys of a document that verify anything here. A document without any is
    /// taken as it is: whoever withdraws all keys means it.
    ///
    /// # Errors
    ///
    /// When the document is none, or has too many.
    pub(super) fn read(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_slice(json).map_err(|_| KeySetError::Unreadable)?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(document.keys.len()));
        }
        let mut keys = Vec::new();
        for (place, jwk) in document.keys.iter().enumerate() {
            match Key::read(jwk) {
                Ok(key) => keys.push(key),
                Err(reason) => tracing::debug!(place, %reason, "a key of an issuer is left out"),
            }
        }
        Ok(Self(keys))
    }

    /// Whether it is known which of the keys signed a token.
    pub(super) fn knows(&self, token: &Token<'_>) -> bool {
        !self.named(token).is_empty()
    }

    /// Holds a token against its key.
    ///
    /// # Errors
    ///
    /// When there is no such key, it has another algorithm, or it did not sign this.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), TokenError> {
        let named = self.named(token);
        let first = named.first().ok_or(TokenError::UnknownKey)?;
        if named.iter().all(|key| key.algorithm != token.algorithm) {
            return Err(TokenError::OtherAlgorithm { key: first.algorithm, token: token.algorithm });
        }
        let (message, signature) = token.signed();
        let fits = |key: &&&Key| key.algorithm == token.algorithm;
        // An issuer that gave one name to two keys meant either.
        let is_signed = named.iter().filter(fits).any(|key| key.verifies(message, signature));
        if is_signed { Ok(()) } else { Err(TokenError::BadSignature) }
    }

    /// The keys that a token names; if it names none, the only one of its algorithm.
    fn named(&self, token: &Token<'_>) -> Vec<&Key> {
        let Some(name) = &token.key else {
            let mut fitting = self.0.iter().filter(|key| key.algorithm == token.algorithm);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => vec![key],
                _ => Vec::new(),
            };
        };
        self.0.iter().filter(|key| key.name.as_ref() == Some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::algorithm::Algorithm;
    use super::super::testing::Signer;
    use super::*;

    fn set(keys: &[Value]) -> KeySet {
        KeySet::read(json!({"keys": keys}).to_string().as_bytes()).unwrap()
    }

    fn said(keys: &KeySet, token: &str) -> Result<(), &'static str> {
        let token = Token::read(token).unwrap();
        assert_eq!(keys.knows(&token), keys.verify(&token) != Err(TokenError::UnknownKey));
        keys.verify(&token).map_err(|error| error.reason())
    }

    #[test]
    fn a_token_is_held_against_the_key_that_it_names() {
        let (one, other) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::EdDsa));
        let keys = set(&[one.jwk("one"), other.jwk("other"), json!({"kty": "oct", "k": "AQ", "kid": "secret"})]);
        assert_eq!(said(&keys, &one.token("one", &json!({}))), Ok(()));
        assert_eq!(said(&keys, &other.token("other", &json!({}))), Ok(()));
        assert_eq!(said(&keys, &one.token("third", &json!({}))), Err("unknown_key"));
        assert_eq!(said(&keys, &one.token("secret", &json!({}))), Err("unknown_key"));
        assert_eq!(said(&keys, &Signer::new(Algorithm::Es256).token("one", &json!({}))), Err("bad_signature"));
        // The token names one key and has the algorithm of the other.
        assert_eq!(said(&keys, &other.token("one", &json!({}))), Err("unsupported_algorithm"));
    }

    #[test]
    fn a_key_signs_with_its_own_algorithm_alone() {
        let (one, other) = (Signer::new(Algorithm::Rs256), Signer::new(Algorithm::Ps256));
        // Both keys have the same numbers.
        assert_eq!(one.jwk("k")["n"], other.jwk("k")["n"]);
        assert_eq!(said(&set(&[one.jwk("k")]), &other.token("k", &json!({}))), Err("unsupported_algorithm"));
        assert_eq!(said(&set(&[other.jwk("k")]), &other.token("k", &json!({}))), Ok(()));
        assert_eq!(said(&set(&[one.jwk("k"), other.jwk("k")]), &other.token("k", &json!({}))), Ok(()));
    }

    #[test]
    fn a_token_that_names_no_key_means_the_only_one_that_it_can() {
        let (one, other) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
        let token = one.sign(&json!({"alg": "ES256"}), &json!({}));
        assert_eq!(said(&set(&[one.jwk("one"), Signer::new(Algorithm::EdDsa).jwk("x")]), &token), Ok(()));
        assert_eq!(said(&set(&[one.jwk("one"), other.jwk("other")]), &token), Err("unknown_key"));
        assert_eq!(said(&set(&[]), &token), Err("unknown_key"));
    }

    #[test]
    fn a_document_has_a_bound_and_one_without_keys_is_taken_at_its_word() {
        let key = Signer::new(Algorithm::EdDsa).jwk("k");
        assert!(KeySet::read(json!({"keys": vec![key.clone(); MAX_KEYS]}).to_string().as_bytes()).is_ok());
        let many = json!({"keys": vec![key; MAX_KEYS + 1]}).to_string();
        assert_eq!(KeySet::read(many.as_bytes()).unwrap_err(), KeySetError::TooMany(MAX_KEYS + 1));
        for text in ["", "[]", "{}", r#"{"keys": {}}"#, "<html>"] {
            assert_eq!(KeySet::read(text.as_bytes()).unwrap_err(), KeySetError::Unreadable, "{text}");
        }
        assert_eq!(set(&[]).0.len(), 0);
    }
}
