//! Ending with the process that asked.

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use crate::failure::{Doing, Failure};

/// Has this process get a signal when its parent ends, and fails when that is
/// another one by now. A change of credentials undoes it.
pub(crate) fn end_with(parent: Pid, signal: Signal) -> Result<(), Failure> {
    prctl::set_pdeathsig(signal).doing("asking for a signal when the parent ends")?;
    if getppid() != parent {
        return Err(Failure::new("ending with the parent", "it is gone"));
    }
    Ok(())
}
