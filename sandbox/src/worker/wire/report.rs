//! How a run ended, as its worker tells it.

use serde::{Deserialize, Serialize};

use crate::codec::bounded::at_most;
use crate::run::report::RunReport;

/// The most parts of one capture. A memory of 32 bits makes a quarter.
pub(crate) const MAX_PARTS: usize = 4096;

/// What a worker says of a run that ended in order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorkerReport {
    pub(crate) ran: RunReport,
    /// Whether an instance was there already, reset or with the session's state.
    pub(crate) warm: bool,
    /// The session's interpreter, unless the run destroyed it.
    pub(crate) capture: Option<Capture>,
    /// How much memory of its image that interpreter has made its own.
    pub(crate) resident_bytes: u64,
}

/// An interpreter as a worker saved it after a run. The bytes are in the
/// transfer; nobody but a worker reads them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Capture {
    /// How many of the parts that were saved before still count.
    pub(crate) keep: usize,
    /// The lengths of new parts, which follow those.
    #[serde(deserialize_with = "at_most::<MAX_PARTS, _, _>")]
    pub(crate) parts: Vec<u32>,
    /// The lengths of the parts of the new tail.
    #[serde(deserialize_with = "at_most::<MAX_PARTS, _, _>")]
    pub(crate) tail: Vec<u32>,
    /// What is to be given back with [`Interpreter::Saved`](crate::worker::Interpreter::Saved).
    pub(crate) state: Vec<u8>,
}
