//! The socket of a connection, with the deadlines that hyper does not have: for the
//! head of a request from its first byte on, and for a client that takes nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::bounds::{HEAD_TIME, STALL_TIME};
use super::connection::Connection;

/// How long a socket waits for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    head: Duration,
    stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: HEAD_TIME, stall: STALL_TIME }
    }
}

/// A socket that gives up, with TLS or without.
pub(super) struct Socket<S> {
    stream: S,
    connection: Arc<Connection>,
    patience: Patience,
    /// When a head that has begun must be there.
    head: Option<Pin<Box<Sleep>>>,
    /// When the client must have taken something.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Socket<S> {
    pub(super) const fn new(stream: S, connection: Arc<Connection>, patience: Patience) -> Self {
        Self { stream, connection, patience, head: None, stall: None }
    }

    /// The outcome of a write, or the end of patience.
    fn written<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        let time = self.patience.stall;
        ready!(expires(&mut self.stall, time, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Waits for the end of a time that begins with the first question.
pub(super) fn expires(clock: &mut Option<Pin<Box<Sleep>>>, time: Duration, context: &mut Context<'_>) -> Poll<()> {
    clock.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(context)
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
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
        let (has_more, time) = (buffer.filled().len() > before, self.patience.head);
        if (outcome.is_pending() || has_more) && expires(&mut self.head, time, context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
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

    /// Flushes the socket; hyper calls this when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // With TLS something may be left that the kernel does not take.
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        let outcome = self.written(context, outcome);
        if matches!(outcome, Poll::Ready(Ok(()))) && self.connection.flushed() {
            self.head = None;
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::task::TaskTracker;

    use super::super::connection::Connections;
    use super::*;
    use crate::caller::Held;

    const SOON: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3600);

    /// A socket and its client.
    async fn pair(patience: Patience) -> (Socket<TcpStream>, Arc<Connection>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = Connections::new(1).enter().await.unwrap();
        let stream = listener.accept().await.unwrap().0;
        (Socket::new(stream, Arc::clone(&connection), patience), connection, client)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (mut socket, _, mut client) = pair(Patience { head: NEVER, stall: SOON }).await;
        let bytes = vec![b'x'; 1 << 20];
        // What the kernel takes for it is no stall.
        let error = async {
            loop {
                if let Err(error) = socket.write_all(&bytes).await {
                    break error;
                }
            }
        };
        assert_eq!(error.await.kind(), io::ErrorKind::TimedOut);
        // The client takes something, and the clock begins anew.
        assert!(socket.stall.is_some());
        let mut taken = vec![0; 1 << 20];
        let wrote = async {
            socket.patience.stall = NEVER;
            socket.stall = Some(Box::pin(sleep(NEVER)));
            socket.write_all(b"more").await.unwrap();
        };
        let read = async { while !matches!(client.read(&mut taken).await, Ok(0) | Err(_)) {} };
        tokio::select! {
            () = wrote => {}
            () = read => panic!("the connection ended"),
        }
        assert!(socket.stall.is_none());
    }

    /// What takes everything and has the kernel take nothing of it, as TLS does.
    struct Buffer;

    impl AsyncWrite for Buffer {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_left_in_a_buffer_of_ours_is_not_out_and_its_client_is_given_up() {
        let connection = Connections::new(1).enter().await.unwrap();
        let patience = Patience { head: NEVER, stall: SOON };
        let mut socket = Socket::new(Buffer, Arc::clone(&connection), patience);
        let kept = Arc::new(());
        let held = Held::new(TaskTracker::new());
        held.keep(Arc::clone(&kept));
        connection.begin();
        connection.answered(held, None);
        socket.write_all(b"answer").await.unwrap();
        assert_eq!(socket.flush().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(Arc::strong_count(&kept) == 2 && !connection.is_idle());
        drop((socket, connection));
        assert_eq!(Arc::strong_count(&kept), 1);
    }

    #[tokio::test]
    async fn a_head_has_a_time_from_its_first_byte_on_and_an_idle_connection_none() {
        let (mut socket, connection, mut client) = pair(Patience { head: SOON, stall: NEVER }).await;
        let mut byte = [0];
        let idle = tokio::time::timeout(4 * SOON, socket.read(&mut byte)).await;
        assert!(idle.is_err(), "an idle connection was given up");
        client.write_all(b"xy").await.unwrap();
        assert_eq!(socket.read(&mut byte).await.unwrap(), 1);
        // A request that is being answered takes its time.
        connection.begin();
        assert_eq!(socket.read(&mut byte).await.unwrap(), 1);
        assert!(tokio::time::timeout(4 * SOON, socket.read(&mut byte)).await.is_err());
        connection.answered(Held::new(TaskTracker::new()), None);
        socket.flush().await.unwrap();
        client.write_all(b"x").await.unwrap();
        let error = async {
            loop {
                if let Err(error) = socket.read(&mut byte).await {
                    break error;
                }
                // A head that comes one byte after the other has no more time.
                client.write_all(b"x").await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(error.await.kind(), io::ErrorKind::TimedOut);
    }
}
