//! What happens to a run, as one who watches all of them is told.
//!
//! Nothing in here is code or output: a program is known by its digest. Its
//! caller's words are in [`RunFailure::cause`] at most, which is for the
//! operator alone.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::limits::Usage;
use super::outcome::{Outcome, Status};
use crate::error::Error;
use crate::handle::{Principal, RunId, SessionId};

/// How many characters of a language's name are kept: that of a call that is
/// refused is whatever its caller wrote.
const LANGUAGE_CHARS: usize = 40;

/// One call to run a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCall {
    /// Which it is of this server's, from 1.
    pub number: u64,
    /// Whose.
    pub principal: Principal,
    /// The language that it asked for.
    pub language: String,
    /// Its program; absent when the call was not understood.
    pub code: Option<CodeDigest>,
}

impl RunCall {
    pub(crate) fn new(number: u64, principal: &Principal, language: &str, code: Option<CodeDigest>) -> Self {
        Self { number, principal: principal.clone(), language: language.chars().take(LANGUAGE_CHARS).collect(), code }
    }
}

/// The first half of a SHA-256 of a program: enough to find it again among
/// programs that somebody has, and none of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeDigest([u8; 8]);

impl CodeDigest {
    pub(crate) fn of(code: &str) -> Self {
        let mut short = [0; 8];
        short.copy_from_slice(&Sha256::digest(code.as_bytes())[..8]);
        Self(short)
    }
}

impl fmt::Display for CodeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Something that happened to a run.
#[derive(Clone, Debug)]
pub struct RunEvent {
    /// Which call it is.
    pub call: Arc<RunCall>,
    /// What happened to it.
    pub stage: RunStage,
}

/// How far a call has come. Every call ends in [`Self::Refused`] or
/// [`Self::Ended`], and in one of them only.
#[derive(Clone, Debug)]
pub enum RunStage {
    /// It is in order, and waits for its turn and a place.
    Admitted,
    /// It did not begin.
    Refused(RunFailure),
    /// It has its place.
    Started,
    /// It began, and is over.
    Ended(Result<RunSummary, RunFailure>),
}

/// What came of a run that has an outcome.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Its handle.
    pub run: RunId,
    /// The session that it ran in.
    pub session: Option<SessionId>,
    /// How it ended.
    pub status: Status,
    /// What it used.
    pub usage: Usage,
}

impl From<&Outcome> for RunSummary {
    fn from(outcome: &Outcome) -> Self {
        Self {
            run: outcome.run.clone(),
            session: outcome.session.as_ref().map(|session| session.id.clone()),
            status: outcome.status,
            usage: outcome.usage,
        }
    }
}

/// Why a call has no outcome.
#[derive(Clone, Debug)]
pub struct RunFailure {
    /// The [kind](Error::kind) of the error, or `abandoned` when nobody was left
    /// to take one.
    pub kind: &'static str,
    /// The argument that the caller must change, if that is it.
    pub field: Option<String>,
    /// All that is known, where it is a fault of the server.
    pub cause: Option<String>,
    /// What it had used, where its program came to an end all the same.
    pub usage: Usage,
}

impl RunFailure {
    pub(crate) fn abandoned() -> Self {
        Self { kind: "abandoned", field: None, cause: None, usage: Usage::default() }
    }
}

impl From<&Error> for RunFailure {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            field: match error {
                Error::InvalidRequest { field, .. } => Some(field.clone()),
                _ => None,
            },
            cause: matches!(error, Error::Host { .. }).then(|| error.with_causes()),
            usage: Usage::default(),
        }
    }
}
