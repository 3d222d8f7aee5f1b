//! Why nobody is known by what a request carries.

use std::time::Duration;

use thiserror::Error;

use super::oauth::TokenError;

/// Why a caller is not known.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Unauthenticated {
    #[error(
        "no token was given: send `Authorization: Bearer TOKEN`, with the token that the server printed when it \
         started, or that of its token file"
    )]
    NoToken,
    #[error("the token is not that of this server, which makes a new one at each start unless it has a token file")]
    WrongToken,
    #[error(
        "no token was given: send `Authorization: Bearer TOKEN`, with a key that `belljar keys add` made or that its \
         operator gave you"
    )]
    NoKey,
    #[error(
        "no access token was given: send `Authorization: Bearer TOKEN`, with one of an authorization server that the \
         metadata of this resource name; WWW-Authenticate says where they are"
    )]
    NoAccessToken,
    #[error("{0}")]
    AccessToken(TokenError),
    #[error("a token in an address ends up in logs, and is not looked at: send `Authorization: Bearer TOKEN`")]
    TokenInAddress,
    #[error("there is no such key: it was revoked, or never was. `belljar keys add` makes one")]
    WrongKey,
    #[error("the key has expired; `belljar keys add` makes another")]
    Expired,
    #[error("the key is of a tenant that this server does not have; its log says which")]
    NoTenant,
    #[error("the keys of clients cannot be read at this moment, and nobody is let in; the server's log says why")]
    UnusableKeys,
    #[error("the token was taken back while this was going on, which ended with it")]
    Revoked,
    #[error("a request must have one Authorization field, and this one has several")]
    SeveralTokens,
}

impl Unauthenticated {
    /// The word for programs that says why.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NoToken | Self::NoKey | Self::NoAccessToken => "no_token",
            Self::AccessToken(error) => error.reason(),
            Self::TokenInAddress => "token_in_address",
            Self::WrongToken => "wrong_token",
            Self::WrongKey => "wrong_key",
            Self::Expired => "expired",
            Self::NoTenant => "no_tenant",
            Self::UnusableKeys => "unusable_keys",
            Self::Revoked => "revoked",
            Self::SeveralTokens => "several_tokens",
        }
    }

    /// The error of the challenge (RFC 6750, section 3.1): who gave no token is told
    /// of none.
    pub(crate) const fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoToken | Self::NoKey | Self::NoAccessToken | Self::UnusableKeys => None,
            Self::WrongToken | Self::WrongKey | Self::Expired | Self::NoTenant | Self::Revoked => Some("invalid_token"),
            Self::AccessToken(error) if error.retry_after().is_some() => None,
            Self::AccessToken(_) => Some("invalid_token"),
            Self::SeveralTokens | Self::TokenInAddress => Some("invalid_request"),
        }
    }

    /// Whether the request is wrong, and not what it carries.
    pub(crate) const fn is_bad_request(&self) -> bool {
        matches!(self, Self::SeveralTokens | Self::TokenInAddress)
    }

    /// When to send the same again, where that may help and nothing else does.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::UnusableKeys => Some(Duration::from_secs(1)),
            Self::AccessToken(error) => error.retry_after(),
            _ => None,
        }
    }
}
