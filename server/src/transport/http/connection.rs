//! One connection as its socket, its requests and the server see it, and all of
//! them together: where there are too many, one on which nothing goes on that was
//! admitted makes room. Anybody can have requests refused, and leave the answers unread.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use crate::caller::Held;

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    places: Arc<Semaphore>,
    /// Connections that may make room, in the order in which they came to that.
    spare: Mutex<Spare>,
}

#[derive(Debug, Default)]
struct Spare {
    next: u64,
    by_age: BTreeMap<u64, CancellationToken>,
}

impl Connections {
    /// All connections, at most `most` at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, places: Arc::new(Semaphore::new(most)), spare: Mutex::default() })
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// Has the connection that has been spare for the longest make room. False when
    /// every one is busy.
    pub(super) fn evict(&self) -> bool {
        let oldest = self.spare.lock().by_age.pop_first();
        oldest.map(|(_, leave)| leave.cancel()).is_some()
    }

    /// A new connection. It waits until the one that has been spare for the longest has
    /// gone, if there is no place.
    ///
    /// # Errors
    ///
    /// When every one is busy.
    pub(super) async fn enter(self: &Arc<Self>) -> Result<Arc<Connection>, Refusal> {
        let place = loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                break place;
            }
            if !self.evict() {
                return Err(Refusal::NoConnection);
            }
            if let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
                break place;
            }
        };
        let connection = Connection {
            all: Arc::clone(self),
            leave: CancellationToken::new(),
            state: Mutex::default(),
            _place: place,
        };
        connection.become_spare(&mut connection.state.lock());
        Ok(Arc::new(connection))
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    /// Cancelled when the connection is to make room.
    leave: CancellationToken,
    state: Mutex<State>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the connection among those that are spare.
    spare: Option<u64>,
    /// Requests whose answers are not with the kernel. hyper reads the next while the
    /// answer before is still on its way out.
    open: usize,
    /// Open requests that were admitted, and keep the connection from making room.
    admitted: usize,
    /// Answers that are on their way out.
    answered: Vec<Answered>,
}

/// What an answer holds that is on its way out.
#[derive(Debug)]
struct Answered {
    held: Arc<Held>,
    /// The place of the request, if it was admitted.
    place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Waits until the connection is to make room.
    pub(super) async fn leave(&self) {
        self.leave.cancelled().await;
    }

