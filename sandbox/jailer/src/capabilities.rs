//! Giving up capabilities: all sets, and for all programs that are executed
//! from here on.

use std::io;

use nix::libc;

use crate::failure::{Doing, Failure};
use crate::sys;

/// Empties the bounding set. A process that may not do so has no capability to lose
/// either, and `no_new_privs` keeps it so.
pub(crate) fn drop_bounding() -> Result<(), Failure> {
    for capability in 0.. {
        match sys::drop_bounding_capability(capability).map_err(|error| error.raw_os_error()) {
            Ok(()) => {}
            Err(Some(libc::EINVAL)) => break,
            Err(Some(libc::EPERM)) if capability == 0 => break,
            Err(errno) => {
                let error = errno.map_or_else(io::Error::last_os_error, io::Error::from_raw_os_error);
                return Err(error).doing("emptying the bounding set");
            }
        }
    }
    Ok(())
}

/// Empties all sets.
pub(crate) fn drop_all() -> Result<(), Failure> {
    drop_bounding()?;
    sys::clear_ambient_capabilities().doing("clearing ambient capabilities")?;
    sys::clear_capabilities().doing("clearing capabilities")
}
