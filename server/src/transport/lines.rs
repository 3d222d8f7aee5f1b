//! JSON-RPC messages, one a line. Whatever a client sends under an id is
//! answered by that id, also where it is no message: rmcp's own transport skips
//! such a line, and its sender would wait for ever.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{ClientNotification, ErrorCode, ErrorData, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, Empty};
use tokio_util::sync::CancellationToken;

use super::message::{MAX_MESSAGE_BYTES, Refusal, parse};
use super::request_id::IdFinder;
use super::unsent::Unsent;

/// No more is read while requests of so many bytes wait.
const MAX_HELD_BYTES: usize = MAX_MESSAGE_BYTES;

type Sending = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// A connection over two streams of bytes.
pub(crate) struct Lines<R, W: AsyncWrite> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// Looks for the id of a line that is too long to be kept.
    too_long: Option<IdFinder>,
    /// Sends; it reads from nothing.
    output: AsyncRwTransport<RoleServer, Empty, W>,
    /// An answer that is on its way. Kept here because `receive` is dropped
    /// whenever something else is ready first.
    sending: Option<Sending>,
    /// Cancelled when the client has closed its end.
    ended: CancellationToken,
    unsent: Arc<Unsent>,
    /// Requests that wait until the client has read more, with the lengths of
    /// their lines.
    held: VecDeque<(RxJsonRpcMessage<RoleServer>, usize)>,
    /// Requests that were handed on and not answered yet.
    asked: HashSet<RequestId>,
    /// Whether the client has closed its end.
    is_over: bool,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Lines<R, W> {
    pub(crate) fn new(reader: R, writer: W, ended: CancellationToken, unsent: Arc<Unsent>) -> Self {
        let output = AsyncRwTransport::new_server(tokio::io::empty(), writer);
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
            too_long: None,
            output,
            sending: None,
            ended,
            unsent,
            held: VecDeque::new(),
            asked: HashSet::new(),
            is_over: false,
        }
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

    /// Holds a request back while the client does not read, and forgets one that it
    /// cancels. Gives back what need not wait.
    fn hold(&mut self, message: RxJsonRpcMessage<RoleServer>, bytes: usize) -> Option<RxJsonRpcMessage<RoleServer>> {
        match &message {
            RxJsonRpcMessage::<RoleServer>::Request(_) if !self.held.is_empty() || !self.unsent.has_room() => {
                self.held.push_back((message, bytes));
                None
            }
            RxJsonRpcMessage::<RoleServer>::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification {
                    let id = cancelled.params.request_id.as_ref();
                    // One that was cancelled is not answered.
                    self.asked.retain(|asked| Some(asked) != id);
                    self.held.retain(|(held, _)| match held {
                        RxJsonRpcMessage::<RoleServer>::Request(request) => Some(&request.id) != id,
                        _ => true,
                    });
                }
                Some(message)
            }
            _ => Some(message),
        }
    }

    /// Remembers that a request is to be answered.
    fn asks(&mut self, message: RxJsonRpcMessage<RoleServer>) -> RxJsonRpcMessage<RoleServer> {
        if let RxJsonRpcMessage::<RoleServer>::Request(request) = &message {
            self.asked.insert(request.id.clone());
        }
        message
    }

    fn answer(&mut self, id: Option<RequestId>, code: ErrorCode, message: String) {
        tracing::debug!(message, "a line was refused");
        let response = TxJsonRpcMessage::<RoleServer>::error(ErrorData::new(code, message, None), id);
        self.sending = Some(Box::pin(self.output.send(response)));
    }
}

