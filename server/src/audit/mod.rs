//! The audit log: who ran what, under which limits, and what came of it, in lines of JSON
//! for programs. Nothing of it is lost while the server lives: what it cannot write down
//! does not run.
//!
//! - `line`: what is said. - `file`: where it is written, and what happens when it is not.
//! - `refusals`: how often refusals before MCP are said.
//!
//! A line is written where the event happens, on the event loop: a few microseconds for
//! what the kernel takes into memory, and no queue in which something could be lost. So
//! the file belongs on a disk of this machine.

mod file;
mod line;
mod refusals;

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use sandbox::{Error, ExecuteRequest, Limits, Observer, RunCall, RunEvent, RunStage};

use self::file::{Importance, LogFile};
use self::line::Line;
use self::refusals::Refusals;
use crate::config::AuditSettings;
use crate::identity::Identity;

/// The audit log of one server.
pub(crate) struct Audit {
    file: LogFile,
    /// By which the calls of this server are told from those of others.
    server: String,
    with_code: bool,
    may_fail: bool,
    refusals: Refusals,
}

impl Audit {
    /// Opens it, and says that the server begins.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or others can write it.
    pub(crate) fn open(settings: &AuditSettings) -> anyhow::Result<Arc<Self>> {
        let path = &settings.path;
        let failed = || format!("failed to write the audit log {}", path.display());
        let mut server = [0; 8];
        getrandom::fill(&mut server)?;
        let audit = Self {
            file: LogFile::open(path).with_context(failed)?,
            server: format!("{:016x}", u64::from_be_bytes(server)),
            with_code: settings.code,
            may_fail: settings.may_fail,
            refusals: Refusals::new(),
        };
        audit
            .file
            .write(&Line::server("server.started").bytes(&audit.server), Importance::Demanded)
            .with_context(failed)?;
        Ok(Arc::new(audit))
    }

    /// Says that the server ends.
    pub(crate) fn end(&self) {
        if self.write(&Line::server("server.ended"), Importance::Due).is_err() {
            tracing::error!(
                lines = self.file.unwritten(),
                path = %self.file.path().display(),
                "the audit log could not be written to the end, and these lines are lost"
            );
        }
    }

    /// Whether no run is admitted at this moment.
    pub(crate) fn refuses(&self) -> bool {
        !self.may_fail && self.fails()
    }

    /// Whether it cannot be written, as far as anybody tried.
    pub(crate) fn fails(&self) -> bool {
        self.file.fails()
    }

    /// Says that a request was refused before it was MCP: of nobody who is known, or of
    /// somebody who may not or has used up what it may use.
    pub(crate) fn refused(&self, identity: Option<&Identity>, address: Option<IpAddr>, reason: &'static str) {
        let Some(left_out) = self.refusals.next(identity, address, reason) else { return };
        let line = Line::request_refused(identity, address, reason, left_out);
        // How many are left out the file counts.
        let _ = self.write(&line, Importance::Welcome);
    }

    fn write(&self, line: &Line<'_>, importance: Importance) -> std::io::Result<()> {
        // Where runs go on without it there is no bound to what would be due.
        let importance = if self.may_fail { Importance::Welcome } else { importance };
        self.file.write(&line.bytes(&self.server), importance)
    }
}

impl Observer for Audit {
    fn admits(&self, call: &RunCall, request: &ExecuteRequest, limits: &Limits) -> Result<(), Error> {
        let line = Line::admitted(call, request, limits, self.with_code);
        match self.write(&line, Importance::Demanded) {
            Err(error) if !self.may_fail => Err(Error::Unrecorded { reason: error.to_string() }),
            _ => Ok(()),
        }
    }

    fn told(&self, event: &RunEvent) {
        // What was admitted must have an end. That there is room for all of these is due to
        // nothing being admitted while there are any.
        let importance = if event.times.admitted.is_some() { Importance::Due } else { Importance::Welcome };
        let line = match &event.stage {
            RunStage::Admitted | RunStage::Started => return,
            RunStage::Refused(failure) => Line::failed("run.refused", event, failure),
            RunStage::Ended(Err(failure)) => Line::failed("run.failed", event, failure),
            RunStage::Ended(Ok(summary)) => Line::ended(event, summary),
        };
        let _ = self.write(&line, importance);
    }
}
