//! The audit log: who ran what, under which limits, and what came of it, in lines of JSON
//! for programs. Nothing of it is lost while the server lives: what it cannot write down
//! does not run.
//!
//! - `line`: what is said. - `file`: where it is written, and what happens when it is not.
//! - `refusals`: how often refusals are said. - `text`: what others wrote, in it.
//!
//! A line is written where the event happens, on the event loop: a few microseconds for
//! what the kernel takes into memory, and no queue in which something could be lost. So
//! the file belongs on a disk of this machine.

mod file;
mod line;
mod refusals;
mod text;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context as _;
use sandbox::{
    Error, ExecuteRequest, Limits, Observer, Principal, RunCall, RunEvent, RunFailure, RunStage, SessionId, SnapshotId,
};

use self::file::{Importance, LogFile};
use self::line::Line;
use self::refusals::{Key, LeftOut, Refusals, Who};
use crate::config::AuditSettings;
use crate::identity::Identity;
use crate::origin::Origin;

const REQUEST_REFUSED: &str = "request.refused";
const RUN_REFUSED: &str = "run.refused";

/// What became of a session without a run.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) action: &'static str,
    pub(crate) session: &'a SessionId,
    /// The sequence number of the session after the change; none for one that was closed.
    pub(crate) sequence: Option<u64>,
    /// The session that it is a copy of.
    pub(crate) from: Option<&'a SessionId>,
    pub(crate) snapshot: Option<&'a SnapshotId>,
    /// The digest and length of what was written.
    pub(crate) file: Option<(String, u64)>,
}

/// The audit log of one server.
pub(crate) struct Audit {
    file: LogFile,
    /// The name by which the calls of this server are told from those of others.
    server: String,
    with_code: bool,
    may_fail: bool,
    refusals: Refusals,
    /// How many runs were admitted, and are not over.
    unfinished: AtomicU64,
    is_over: AtomicBool,
}

impl Audit {
    /// Opens the log, and says that the server begins.
    ///
    /// # Errors
    ///
    /// When others can write it, or it cannot be written and runs do not go on without it.
    pub(crate) fn open(settings: &AuditSettings) -> anyhow::Result<Arc<Self>> {
        let path = &settings.path;
        let failed = || format!("failed to write the audit log {}", path.display());
        let mut server = [0; 8];
        getrandom::fill(&mut server)?;
        let audit = Self {
            file: LogFile::open(path, settings.may_fail).with_context(failed)?,
            server: format!("{:016x}", u64::from_be_bytes(server)),
            with_code: settings.code,
            may_fail: settings.may_fail,
            refusals: Refusals::new(),
            unfinished: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        };
        let written = audit.write(&Line::server("server.started"), Importance::Demanded);
        if !audit.may_fail {
            written.with_context(failed)?;
        }
        Ok(Arc::new(audit))
    }

    /// Says what is to be said of a minute that is over, though nobody comes any more.
    pub(crate) fn tidy(&self) {
        self.leave_out(&self.refusals.over());
    }

    /// Says that the server ends, once.
    pub(crate) fn end(&self) {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        self.leave_out(&self.refusals.rest());
        let unfinished = self.unfinished.load(Ordering::Relaxed);
        if self.write(&Line::server_ended(unfinished), Importance::Due).is_err() {
            let (lines, left_out) = self.file.unwritten();
            tracing::error!(
                lines,
                left_out,
                path = %self.file.path().display(),
                "the audit log could not be written to the end, and these lines are lost"
            );
        }
    }

    /// Whether no run is admitted at this moment.
    pub(crate) fn refuses(&self) -> bool {
        !self.may_fail && self.fails()
    }

    /// Whether the log cannot be written, as far as anybody tried.
    pub(crate) fn fails(&self) -> bool {
        self.file.check().is_err()
    }

    /// Says that a request was refused before it was MCP: of nobody who is known, or of
    /// somebody who may not or has used up what it may use.
    pub(crate) fn refused(&self, identity: Option<&Identity>, address: Option<IpAddr>, reason: &'static str) {
        let key = Key { event: REQUEST_REFUSED, who: Who::of(identity, address), reason, field: None };
        if self.is_said(key) {
            // The file counts how many lines are left out.
            let _ = self.write(&Line::request_refused(identity, address, reason), Importance::Welcome);
        }
    }

    /// Whether a refusal has a line of its own.
    fn is_said(&self, key: Key) -> bool {
        let (is_said, before) = self.refusals.next(key);
        self.leave_out(&before);
        is_said
    }

