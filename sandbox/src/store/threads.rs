//! Threads on which work on a local store is done from beginning to end.
//!
//! A store is asynchronous because one across a network has to be. Over a
//! directory each of its operations would cross to a thread that may block and
//! back, and waking two threads takes longer than the operation. Outside the
//! event loop's own threads they happen where they are called.

use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::oneshot;

use crate::error::{Error, IoContext as _};
use crate::lock::lock;

/// Enough to keep a disk busy that has to be waited for.
const THREADS: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// A few threads without an event loop. They end with the last sender.
#[derive(Debug)]
pub(super) struct Threads(Sender<Work>);

impl Threads {
    pub(super) fn start() -> Result<Self, Error> {
        let (sender, work) = channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        for _ in 0..THREADS {
            let work = Arc::clone(&work);
            std::thread::Builder::new()
                .name("store".into())
                .spawn(move || {
                    while let Some(work) = next(&work) {
                        work()
                    }
                })
                .doing(|| "start the threads of the store".into())?;
        }
        Ok(Self(sender))
    }

    /// Does `work` on one of them.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, done) = oneshot::channel();
        let gone = "its threads have ended";
        // Whoever asked may be gone by then.
        let work = Box::new(move || drop(reply.send(block_on(work))));
        self.0.send(work).map_err(|_| Error::host("use the store", gone))?;
        done.await.map_err(|_| Error::host("use the store", gone))?
    }
}

fn next(work: &Mutex<Receiver<Work>>) -> Option<Work> {
    lock(work).recv().ok()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
