//! Why a token is not taken: a word for programs, a sentence for people, and what
//! RFC 6750 has clients told. None of it repeats more of a token than a name that was
//! bounded and escaped.

use std::time::Duration;

use thiserror::Error;

use super::algorithm::Algorithm;
use super::token::MAX_TOKEN_BYTES;
use crate::logging::Bounded;

/// Why a token is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum TokenError {
    #[error("the token has {0} bytes, and at most {MAX_TOKEN_BYTES} are read")]
    TooLarge(usize),
    #[error("the token is no signed JWT: {0}")]
    Malformed(&'static str),
    #[error("the token is signed with {}, and only {} are taken", Bounded(.0), names())]
    UnsupportedAlgorithm(String),
    #[error("the key of the token signs with {}, and the token says {}", .key.name(), .token.name())]
    OtherAlgorithm { key: Algorithm, token: Algorithm },
    #[error(
        "the token has the type {}, and access tokens have at+jwt; where the authorization server gives them another, \
         the operator allows it with token_types",
        Bounded(.0)
    )]
    WrongType(String),
    #[error("the token has `crit`, and no extension is understood here")]
    Critical,
    #[error("the token is not from an authorization server of this server; its metadata names them")]
    WrongIssuer,
    #[error("no key of the issuer has the `kid` of the token: if its keys have just changed, try again in 10 seconds")]
    UnknownKey,
    #[error("the signature is not that of the issuer over this token")]
    BadSignature,
    #[error("the token has expired: ask the authorization server for a new one")]
    Expired,
    #[error("the token is not valid yet: `{0}` is in the future, by the clock of this server")]
    NotYetValid(&'static str),
    #[error(
        "the token is for another server: ask the authorization server for one with the resource that metadata name"
    )]
    WrongAudience,
    #[error("the token has no `{0}`")]
    MissingClaim(&'static str),
    #[error("the claim `{claim}` of the token {fault}")]
    BadClaim { claim: &'static str, fault: &'static str },
    #[error("the token says no tenant that this server has, in the claim that the operator chose for it")]
    UnknownTenant,
    #[error("the keys of the issuer cannot be had at the moment: try again in {} s", .retry_after.as_secs())]
    KeysUnavailable { retry_after: Duration },
}

impl TokenError {
    /// The word for programs that says why.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "token_too_large",
            Self::Malformed(_) => "malformed_token",
            Self::UnsupportedAlgorithm(_) | Self::OtherAlgorithm { .. } => "unsupported_algorithm",
            Self::WrongType(_) => "wrong_token_type",
            Self::Critical => "critical_extension",
            Self::WrongIssuer => "wrong_issuer",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::MissingClaim(_) => "missing_claim",
            Self::BadClaim { .. } => "bad_claim",
            Self::UnknownTenant => "unknown_tenant",
            Self::KeysUnavailable { .. } => "keys_unavailable",
        }
    }

    /// When to try the same token again, where that may help.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

fn names() -> String {
    Algorithm::ALL.map(Algorithm::name).join(", ")
}