impl<R: AsyncRead + Unpin + Send + 'static, W: AsyncWrite + Unpin + Send + 'static> Transport<RoleServer>
    for Lines<R, W>
{
    type Error = std::io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        match &item {
            TxJsonRpcMessage::<RoleServer>::Response(response) => {
                self.asked.remove(&response.id);
            }
            TxJsonRpcMessage::<RoleServer>::Error(error) => self.asked.retain(|asked| Some(asked) != error.id.as_ref()),
            _ => {}
        }
        let on_its_way = self.unsent.begin(&item);
        let sending = self.output.send(item);
        async move {
            let sent = sending.await;
            drop(on_its_way);
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(sending) = &mut self.sending {
                let sent = sending.await;
                self.sending = None;
                sent.ok()?;
            }
            if self.held.is_empty() && self.is_over {
                // rmcp holds what is answered after the end in memory, and waits for a
                // reader for five seconds. So it is told of the end when all is sent.
                if !self.asked.is_empty() {
                    return std::future::pending().await;
                }
                self.unsent.gone().await;
                return None;
            }
            // While requests wait, what ends them is read on: a cancellation, or
            // the end of input.
            let held_bytes = self.held.iter().map(|(_, bytes)| bytes).sum::<usize>();
            let (is_held, reads) = (held_bytes > 0, !self.is_over && held_bytes < MAX_HELD_BYTES);
            let unsent = Arc::clone(&self.unsent);
            let line = tokio::select! {
                biased;
                () = unsent.room(), if is_held => match self.held.pop_front() {
                    Some((message, _)) => return Some(self.asks(message)),
                    None => continue,
                },
                line = self.read_line(), if reads => line,
            };
            match line {
                None => {
                    self.ended.cancel();
                    self.is_over = true;
                }
                Some(Err(finder)) => {
                    tracing::error!(limit = MAX_MESSAGE_BYTES, "a line is too long; it is skipped");
                    if let Some(id) = finder.found() {
                        let id = Some(id);
                        let message = format!(
                            "a request must be at most {MAX_MESSAGE_BYTES} bytes; `write` large files in several calls"
                        );
                        self.answer(id, ErrorCode::INVALID_REQUEST, message);
                    }
                }
                Some(Ok(())) => {
                    let line = std::mem::take(&mut self.line);
                    let (parsed, bytes) = (parse(&line), line.len());
                    // Its room serves again, unless it was an exception.
                    self.line = line;
                    self.line.clear();
                    self.line.shrink_to(64 << 10);
                    match parsed {
                        Ok(message) => {
                            if let Some(message) = self.hold(message, bytes) {
                                return Some(self.asks(message));
                            }
                        }
                        Err(None) => {}
                        Err(Some(Refusal { id, code, reason })) => self.answer(id, code, reason),
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.output.close().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn while_a_client_does_not_read_requests_wait_and_what_ends_them_does_not() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let (ended, unsent) = (CancellationToken::new(), Unsent::new());
        let mut lines = Lines::new(server, tokio::io::sink(), ended.clone(), Arc::clone(&unsent));
        let ping = |id: u32| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n");
        let id = |message: Option<RxJsonRpcMessage<RoleServer>>| match message {
            Some(RxJsonRpcMessage::<RoleServer>::Request(request)) => request.id.to_string(),
            other => panic!("{other:?}"),
        };
        // The control: what is read is handed on.
        client.write_all(ping(1).as_bytes()).await.unwrap();
        assert_eq!(id(lines.receive().await), "1");
        let on_its_way = unsent.begin(&"x".repeat(17 << 20));
        let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":3}}\n";
        client.write_all((ping(2) + &ping(3) + &ping(4) + cancel).as_bytes()).await.unwrap();
        drop(client);
        let cancelled = lines.receive().await;
        assert!(matches!(cancelled, Some(RxJsonRpcMessage::<RoleServer>::Notification(_))), "{cancelled:?}");
        assert!(lines.receive().now_or_never().is_none() && ended.is_cancelled());
        drop(on_its_way);
        assert_eq!((id(lines.receive().await), id(lines.receive().await)), ("2".into(), "4".into()));
        // The end is told when all are answered.
        for id in [1, 2, 4] {
            assert!(lines.receive().now_or_never().is_none());
            let id = Some(RequestId::Number(id));
            let answer = TxJsonRpcMessage::<RoleServer>::error(ErrorData::internal_error("x", None), id);
            lines.send(answer).await.unwrap();
        }
        assert!(lines.receive().await.is_none());
    }
}
