//! Why nobody is known by what a request carries.

use thiserror::Error;

/// Why.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Unauthenticated {
    #[error(
        "no token was given: send `Authorization: Bearer TOKEN`, with the token that the server printed when it \
         started, or that of its token file"
    )]
    NoToken,
    #[error("the token is not that of this server, which makes a new one at each start unless it has a token file")]
    WrongToken,
    #[error("the token was taken back while this was going on, which ended with it")]
    Revoked,
    #[error("a request must have one Authorization field, and this one has several")]
    SeveralTokens,
}

impl Unauthenticated {
    /// The word for programs.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Revoked => "revoked",
            Self::SeveralTokens => "several_tokens",
        }
    }

    /// The error of the challenge (RFC 6750, section 3.1): who gave no token is told
    /// of none.
    pub(crate) const fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoToken => None,
            Self::WrongToken | Self::Revoked => Some("invalid_token"),
            Self::SeveralTokens => Some("invalid_request"),
        }
    }
}
