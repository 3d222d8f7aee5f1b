//! The worker's share of the memory budget of all runs.
//!
//! The server pays for what an instance starts with before it sends a run
//! here; this is about growth. Memory is asked for in lumps, and a little is
//! kept, so that an ordinary run costs no message.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::wasm::MemoryLease;
use crate::worker::wire::frame;
use crate::worker::wire::protocol::FromWorker;

/// What the budget counts in. Asking for and returning anything else would be
/// rounded on the other side, and some of it lost.
const UNIT: u64 = 1 << 20;
/// How much is asked for at once.
const LUMP: u64 = 32 * UNIT;
/// What a worker may keep without using it.
const CUSHION: u64 = 64 * UNIT;

/// The worker's end of the connection, for writing.
pub(crate) type Writer = Mutex<UnixStream>;

/// Sends a message to the server. A server that is gone ends this process
/// from the reading side; here it is not an error.
pub(crate) fn send(writer: &Writer, message: &FromWorker) {
    match frame::encode(message) {
        Ok(bytes) => {
            if let Err(error) = writer.lock().write_all(&bytes) {
                tracing::debug!(%error, "a message to the server was lost");
            }
        }
        // Everything in a report is bounded; if a bound is wrong, its run
        // must still be answered.
        Err(error) => {
            tracing::error!(%error, "a message to the server could not be written");
            if let FromWorker::Finished { run, .. } = message {
                send(
                    writer,
                    &FromWorker::Failed { run: *run, reason: "its report was too large".into(), passes: false },
                );
            }
        }
    }
}

/// Memory granted to this worker.
pub(crate) struct Lease {
    writer: Arc<Writer>,
    free: Mutex<u64>,
    questions: Mutex<Questions>,
    answered: Condvar,
}

#[derive(Default)]
struct Questions {
    next: u64,
    answers: HashMap<u64, bool>,
}

impl Lease {
    pub(crate) fn new(writer: Arc<Writer>) -> Self {
        Self { writer, free: Mutex::new(0), questions: Mutex::default(), answered: Condvar::new() }
    }

    /// The server's answer, from the thread that reads.
    pub(crate) fn answer(&self, ask: u64, granted: bool) {
        self.questions.lock().answers.insert(ask, granted);
        self.answered.notify_all();
    }

    /// Gives `bytes` back.
    pub(crate) fn release(&self, bytes: u64) {
        let surplus = {
            let mut free = self.free.lock();
            *free += bytes;
            whole_units(free.saturating_sub(CUSHION), &mut free)
        };
        self.give_back(surplus);
    }

    /// Gives back everything that is not in use.
    pub(crate) fn release_all(&self) {
        let surplus = {
            let mut free = self.free.lock();
            whole_units(*free, &mut free)
        };
        self.give_back(surplus);
    }

    fn give_back(&self, bytes: u64) {
        if bytes > 0 {
            send(&self.writer, &FromWorker::MemoryReturn { bytes });
        }
    }

    fn take_free(&self, bytes: u64) -> bool {
        let mut free = self.free.lock();
        let enough = *free >= bytes;
        if enough {
            *free -= bytes;
        }
        enough
    }

    /// Asks the server, which always answers, and soon.
    fn ask(&self, bytes: u64) -> bool {
        let mut questions = self.questions.lock();
        let ask = questions.next;
        questions.next += 1;
        send(&self.writer, &FromWorker::MemoryAsk { ask, bytes });
        loop {
            if let Some(granted) = questions.answers.remove(&ask) {
                return granted;
            }
            self.answered.wait(&mut questions);
        }
    }
}

impl MemoryLease for Lease {
    fn take(&self, bytes: u64) -> bool {
        if self.take_free(bytes) {
            return true;
        }
        // A lump first; then just what is needed, for the last of a budget.
        let needed = bytes.next_multiple_of(UNIT);
        let granted = [needed.max(LUMP), needed].into_iter().find(|bytes| self.ask(*bytes));
        if let Some(granted) = granted {
            *self.free.lock() += granted - bytes;
        }
        granted.is_some()
    }
}

/// Takes as many whole units as `surplus` holds out of `free`.
fn whole_units(surplus: u64, free: &mut u64) -> u64 {
    let units = surplus / UNIT * UNIT;
    *free -= units;
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_and_returned_is_in_whole_units_and_nothing_is_lost() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let lease = Arc::new(Lease::new(Arc::new(Mutex::new(ours))));
        let server = std::thread::spawn({
            let lease = Arc::clone(&lease);
            move || {
                let mut balance = 0_i64;
                while let Ok(Some((message, _))) = frame::read::<FromWorker>(&theirs) {
                    match message {
                        FromWorker::MemoryAsk { ask, bytes } => {
                            assert_eq!(bytes % UNIT, 0);
                            balance += i64::try_from(bytes).unwrap();
                            lease.answer(ask, true);
                        }
                        FromWorker::MemoryReturn { bytes } => {
                            assert_eq!(bytes % UNIT, 0);
                            balance -= i64::try_from(bytes).unwrap();
                        }
                        FromWorker::Fault { .. } => break,
                        other => panic!("{other:?}"),
                    }
                }
                balance
            }
        });
        for _ in 0..30 {
            assert!(lease.take(100_000_000));
            lease.release(100_000_000);
        }
        lease.release_all();
        send(&lease.writer, &FromWorker::Fault { run: 0 });
        assert_eq!(server.join().unwrap(), 0);
    }
}
