//! What has come of a message that is not whole yet: the parser of frames keeps it in
//! memory before anybody else sees it. So its bytes are counted here, where they come
//! in: past a few, room is taken for them as for a body whose length nobody said, and a
//! message has a time. Nothing can be between the frames of a message but control
//! frames, which are taken off again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::super::body::{Room, Taken};
use super::super::bounds::{BODY_TIME, SILENCE_TIME, SMALL_REQUEST_BYTES};
use super::super::refusal::Refusal;
use super::super::socket::expires;
use crate::transport::message::MAX_MESSAGE_BYTES;

/// The head of a control frame of a client's, with its mask.
const CONTROL_HEAD_BYTES: usize = 6;

/// Why nothing more is read.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum Cut {
    #[error("a message did not come within {} s", BODY_TIME.as_secs())]
    Slow,
    #[error("messages of this principal take all of the memory that they may; try again in a moment")]
    NoMemory,
    #[error("no sign of life came")]
    Silent,
}

/// How long the meter waits for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    message: Duration,
    silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { message: BODY_TIME, silence: SILENCE_TIME }
    }
}

/// The message that is coming in.
#[derive(Debug, Default)]
pub(super) struct Inflow(Mutex<Underway>);

#[derive(Debug, Default)]
struct Underway {
    bytes: usize,
    room: Option<Taken>,
}

impl Inflow {
    /// Notes that the message is whole. Gives up the room that was taken for it, if it was long.
    pub(super) fn message(&self) -> Option<Taken> {
        std::mem::take(&mut *self.0.lock()).room
    }

    /// Notes that a control frame with so many bytes was among what has come.
    pub(super) fn control(&self, bytes: usize) {
        let mut underway = self.0.lock();
        underway.bytes = underway.bytes.saturating_sub(bytes + CONTROL_HEAD_BYTES);
    }
}

type Taking = Pin<Box<dyn Future<Output = Result<Taken, Refusal>> + Send>>;

/// A stream whose bytes are counted.
pub(super) struct Meter<S> {
    stream: S,
    inflow: Arc<Inflow>,
    room: Room,
    patience: Patience,
    /// Room that is waited for.
    taking: Option<Taking>,
    /// When the message must be whole.
    whole: Option<Pin<Box<Sleep>>>,
    /// When a sign of life must have come.
    silence: Pin<Box<Sleep>>,
}

impl<S> Meter<S> {
    pub(super) fn new(stream: S, inflow: Arc<Inflow>, room: Room, patience: Patience) -> Self {
        let silence = Box::pin(sleep(patience.silence));
        Self { stream, inflow, room, patience, taking: None, whole: None, silence }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Waits for the end of the time that a message has.
    fn runs_out(&mut self, context: &mut Context<'_>, why: Cut) -> Poll<io::Error> {
        ready!(expires(&mut self.whole, self.patience.message, context));
        Poll::Ready(io::Error::other(why))
    }

    /// Waits until more may be read.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut guard = self.inflow.0.lock();
        let underway = &mut *guard;
        if underway.bytes == 0 {
            (underway.room, self.whole, self.taking) = (None, None, None);
            return Poll::Ready(Ok(()));
        }
        // Heads of frames come on top of what may be in them.
        let bytes = underway.bytes.min(MAX_MESSAGE_BYTES);
        if bytes > SMALL_REQUEST_BYTES && !underway.room.as_ref().is_some_and(|room| room.holds(bytes)) {
            let meets = || -> Taking { Box::pin(self.room.clone().meet(underway.room.take(), bytes)) };
            let taking = self.taking.get_or_insert_with(meets);
            let Poll::Ready(taken) = taking.as_mut().poll(context) else {
                drop(guard);
                return self.runs_out(context, Cut::NoMemory).map(Err);
            };
            self.taking = None;
            underway.room = Some(taken.map_err(|_| io::Error::other(Cut::NoMemory))?);
        }
        drop(guard);
        // A stream that comes without a pause has no more time than one that drips.
        match self.runs_out(context, Cut::Slow) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_room(context))?;
        let before = buffer.filled().len();
        if let Poll::Ready(outcome) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            let read = buffer.filled().len() - before;
            this.inflow.0.lock().bytes += read;
            let (message, silence) = (this.patience.message, this.patience.silence);
            this.whole.get_or_insert_with(|| Box::pin(sleep(message)));
            this.silence.as_mut().reset(Instant::now() + silence);
            return Poll::Ready(outcome);
        }
        ready!(this.silence.as_mut().poll(context));
        Poll::Ready(Err(io::Error::other(Cut::Silent)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::super::super::body::WholeRoom;
    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3600);

    fn meter(room: &Room, patience: Patience) -> (Meter<DuplexStream>, Arc<Inflow>, DuplexStream) {
        let (client, server) = duplex(1 << 20);
        let inflow = Arc::<Inflow>::default();
        (Meter::new(server, Arc::clone(&inflow), room.clone(), patience), inflow, client)
    }

    fn cut(error: &io::Error) -> String {
        error.get_ref().and_then(|error| error.downcast_ref::<Cut>()).map(|cut| format!("{cut:?}")).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_long_message_takes_room_and_waits_for_it_and_control_frames_do_not_hide_it() {
        let room = WholeRoom::default().for_one();
        let long = || room.clone().meet(None, 1);
        let (mut meter, inflow, mut client) = meter(&room, Patience { message: SOON, silence: NEVER });
        let others = [long().await.unwrap(), long().await.unwrap()];
        let mut bytes = vec![0; SMALL_REQUEST_BYTES + 132];
        client.write_all(&bytes).await.unwrap();
        meter.read_exact(&mut bytes).await.unwrap();
        inflow.control(125);
        client.write_all(b"more").await.unwrap();
        assert_eq!(cut(&meter.read(&mut bytes).await.unwrap_err()), "NoMemory");
        inflow.message();
        meter.read_exact(&mut bytes[..4]).await.unwrap();
        drop(others);
        client.write_all(&bytes).await.unwrap();
        meter.read_exact(&mut bytes).await.unwrap();
        client.write_all(b"more").await.unwrap();
        meter.read_exact(&mut bytes[..4]).await.unwrap();
        let other = long().await.unwrap();
        assert!(long().now_or_never().is_none());
        drop(inflow.message());
        assert!(long().now_or_never().is_some());
        drop(other);
    }

    #[tokio::test]
    async fn a_message_has_a_time_however_it_drips_and_a_silent_client_another() {
        let room = WholeRoom::default().for_one();
        let (mut meter, inflow, mut client) = meter(&room, Patience { message: SOON, silence: NEVER });
        let mut byte = [0];
        let drip = async {
            loop {
                client.write_all(b"x").await.unwrap();
                if let Err(error) = meter.read(&mut byte).await {
                    break error;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(cut(&drip.await), "Slow");
        // Messages one after the other have no end.
        inflow.message();
        meter.read_exact(&mut byte).await.unwrap();
        let started = Instant::now();
        while started.elapsed() < 4 * SOON {
            inflow.message();
            client.write_all(b"x").await.unwrap();
            meter.read_exact(&mut byte).await.unwrap();
        }
        inflow.control(0);
        assert!(tokio::time::timeout(4 * SOON, meter.read(&mut byte)).await.is_err(), "nothing is underway");
        meter.silence.as_mut().reset(Instant::now());
        assert_eq!(cut(&meter.read(&mut byte).await.unwrap_err()), "Silent");
    }
}
