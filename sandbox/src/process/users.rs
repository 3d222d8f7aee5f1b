//! Users of the host that exist for one run each. Only root can become another
//! user; for everyone else there are none.

#![expect(clippy::disallowed_methods, reason = "reads which ids there are")]

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use jailer::Identity;

use crate::lock::lock;

/// Above what distributions, systemd and container engines hand out.
const FIRST: u32 = 1_879_048_192;
/// Where only few ids are mapped, as in a container without a range of its own.
const FIRST_IN_CONTAINER: u32 = 61_184;
/// More than run at once.
const COUNT: u32 = 4096;

/// Hands out users.
#[derive(Clone, Debug)]
pub(super) struct Users {
    first: u32,
    taken: Arc<Mutex<BTreeSet<u32>>>,
}

/// A user that nobody else is until this is dropped.
#[derive(Debug)]
pub(super) struct OwnUser {
    users: Users,
    number: u32,
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
        Ok(Some(Self { first, taken: Arc::default() }))
    }

    pub(super) fn take(&self) -> Option<OwnUser> {
        let mut taken = lock(&self.taken);
        let number = (0..COUNT).find(|number| !taken.contains(number))?;
        taken.insert(number);
        Some(OwnUser { users: self.clone(), number })
    }
}

impl OwnUser {
    pub(super) const fn identity(&self) -> Identity {
        let id = self.users.first + self.number;
        Identity { uid: id, gid: id }
    }
}

impl Drop for OwnUser {
    fn drop(&mut self) {
        lock(&self.users.taken).remove(&self.number);
    }
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
    fn a_user_is_one_runs_alone() {
        let users = Users { first: FIRST, taken: Arc::default() };
        let one = users.take().unwrap();
        let other = users.take().unwrap();
        assert_ne!(one.identity(), other.identity());
        let id = one.identity();
        drop(one);
        assert_eq!(users.take().unwrap().identity(), id);
    }
}
