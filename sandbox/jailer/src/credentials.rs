//! Becoming another user of the host, for a server that runs as root.

use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::capabilities;
use crate::confinement::Identity;
use crate::failure::{Doing, Failure};

/// Becomes the user of `identity`, with no way back and no other group.
pub(crate) fn become_user(identity: Identity) -> Result<(), Failure> {
    if identity.uid == 0 || identity.gid == 0 {
        return Err(Failure::new("becoming another user", "root is none"));
    }
    // The bounding set needs a capability that becoming another user takes away.
    capabilities::drop_bounding()?;
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    setgroups(&[]).doing("leaving all groups")?;
    setresgid(gid, gid, gid).doing("changing the group")?;
    setresuid(uid, uid, uid).doing("changing the user")?;
    // A change of user leaves the files of this process in /proc to root; the
    // maps of a user namespace are among them.
    prctl::set_dumpable(true).doing("making the process its new user's")
}
