//! Messages of one client, whatever brings them. Of what it sends under an id nothing
//! stays without an answer, also what is no message: rmcp's own transport skips that,
//! and its sender would wait for ever.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{ClientNotification, ErrorData, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio_util::sync::CancellationToken;

use super::message::{MAX_MESSAGE_BYTES, Refusal};
use super::unsent::Unsent;

/// How many bytes of requests wait before no more is read.
const MAX_HELD_BYTES: usize = MAX_MESSAGE_BYTES;

type Sending = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// What has come, and how many bytes it had. A refusal is answered; one that is none
/// says that nobody waits for an answer.
pub(super) struct Arrived {
    pub(super) message: Result<RxJsonRpcMessage<RoleServer>, Option<Refusal>>,
    pub(super) bytes: usize,
}

/// What brings messages and takes them away.
pub(super) trait Wire: Send + 'static {
    /// What comes next; `None` at the end. Whoever stops waiting loses nothing of it.
    fn next(&mut self) -> impl Future<Output = Option<Arrived>> + Send;

    /// Sends a message, which is out at the end.
    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = std::io::Result<()>> + Send + 'static;

    /// Sends no more.
    fn close(&mut self) -> impl Future<Output = std::io::Result<()>> + Send;
}

/// A client, over one wire.
pub(crate) struct Conversation<W> {
    wire: W,
    /// An answer that is on its way. Kept here because `receive` is dropped
    /// whenever something else is ready first.
    sending: Option<Sending>,
    /// Cancelled when the client has closed its end.
    ended: CancellationToken,
    unsent: Arc<Unsent>,
    /// Requests that wait until the client has read more, with their lengths.
    held: VecDeque<(RxJsonRpcMessage<RoleServer>, usize)>,
    /// Requests that were handed on and not answered yet.
    asked: HashSet<RequestId>,
    /// Whether the client has closed its end.
    is_over: bool,
}

impl<W: Wire> Conversation<W> {
    pub(super) fn over(wire: W, ended: CancellationToken, unsent: Arc<Unsent>) -> Self {
        Self { wire, sending: None, ended, unsent, held: VecDeque::new(), asked: HashSet::new(), is_over: false }
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
                    // A request that was cancelled is not answered.
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

    fn answer(&mut self, refusal: Refusal) {
        let Refusal { id, code, reason } = refusal;
        tracing::debug!(reason, "a message was refused");
        let response = TxJsonRpcMessage::<RoleServer>::error(ErrorData::new(code, reason, None), id);
        self.sending = Some(Box::pin(self.wire.send(response)));
    }
}

impl<W: Wire> Transport<RoleServer> for Conversation<W> {
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
        let sending = self.wire.send(item);
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
            let arrived = tokio::select! {
                biased;
                () = unsent.room(), if is_held => match self.held.pop_front() {
                    Some((message, _)) => return Some(self.asks(message)),
                    None => continue,
                },
                arrived = self.wire.next(), if reads => arrived,
            };
            let Some(Arrived { message, bytes }) = arrived else {
                self.ended.cancel();
                self.is_over = true;
                continue;
            };
            match message {
                Ok(message) => {
                    if let Some(message) = self.hold(message, bytes) {
                        return Some(self.asks(message));
                    }
                }
                Err(None) => {}
                Err(Some(refusal)) => self.answer(refusal),
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.wire.close().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::super::lines::Lines;
    use super::*;

    #[tokio::test]
    async fn while_a_client_does_not_read_requests_wait_and_what_ends_them_does_not() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let (ended, unsent) = (CancellationToken::new(), Unsent::new());
        let mut lines = Conversation::over(Lines::new(server, tokio::io::sink()), ended.clone(), Arc::clone(&unsent));
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
