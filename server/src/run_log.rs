//! What the log says of runs: a line for each that is over or was refused. It is for
//! people: where there are too many it says how many it left out.

use std::fmt;

use sandbox::{Resource, RunCall, RunEvent, RunEvents, RunFailure, RunStage, RunSummary, Status, Told, Usage};

/// Writes down what `events` tells, and waits for more.
pub(crate) async fn write(events: &mut RunEvents) {
    while let Some(told) = events.next().await {
        line(&told);
    }
}

/// Writes down what `events` has told.
pub(crate) fn write_rest(events: &mut RunEvents) {
    while let Some(told) = events.take() {
        line(&told);
    }
}

fn line(told: &Told) {
    let RunEvent { call, stage, .. } = match told {
        Told::Event(event) => event,
        Told::Lost(lost) => {
            tracing::warn!(lost, "more happened to runs than could be written down");
            return;
        }
    };
    let RunCall { number, principal, language, code, origin: _ } = &**call;
    let principal = principal.directory_name();
    let code = code.map(tracing::field::display);
    match stage {
        RunStage::Admitted => tracing::debug!(call = number, principal, ?language, code, "a run is admitted"),
        RunStage::Started => tracing::debug!(call = number, "a run begins"),
        RunStage::Ended(Ok(RunSummary { run, session, status, usage, .. })) => {
            let session = session.as_ref().map(tracing::field::display);
            let (status, usage) = (Ended(*status), Used(usage));
            tracing::info!(call = number, principal, ?language, code, %run, session, %status, %usage, "a run ended");
        }
        RunStage::Refused(RunFailure { kind, field, cause, usage: _ })
        | RunStage::Ended(Err(RunFailure { kind, field, cause, usage: _ })) => {
            if let Some(cause) = cause {
                tracing::error!(
                    call = number,
                    principal,
                    ?language,
                    code,
                    error = cause,
                    "a call failed through a fault of the server"
                );
            }
            let what = if matches!(stage, RunStage::Refused(_)) { "a run was refused" } else { "a run failed" };
            tracing::info!(call = number, principal, ?language, code, error = kind, field, "{what}");
        }
    }
}

struct Ended(Status);

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Status::Exited(code) => write!(formatter, "exited {code}"),
            Status::Signaled(signal) => write!(formatter, "signaled {signal}"),
            Status::Trapped(trap) => write!(formatter, "trapped {}", trap.name()),
            Status::LimitExceeded(resource) => write!(formatter, "limit_exceeded {resource}"),
            Status::Cancelled => formatter.write_str("cancelled"),
        }
    }
}

/// What was measured, by the names of limits.
struct Used<'a>(&'a Usage);

impl fmt::Display for Used<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measured = Resource::ALL.into_iter().filter_map(|resource| Some((resource, self.0.get(resource)?)));
        for (index, (resource, amount)) in measured.enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(formatter, "{separator}{resource}={amount}")?;
        }
        Ok(())
    }
}
