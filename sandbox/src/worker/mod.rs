//! Both ends of the connection between the server and the processes that
//! guests run in.

mod child;
mod frame;
mod lease;
mod pool;
mod protocol;
mod serve;

pub(crate) use child::compile;
pub use child::role;
pub(crate) use pool::{Images, Pool, PoolSettings, RunEnd};
pub use pool::{LiveOutput, PoolHealth};
pub(crate) use protocol::{RunOrder, RunReport};
