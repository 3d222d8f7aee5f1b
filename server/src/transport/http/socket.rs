//! The socket of a connection, with the deadlines that hyper does not have: for the
//! head of a request from its first byte on, and for a client that takes nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::bounds::{HEAD_TIME, STALL_TIME};
use super::connection::Connection;

/// A socket that gives up.
pub(super) struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// When a head that has begun must be there.
    head: Option<Pin<Box<Sleep>>>,
    /// When the client must have taken something.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) const fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection, head: None, stall: None }
    }

    /// The outcome of a write, or the end of patience.
    fn written<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        ready!(expires(&mut self.stall, STALL_TIME, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Waits for the end of a time that begins with the first question.
fn expires(clock: &mut Option<Pin<Box<Sleep>>>, time: Duration, context: &mut Context<'_>) -> Poll<()> {
    clock.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(context)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if !self.connection.is_idle() {
            self.head = None;
            return outcome;
        }
        // The clock starts with the first byte, and not again with each that drips in.
        if outcome.is_pending() && self.head.is_none() {
            return Poll::Pending;
        }
        let has_more = buffer.filled().len() > before;
        if (outcome.is_pending() || has_more) && expires(&mut self.head, HEAD_TIME, context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls it when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        if self.connection.flushed() {
            self.head = None;
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
