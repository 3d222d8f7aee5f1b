//! Both ends of the connection between the server and the processes that
//! guests run in.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod inside;
pub(crate) mod pool;
pub(crate) mod wire;

/// What a worker may save beside memory: open files and the list of segments.
pub(crate) const MAX_STATE_BYTES: usize = 4 << 20;

pub use pool::PoolHealth;
pub(crate) use pool::RunEnd;
pub(crate) use pool::{CompiledImage, Pool, PoolSettings, saved_bytes};
pub(crate) use wire::protocol::{Interpreter, RunOrder, SessionOrder};
pub(crate) use wire::report::{Capture, WorkerReport};
pub(crate) use wire::transfer::{Transfer, Transfers};
