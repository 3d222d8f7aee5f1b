//! Replies that are finished and not with the client yet. One that does not read
//! gets no more of them made: calls wait, and so do requests, of which a bounded
//! number of bytes is read. A cancellation and the end of input are seen all the same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::total::{Part, Total};

/// How much may be on its way to one caller when another call begins.
const MOST_BYTES: usize = 16 << 20;

/// How much may be on its way to all callers together, past which each has as much as
/// [`LEAST_BYTES`]: one that reads waits for none that does not.
const MOST_BYTES_OF_ALL: usize = 256 << 20;
const LEAST_BYTES: usize = 1 << 20;

/// How many bytes of messages are on their way.
#[derive(Debug)]
pub(crate) struct Unsent {
    own: watch::Sender<usize>,
    all: Total,
}

/// A message on its way, until this is dropped.
#[derive(Debug)]
pub(crate) struct OnItsWay {
    unsent: Arc<Unsent>,
    bytes: usize,
    _of_all: Part,
}

impl Unsent {
    /// What is on its way to the only caller that there is.
    pub(crate) fn new() -> Arc<Self> {
        Self::within(&Total::default())
    }

    /// What is on its way to one of those who have `all` together.
    pub(crate) fn within(all: &Total) -> Arc<Self> {
        Arc::new(Self { own: watch::Sender::new(0), all: all.clone() })
    }

    /// Counts a message, which is about to be sent.
    pub(crate) fn begin<T: Serialize>(self: &Arc<Self>, message: &T) -> OnItsWay {
        let mut length = Length(0);
        // A message that cannot be written is not sent either.
        let _ = serde_json::to_writer(&mut length, message);
        self.own.send_modify(|bytes| *bytes += length.0);
        self.on_its_way(length.0)
    }

    fn on_its_way(self: &Arc<Self>, bytes: usize) -> OnItsWay {
        OnItsWay { unsent: Arc::clone(self), bytes, _of_all: self.all.add(bytes) }
    }

    /// Lets no further call begin: what is on its way may go with its transport, and
    /// makes no room by that.
    pub(super) fn close(&self) {
        self.own.send_modify(|bytes| *bytes += usize::MAX / 2);
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        is_room(*self.own.borrow(), self.is_full())
    }

    /// Whether all callers have as much on its way together as they may have.
    fn is_full(&self) -> bool {
        self.all.get() >= MOST_BYTES_OF_ALL
    }

    /// Waits until nothing is on its way.
    pub(super) async fn gone(&self) {
        let _ = self.own.subscribe().wait_for(|bytes| *bytes == 0).await;
    }

    /// Waits until something has gone that is on its way, for as long as `patience`.
    pub(super) async fn shrinks_within(&self, patience: Duration) -> bool {
        let before = *self.own.borrow();
        let mut unsent = self.own.subscribe();
        tokio::time::timeout(patience, unsent.wait_for(|bytes| *bytes < before)).await.is_ok()
    }

    /// Waits until there is room for more.
    pub(crate) async fn room(&self) {
        let mut own = self.own.subscribe();
        loop {
            let is_full = self.is_full();
            if is_room(*own.borrow_and_update(), is_full) {
                return;
            }
            tokio::select! {
                // The sender lives as long as this does.
                _ = own.changed() => {}
                () = self.all.falls_below(MOST_BYTES_OF_ALL), if is_full => {}
            }
        }
    }
}

/// Whether one who has so many bytes on their way may have more.
const fn is_room(own: usize, is_full: bool) -> bool {
    own < if is_full { LEAST_BYTES } else { MOST_BYTES }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.unsent.own.send_modify(|bytes| *bytes -= self.bytes);
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn where_all_have_too_much_each_has_less_and_one_that_reads_waits_for_nobody() {
        let all = Total::default();
        let (one, other) = (Unsent::within(&all), Unsent::within(&all));
        let two_mebibytes = one.begin(&"x".repeat(2 << 20));
        assert!(one.has_room() && other.has_room());
        let rest = all.add(MOST_BYTES_OF_ALL);
        assert!(!one.has_room() && other.has_room());
        drop(rest);
        assert!(one.has_room());
        drop(two_mebibytes);
        assert_eq!(all.get(), 0);
    }

    #[tokio::test]
    async fn whoever_waits_for_others_is_woken_when_they_let_go() {
        let all = Total::default();
        let one = Unsent::within(&all);
        let two_mebibytes = one.begin(&"x".repeat(2 << 20));
        let rest = all.add(MOST_BYTES_OF_ALL);
        let mut waits = Box::pin(one.room());
        assert!((&mut waits).now_or_never().is_none());
        drop(rest);
        assert!(waits.now_or_never().is_some(), "nothing of its own has gone");
        let fifteen_more = one.begin(&"x".repeat(15 << 20));
        let mut waits = Box::pin(one.room());
        assert!((&mut waits).now_or_never().is_none());
        drop(all.add(1));
        assert!((&mut waits).now_or_never().is_none(), "its own is too much by itself");
        drop(fifteen_more);
        assert!(waits.now_or_never().is_some());
        drop(two_mebibytes);
    }
}
