//! Threads on which work on a local store is done from beginning to end.
//!
//! A store is asynchronous because one across a network has to be. Over a
//! directory each of its operations would cross to a thread that may block and
//! back, and waking two threads takes longer than the operation. Outside the
//! event loop's own threads they happen where they are called.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_executor::block_on;
use futures_util::future::BoxFuture;
use parking_lot::{Condvar, Mutex};

use crate::error::{Error, IoContext as _};

/// Enough to keep a disk busy that has to be waited for.
const THREADS: usize = 4;

/// A few threads without an event loop. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Threads(Arc<Queue>);

/// What is to be done. Adding to it wakes one thread, not a second one that
/// then waits in its place: the machine has other work.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    work: VecDeque<BoxFuture<'static, ()>>,
    closed: bool,
}

impl Queue {
    fn next(&self) -> Option<BoxFuture<'static, ()>> {
        let is_idle = |state: &mut State| state.work.is_empty() && !state.closed;
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, is_idle);
        state.work.pop_front()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Threads {
    pub(super) fn start() -> Result<Self, Error> {
        let threads = Self(Arc::default());
        for _ in 0..THREADS {
            let queue = Arc::clone(&threads.0);
            std::thread::Builder::new()
                .name("store".into())
                .spawn(move || {
                    while let Some(work) = queue.next() {
                        // Whoever waits for it hears that there is no answer.
                        let _ = catch_unwind(AssertUnwindSafe(|| block_on(work)));
                    }
                })
                .doing(|| "start the threads of the store".into())?;
        }
        Ok(threads)
    }

    /// Does `work` on one of them, whoever waits for it or not.
    pub(super) fn start_work(&self, work: BoxFuture<'static, ()>) {
        self.0.state.lock().work.push_back(work);
        self.0.changed.notify_one();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }
}
