//! What happens to a run, as one who watches all of them is told.
//!
//! Nothing in here is code or output: a program is known by its digest. Its
//! caller's words are in [`RunFailure::cause`] at most, which is for the
//! operator alone.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::limits::{Limits, Usage};
use super::outcome::{Outcome, Status};
use crate::error::Error;
use crate::handle::{Principal, RunId, SessionId};

/// How many characters of a language's name are kept: that of a call that is
/// refused is whatever its caller wrote.
const LANGUAGE_CHARS: usize = 40;

/// What whoever called says of where the call comes from, for observers of its own.
pub type Origin = Arc<dyn Any + Send + Sync>;

/// One call to run a program.
#[derive(Clone, Debug)]
pub struct RunCall {
    /// The number of the call on this server, from 1.
    pub number: u64,
    /// The principal that made the call.
    pub principal: Principal,
    /// The language that it asked for.
    pub language: String,
    /// The program of the call; absent when the call was not understood.
    pub code: Option<CodeDigest>,
    /// Where it comes from, if that was said.
    pub origin: Option<Origin>,
}

impl RunCall {
    pub(crate) fn new(principal: &Principal, language: &str, code: Option<CodeDigest>, origin: Option<Origin>) -> Self {
        let language = language.chars().take(LANGUAGE_CHARS).collect();
        Self { number: 0, principal: principal.clone(), language, code, origin }
    }
}

/// The SHA-256 of a program, by which it is found again among programs that somebody
/// has, and none of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeDigest([u8; 32]);

impl CodeDigest {
    pub(crate) fn of(code: &str) -> Self {
        Self(Sha256::digest(code.as_bytes()).into())
    }
}

/// A digest is written as its first 16 digits, which are enough for a log, and with `#`
/// as all of them.
impl fmt::Display for CodeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = if formatter.alternate() { self.0.as_slice() } else { &self.0[..8] };
        bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Something that happened to a run.
#[derive(Clone, Debug)]
pub struct RunEvent {
    /// Which call it is.
    pub call: Arc<RunCall>,
    /// What happened to it.
    pub stage: RunStage,
    /// When this happened, and when what came before it did.
    pub times: RunTimes,
    /// The limits of the call, once they are known.
    pub limits: Option<Limits>,
}

/// When a call came, and how long after that everything happened that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTimes {
    /// When it came.
    pub began: SystemTime,
    /// When the call was found to be in order.
    pub admitted: Option<Duration>,
    /// When the call had its place.
    pub started: Option<Duration>,
    /// When the program was over.
    pub ran: Option<Duration>,
    /// When the session was saved.
    pub saved: Option<Duration>,
    /// When this happened.
    pub now: Duration,
}

impl RunTimes {
    pub(crate) const fn begin(began: SystemTime) -> Self {
        Self { began, admitted: None, started: None, ran: None, saved: None, now: Duration::ZERO }
    }
}

/// How far a call has come. Every call ends in [`Self::Refused`] or
/// [`Self::Ended`], and in one of them only.
#[derive(Clone, Debug)]
pub enum RunStage {
    /// The call is in order, and waits for its turn and a place.
    Admitted,
    /// The call did not begin.
    Refused(RunFailure),
    /// The call has its place.
    Started,
    /// The call began, and is over.
    Ended(Result<RunSummary, RunFailure>),
}

/// What came of a run that has an outcome.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// The handle of the run.
    pub run: RunId,
    /// The session that it ran in.
    pub session: Option<SessionId>,
    /// The state of the session after it, counted from 1.
    pub sequence: Option<u64>,
    /// Whether it found an instance ready.
    pub is_warm: bool,
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
            sequence: outcome.session.as_ref().map(|session| session.sequence),
            is_warm: false,
            status: outcome.report.status,
            usage: outcome.report.usage,
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
    /// What the call had used, where its program came to an end all the same.
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
            cause: error.is_ours().then(|| error.with_causes()),
            usage: Usage::default(),
        }
    }
}
