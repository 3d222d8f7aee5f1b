//! Both ends of the connection between the server and the processes that
//! guests run in.

mod child;
mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handle;
mod lease;
mod pool;
mod preparation;
mod protocol;
mod serve;
mod transfer;

pub use child::role;
pub(crate) use child::{Role, Spawner, StartedChild, compile};
pub use handle::LiveOutput;
pub(crate) use handle::RunEnd;
pub use pool::PoolHealth;
pub(crate) use pool::{Images, Pool, PoolSettings, saved_bytes};
pub(crate) use protocol::{Capture, Interpreter, RunOrder, RunReport, SessionOrder};
pub(crate) use transfer::{Transfer, Transfers};
