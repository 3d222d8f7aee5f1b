//! What answers the calls of programs: a file for each, and the table of them.
//! Which of them a program may make its policy says, before anything here is
//! asked.

mod display;
mod progress;

use std::sync::Arc;

use sandbox::{Answer, Answering, CallError, CallHandler, GuestCall, Principal};
use serde::de::DeserializeOwned;

/// How far a program says it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) message: String,
    /// How much of its work is done, from 0 to 1.
    pub(crate) fraction: Option<f64>,
}

/// Who sees what a program tells while it runs. Called on the event loop: must
/// not block.
pub(crate) trait Audience: Send + Sync {
    fn step(&self, step: Step);

    /// Shows the text form of what the program displayed.
    fn displayed(&self, text: &str);
}

/// One run, as its handlers have it.
pub(crate) struct Context {
    /// The principal that the run belongs to.
    #[expect(dead_code, reason = "handlers that reach what belongs to somebody need it")]
    pub(crate) principal: Principal,
    /// Who follows the run, if anyone does.
    pub(crate) audience: Option<Arc<dyn Audience>>,
}

/// A call that programs may make.
struct Entry {
    name: &'static str,
    answer: fn(&Arc<Context>, &[u8]) -> Answering,
}

/// All calls that programs may make.
const CALLS: [Entry; 2] = [
    Entry { name: sandbox::DISPLAY, answer: |context, bytes| at_once(display::answer(context, bytes)) },
    Entry { name: progress::NAME, answer: |context, bytes| at_once(progress::answer(context, bytes)) },
];

/// The names of all calls.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|entry| entry.name)
}

/// Answers the calls of one run.
pub(crate) struct Handlers(Arc<Context>);

impl Handlers {
    pub(crate) fn of(context: Context) -> Arc<dyn CallHandler> {
        Arc::new(Self(Arc::new(context)))
    }
}

impl CallHandler for Handlers {
    fn answer(&self, call: GuestCall) -> Answering {
        match CALLS.iter().find(|entry| entry.name == call.name) {
            Some(entry) => (entry.answer)(&self.0, &call.bytes),
            None => {
                let known: Vec<_> = names().map(|name| format!("`{name}`")).collect();
                let reason = format!("nothing answers `{}` here; there are {}", call.name, known.join(", "));
                at_once(Err(CallError::Failed(reason)))
            }
        }
    }
}

/// An answer that was not waited for.
fn at_once(answer: Answer) -> Answering {
    Box::pin(std::future::ready(answer))
}

/// What a call says: one JSON object.
fn decode<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(bytes).map_err(|error| CallError::Failed(format!("`{name}` does not take this: {error}")))
}

/// An answer that says no more than that it was done.
fn done() -> Vec<u8> {
    b"null".to_vec()
}
