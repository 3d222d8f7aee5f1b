//! What a program may ask of the kernel, as tables with a reason on each line.
//! And what a worker may: [`worker`], which shares nothing with the others.
//!
//! - [`common`]: calls that both architectures have.
//! - `x86_64`, `aarch64`: calls that only this one has.
//!
//! Without namespaces a program shares its user, and so the owner of its
//! files, with other processes of the host, and Landlock does not know of
//! owners, modes and times. What works by path on those is for programs with
//! namespaces only.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod common;
mod set_ids;
pub(crate) mod worker;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as architecture;
use nix::libc;
#[cfg(target_arch = "x86_64")]
use x86_64 as architecture;

pub(crate) use self::set_ids::SET_IDS;
use crate::failure::Failure;
use crate::seccomp::{Filter, Table};

/// The filter of a program. Whether it has namespaces of its own, and whether a
/// control group counts its memory.
pub(crate) fn program(namespaces: bool, cgroups: bool) -> Result<Filter, Failure> {
    with_table(namespaces, cgroups, Filter::compile)
}

pub(crate) fn with_table<T>(namespaces: bool, cgroups: bool, make: impl FnOnce(&Table<'_>) -> T) -> T {
    let mut refused = vec![(libc::ENOSYS, common::ABSENT), (libc::EOPNOTSUPP, common::UNRESERVED)];
    if !namespaces {
        refused.push((libc::EOPNOTSUPP, common::UNSUPPORTED));
        refused.extend([(0, common::IGNORED), (0, architecture::IGNORED)]);
    }
    let mut allowed = vec![common::ALLOWED, architecture::ALLOWED];
    if namespaces {
        allowed.extend([common::ALLOWED_IN_NAMESPACES, architecture::ALLOWED_IN_NAMESPACES]);
    }
    if cgroups {
        allowed.push(common::ALLOWED_IN_CGROUPS);
    }
    make(&Table { refused: &refused, allowed: &allowed })
}
