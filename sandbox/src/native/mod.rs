//! Programs of this machine, each in a process tree that the jailer confines.
//!
//! Nothing here decides how that is done; it decides what a program gets: which
//! parts of the file system, which user, which limits. `interpreter` finds the
//! program and what is shown for it (`private`: what must not be), `tier` tries
//! what the machine can enforce. `runtime` keeps what came of both. `launch` is
//! one run: `inbox` is what the program is given, `handed` and `ownership` pass
//! its files on and back, `confinement` is what the jailer is told, `supervise`
//! takes output and reports until nothing is left, `ending` and `pictures` make
//! a report of that.

mod account;
pub(crate) mod calls;
mod cgroup;
mod confinement;
mod ending;
mod granted;
mod handed;
mod inbox;
mod interpreter;
mod launch;
mod ownership;
mod pictures;
mod private;
mod runtime;
mod settings;
mod supervise;
mod temporary;
mod tier;
mod users;

pub use interpreter::Shown;
pub(crate) use launch::NativeReport;
pub(crate) use private::{Guarded, Kind, Private};
pub(crate) use runtime::NativeRuntime;
pub use runtime::{NativeHealth, NativeSettings};
pub use tier::{MinimumTier, Tier};
