//! What happens to runs, and who is told.
//!
//! Observers are told at once and of everything. Readers of the stream are waited for by
//! nobody: one that is slow loses the oldest events and learns how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};

use crate::error::Error;
use crate::handle::Principal;
use crate::run::event::{CodeDigest, Origin, RunCall, RunEvent, RunFailure, RunStage, RunSummary, RunTimes};
use crate::run::limits::{Limits, Resource, Usage};
use crate::run::observer::{Observer, Observers};
use crate::run::outcome::Outcome;
use crate::run::request::ExecuteRequest;

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
    observers: Observers,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: Sender::new(KEPT_EVENTS), calls: AtomicU64::new(0), observers: Observers::default() }
    }
}

impl Events {
    /// Nothing has happened yet; `observers` are told of everything.
    pub(super) fn told_to(observers: Observers) -> Self {
        Self { observers, ..Self::default() }
    }

    /// Events from here on.
    pub(super) fn read(&self) -> RunEvents {
        RunEvents(self.sender.subscribe())
    }

    /// Has `observers` watch from here on. Observers that were set before stay.
    pub(super) fn observe_with(&self, observers: Vec<Arc<dyn Observer>>) {
        self.observers.set(observers);
    }

    /// A call to run the program of a request.
    pub(super) async fn call(
        &self,
        principal: &Principal,
        request: &mut ExecuteRequest,
        origin: Option<Origin>,
    ) -> Result<Call, Error> {
        let code = &mut request.program.code;
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
        Ok(self.begin(RunCall::new(principal, &request.language, Some(digest), origin)))
    }

    /// A call that was refused before it was understood.
    pub(super) fn refuse(&self, principal: &Principal, language: &str, origin: Option<Origin>, error: &Error) {
        self.begin(RunCall::new(principal, language, None, origin)).tell(RunStage::Refused(error.into()));
    }

    fn begin(&self, mut call: RunCall) -> Call {
        call.number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        Call {
            call: Arc::new(call),
            sender: self.sender.clone(),
            observers: self.observers.clone(),
            began: Instant::now(),
            progress: Mutex::new(Progress::begin()),
        }
    }
}

/// How far a call has come, as far as its next event depends on it.
#[derive(Clone, Copy)]
struct Progress {
    times: RunTimes,
    over: bool,
    /// Its limits, once they are known.
    limits: Option<Limits>,
    /// What its program used, once that is known.
    used: Option<Usage>,
    /// Whether it found an instance ready.
    is_warm: bool,
}

impl Progress {
    fn begin() -> Self {
        Self { times: RunTimes::begin(SystemTime::now()), over: false, limits: None, used: None, is_warm: false }
    }
}

/// One call, which tells how it goes on. When it is dropped before it is over,
/// that is told as well.
pub(super) struct Call {
    call: Arc<RunCall>,
    sender: Sender<RunEvent>,
    observers: Observers,
    began: Instant,
    progress: Mutex<Progress>,
}

impl Call {
    /// Tells whether it is admitted, which observers of a call that is in order have a say
    /// in.
    pub(super) fn admitted<T>(
        &self,
        request: &ExecuteRequest,
        checked: Result<(T, Limits), Error>,
    ) -> Result<(T, Limits), Error> {
        let admitted = checked.and_then(|(checked, limits)| {
            self.progress.lock().limits = Some(limits);
            self.observers.admit(&self.call, request, &limits)?;
            Ok((checked, limits))
        });
        match &admitted {
            Ok(_) => self.tell(RunStage::Admitted),
            Err(error) => self.tell(RunStage::Refused(error.into())),
        }
        admitted
    }

    /// Tells that it has its place, if no observer says that it may not begin.
    pub(super) fn started(&self) -> Result<(), Error> {
        self.observers.begin(&self.call)?;
        self.tell(RunStage::Started);
        Ok(())
    }

    /// Remembers and counts what its program used, whatever comes of the call.
    pub(super) fn used(&self, usage: &Usage, is_warm: bool) {
        let started = {
            let mut progress = self.progress.lock();
            (progress.used, progress.is_warm) = (Some(*usage), is_warm);
            progress.times.ran = Some(self.began.elapsed());
            progress.times.started.unwrap_or_default()
        };
        // What a program took with it that ended its worker is known to nobody: the
        // time since it began at most, on one processor.
        let most = || u64::try_from(self.began.elapsed().saturating_sub(started).as_millis()).unwrap_or(u64::MAX);
        self.observers.count(&self.call, usage.get(Resource::CpuTimeMs).unwrap_or_else(most));
    }

    /// Remembers that the state of its session is in the store.
    pub(super) fn saved(&self) {
        self.progress.lock().times.saved = Some(self.began.elapsed());
    }

    /// Tells what came of it.
    pub(super) fn ended(&self, outcome: &Result<Outcome, Error>) {
        self.end(outcome.as_ref().map(RunSummary::from).map_err(RunFailure::from));
    }

    fn end(&self, end: Result<RunSummary, RunFailure>) {
        let Progress { times, used, is_warm, .. } = *self.progress.lock();
        if times.started.is_some() && used.is_none() {
            self.observers.count(&self.call, 0);
        }
        let end = end.map(|summary| RunSummary { is_warm, ..summary });
        self.tell(match end.map_err(|failure| RunFailure { usage: used.unwrap_or_default(), ..failure }) {
            Err(failure) if times.started.is_none() => RunStage::Refused(failure),
            end => RunStage::Ended(end),
        });
    }

