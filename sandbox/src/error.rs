//! Our faults and the caller's, sorted by who must act. Never the guest's: a
//! guest that fails is an [`Outcome`](crate::Outcome).

use std::io;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::statvfs::statvfs;

use crate::text::one_line;

/// Why a request has no outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller must change the call.
    #[error("{field} {reason}")]
    InvalidRequest {
        /// The argument at fault, as the caller named it.
        field: String,
        /// What is wrong with it: the bound and the value.
        reason: String,
    },
    /// The caller named something that is not there.
    #[error("no {kind} `{}`{}", one_line(id), advice)]
    NotFound {
        /// What sort of thing: `session`, `run`, `file`.
        kind: &'static str,
        /// The name that was given.
        id: String,
        /// What to do instead, starting with a separator, or nothing.
        advice: &'static str,
    },
    /// The caller named a run that, by its handle, another server made, or this
    /// one before it was started again. Whether it ever was is not said.
    #[error(
        "no run `{}`: results stay in the server that made them, and by its handle that is another than this one \
         (`{theirs}…`, and here `{ours}…`), or one that has ended; read it there, or run it again", id.escape_debug()
    )]
    OfAnotherServer {
        /// The handle that was given.
        id: String,
        /// How the handles of that server begin.
        theirs: String,
        /// How the handles of this server begin.
        ours: String,
    },
    /// The thing exists and may not be used so.
    #[error("{action} is denied: {reason}")]
    Denied {
        /// What was tried.
        action: String,
        /// Why it is not allowed, and what is.
        reason: String,
    },
    /// Too much is going on; try again.
    #[error("busy: {what} ({active} of {limit} in use); try again in a moment")]
    Busy {
        /// What ran out.
        what: &'static str,
        /// How many are in use.
        active: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The machine is short of something that others give back: try again.
    /// Nothing of the call was kept.
    #[error("failed to {doing}: the machine has no {what} left at this moment; try again in a moment")]
    Exhausted {
        /// The operation and its object.
        doing: String,
        /// What ran out.
        what: &'static str,
    },
    /// The worker process ended under another run; nothing of this request
    /// can be told. Safe to retry without a session.
    #[error("the worker process ended before this run did, through no fault of the run; try again")]
    Interrupted,
    /// Another server went on with the session while this one ran.
    #[error(
        "session `{session}` was changed by another server meanwhile, and nothing of this call was kept; \
         call again to go on from there"
    )]
    Fenced {
        /// The session.
        session: String,
    },
    /// Another server went on with the session: from what this call made of it, or
    /// without that. It was not acknowledged.
    #[error(
        "session `{session}` was changed by another server at the same moment, and whether that went on from this call \
         or without it is not known; look at the session first or give `if_sequence`, so that nothing is done twice"
    )]
    Overtaken {
        /// The session.
        session: String,
    },
    /// The caller cancelled the call before its run began.
    #[error("cancelled before it began")]
    Cancelled,
    /// The server is going away.
    #[error("the server is shutting down and takes no more runs; try again once it is back")]
    ShuttingDown,
    /// A worker process could not be confined, and hosts no guest therefore.
    /// The operator must act.
    #[error(
        "no code can run: the step `{step}` of confining worker processes fails on this host; \
         the server's log says why, and its operator must act"
    )]
    Unconfined {
        /// The step that failed.
        step: &'static str,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What runs must be written down, and cannot be. Nothing was done.
    #[error(
        "no code can run: what runs here is written down first, and that fails: {reason}; the server's log says where, \
         and its operator must act"
    )]
    Unrecorded {
        /// The cause, without the place of the file.
        reason: String,
    },
    /// The disk takes nothing more, or does not work.
    #[error(
        "failed to {doing}: {what}{}; {}",
        directory.as_ref().map(|directory| format!(", in {}", directory.display())).unwrap_or_default(),
        what_to_do(what)
    )]
    Full {
        /// The operation and its object.
        doing: String,
        /// What is wrong with it.
        what: &'static str,
        /// The directory on the disk that is full, once that is known.
        directory: Option<PathBuf>,
    },
    /// The store across a network was not reached, or did not do what it was asked
    /// for, several times over. Whether a change was kept is not known, and it was not
    /// acknowledged. The source goes to the log.
    #[error(
        "failed to {doing}: the store of this server does not answer as it should; try again in a moment, and look at \
         the session first or give `if_sequence`, so that nothing is done twice"
    )]
    Unreachable {
        /// The operation and its object.
        doing: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The operator must act. The source goes to the log, not to the caller.
    #[error("failed to {doing}")]
    Host {
        /// The operation and its object.
        doing: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// An argument that the caller must change.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidRequest { field: field.into(), reason: reason.into() }
    }

    /// A failed operation of ours.
    pub fn host(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Host { doing: doing.into(), source: source.into() }
    }

    /// The kind of this error in one word, for logs and counts.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::NotFound { .. } => "not_found",
            Self::OfAnotherServer { .. } => "of_another_server",
            Self::Denied { .. } => "denied",
            Self::Busy { .. } => "busy",
            Self::Exhausted { .. } => "exhausted",
            Self::Interrupted => "interrupted",
            Self::Fenced { .. } => "fenced",
            Self::Overtaken { .. } => "overtaken",
            Self::Cancelled => "cancelled",
            Self::ShuttingDown => "shutting_down",
            Self::Unconfined { .. } => "unconfined",
            Self::Unrecorded { .. } => "unrecorded",
            Self::Full { .. } => "full",
            Self::Unreachable { .. } => "unreachable",
            Self::Host { .. } => "host",
        }
    }

    /// A failed operation of the kernel, which may only be short of something.
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        let doing = doing.into();
        if let Some(what) = fullness(&source) {
            tracing::warn!(doing, %source, "the disk takes nothing more");
            return Self::Full { doing, what, directory: None };
        }
        match shortage(&source) {
            Some(what) => {
                tracing::warn!(doing, %source, "the machine is short of something");
                Self::Exhausted { doing, what }
            }
            None => Self::host(doing, source),
        }
    }

    /// Names the disk of `directory` as the one that is full, if one is.
    pub(crate) fn on_disk_of(mut self, directory: &Path) -> Self {
        if let Self::Full { what, directory: place, .. } = &mut self {
            // A disk without inodes is full by the same error of the kernel as one without space.
            let is_out_of_inodes = statvfs(directory).is_ok_and(|disk| disk.files() > 0 && disk.files_available() == 0);
            if *what == NO_SPACE && is_out_of_inodes {
                *what = "the disk is full: it has no inodes left for more files";
            }
            *place = Some(directory.to_path_buf());
        }
        self
    }

    /// Whether the causes of this error are for the log: they say what the caller must not know.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Host { .. } | Self::Unreachable { .. })
    }

    /// This error and its causes on one line, for the log.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

