//! Users of the host that exist for one run each. Only root can become another
//! user; for everyone else there are none.
//!
//! Servers of one machine share them: each that is in use is locked in a
//! directory of root's, and the kernel unlocks those of a server that is gone.

#![expect(clippy::disallowed_methods, reason = "reads which ids there are")]

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use jailer::Identity;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};

/// The first of these users: above what distributions, systemd and container engines hand out.
const FIRST: u32 = 1_879_048_192;
/// The first of these users where only few ids are mapped, as in a container without a
/// range of its own.
const FIRST_IN_CONTAINER: u32 = 61_184;
/// How many of these users there are: more than run at once.
const COUNT: u32 = 4096;

/// Where users are locked, in the first of these that root can write to: all
/// servers of a machine must find the same.
const PLACES: [&str; 2] = ["/run/belljar-users", "/dev/shm/belljar-users"];

/// Hands out users.
#[derive(Clone, Debug)]
pub(super) struct Users {
    first: u32,
    locks: Arc<File>,
}

/// A user that nobody else is until this is dropped.
#[derive(Debug)]
pub(super) struct OwnUser {
    id: u32,
    _lock: Flock<File>,
}

impl Users {
    /// The users that this process may become; `None` when it is not root.
    pub(super) fn of_this_process() -> Result<Option<Self>, String> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        let map = id_map().map_err(|error| format!("the ids of this user namespace are unknown: {error}"))?;
        let is_mapped = |first: &u32| {
            let last = u64::from(*first) + u64::from(COUNT);
            map.iter().any(|(inside, count)| {
                u64::from(*inside) <= u64::from(*first) && last <= u64::from(*inside) + u64::from(*count)
            })
        };
        let first = [FIRST, FIRST_IN_CONTAINER].into_iter().find(is_mapped);
        let first = first.ok_or("no range of user ids is free for runs in this user namespace")?;
        let mut reasons = Vec::new();
        for place in PLACES {
            match directory_of_root(place) {
                Ok(directory) => return Ok(Some(Self { first, locks: Arc::new(directory) })),
                Err(error) => reasons.push(format!("{place}: {error}")),
            }
        }
        Err(format!("users of runs cannot be kept from other servers: {}", reasons.join("; ")))
    }

    /// A user that is free on this machine.
    pub(super) fn take(&self) -> io::Result<Option<OwnUser>> {
        for id in self.first..self.first + COUNT {
            if let Some(lock) = self.lock(id)? {
                return Ok(Some(OwnUser { id, _lock: lock }));
            }
        }
        Ok(None)
    }

    fn lock(&self, id: u32) -> io::Result<Option<Flock<File>>> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(self.locks.as_fd(), id.to_string().as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        match Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

impl OwnUser {
    pub(super) const fn identity(&self) -> Identity {
        Identity { uid: self.id, gid: self.id }
    }
}

/// Makes and opens a directory in which nobody but root can put anything.
fn directory_of_root(path: &str) -> io::Result<File> {
    match mkdirat(AT_FDCWD, path, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = File::from(openat(AT_FDCWD, path, flags, Mode::empty())?);
    let found = fstat(&directory)?;
    if found.st_uid != 0 || found.st_mode & 0o022 != 0 {
        return Err(io::Error::other("it must belong to root, and nobody else may write there"));
    }
    Ok(directory)
}

/// The ids of this user namespace: where each range starts, and how long it is.
fn id_map() -> io::Result<Vec<(u32, u32)>> {
    let text = std::fs::read_to_string("/proc/self/uid_map")?;
    let range = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.nth(1)?.parse().ok()?))
    };
    Ok(text.lines().filter_map(range).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_one_runs_alone_whichever_server_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let server = || Users { first: FIRST, locks: Arc::new(File::open(directory.path()).unwrap()) };
        let (one, other) = (server(), server());
        let taken = [&one, &other, &one].map(|users| users.take().unwrap().unwrap());
        let ids: std::collections::BTreeSet<_> = taken.iter().map(|user| user.identity().uid).collect();
        assert_eq!(ids.len(), 3);
        drop(taken);
        assert_eq!(other.take().unwrap().unwrap().identity().uid, FIRST);
    }
}