    fn tell(&self, stage: RunStage) {
        let (times, limits) = {
            let mut progress = self.progress.lock();
            let now = self.began.elapsed();
            match stage {
                RunStage::Admitted => progress.times.admitted = Some(now),
                RunStage::Started => progress.times.started = Some(now),
                RunStage::Refused(_) | RunStage::Ended(_) => progress.over = true,
            }
            progress.times.now = now;
            (progress.times, progress.limits)
        };
        let event = RunEvent { call: Arc::clone(&self.call), stage, times, limits };
        self.observers.tell(&event);
        // Nobody reading is no reason to fail.
        let _ = self.sender.send(event);
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
    /// The reader was too slow, and this many events are lost.
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
        events.begin(RunCall::new(&Principal::local(), "python", Some(CodeDigest::of("1")), None))
    }

    fn admit(call: &Call, checked: Result<(), Error>) -> Result<(), Error> {
        let checked = checked.map(|()| ((), Limits::defaults()));
        call.admitted(&ExecuteRequest::default(), checked).map(|_| ())
    }

    fn told(reader: &mut RunEvents) -> Vec<String> {
        let name = |told| match told {
            Told::Lost(lost) => format!("lost {lost}"),
            Told::Event(RunEvent { call, stage, .. }) => {
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
        admit(&call(&events), denied()).unwrap_err();
        let second = call(&events);
        admit(&second, Ok(())).unwrap();
        second.ended(&Err(Error::ShuttingDown));
        drop(second);
        let third = call(&events);
        admit(&third, Ok(())).unwrap();
        third.started().unwrap();
        third.ended(&Err(Error::Interrupted));
        drop(third);
        let fourth = call(&events);
        fourth.started().unwrap();
        drop(fourth);
        drop(call(&events));
        events.refuse(&Principal::local(), "x", None, &Error::invalid("code", "is missing"));
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

    /// An observer that allows so many milliseconds.
    struct Bound(u64, Mutex<Vec<u64>>);

    impl Observer for Bound {
        fn begins(&self, _: &RunCall) -> Result<(), Error> {
            let used: u64 = self.1.lock().iter().sum();
            if used < self.0 { Ok(()) } else { Err(Error::Cancelled) }
        }

        fn used(&self, _: &RunCall, cpu_time_ms: u64) {
            self.1.lock().push(cpu_time_ms);
        }

        fn told(&self, _: &RunEvent) {}
    }

    #[test]
    fn what_a_run_used_is_counted_once_whoever_reads_events_and_bounds_what_waited() {
        let events = Events::default();
        let bound = Arc::new(Bound(50, Mutex::default()));
        events.observe_with(vec![Arc::<Bound>::clone(&bound)]);
        let mut usage = Usage::default();
        usage.set(Resource::CpuTimeMs, 50);
        let waits = call(&events);
        // There are more events than are kept, and nobody reads them.
        let _slow = events.read();
        for _ in 0..KEPT_EVENTS {
            let run = call(&events);
            run.started().unwrap();
            run.ended(&Err(Error::Interrupted));
        }
        let run = call(&events);
        run.started().unwrap();
        run.used(&usage, true);
        run.ended(&Err(Error::Interrupted));
        drop(run);
        assert!(matches!(waits.started(), Err(Error::Cancelled)));
        drop(waits);
        let counted = bound.1.lock().clone();
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

    /// An observer that admits so many calls, and writes down all that it hears.
    struct Witness(u64, Mutex<Vec<String>>);

    impl Observer for Witness {
        fn admits(&self, call: &RunCall, _: &ExecuteRequest, _: &Limits) -> Result<(), Error> {
            if call.number <= self.0 { Ok(()) } else { Err(Error::Unrecorded { reason: "it is full".into() }) }
        }

        fn told(&self, RunEvent { call, stage, times, limits }: &RunEvent) {
            let stage = match stage {
                RunStage::Admitted => "admitted",
                RunStage::Refused(failure) => failure.kind,
                RunStage::Started => "started",
                RunStage::Ended(_) => "ended",
            };
            assert!(times.started.is_none_or(|started| times.admitted <= Some(started) && started <= times.now));
            self.1.lock().push(format!("{} {stage} {}", call.number, limits.is_some()));
        }
    }

    #[test]
    fn an_observer_hears_everything_however_much_there_is_and_what_it_does_not_admit_is_refused() {
        let events = Events::default();
        let most = 2 * KEPT_EVENTS as u64;
        let witness = Arc::new(Witness(most, Mutex::default()));
        events.observe_with(vec![Arc::<Witness>::clone(&witness)]);
        // Nobody reads the stream meanwhile.
        let _slow = events.read();
        for _ in 0..most {
            let run = call(&events);
            admit(&run, Ok(())).unwrap();
            run.started().unwrap();
            run.ended(&Err(Error::Interrupted));
        }
        let refused = admit(&call(&events), Ok(())).unwrap_err();
        assert_eq!(refused.kind(), "unrecorded");
        let heard = witness.1.lock().clone();
        let expected: Vec<_> = (1..=most)
            .flat_map(|number| ["admitted", "started", "ended"].map(|stage| format!("{number} {stage} true")))
            .chain([format!("{} unrecorded true", most + 1)])
            .collect();
        assert_eq!(heard, expected);
    }
}
