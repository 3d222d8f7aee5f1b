//! The stream of what happens to runs.
//!
//! Whoever tells of a run waits for nobody: a reader that is slow loses the
//! oldest events and learns how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};

use crate::error::Error;
use crate::handle::Principal;
use crate::run::event::{CodeDigest, RunCall, RunEvent, RunFailure, RunStage, RunSummary};
use crate::run::limits::Usage;
use crate::run::outcome::Outcome;

/// How many events wait for a reader: more than 64 queued and 64 active runs
/// make in the time in which one line is written.
const KEPT_EVENTS: usize = 1024;
/// Longer programs are digested on another thread: without instructions for it
/// SHA-256 takes 0.3 ms for this many bytes.
const DIGESTED_HERE_BYTES: usize = 64 << 10;

/// Where events go.
pub(super) struct Events {
    sender: Sender<RunEvent>,
    calls: AtomicU64,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: Sender::new(KEPT_EVENTS), calls: AtomicU64::new(0) }
    }
}

impl Events {
    /// Events from here on.
    pub(super) fn read(&self) -> RunEvents {
        RunEvents(self.sender.subscribe())
    }

    /// A call to run `code`, which is put back.
    pub(super) async fn call(&self, principal: &Principal, language: &str, code: &mut String) -> Result<Call, Error> {
        let digest = if code.len() <= DIGESTED_HERE_BYTES {
            CodeDigest::of(code)
        } else {
            let text = std::mem::take(code);
            let work = move || (CodeDigest::of(&text), text);
            let done = tokio::task::spawn_blocking(work).await;
            let digest;
            (digest, *code) = done.map_err(|source| Error::host("digest a program", source))?;
            digest
        };
        Ok(self.begin(principal, language, Some(digest)))
    }

    /// A call that was refused before it was understood.
    pub(super) fn refuse(&self, principal: &Principal, language: &str, error: &Error) {
        self.begin(principal, language, None).tell(RunStage::Refused(error.into()));
    }

    fn begin(&self, principal: &Principal, language: &str, code: Option<CodeDigest>) -> Call {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let call = Arc::new(RunCall::new(number, principal, language, code));
        Call { call, sender: self.sender.clone(), progress: Mutex::new(Progress::default()) }
    }
}

/// How far a call has come, as far as its next event depends on it.
#[derive(Clone, Copy, Default)]
struct Progress {
    started: bool,
    over: bool,
    /// What its program used.
    used: Usage,
}

/// One call, which tells how it goes on. When it is dropped before it is over,
/// that is told as well.
pub(super) struct Call {
    call: Arc<RunCall>,
    sender: Sender<RunEvent>,
    progress: Mutex<Progress>,
}

impl Call {
    /// Tells whether it is admitted.
    pub(super) fn admitted<T>(&self, checked: Result<T, Error>) -> Result<T, Error> {
        match &checked {
            Ok(_) => self.tell(RunStage::Admitted),
            Err(error) => self.tell(RunStage::Refused(error.into())),
        }
        checked
    }

    /// Tells that it has its place.
    pub(super) fn started(&self) {
        self.tell(RunStage::Started);
    }

    /// Remembers what its program used, whatever comes of the call.
    pub(super) fn used(&self, usage: &Usage) {
        self.progress.lock().used = *usage;
    }

    /// Tells what came of it.
    pub(super) fn ended(&self, outcome: &Result<Outcome, Error>) {
        self.end(outcome.as_ref().map(RunSummary::from).map_err(RunFailure::from));
    }

    fn end(&self, end: Result<RunSummary, RunFailure>) {
        let Progress { started, used, .. } = *self.progress.lock();
        self.tell(match end.map_err(|failure| RunFailure { usage: used, ..failure }) {
            Err(failure) if !started => RunStage::Refused(failure),
            end => RunStage::Ended(end),
        });
    }

    fn tell(&self, stage: RunStage) {
        {
            let mut progress = self.progress.lock();
            progress.started |= matches!(stage, RunStage::Started);
            progress.over |= matches!(stage, RunStage::Refused(_) | RunStage::Ended(_));
        }
        // Nobody reading is no reason to fail.
        let _ = self.sender.send(RunEvent { call: Arc::clone(&self.call), stage });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let is_over = self.progress.lock().over;
        if !is_over {
            self.end(Err(RunFailure::abandoned()));
        }
    }
}

/// A reader of events.
pub struct RunEvents(Receiver<RunEvent>);

/// What a reader gets.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events, and none is kept")]
pub enum Told {
    /// The next event.
    Event(RunEvent),
    /// It was too slow, and this many are lost.
    Lost(u64),
}

impl RunEvents {
    /// Waits for what comes next; `None` when the executor is gone.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Told> {
        match self.0.recv().await {
            Ok(event) => Some(Told::Event(event)),
            Err(RecvError::Lagged(lost)) => Some(Told::Lost(lost)),
            Err(RecvError::Closed) => None,
        }
    }

    /// What came already.
    pub fn take(&mut self) -> Option<Told> {
        match self.0.try_recv() {
            Ok(event) => Some(Told::Event(event)),
            Err(TryRecvError::Lagged(lost)) => Some(Told::Lost(lost)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(events: &Events) -> Call {
        events.begin(&Principal::local(), "python", Some(CodeDigest::of("1")))
    }

    fn told(reader: &mut RunEvents) -> Vec<String> {
        let name = |told| match told {
            Told::Lost(lost) => format!("lost {lost}"),
            Told::Event(RunEvent { call, stage }) => {
                let stage = match stage {
                    RunStage::Admitted => "admitted".to_owned(),
                    RunStage::Started => "started".to_owned(),
                    RunStage::Refused(failure) => format!("refused {}", failure.kind),
                    RunStage::Ended(Ok(_)) => "ended".to_owned(),
                    RunStage::Ended(Err(failure)) => format!("failed {}", failure.kind),
                };
                format!("{} {stage}", call.number)
            }
        };
        std::iter::from_fn(|| reader.take()).map(name).collect()
    }

    #[test]
    fn a_call_ends_once_however_it_ends() {
        let events = Events::default();
        let mut reader = events.read();
        let denied = || Err::<(), _>(Error::Cancelled);
        call(&events).admitted(denied()).unwrap_err();
        let second = call(&events);
        second.admitted(Ok(())).unwrap();
        second.ended(&Err(Error::ShuttingDown));
        drop(second);
        let third = call(&events);
        third.admitted(Ok(())).unwrap();
        third.started();
        third.ended(&Err(Error::Interrupted));
        drop(third);
        let fourth = call(&events);
        fourth.started();
        drop(fourth);
        drop(call(&events));
        events.refuse(&Principal::local(), "x", &Error::invalid("code", "is missing"));
        let expected = [
            "1 refused cancelled",
            "2 admitted",
            "2 refused shutting_down",
            "3 admitted",
            "3 started",
            "3 failed interrupted",
            "4 started",
            "4 failed abandoned",
            "5 refused abandoned",
            "6 refused invalid_request",
        ];
        assert_eq!(told(&mut reader), expected);
    }

    #[test]
    fn a_slow_reader_learns_how_many_it_lost_and_nobody_waits_for_it() {
        let events = Events::default();
        let (mut slow, mut quick) = (events.read(), events.read());
        for _ in 0..KEPT_EVENTS + 10 {
            drop(call(&events));
            assert_eq!(told(&mut quick).len(), 1);
        }
        let told = told(&mut slow);
        assert_eq!((told.len(), told[0].as_str()), (KEPT_EVENTS + 1, "lost 10"));
        assert_eq!(told[1], "11 refused abandoned");
    }
}
