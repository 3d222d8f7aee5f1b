//! The stream of what happens to runs.
//!
//! Whoever tells of a run waits for nobody: a reader that is slow loses the
//! oldest events and learns how many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};

use super::meter::Meter;
use crate::error::Error;
use crate::handle::Principal;
use crate::run::event::{CodeDigest, RunCall, RunEvent, RunFailure, RunStage, RunSummary};
use crate::run::limits::{Resource, Usage};
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
    meter: OnceLock<Arc<dyn Meter>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: Sender::new(KEPT_EVENTS), calls: AtomicU64::new(0), meter: OnceLock::new() }
    }
}

impl Events {
    /// Events from here on.
    pub(super) fn read(&self) -> RunEvents {
        RunEvents(self.sender.subscribe())
    }

    /// Has `meter` count from here on. The first stays.
    pub(super) fn count_with(&self, meter: Arc<dyn Meter>) {
        let _ = self.meter.set(meter);
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
        let (sender, meter) = (self.sender.clone(), self.meter.get().cloned());
        Call { call, sender, meter, progress: Mutex::new(Progress::default()) }
    }
}

/// How far a call has come, as far as its next event depends on it.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Since when.
    started: Option<Instant>,
    over: bool,
    /// What its program used, once that is known.
    used: Option<Usage>,
}

/// One call, which tells how it goes on. When it is dropped before it is over,
/// that is told as well.
pub(super) struct Call {
    call: Arc<RunCall>,
    sender: Sender<RunEvent>,
    meter: Option<Arc<dyn Meter>>,
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
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when its tenant has used up what it may use while it waited.
    pub(super) fn started(&self) -> Result<(), Error> {
        let allowed = self.meter.as_ref().map_or(Ok(()), |meter| meter.allows(&self.call.principal));
        allowed.map_err(|reason| Error::Denied { action: "beginning this run".into(), reason })?;
        self.tell(RunStage::Started);
        Ok(())
    }

    /// Remembers and counts what its program used, whatever comes of the call.
    pub(super) fn used(&self, usage: &Usage) {
        let started = {
            let mut progress = self.progress.lock();
            progress.used = Some(*usage);
            progress.started
        };
        // What a program took with it that ended its worker is known to nobody: the
        // time since it began at most, on one processor.
        let most = || started.map_or(0, |started| u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.count(usage.get(Resource::CpuTimeMs).unwrap_or_else(most));
    }

    fn count(&self, cpu_time_ms: u64) {
        if let Some(meter) = &self.meter {
            meter.used(&self.call.principal, cpu_time_ms);
        }
    }

    /// Tells what came of it.
    pub(super) fn ended(&self, outcome: &Result<Outcome, Error>) {
        self.end(outcome.as_ref().map(RunSummary::from).map_err(RunFailure::from));
    }

    fn end(&self, end: Result<RunSummary, RunFailure>) {
        let Progress { started, used, .. } = *self.progress.lock();
        if started.is_some() && used.is_none() {
            self.count(0);
        }
        self.tell(match end.map_err(|failure| RunFailure { usage: used.unwrap_or_default(), ..failure }) {
            Err(failure) if started.is_none() => RunStage::Refused(failure),
            end => RunStage::Ended(end),
        });
    }

    fn tell(&self, stage: RunStage) {
        {
            let mut progress = self.progress.lock();
            if matches!(stage, RunStage::Started) {
                progress.started = Some(Instant::now());
            }
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
        third.started().unwrap();
        third.ended(&Err(Error::Interrupted));
        drop(third);
        let fourth = call(&events);
        fourth.started().unwrap();
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

    /// One that allows so many milliseconds.
    struct Bound(u64, Mutex<Vec<u64>>);

    impl Meter for Bound {
        fn allows(&self, _: &Principal) -> Result<(), String> {
            let used: u64 = self.1.lock().iter().sum();
            if used < self.0 { Ok(()) } else { Err("all is used".into()) }
        }

        fn used(&self, _: &Principal, cpu_time_ms: u64) {
            self.1.lock().push(cpu_time_ms);
        }
    }

    #[test]
    fn what_a_run_used_is_counted_once_whoever_reads_events_and_bounds_what_waited() {
        let events = Events::default();
        let meter = Arc::new(Bound(50, Mutex::default()));
        events.count_with(Arc::<Bound>::clone(&meter));
        let mut usage = Usage::default();
        usage.set(Resource::CpuTimeMs, 50);
        let waits = call(&events);
        // More than are kept, and nobody reads them.
        let _slow = events.read();
        for _ in 0..KEPT_EVENTS {
            let run = call(&events);
            run.started().unwrap();
            run.ended(&Err(Error::Interrupted));
        }
        let run = call(&events);
        run.started().unwrap();
        run.used(&usage);
        run.ended(&Err(Error::Interrupted));
        drop(run);
        let refused = waits.started().unwrap_err().to_string();
        assert_eq!(refused, "beginning this run is denied: all is used");
        drop(waits);
        let counted = meter.1.lock().clone();
        assert_eq!((counted.len(), counted.iter().sum::<u64>()), (KEPT_EVENTS + 1, 50));
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
