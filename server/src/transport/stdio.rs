//! MCP over standard input and output: one client, the one who started us.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rmcp::ServiceExt;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;
use sandbox::{Executor, Principal};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::commands::prepare::Bar;
use crate::handler::Handler;
use crate::shutdown::{self, Cause, Signals};

/// The longest line that is read. A longer one is skipped with a line in the
/// log, and the connection goes on; it has no id that an answer could name.
/// Above every bound on arguments of tools together, files in base64 included.
const MAX_LINE_BYTES: usize = 24 << 20;

/// How often sessions, runs and workers that are over are cleared away.
const TIDY: Duration = Duration::from_secs(5);

/// Serves until the client goes away or a signal comes.
pub(crate) async fn serve(executor: Arc<Executor>, mut signals: Signals, drain: Duration) -> anyhow::Result<()> {
    let principal = Principal::local();
    tokio::spawn(warm_up(Arc::clone(&executor), principal.clone()));
    tokio::spawn(tidy(Arc::clone(&executor)));

    let (reader, writer) = stdio_pipes();
    let ended = CancellationToken::new();
    let reader = Watched { reader, ended: ended.clone(), line_bytes: 0 };
    let transport = AsyncRwTransport::new_server(reader, writer).with_max_line_length(MAX_LINE_BYTES);
    let handler = Handler::new(Arc::clone(&executor), principal, ended.clone());
    let stop = CancellationToken::new();
    let serving = handler.serve_with_ct(transport, stop.clone());
    let mut cause = Cause::EndOfInput;
    let service = tokio::select! {
        service = serving => match service {
            Ok(service) => Some(service),
            // A client that leaves before it says anything is no failure.
            Err(_) if ended.is_cancelled() => None,
            Err(error) => return Err(error.into()),
        },
        () = signals.next() => {
            cause = Cause::Signal;
            None
        }
    };
    if service.is_some() {
        cause = tokio::select! {
            () = ended.cancelled() => Cause::EndOfInput,
            () = signals.next() => Cause::Signal,
        };
    }
    shutdown::drain(&executor, cause, &mut signals, drain).await;
    if let Some(service) = service {
        // The answers of drained calls are on their way out; after them the
        // transport may go.
        let waiting = service.waiting();
        match cause {
            Cause::EndOfInput => drop(waiting.await?),
            Cause::Signal => {
                stop.cancel();
                ended.cancel();
                drop(waiting.await?);
            }
        }
    }
    Ok(())
}

/// Prepares for the first call while the client is still saying hello.
async fn warm_up(executor: Arc<Executor>, principal: Principal) {
    let mut bar = Bar::default();
    let progress = move |runtime: &'static _, done, total| bar.show(runtime, done, total);
    if let Err(error) = executor.warm_up(&principal, progress).await {
        // The first call will fail with the same, and tell its caller.
        tracing::error!(error = ?error, "preparing failed");
    }
    executor.probe_native().await;
}

async fn tidy(executor: Arc<Executor>) {
    let mut interval = tokio::time::interval(TIDY);
    loop {
        interval.tick().await;
        executor.tidy(Instant::now());
    }
}

/// A reader that tells what rmcp does not: when it came to its end, because
/// calls run on for seconds after that, and when a line is too long.
struct Watched<R> {
    reader: R,
    ended: CancellationToken,
    /// How long the line is that is being read.
    line_bytes: usize,
}

impl<R> Watched<R> {
    fn measure(&mut self, bytes: &[u8]) {
        let was_too_long = self.line_bytes > MAX_LINE_BYTES;
        self.line_bytes = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => bytes.len() - end - 1,
            None => self.line_bytes.saturating_add(bytes.len()),
        };
        if self.line_bytes > MAX_LINE_BYTES && !was_too_long {
            tracing::error!(limit = MAX_LINE_BYTES, "a line is too long; it is skipped, and nothing answers it");
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(context, buffer);
        self.measure(&buffer.filled()[before..]);
        let at_end = match &polled {
            Poll::Ready(Ok(())) => buffer.filled().len() == before && buffer.capacity() > before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if at_end {
            self.ended.cancel();
        }
        polled
    }
}
