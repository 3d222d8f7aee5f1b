//! Replies that are finished and not with the client yet. One that does not read
//! gets no more of them made: calls wait, and so do requests, of which a bounded
//! number of bytes is read. A cancellation and the end of input are seen all the same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

/// As much may be on its way when another call begins.
const MOST_BYTES: usize = 16 << 20;

/// How many bytes of messages are on their way.
#[derive(Debug)]
pub(crate) struct Unsent(watch::Sender<usize>);

/// A message on its way, until this is dropped.
#[derive(Debug)]
pub(crate) struct OnItsWay {
    unsent: Arc<Unsent>,
    bytes: usize,
}

impl Unsent {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(0)))
    }

    /// Counts a message, which is about to be sent.
    pub(crate) fn begin<T: Serialize>(self: &Arc<Self>, message: &T) -> OnItsWay {
        let mut length = Length(0);
        // One that cannot be written is not sent either.
        let _ = serde_json::to_writer(&mut length, message);
        self.0.send_modify(|bytes| *bytes += length.0);
        OnItsWay { unsent: Arc::clone(self), bytes: length.0 }
    }

    /// Lets no further call begin: what is on its way may go with its transport, and
    /// makes no room by that.
    pub(super) fn close(&self) {
        self.0.send_modify(|bytes| *bytes += usize::MAX / 2);
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        *self.0.borrow() < MOST_BYTES
    }

    /// Waits until nothing is on its way.
    pub(super) async fn gone(&self) {
        let _ = self.0.subscribe().wait_for(|bytes| *bytes == 0).await;
    }

    /// Waits until something of it has gone, for as long as `patience`.
    pub(super) async fn shrinks_within(&self, patience: Duration) -> bool {
        let before = *self.0.borrow();
        let mut unsent = self.0.subscribe();
        tokio::time::timeout(patience, unsent.wait_for(|bytes| *bytes < before)).await.is_ok()
    }

    /// Waits until there is room for more.
    pub(crate) async fn room(&self) {
        // Its sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|bytes| *bytes < MOST_BYTES).await;
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.unsent.0.send_modify(|bytes| *bytes -= self.bytes);
    }
}

/// Counts what is written to it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
