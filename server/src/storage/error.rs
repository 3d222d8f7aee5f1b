//! Why a store across a network cannot be used: what failed, where, and what to do.

use std::error::Error;
use std::fmt;

use thiserror::Error;

/// A request to a store that did not do what it should.
#[derive(Debug, Error)]
#[error("failed to {doing} {place}: {cause}")]
pub(crate) struct StorageError {
    /// What was tried.
    pub(super) doing: &'static str,
    /// The bucket, and who has it.
    pub(super) place: String,
    pub(super) cause: Cause,
    /// All that is known, for the log.
    pub(super) source: Option<object_store::Error>,
}

/// Who must do what about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Unreachable,
    Overloaded,
    NoBucket,
    NotAllowed,
    WrongKey,
    WrongClock,
    WrongRegion,
    NoCreateIfAbsent,
    Other,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unreachable => {
                "nobody answers there in time; check `store_endpoint`, the network between, and where credentials come \
                 from if none are set"
            }
            Self::Overloaded => "it answers that it cannot do it now; lower the load, or look at its own log",
            Self::NoBucket => "there is no such bucket; make it, or correct `store`",
            Self::NotAllowed => {
                "its credentials may not do that; they need s3:GetObject, s3:PutObject, s3:DeleteObject on the objects, \
                 and s3:ListBucket on the bucket"
            }
            Self::WrongKey => {
                "its credentials are not known there, wrong or expired; correct `store_credentials` or the variables \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
            Self::WrongClock => "its clock and that of this machine are too far apart; set this one by NTP",
            Self::WrongRegion => "the bucket is of another region; correct `store_region`",
            Self::NoCreateIfAbsent => {
                "it wrote over an object that it was to write only where nothing is (`If-None-Match: *`). Without that, \
                 two servers would overwrite each other's sessions; take a store that has it: Amazon S3 since August \
                 2024, MinIO, Ceph, R2 and others"
            }
            Self::Other => "the log says why",
        })
    }
}

/// By what S3 says, whose codes are in the text of the error.
pub(super) fn cause(error: &object_store::Error) -> Cause {
    let mut text = String::new();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        text.push_str(&error.to_string());
        text.push('\n');
        next = error.source();
    }
    let says = |codes: &[&str]| codes.iter().any(|code| text.contains(code));
    if says(&["RequestTimeTooSkewed", "RequestExpired"]) {
        Cause::WrongClock
    } else if says(&["NoSuchBucket"]) {
        Cause::NoBucket
    } else if says(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"]) {
        Cause::WrongKey
    } else if says(&["AuthorizationHeaderMalformed", "PermanentRedirect", "incorrectly configured region"]) {
        Cause::WrongRegion
    } else if says(&["SlowDown", "ServiceUnavailable", "InternalError", "status code: 5", "status code: 429"]) {
        Cause::Overloaded
    } else {
        match error {
            object_store::Error::PermissionDenied { .. } => Cause::NotAllowed,
            object_store::Error::Unauthenticated { .. } => Cause::WrongKey,
            object_store::Error::NotFound { .. } => Cause::NoBucket,
            _ if says(&["HTTP error", "no answer within"]) => Cause::Unreachable,
            _ => Cause::Other,
        }
    }
}
