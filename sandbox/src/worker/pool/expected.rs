//! What the server expects of a worker: replies to its orders, each within the
//! limits of its run. A worker keeps to them by itself, so one that does not was
//! broken into, and is ended before the server holds what it sends.

use std::collections::{HashMap, HashSet};

use crate::run::abi::{MARK_BYTES, RICH_OUTPUT_BYTES, text_bytes};
use crate::run::calls::{GuestCall, MAX_CALL_BYTES, MAX_CALLS, MAX_IN_FLIGHT, MAX_NAME_BYTES};
use crate::run::limits::{Limits, Resource};
use crate::run::outcome::{GuestError, MAX_RICH_OUTPUTS, Output, RichOutput};
use crate::run::report::{MAX_FILES, MAX_FILES_BYTES, RunReport};
use crate::worker::MAX_STATE_BYTES;
use crate::worker::wire::protocol::{FromWorker, OUTPUT_CHUNK_BYTES};
use crate::worker::wire::report::WorkerReport;

/// What messages have beside their contents, and those that are no report: the
/// reason of a failure is the longest of them.
const FRAME_BYTES: u64 = 1 << 20;

/// The orders that a worker has not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    open: HashMap<u64, Open>,
    /// The most orders that the worker had at once.
    most_open: usize,
    /// How often the worker asked for memory and has no answer.
    memory_asks: usize,
}

/// How often a worker may ask for memory beside once for each order that it had at
/// once: a thread waits for its answer, and there are as many threads and a few.
const SPARE_MEMORY_ASKS: usize = 64;

/// An order that is not answered, and what its run called so far.
#[derive(Debug)]
struct Open {
    expectation: Expectation,
    /// Calls that the worker has no answer to.
    calls: HashSet<u32>,
    /// How many calls there were.
    made: u32,
}

/// What is known of an order that matters for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expectation {
    pub(crate) limits: Limits,
    /// Whether it may save an interpreter.
    pub(crate) in_session: bool,
    /// Whether it may send output as it comes.
    pub(crate) live: bool,
}

