//! One connection as its socket, its requests and the server see it, and all of
//! them together: where there are too many, one that is idle makes room.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::bounds::CONNECTIONS;
use super::refusal::Refusal;
use crate::caller::Held;

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    /// Those that are idle, in the order in which they became so.
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    next: u64,
    by_age: BTreeMap<u64, CancellationToken>,
}

impl Connections {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(CONNECTIONS)), idle: Mutex::default() })
    }

    /// A new one. It waits until the one that has been idle for the longest has gone,
    /// if there is no place.
    ///
    /// # Errors
    ///
    /// When every one is busy.
    pub(super) async fn enter(self: &Arc<Self>) -> Result<Arc<Connection>, Refusal> {
        let place = loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                break place;
            }
            let oldest = self.idle.lock().by_age.pop_first();
            let Some((_, leave)) = oldest else { return Err(Refusal::NoConnection) };
            leave.cancel();
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
        connection.become_idle(&mut connection.state.lock());
        Ok(Arc::new(connection))
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    /// Cancelled when it is to make room.
    leave: CancellationToken,
    state: Mutex<State>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct State {
    /// Its number among those that are idle.
    idle: Option<u64>,
    /// What answers hold that are on their way out.
    answered: Vec<Arc<Held>>,
}

impl Connection {
    /// Waits until it is to make room.
    pub(super) async fn leave(&self) {
        self.leave.cancelled().await;
    }

    /// Whether it waits for a request.
    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().idle.is_some()
    }

    /// A request has come.
    pub(super) fn begin(&self) {
        let number = self.state.lock().idle.take();
        if let Some(number) = number {
            self.all.idle.lock().by_age.remove(&number);
        }
    }

    /// Its answer is on its way out.
    pub(super) fn answered(&self, held: Arc<Held>) {
        self.state.lock().answered.push(held);
    }

    /// All that was to be written is with the kernel. Says whether that was the end of
    /// an answer.
    pub(super) fn flushed(&self) -> bool {
        let mut state = self.state.lock();
        if state.answered.is_empty() {
            return false;
        }
        let answered = std::mem::take(&mut state.answered);
        self.become_idle(&mut state);
        drop(state);
        answered.iter().for_each(|held| held.release());
        true
    }

    fn become_idle(&self, state: &mut State) {
        let mut idle = self.all.idle.lock();
        let number = idle.next;
        idle.next += 1;
        idle.by_age.insert(number, self.leave.clone());
        state.idle = Some(number);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.begin();
        self.flushed();
        // `flushed` makes what had an answer on its way idle, and it is gone.
        self.begin();
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn the_connection_that_has_been_idle_for_the_longest_makes_room_and_a_busy_one_does_not() {
        let all = Connections::new();
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(all.enter().await.unwrap());
        }
        // The second has had a request since, and the first has one.
        connections[0].begin();
        connections[1].begin();
        connections[1].answered(Held::new(TaskTracker::new()));
        connections[1].flushed();
        let third = connections.remove(2);
        let (entered, ()) = tokio::join!(all.enter(), async {
            third.leave().await;
            drop(third);
        });
        connections.push(entered.unwrap());
        assert!(
            !connections[1].is_idle() || connections[1].leave.is_cancelled() || all.places.available_permits() == 0
        );
        for connection in &connections {
            connection.begin();
        }
        assert!(matches!(all.enter().await, Err(Refusal::NoConnection)));
        drop(connections);
        assert_eq!(all.places.available_permits(), CONNECTIONS);
        assert!(all.idle.lock().by_age.is_empty());
    }

    #[tokio::test]
    async fn what_an_answer_holds_is_let_go_of_when_it_is_out_or_nobody_is_left_to_take_it() {
        let all = Connections::new();
        let connection = all.enter().await.unwrap();
        let kept = Arc::new(());
        let held = |connection: &Arc<Connection>| {
            connection.begin();
            let held = Held::new(TaskTracker::new());
            held.keep(Arc::clone(&kept));
            connection.answered(held);
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