    fn leave_out(&self, left_out: &[LeftOut]) {
        if !left_out.is_empty() {
            let lines = left_out.iter().flat_map(|left_out| Line::left_out(left_out).bytes(&self.server));
            let _ = self.file.write(&lines.collect::<Vec<_>>(), Importance::Welcome);
        }
    }

    /// Fails where no change is made that cannot be written down.
    ///
    /// # Errors
    ///
    /// [`Error::Unrecorded`] with the reason.
    pub(crate) fn allows_changes(&self) -> Result<(), Error> {
        match self.file.check() {
            Err(error) if !self.may_fail => Err(Error::Unrecorded { reason: error.to_string() }),
            _ => Ok(()),
        }
    }

    /// Says that a session was changed without a run.
    pub(crate) fn changed(&self, tenant: &Principal, origin: Option<&Origin>, change: &Change<'_>) {
        // The change has happened. There are no more of these than there are calls when
        // the log fails first.
        let _ = self.write(&Line::changed(tenant, origin, change), Importance::Due);
    }

    fn write(&self, line: &Line<'_>, importance: Importance) -> std::io::Result<()> {
        // There is no bound to what would be due where runs go on without the log.
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
        let is_admitted = event.times.admitted.is_some();
        let line = match &event.stage {
            RunStage::Admitted => {
                self.unfinished.fetch_add(1, Ordering::Relaxed);
                return;
            }
            RunStage::Started => return,
            RunStage::Refused(failure) => {
                // A call that was refused for want of this log has the file know that
                // it fails, and how much it has not.
                let is_unrecorded = failure.kind == "unrecorded";
                if !is_admitted && !is_unrecorded && !self.is_said(refused(&event.call, failure)) {
                    return;
                }
                Line::failed(RUN_REFUSED, event, failure)
            }
            RunStage::Ended(Err(failure)) => Line::failed("run.failed", event, failure),
            RunStage::Ended(Ok(summary)) => Line::ended(event, summary),
        };
        // A run that was admitted must have an end in the log. That there is room for
        // all of these is due to nothing being admitted while there are any.
        let importance = if is_admitted { Importance::Due } else { Importance::Welcome };
        let _ = self.write(&line, importance);
        if is_admitted {
            self.unfinished.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What makes a call one of many that were refused before they were admitted.
fn refused(call: &RunCall, failure: &RunFailure) -> Key {
    let credential = Origin::within(call.origin.as_ref()).and_then(|origin| origin.credential.clone());
    Key {
        event: RUN_REFUSED,
        who: Who::Known { tenant: call.principal.clone(), credential },
        reason: failure.kind,
        field: failure.field.as_deref().map(text::field),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks at the file that the log has made")]
mod tests {
    use std::time::{Duration, SystemTime};

    use sandbox::{RunTimes, Usage};

    use super::*;

    fn event(number: u64, stage: RunStage, admitted: Option<Duration>) -> RunEvent {
        let call =
            RunCall { number, principal: Principal::local(), language: "python".into(), code: None, origin: None };
        let times =
            RunTimes { began: SystemTime::now(), admitted, started: None, ran: None, saved: None, now: Duration::ZERO };
        RunEvent { call: Arc::new(call), stage, times, limits: None }
    }

    fn failure() -> RunFailure {
        RunFailure { kind: "busy", field: None, cause: None, usage: Usage::default() }
    }

    #[test]
    fn the_end_is_said_once_with_what_is_not_over_and_what_was_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let audit = Audit::open(&AuditSettings { path: path.clone(), code: false, may_fail: false }).unwrap();
        let at_once = Some(Duration::ZERO);
        for number in 1..=3 {
            audit.told(&event(number, RunStage::Admitted, at_once));
        }
        audit.told(&event(1, RunStage::Refused(failure()), at_once));
        audit.told(&event(2, RunStage::Ended(Err(failure())), at_once));
        for number in 4..1004 {
            audit.told(&event(number, RunStage::Refused(failure()), None));
        }
        audit.end();
        audit.end();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said: Vec<_> = lines
            .iter()
            .map(|line| (line["event"].as_str().unwrap(), line["left_out"].as_u64(), line["unfinished"].as_u64()))
            .collect();
        let expected = [
            ("server.started", None, None),
            (RUN_REFUSED, None, None),
            ("run.failed", None, None),
            (RUN_REFUSED, None, None),
            ("refusals.left_out", Some(999), None),
            ("server.ended", None, Some(1)),
        ];
        assert_eq!(said, expected);
    }
}
