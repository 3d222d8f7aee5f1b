//! Joining control groups, while this process still may.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use crate::failure::{Doing, Failure};

/// Joins the groups that these `cgroup.procs` files belong to.
pub(crate) fn join(groups: Vec<OwnedFd>) -> Result<(), Failure> {
    groups.into_iter().try_for_each(|procs| {
        // Zero is the process that writes.
        File::from(procs).write_all(b"0").doing("writing to cgroup.procs")
    })
}
