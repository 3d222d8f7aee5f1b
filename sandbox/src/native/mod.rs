//! Programs of this machine, each in a process tree that the jailer confines.
//!
//! Nothing here decides how that is done; it decides what a program gets: which
//! parts of the file system, which user, which limits. `host` knows the
//! machine (`lookup` finds a program, `layout` its libraries, `private` what must
//! not be seen), `tier` tries what it can enforce, `found` keeps what came of
//! that, `runtime` turns a run into a
//! confinement, `executable` is the jailer that applies it, `supervise` takes
//! output and reports until nothing is left.

mod account;
mod cgroup;
mod confinement;
mod ending;
mod handed;
mod inbox;
mod interpreter;
mod launch;
mod ownership;
mod pictures;
mod private;
mod runtime;
mod supervise;
mod temporary;
mod tier;
mod users;

pub use interpreter::Shown;
pub(crate) use launch::NativeReport;
pub(crate) use private::{Kind, Private};
pub(crate) use runtime::NativeRuntime;
pub use runtime::{NativeHealth, NativeSettings};
pub use tier::Tier;
