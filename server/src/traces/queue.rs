//! Spans that wait for the collector. Where there are too many the newest are dropped, and
//! whoever makes them waits for nothing.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::span::Spans;

/// The most spans that wait: some seconds of a busy server.
const MOST: u64 = 16_384;
/// The most that are sent at once, as OpenTelemetry has it.
pub(super) const BATCH: u64 = 512;

/// The spans that wait, and what became of others.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when there is a batch.
    full: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Spans>,
    count: u64,
    counts: SpanCounts,
}

/// What became of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanCounts {
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
}

/// Spans that are sent together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) count: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), full: Notify::new() }
    }

    /// Adds the spans of a call, or drops them.
    pub(super) fn add(&self, spans: Spans) {
        let mut state = self.state.lock();
        if state.count + spans.count > MOST {
            state.counts.dropped += spans.count;
            return;
        }
        state.count += spans.count;
        state.waiting.push_back(spans);
        if state.count >= BATCH {
            self.full.notify_one();
        }
    }

    /// Waits until there are enough for a batch.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }

    /// Takes what is sent next; nothing, if there is nothing.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        let mut batch = Batch::default();
        while batch.count < BATCH
            && let Some(spans) = state.waiting.pop_front()
        {
            batch.bytes.extend_from_slice(&spans.bytes);
            batch.count += spans.count;
        }
        state.count -= batch.count;
        (batch.count > 0).then_some(batch)
    }

    /// Counts what became of a batch.
    pub(super) fn settle(&self, batch: &Batch, is_sent: bool) {
        let counts = &mut self.state.lock().counts;
        let count = if is_sent { &mut counts.sent } else { &mut counts.dropped };
        *count += batch.count;
    }

    pub(super) fn counts(&self) -> SpanCounts {
        self.state.lock().counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_dropped_and_counted_and_the_rest_is_in_order() {
        let queue = Queue::new();
        for number in 0..MOST / 2 + 10 {
            queue.add(Spans { bytes: vec![number as u8], count: 2 });
        }
        assert_eq!(queue.counts(), SpanCounts { sent: 0, dropped: 20 });
        let first = queue.take().unwrap();
        assert_eq!((first.count, first.bytes.len(), first.bytes[1]), (BATCH, BATCH as usize / 2, 1));
        queue.settle(&first, true);
        let mut rest = 0;
        while let Some(batch) = queue.take() {
            rest += batch.count;
            queue.settle(&batch, false);
        }
        assert_eq!(rest, MOST - BATCH);
        assert_eq!(queue.counts(), SpanCounts { sent: BATCH, dropped: 20 + rest });
    }
}
