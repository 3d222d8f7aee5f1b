//! Replies that are finished and not with the client yet. One that does not read
//! gets no more of them made: neither are its requests read nor calls begun.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// As much may be on its way when another call begins.
const MOST_BYTES: usize = 16 << 20;

/// How many bytes of messages are on their way.
#[derive(Debug)]
pub(crate) struct Unsent(watch::Sender<usize>);

/// A message on its way, until this is dropped.
#[derive(Debug)]
pub(super) struct OnItsWay {
    unsent: Arc<Unsent>,
    bytes: usize,
}

impl Unsent {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(0)))
    }

    /// Counts a message, which is about to be sent.
    pub(super) fn begin<T: Serialize>(self: &Arc<Self>, message: &T) -> OnItsWay {
        let mut length = Length(0);
        // One that cannot be written is not sent either.
        let _ = serde_json::to_writer(&mut length, message);
        self.0.send_modify(|bytes| *bytes += length.0);
        OnItsWay { unsent: Arc::clone(self), bytes: length.0 }
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