/// What a worker did that none does.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lie {
    #[error("it answers an order that it was not given")]
    Unknown,
    #[error("its {what} may be {most} bytes long, and is {length}")]
    TooLong { what: &'static str, most: u64, length: u64 },
    #[error("it sends {0}, which nobody asked for")]
    Unasked(&'static str),
    #[error("its run may have {most} {what}, and this would be one more")]
    TooMany { what: &'static str, most: u64 },
    #[error("it gives a call the number {0}, which another has that is not answered")]
    CalledTwice(u32),
    #[error("it asks for memory while {0} of its questions are not answered")]
    TooManyAsks(usize),
}

impl Expectation {
    /// How long the report of this order may be.
    fn report_bytes(&self) -> u64 {
        let text = text_bytes(&self.limits) + MARK_BYTES;
        let said = 2 * self.limits.get(Resource::OutputBytes) + 4 * text + RICH_OUTPUT_BYTES + MARK_BYTES;
        let saved = if self.in_session { MAX_STATE_BYTES as u64 } else { 0 };
        said.saturating_add(saved).saturating_add(MAX_FILES_BYTES as u64)
    }

    fn check(&self, report: &WorkerReport) -> Result<(), Lie> {
        self.check_run(&report.ran)?;
        match &report.capture {
            Some(_) if !self.in_session => Err(Lie::Unasked("an interpreter")),
            Some(capture) => at_most("state", MAX_STATE_BYTES as u64, capture.state.len() as u64),
            None => Ok(()),
        }
    }

    fn check_run(&self, report: &RunReport) -> Result<(), Lie> {
        let text = text_bytes(&self.limits) + MARK_BYTES;
        let output = self.limits.get(Resource::OutputBytes);
        let kept = |output: &Output| output.bytes_kept();
        at_most("stdout", output, kept(&report.stdout))?;
        at_most("stderr", output, kept(&report.stderr))?;
        at_most("result", text, length(report.result.as_deref().unwrap_or_default()))?;
        if let Some(GuestError { name, value, traceback }) = &report.error {
            for (what, said) in [("name of an error", name), ("error", value), ("traceback", traceback)] {
                at_most(what, text, length(said))?;
            }
        }
        let shown = report.outputs.iter().flat_map(|RichOutput(bundle)| bundle);
        let shown = shown.map(|(mime, data)| length(mime) + length(data)).sum();
        at_most("rich output", RICH_OUTPUT_BYTES + MARK_BYTES, shown)?;
        let names = report.files.iter().map(|file| length(&file.path)).sum();
        at_most("list of files", MAX_FILES_BYTES as u64, names)
    }
}

impl Open {
    fn check(&mut self, number: u32, call: &GuestCall) -> Result<(), Lie> {
        at_most("name of a call", MAX_NAME_BYTES as u64, length(&call.name))?;
        at_most("call", MAX_CALL_BYTES as u64, call.bytes.len() as u64)?;
        if self.made >= MAX_CALLS {
            return Err(Lie::TooMany { what: "calls", most: u64::from(MAX_CALLS) });
        }
        if self.calls.len() >= MAX_IN_FLIGHT {
            return Err(Lie::TooMany { what: "calls in flight", most: MAX_IN_FLIGHT as u64 });
        }
        if !self.calls.insert(number) {
            return Err(Lie::CalledTwice(number));
        }
        self.made += 1;
        Ok(())
    }
}

impl Expected {
    pub(crate) fn add(&mut self, run: u64, expectation: Expectation) {
        self.open.insert(run, Open { expectation, calls: HashSet::new(), made: 0 });
        self.most_open = self.most_open.max(self.open.len());
    }

    /// A call of a run is about to be answered.
    pub(crate) fn answer_call(&mut self, run: u64, number: u32) {
        if let Some(open) = self.open.get_mut(&run) {
            open.calls.remove(&number);
        }
    }

    /// A question for memory is about to be answered.
    pub(crate) fn answer_memory(&mut self) {
        self.memory_asks = self.memory_asks.saturating_sub(1);
    }

    /// How long the next message may be.
    pub(crate) fn frame_bytes(&self) -> usize {
        let longest = self.open.values().map(|open| open.expectation.report_bytes()).max().unwrap_or(0);
        usize::try_from(longest.saturating_add(FRAME_BYTES)).unwrap_or(usize::MAX)
    }

    /// Whether a message is one that a worker may send now. An answer is
    /// expected once.
    pub(crate) fn check(&mut self, message: &FromWorker) -> Result<(), Lie> {
        match message {
            FromWorker::Finished { run, report } => {
                self.open.remove(run).ok_or(Lie::Unknown)?.expectation.check(report)
            }
            FromWorker::Failed { run, .. } | FromWorker::NotHere { run } | FromWorker::NoMemory { run, .. } => {
                self.open.remove(run).map(drop).ok_or(Lie::Unknown)
            }
            FromWorker::Output { run, bytes, .. } => match self.open.get(run) {
                Some(open) if open.expectation.live => at_most("output", OUTPUT_CHUNK_BYTES as u64, bytes.len() as u64),
                _ => Err(Lie::Unasked("output")),
            },
            FromWorker::Call { run, number, call } => {
                self.open.get_mut(run).ok_or(Lie::Unasked("a call"))?.check(*number, call)
            }
            FromWorker::Fault { run } => self.open.get(run).map(drop).ok_or(Lie::Unknown),
            FromWorker::MemoryAsk { .. } => {
                let most = self.most_open + SPARE_MEMORY_ASKS;
                if self.memory_asks >= most {
                    return Err(Lie::TooManyAsks(most));
                }
                self.memory_asks += 1;
                Ok(())
            }
            FromWorker::MemoryReturn { .. } => Ok(()),
        }
    }
}

const fn length(text: &str) -> u64 {
    text.len() as u64
}

const fn at_most(what: &'static str, most: u64, length: u64) -> Result<(), Lie> {
    if length > most { Err(Lie::TooLong { what, most, length }) } else { Ok(()) }
}

/// A list that is decoded has so many elements at most, each with a length of its
/// own: they fit into what a message has beside its contents.
const _: () = assert!(MAX_FILES * 24 + MAX_RICH_OUTPUTS * MAX_RICH_OUTPUTS * 10 < 900 << 10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::stream::Stream;
    use crate::worker::wire::report::Capture;
    use crate::workspace::entry::FileEntry;

    fn order(in_session: bool) -> Expectation {
        let mut limits = Limits::defaults();
        limits.set(Resource::OutputBytes, 32 << 10);
        Expectation { limits, in_session, live: false }
    }

    /// A report with as much of everything as there may be.
    fn full() -> WorkerReport {
        let text = "x".repeat((128 << 10) + MARK_BYTES as usize);
        let output = || Output { head: vec![0; 16 << 10], tail: vec![0; 16 << 10], bytes_seen: u64::MAX };
        let file = FileEntry { path: "f".repeat(250), size_bytes: u64::MAX, is_link: false };
        let ran = RunReport {
            stdout: output(),
            stderr: output(),
            result: Some(text.clone()),
            error: Some(GuestError { name: text.clone(), value: text.clone(), traceback: text }),
            outputs: vec![RichOutput(vec![("a/b".into(), "y".repeat(4 << 20))])],
            files: vec![file; MAX_FILES],
            ..RunReport::lost()
        };
        let (parts, tail) = (vec![u32::MAX; 4096], vec![9; 4096]);
        let capture = Some(Capture { keep: 9, parts, tail, state: vec![1; 4 << 20] });
        WorkerReport { ran, warm: true, capture, resident_bytes: u64::MAX }
    }

    fn finished(report: WorkerReport) -> FromWorker {
        FromWorker::Finished { run: 7, report: Box::new(report) }
    }

    #[test]
    fn a_report_of_everything_that_may_be_is_taken_and_one_byte_more_is_a_lie() {
        let mut expected = Expected::default();
        expected.add(7, order(true));
        let message = finished(full());
        let frame = postcard::to_stdvec(&message).unwrap().len();
        assert!(frame < expected.frame_bytes(), "{frame}");
        assert_eq!(expected.check(&message), Ok(()));
        // The order was answered: nothing more is expected.
        assert_eq!(expected.check(&message), Err(Lie::Unknown));
        assert_eq!(expected.frame_bytes(), FRAME_BYTES as usize);
        type Change = fn(&mut WorkerReport);
        let lies: [(&str, Change); 8] = [
            ("stdout", |report| report.ran.stdout.head.push(0)),
            ("stderr", |report| report.ran.stderr.tail.push(0)),
            ("result", |report| report.ran.result.as_mut().unwrap().push('x')),
            ("name of an error", |report| report.ran.error.as_mut().unwrap().name.push('x')),
            ("traceback", |report| report.ran.error.as_mut().unwrap().traceback.push('x')),
            ("rich output", |report| report.ran.outputs.push(RichOutput(vec![("a".into(), "z".repeat(600))]))),
            ("list of files", |report| report.ran.files[0].path = "f".repeat(20_000)),
            ("state", |report| report.capture.as_mut().unwrap().state.push(0)),
        ];
        for (what, change) in lies {
            let mut report = full();
            change(&mut report);
            expected.add(7, order(true));
            let Err(Lie::TooLong { what: found, .. }) = expected.check(&finished(report)) else { panic!("{what}") };
            assert_eq!(found, what);
        }
        expected.add(7, order(false));
        assert_eq!(expected.check(&finished(full())), Err(Lie::Unasked("an interpreter")));
    }

    #[test]
    fn a_worker_has_so_many_questions_for_memory_at_once_and_one_more_is_a_lie() {
        let mut expected = Expected::default();
        expected.add(7, order(false));
        let mut ask = || expected.check(&FromWorker::MemoryAsk { ask: 0, bytes: 1 });
        for _ in 0..=SPARE_MEMORY_ASKS {
            ask().unwrap();
        }
        assert_eq!(ask(), Err(Lie::TooManyAsks(SPARE_MEMORY_ASKS + 1)));
        expected.answer_memory();
        expected.check(&FromWorker::MemoryAsk { ask: 0, bytes: 1 }).unwrap();
    }

    fn call(run: u64, number: u32, name: &str, bytes: usize) -> FromWorker {
        FromWorker::Call { run, number, call: GuestCall { name: name.to_owned(), bytes: vec![0; bytes] } }
    }

    #[test]
    fn calls_are_taken_within_the_bounds_of_their_run_and_one_more_is_a_lie() {
        let mut expected = Expected::default();
        let no_order = Err(Lie::Unasked("a call"));
        assert_eq!(expected.check(&call(7, 0, "a", 0)), no_order);
        expected.add(7, order(false));
        assert_eq!(expected.check(&call(8, 0, "a", 0)), no_order, "of another run");
        let longest = call(7, 0, &"n".repeat(MAX_NAME_BYTES), MAX_CALL_BYTES);
        assert!(postcard::to_stdvec(&longest).unwrap().len() < expected.frame_bytes());
        expected.check(&longest).unwrap();
        for (lie, what) in [
            (call(7, 1, &"n".repeat(MAX_NAME_BYTES + 1), 0), "name of a call"),
            (call(7, 1, "a", MAX_CALL_BYTES + 1), "call"),
        ] {
            assert!(matches!(expected.check(&lie), Err(Lie::TooLong { what: found, .. }) if found == what), "{what}");
        }
        assert_eq!(expected.check(&call(7, 0, "a", 0)), Err(Lie::CalledTwice(0)));
        let most = u32::try_from(MAX_IN_FLIGHT).unwrap();
        (1..most).for_each(|number| expected.check(&call(7, number, "a", 0)).unwrap());
        let refused = expected.check(&call(7, most, "a", 0));
        assert_eq!(refused, Err(Lie::TooMany { what: "calls in flight", most: MAX_IN_FLIGHT as u64 }));
        // What is answered is in flight no more; a number may be given again.
        expected.answer_call(7, 3);
        expected.check(&call(7, 3, "a", 0)).unwrap();
        for _ in most + 1..MAX_CALLS {
            expected.answer_call(7, 3);
            expected.check(&call(7, 3, "a", 0)).unwrap();
        }
        expected.answer_call(7, 3);
        let refused = expected.check(&call(7, 3, "a", 0));
        assert_eq!(refused, Err(Lie::TooMany { what: "calls", most: u64::from(MAX_CALLS) }));
        // The calls are over with their run.
        expected.check(&finished(WorkerReport { capture: None, ..full() })).unwrap();
        assert_eq!(expected.check(&call(7, 3, "a", 0)), no_order);
    }

    #[test]
    fn what_nobody_asked_for_is_a_lie() {
        let mut expected = Expected::default();
        let output = FromWorker::Output { run: 7, stream: Stream::Stdout, bytes: vec![0; 9] };
        let failed = FromWorker::Failed { run: 7, reason: String::new(), passes: true };
        for message in [&output, &failed, &FromWorker::NotHere { run: 7 }, &FromWorker::Fault { run: 7 }] {
            assert!(expected.check(message).is_err(), "{message:?}");
        }
        expected.add(7, order(false));
        assert_eq!(expected.check(&output), Err(Lie::Unasked("output")));
        expected.add(7, Expectation { live: true, ..order(false) });
        expected.check(&output).unwrap();
        let long = FromWorker::Output { run: 7, stream: Stream::Stdout, bytes: vec![0; OUTPUT_CHUNK_BYTES + 1] };
        expected.check(&long).unwrap_err();
        expected.check(&failed).unwrap();
    }
}
