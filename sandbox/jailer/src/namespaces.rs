//! New namespaces, all at once, with this user mapped to one that is not root
//! in there.

use std::fs;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid, sethostname};

use crate::failure::{Doing, Failure};

/// The user and the group inside.
const INSIDE_ID: u32 = 1000;

/// Enters a new mount namespace alone, as root.
pub(crate) fn enter_mounts() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNS).doing("unshare")
}

/// What a program in namespaces takes its machine for.
pub const HOSTNAME: &str = "sandbox";

/// Enters new namespaces. The process namespace begins with the next child.
pub(crate) fn enter() -> Result<(), Failure> {
    let (uid, gid) = (geteuid(), getegid());
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(all).doing("unshare")?;
    // Without a right in the namespace outside, groups can be mapped only once
    // they cannot be left.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{INSIDE_ID} {uid} 1"))?;
    write("/proc/self/gid_map", &format!("{INSIDE_ID} {gid} 1"))?;
    sethostname(HOSTNAME).doing("setting the host name")
}

#[expect(clippy::disallowed_methods, reason = "the maps of its own user namespace")]
fn write(path: &str, text: &str) -> Result<(), Failure> {
    fs::write(path, text).doing_at("writing", Path::new(path))
}
