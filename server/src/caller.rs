//! Whose calls they are, and what those share, on however many connections.

use std::any::Any;
use std::sync::Arc;

use parking_lot::Mutex;
use sandbox::{Error, Executor, Look, Place, Principal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::transport::unsent::Unsent;

/// The most that one caller subscribes to at once, on all of its connections: far above
/// what a client shows, and each is looked at when the session is saved.
pub(crate) const SUBSCRIPTIONS: usize = 256;

/// A principal, and the room that its replies have.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) unsent: Arc<Unsent>,
    /// How many of the [`SUBSCRIPTIONS`] are left.
    pub(crate) subscriptions: Arc<Semaphore>,
}

impl Caller {
    pub(crate) fn new(principal: Principal, unsent: Arc<Unsent>) -> Arc<Self> {
        Arc::new(Self { principal, unsent, subscriptions: Arc::new(Semaphore::new(SUBSCRIPTIONS)) })
    }

    /// Waits until a call may begin. What runs nothing has a [`Turn`]; a run takes its
    /// own place.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] when nobody waits for it any longer, [`Error::Busy`] when
    /// too many wait.
    pub(crate) async fn turn(
        &self,
        executor: &Executor,
        looks: Option<Look>,
        cancel: &CancellationToken,
    ) -> Result<Option<Turn>, Error> {
        let place = match looks {
            Some(look) => Some(executor.place(&self.principal, look, cancel).await?),
            None => None,
        };
        // A caller that reads nothing waits here, before the call takes a place from others.
        cancel.run_until_cancelled(self.unsent.room()).await.ok_or(Error::Cancelled)?;
        let Some(mut place) = place else { return Ok(None) };
        place.begin(cancel).await?;
        Ok(Some(Turn(place)))
    }
}

/// The turn of a call that runs nothing.
#[derive(Debug)]
pub(crate) struct Turn(Place);

impl Turn {
    /// Leaves to others what the call does not need once its answer is made. What is
    /// left goes with the answer.
    pub(crate) fn answered(self) -> Place {
        let Self(mut place) = self;
        place.answered();
        place
    }
}

/// What a request holds until its answer is with the client, where a transport
/// can tell when that is. It lies among the extensions of the request.
#[derive(Debug)]
pub(crate) struct Held {
    calls: TaskTracker,
    /// `None` once the answer is with the client.
    things: Mutex<Option<Things>>,
}

/// The things that a request holds.
#[derive(Debug, Default)]
struct Things {
    /// The place of the request among those of its caller.
    place: Option<Box<dyn Any + Send>>,
    others: Vec<Box<dyn Any + Send>>,
}

impl Held {
    /// What a request holds; calls of tools are counted among `calls`.
    pub(crate) fn new(calls: TaskTracker) -> Arc<Self> {
        Arc::new(Self { calls, things: Mutex::new(Some(Things::default())) })
    }

    /// Holds `thing`.
    pub(crate) fn keep(&self, thing: impl Any + Send) {
        if let Some(things) = self.things.lock().as_mut() {
            things.others.push(Box::new(thing));
        }
    }

    /// Holds the place of the request among those of its caller.
    pub(crate) fn keep_place(&self, place: impl Any + Send) {
        if let Some(things) = self.things.lock().as_mut() {
            things.place = Some(Box::new(place));
        }
    }

    /// Has the request counted as a call of a tool, which a server that ends waits for.
    pub(crate) fn count_call(&self) {
        self.keep(self.calls.token());
    }

    /// Gives the place of the request to others, and keeps the rest: it stays in
    /// memory, and its caller is one with something going on.
    pub(crate) fn leave_place(&self) {
        let place = self.things.lock().as_mut().and_then(|things| things.place.take());
        drop(place);
    }

    /// Lets go of everything, and of what may come yet.
    pub(crate) fn release(&self) {
        let things = self.things.lock().take();
        drop(things);
    }
}
