//! JSON-RPC messages, one a line.

use rmcp::model::ErrorCode;
use rmcp::service::{RoleServer, TxJsonRpcMessage};
use rmcp::transport::Transport as _;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, Empty};

use super::conversation::{Arrived, Wire};
use super::message::{MAX_MESSAGE_BYTES, Refusal, parse};
use super::request_id::IdFinder;

/// A wire of two streams of bytes.
pub(crate) struct Lines<R, W: AsyncWrite> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// Looks for the id of a line that is too long to be kept.
    too_long: Option<IdFinder>,
    /// The side that sends; it reads from nothing.
    output: AsyncRwTransport<RoleServer, Empty, W>,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Lines<R, W> {
    pub(crate) fn new(reader: R, writer: W) -> Self {
        let output = AsyncRwTransport::new_server(tokio::io::empty(), writer);
        Self { reader: BufReader::new(reader), line: Vec::new(), too_long: None, output }
    }

    /// Reads until the end of a line, which is in `line` then, unless it was too
    /// long. `None` at the end of input.
    async fn read_line(&mut self) -> Option<Result<(), IdFinder>> {
        loop {
            let available = match self.reader.fill_buf().await {
                Ok([]) => return None,
                Ok(available) => available,
                Err(error) => {
                    tracing::error!(%error, "standard input cannot be read");
                    return None;
                }
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            let piece = &available[..end.unwrap_or(available.len())];
            match &mut self.too_long {
                Some(finder) => finder.feed(piece),
                None if self.line.len() + piece.len() > MAX_MESSAGE_BYTES => {
                    let mut finder = IdFinder::default();
                    finder.feed(&self.line);
                    finder.feed(piece);
                    self.line = Vec::new();
                    self.too_long = Some(finder);
                }
                None => self.line.extend_from_slice(piece),
            }
            // Nothing is awaited between taking and consuming.
            self.reader.consume(taken);
            if end.is_some() {
                return Some(self.too_long.take().map_or(Ok(()), Err));
            }
        }
    }
}

impl<R: AsyncRead + Unpin + Send + 'static, W: AsyncWrite + Unpin + Send + 'static> Wire for Lines<R, W> {
    async fn next(&mut self) -> Option<Arrived> {
        if let Err(finder) = self.read_line().await? {
            tracing::error!(limit = MAX_MESSAGE_BYTES, "a line is too long; it is skipped");
            let reason =
                format!("a request must be at most {MAX_MESSAGE_BYTES} bytes; `write` large files in several calls");
            let refusal = finder.found().map(|id| Refusal { id: Some(id), code: ErrorCode::INVALID_REQUEST, reason });
            return Some(Arrived { message: Err(refusal), bytes: 0 });
        }
        let line = std::mem::take(&mut self.line);
        let arrived = Arrived { message: parse(&line), bytes: line.len() };
        // The room of this line serves again, unless it was an exception.
        self.line = line;
        self.line.clear();
        self.line.shrink_to(64 << 10);
        Some(arrived)
    }

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = std::io::Result<()>> + Send + 'static {
        self.output.send(message)
    }

    async fn close(&mut self) -> std::io::Result<()> {
        self.output.close().await
    }
}
