//! Programs of this machine, each in a process tree that the jailer confines.
//!
//! Nothing here decides how that is done; it decides what a program gets: which
//! parts of the file system, which user, which limits. `host` knows the
//! machine, `tier` tries what it can enforce, `runtime` turns a run into a
//! confinement, `executable` is the jailer that applies it, `supervise` takes
//! output and reports until nothing is left.

mod account;
mod cgroup;
mod delegation;
mod executable;
mod host;
mod inbox;
mod launch;
mod ownership;
mod packages;
mod runtime;
mod supervise;
mod temporary;
mod tier;
mod users;

pub use executable::jailer_command;
pub(crate) use executable::not_executable;
pub use runtime::{NativeHealth, NativeSettings};
pub(crate) use runtime::{NativeOrder, NativeRuntime};
pub use tier::Tier;
