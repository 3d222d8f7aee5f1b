//! Both ends of the connection between the server and the processes that
//! guests run in.

mod expected;
mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handle;
mod lease;
mod pool;
mod preparation;
mod protocol;
pub(crate) mod serve;
mod transfer;

/// What a worker may save beside memory: open files and the list of segments.
pub(crate) const MAX_STATE_BYTES: usize = 4 << 20;

pub(crate) use handle::RunEnd;
pub use pool::PoolHealth;
pub(crate) use pool::{Images, Pool, PoolSettings, saved_bytes};
pub(crate) use protocol::{Interpreter, RunOrder, SessionOrder};
pub(crate) use transfer::{Transfer, Transfers};