    /// Whether the connection waits for a request.
    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().open == 0
    }

    /// Counts a request that has come.
    pub(super) fn begin(&self) {
        self.state.lock().open += 1;
    }

    /// Counts a request as admitted: somebody known waits for its answer.
    pub(super) fn admit(&self) {
        let mut state = self.state.lock();
        state.admitted += 1;
        self.leave_spare(&mut state);
    }

    /// Counts a request as refused that was admitted before.
    pub(super) fn dismiss(&self) {
        let mut state = self.state.lock();
        state.admitted = state.admitted.saturating_sub(1);
        self.become_spare(&mut state);
    }

    /// Counts an answer as on its way out, with the place that its request has if it was admitted.
    pub(super) fn answered(&self, held: Arc<Held>, place: Option<OwnedSemaphorePermit>) {
        self.state.lock().answered.push(Answered { held, place });
    }

    /// Counts all that was to be written as with the kernel. Says whether the
    /// connection is idle from here on.
    pub(super) fn flushed(&self) -> bool {
        let mut state = self.state.lock();
        if state.answered.is_empty() {
            return false;
        }
        let answered = std::mem::take(&mut state.answered);
        state.open = state.open.saturating_sub(answered.len());
        let were_admitted = answered.iter().filter(|answer| answer.place.is_some()).count();
        state.admitted = state.admitted.saturating_sub(were_admitted);
        self.become_spare(&mut state);
        let is_idle = state.open == 0;
        drop(state);
        answered.iter().for_each(|answer| answer.held.release());
        is_idle
    }

    fn leave_spare(&self, state: &mut State) {
        if let Some(number) = state.spare.take() {
            self.all.spare.lock().by_age.remove(&number);
        }
    }

    /// Makes the connection the newest of those that are spare, unless something goes
    /// on that was admitted.
    fn become_spare(&self, state: &mut State) {
        self.leave_spare(state);
        if state.admitted > 0 || self.leave.is_cancelled() {
            return;
        }
        let mut spare = self.all.spare.lock();
        let number = spare.next;
        spare.next += 1;
        spare.by_age.insert(number, self.leave.clone());
        state.spare = Some(number);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        self.leave_spare(&mut state);
        let answered = std::mem::take(&mut state.answered);
        drop(state);
        answered.iter().for_each(|answer| answer.held.release());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::*;

    const CONNECTIONS: usize = 4;
    /// Far more than anything here takes: whoever is waited for so long does not come.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn place() -> Option<OwnedSemaphorePermit> {
        Arc::new(Semaphore::new(1)).try_acquire_owned().ok()
    }

    #[tokio::test]
    async fn the_connection_that_has_been_idle_for_the_longest_makes_room_and_a_busy_one_does_not() {
        let all = Connections::new(CONNECTIONS);
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(all.enter().await.unwrap());
        }
        // The second has had a request since, and the first has one.
        for busy in &connections[..2] {
            busy.begin();
            busy.admit();
        }
        connections[1].answered(Held::new(TaskTracker::new()), place());
        connections[1].flushed();
        let third = connections.remove(2);
        let (entered, ()) = tokio::join!(all.enter(), async {
            timeout(PATIENCE, third.leave()).await.unwrap();
            drop(third);
        });
        connections.push(entered.unwrap());
        assert!(connections.iter().all(|connection| !connection.leave.is_cancelled()));
        for connection in &connections {
            connection.begin();
            connection.admit();
        }
        assert!(matches!(all.enter().await, Err(Refusal::NoConnection)));
        drop(connections);
        assert_eq!(all.places.available_permits(), CONNECTIONS);
        assert!(all.spare.lock().by_age.is_empty());
    }

    #[tokio::test]
    async fn a_request_that_came_before_the_answer_to_another_was_out_keeps_its_connection_busy() {
        let all = Connections::new(CONNECTIONS);
        let connection = all.enter().await.unwrap();
        let answered = || connection.answered(Held::new(TaskTracker::new()), place());
        let begin = || {
            connection.begin();
            connection.admit();
        };
        begin();
        answered();
        begin();
        assert!(!connection.flushed() && !connection.is_idle() && !all.evict());
        answered();
        assert!(connection.flushed() && connection.is_idle());
        drop(connection);
        assert!(all.spare.lock().by_age.is_empty());
    }

    #[tokio::test]
    async fn requests_that_are_not_admitted_keep_no_connection_from_making_room() {
        let all = Connections::new(CONNECTIONS);
        let connection = all.enter().await.unwrap();
        // Refused, the answer unread, and another begun.
        connection.begin();
        connection.answered(Held::new(TaskTracker::new()), None);
        connection.begin();
        assert!(!connection.is_idle());
        connection.admit();
        assert!(!all.evict(), "somebody known waits for an answer");
        connection.dismiss();
        assert!(all.evict() && connection.leave.is_cancelled());
        assert!(!all.evict(), "it is about to go");
        drop(connection);
        assert_eq!(all.places.available_permits(), CONNECTIONS);
    }

    #[tokio::test]
    async fn what_an_answer_holds_is_let_go_of_when_it_is_out_or_nobody_is_left_to_take_it() {
        let all = Connections::new(CONNECTIONS);
        let connection = all.enter().await.unwrap();
        let kept = Arc::new(());
        let held = |connection: &Arc<Connection>| {
            connection.begin();
            let held = Held::new(TaskTracker::new());
            held.keep(Arc::clone(&kept));
            connection.answered(held, None);
        };
        held(&connection);
        assert!(Arc::strong_count(&kept) == 2 && !connection.is_idle());
        connection.flushed();
        assert!(Arc::strong_count(&kept) == 1 && connection.is_idle());
        held(&connection);
        drop(connection);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}
