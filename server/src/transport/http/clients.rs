//! Everybody who calls, each with a [`Client`] of its own: nothing that one has open
//! takes from the room of another, and no id of one means anything to another.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sandbox::Principal;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::WholeRoom;
use super::bounds::{CLIENTS, SHARES};
use super::client::Client;
use super::long::LongMessages;
use super::refusal::Refusal;
use super::sessions::AllSessions;
use crate::service::Service;
use crate::transport::total::Total;

/// All principals that call.
pub(super) struct Clients {
    shared: Shared,
    known: Mutex<HashMap<Principal, Known<Client>>>,
}

/// What all principals have together.
pub(super) struct Shared {
    pub(super) service: Arc<Service>,
    /// How long a run may take.
    pub(super) longest: Duration,
    /// Cancelled when clients are served no more.
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) long: Arc<LongMessages>,
    /// The most connections of one principal.
    pub(super) most_connections: usize,
    pub(super) room: WholeRoom,
    pub(super) unsent: Total,
    pub(super) mcp_sessions: AllSessions,
}

/// A principal that has called.
struct Known<T> {
    client: Arc<T>,
    used: Instant,
}

impl Clients {
    /// No clients yet. They are served until `stop`, and share so many connections.
    ///
    /// # Errors
    ///
    /// When there can be no more threads.
    pub(super) fn new(
        service: &Arc<Service>,
        stop: &CancellationToken,
        tasks: &TaskTracker,
        connections: usize,
    ) -> io::Result<Self> {
        let shared = Shared {
            service: Arc::clone(service),
            longest: service.longest_run(),
            stop: stop.clone(),
            tasks: tasks.clone(),
            long: Arc::new(LongMessages::new()?),
            most_connections: (connections / SHARES).max(1),
            room: WholeRoom::default(),
            unsent: Total::default(),
            mcp_sessions: AllSessions::default(),
        };
        Ok(Self { shared, known: Mutex::default() })
    }

    /// The client of this principal. Whoever holds it keeps it from being forgotten.
    pub(super) fn of(&self, principal: &Principal) -> Result<Arc<Client>, Refusal> {
        let new = || Client::new(&self.shared, principal.clone());
        enter(&mut self.known.lock(), principal, CLIENTS, new).ok_or(Refusal::NoClient)
    }
}

/// The client of `principal`, which is made unless it is known. Of too many the longest
/// unused of those that have nothing going on is forgotten, and its sessions end.
fn enter<T>(
    known: &mut HashMap<Principal, Known<T>>,
    principal: &Principal,
    most: usize,
    new: impl FnOnce() -> T,
) -> Option<Arc<T>> {
    if let Some(known) = known.get_mut(principal) {
        known.used = Instant::now();
        return Some(Arc::clone(&known.client));
    }
    if known.len() >= most {
        let idle = known.iter().filter(|(_, known)| Arc::strong_count(&known.client) == 1);
        let longest = idle.min_by_key(|(_, known)| known.used).map(|(principal, _)| principal.clone())?;
        known.remove(&longest);
    }
    let client = Arc::new(new());
    known.insert(principal.clone(), Known { client: Arc::clone(&client), used: Instant::now() });
    Some(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_the_longest_unused_is_forgotten_and_none_with_something_going_on() {
        let mut known = HashMap::new();
        let mut enter = |name: &str| enter(&mut known, &Principal::new(name).unwrap(), 3, || name.to_owned());
        let busy = enter("a").unwrap();
        for name in ["b", "c", "b"] {
            assert_eq!(*enter(name).unwrap(), name);
        }
        // The first is busy, the third was used before the second.
        let others: Vec<_> = ["d", "b"].map(|name| enter(name).unwrap()).into();
        assert!(enter("e").is_none(), "all are busy");
        assert!(Arc::ptr_eq(&enter("a").unwrap(), &busy));
        drop(others);
        assert_eq!(*enter("e").unwrap(), "e");
    }
}