const NO_SPACE: &str = "the disk is full";
const READ_ONLY: &str = "the disk is read-only";

const MAKE_ROOM: &str =
    "close sessions or remove files that are no longer needed, or ask the operator to make room there";
const BROKEN: &str = "the disk does not work as it should";
const BE_REPAIRED: &str = "ask the operator to look after it; the log of the kernel says more";
const BE_WRITABLE: &str = "nothing can be kept there until the operator mounts it to be written to";

fn what_to_do(what: &str) -> &'static str {
    match what {
        READ_ONLY => BE_WRITABLE,
        BROKEN => BE_REPAIRED,
        _ => MAKE_ROOM,
    }
}

/// Why a disk takes nothing more, if that is why something failed.
fn fullness(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull => return Some(NO_SPACE),
        io::ErrorKind::QuotaExceeded => return Some("the disk quota of the server's user is used up"),
        io::ErrorKind::ReadOnlyFilesystem => return Some(READ_ONLY),
        _ => {}
    }
    // What file systems say of a device that fails, and of their own damage.
    let broken = [libc::EIO, libc::EUCLEAN, libc::EBADMSG];
    broken.contains(&error.raw_os_error()?).then_some(BROKEN)
}

/// What the machine has no more of, if that is why something failed.
pub(crate) fn shortage(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::EMFILE | libc::ENFILE => Some("open files"),
        libc::ENOMEM => Some("memory"),
        libc::EAGAIN => Some("processes or threads"),
        _ => None,
    }
}

/// Names the operation that an [`io::Error`] belongs to.
pub(crate) trait IoContext<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::io(what(), source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_the_operator_must_mend() {
        let failed = |code| Err::<(), _>(io::Error::from_raw_os_error(code)).doing(|| "start it".into()).unwrap_err();
        for (code, what) in [(libc::EMFILE, "open files"), (libc::ENOMEM, "memory"), (libc::EAGAIN, "processes")] {
            let text = failed(code).to_string();
            assert!(text.contains(what) && text.contains("start it") && text.contains("try again"), "{text}");
        }
        assert!(matches!(failed(libc::EACCES), Error::Host { .. }));
    }

    #[test]
    fn a_disk_that_takes_nothing_more_says_why_and_what_to_do() {
        for (code, what, advice) in [
            (libc::ENOSPC, NO_SPACE, MAKE_ROOM),
            (libc::EDQUOT, "the disk quota of the server's user is used up", MAKE_ROOM),
            (libc::EROFS, READ_ONLY, BE_WRITABLE),
            (libc::EIO, BROKEN, BE_REPAIRED),
            (libc::EUCLEAN, BROKEN, BE_REPAIRED),
        ] {
            let failed = Err::<(), _>(io::Error::from_raw_os_error(code)).doing(|| "keep it".into()).unwrap_err();
            let error = failed.on_disk_of(Path::new("/proc"));
            assert_eq!(error.to_string(), format!("failed to keep it: {what}, in /proc; {advice}"));
        }
    }
}
