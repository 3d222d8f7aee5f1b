//! When a client can be told something that nobody asked for. One over HTTP can while
//! it has a stream open and takes what comes: until then news is kept where each thing
//! that changed is known once, and not in a transport, where it takes memory, goes
//! under, or keeps the answers behind it from their askers.

use tokio::sync::watch;

/// The way to one client.
#[derive(Debug)]
pub(crate) struct Gate(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the newest stream.
    stream: u64,
    is_open: bool,
    /// Whether the stream has taken everything, and waits for more.
    waits: bool,
    /// Whether something was handed over that the stream has not taken.
    is_on_its_way: bool,
}

/// One stream to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way(u64);

impl Gate {
    /// The way to a client that has no stream.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Has a new stream be the way to the client, and no other any longer.
    pub(crate) fn open(&self) -> Way {
        let mut way = Way(0);
        self.0.send_modify(|state| {
            *state = State { stream: state.stream + 1, is_open: true, ..State::default() };
            way = Way(state.stream);
        });
        way
    }

    /// Says that there is no way any longer; or that `way` is none, if it is said of one.
    pub(crate) fn close(&self, way: Option<Way>) {
        self.0.send_if_modified(|state| {
            let is_meant = state.is_open && way.is_none_or(|way| way.0 == state.stream);
            state.is_open &= !is_meant;
            is_meant
        });
    }

    /// Says that a stream has taken what came before and waits for more.
    pub(crate) fn waits(&self, way: Way) {
        self.0.send_if_modified(|state| {
            let is_news = state.is(way) && !state.is_on_its_way && !state.waits;
            state.waits |= is_news;
            is_news
        });
    }

    /// Says that a stream has taken what was handed over.
    pub(crate) fn took(&self, way: Way) {
        self.0.send_if_modified(|state| {
            let is_news = state.is(way) && state.is_on_its_way;
            state.is_on_its_way &= !is_news;
            is_news
        });
    }

    /// Waits until there is a stream that waits for something.
    pub(crate) async fn ready(&self) -> Way {
        // The sender lives as long as this gate.
        let ready = self.0.subscribe().wait_for(|state| state.is_open && state.waits).await.map(|state| state.stream);
        Way(ready.unwrap_or_default())
    }

    /// Waits until a stream is not the way any longer.
    pub(crate) async fn gone(&self, way: Way) {
        let _ = self.0.subscribe().wait_for(|state| !state.is(way)).await;
    }

    /// Says that something is handed over to a stream. False when it has gone.
    pub(crate) fn hand_over(&self, way: Way) -> bool {
        self.0.send_if_modified(|state| {
            let is_there = state.is(way);
            if is_there {
                (state.waits, state.is_on_its_way) = (false, true);
            }
            is_there
        })
    }

    /// Waits until it was taken. False when the stream went before.
    pub(crate) async fn taken(&self, way: Way) -> bool {
        let mut states = self.0.subscribe();
        let taken = states.wait_for(|state| !state.is(way) || !state.is_on_its_way).await;
        taken.is_ok_and(|state| state.is(way))
    }
}

impl State {
    const fn is(&self, way: Way) -> bool {
        self.is_open && self.stream == way.0
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_thing_at_a_time_goes_to_the_newest_stream_and_only_when_it_waits() {
        let gate = Gate::new();
        assert!(gate.ready().now_or_never().is_none(), "there is no stream");
        let first = gate.open();
        assert!(gate.ready().now_or_never().is_none(), "nobody reads it");
        gate.waits(first);
        assert_eq!(gate.ready().now_or_never(), Some(first));
        assert!(gate.hand_over(first) && gate.taken(first).now_or_never().is_none());
        gate.waits(first);
        assert!(gate.ready().now_or_never().is_none(), "one is on its way");
        gate.took(first);
        assert_eq!(gate.taken(first).now_or_never(), Some(true));
        assert!(gate.ready().now_or_never().is_none(), "it was not asked for more");
        gate.waits(first);
        assert!(gate.hand_over(first));
        let second = gate.open();
        assert_eq!(gate.taken(first).now_or_never(), Some(false), "it went under with its stream");
        gate.close(Some(first));
        gate.waits(first);
        assert!(gate.ready().now_or_never().is_none() && !gate.hand_over(first));
        assert!(gate.gone(first).now_or_never().is_some() && gate.gone(second).now_or_never().is_none());
        gate.waits(second);
        assert_eq!(gate.ready().now_or_never(), Some(second));
        gate.close(None);
        assert!(gate.ready().now_or_never().is_none() && !gate.hand_over(second));
    }
}
