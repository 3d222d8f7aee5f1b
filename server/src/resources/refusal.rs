//! Why a resource, a page, a prompt or a completion is not given. What tools say in
//! their results is an error of the protocol here: a code, a sentence, and in `data`
//! a word for programs.

use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use sandbox::Error;
use serde_json::{Value, json};
use thiserror::Error as ThisError;

use crate::tools::reply;

/// The code of what may be asked for again: the range -32000 to -32019 is for
/// servers to use.
const NOT_NOW: ErrorCode = ErrorCode(-32000);
/// When to ask again.
const RETRY_AFTER_SECONDS: u64 = 1;
/// The longest sentence: it may quote what the caller sent.
const MESSAGE_BYTES: usize = 1000;

/// Why something is not given.
#[derive(Debug, ThisError)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Sandbox(#[from] Error),
    /// A resource that is larger than one may be.
    #[error(
        "the resource has {size_bytes} bytes, and at most {bound_bytes} are given at once; the tool `read` gives parts \
         of it: {how}"
    )]
    TooLarge { size_bytes: u64, bound_bytes: u64, how: String },
    /// Too much of something that clients keep.
    #[error("{what} of this caller are at most {bound}; {instead}")]
    TooMany { what: &'static str, bound: usize, instead: &'static str },
    /// A cursor that was not given, or not to this caller, or not for this list.
    #[error("the cursor is none that this server gave to you for this list; begin again without one")]
    Cursor,
}

impl Refusal {
    /// The error that a client gets; `uri` is what it asked for.
    pub(crate) fn error(&self, uri: Option<&str>) -> ErrorData {
        let mut message = self.to_string();
        if message.len() > MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
            message.push('…');
        }
        let mut data = json!({"reason": self.reason()});
        if let Some(uri) = uri.filter(|uri| uri.len() <= MESSAGE_BYTES) {
            data["uri"] = uri.into();
        }
        match self {
            Self::Sandbox(error) => of_sandbox(error, message, data),
            Self::TooLarge { size_bytes, bound_bytes, .. } => {
                data["sizeBytes"] = (*size_bytes).into();
                data["boundBytes"] = (*bound_bytes).into();
                ErrorData::invalid_params(message, Some(data))
            }
            Self::Cursor => ErrorData::invalid_params(message, Some(data)),
            Self::TooMany { bound, .. } => {
                data["bound"] = (*bound).into();
                ErrorData::new(NOT_NOW, message, Some(data))
            }
        }
    }

    /// The word for programs that says why.
    fn reason(&self) -> &'static str {
        match self {
            Self::Sandbox(error) => error.kind(),
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => "too_many",
            Self::Cursor => "bad_cursor",
        }
    }
}

fn of_sandbox(error: &Error, message: String, mut data: Value) -> ErrorData {
    match error {
        Error::Host { .. } => {
            reply::log(error);
            ErrorData::internal_error(reply::OPAQUE, None)
        }
        // rmcp gives it the code of the era.
        Error::NotFound { .. } | Error::OfAnotherServer { .. } => ErrorData::resource_not_found(message, Some(data)),
        Error::InvalidRequest { .. } | Error::Denied { .. } => ErrorData::invalid_params(message, Some(data)),
        _ => {
            if error.is_ours() {
                reply::log(error);
            }
            data["retryAfterSeconds"] = RETRY_AFTER_SECONDS.into();
            ErrorData::new(NOT_NOW, message, Some(data))
        }
    }
}
