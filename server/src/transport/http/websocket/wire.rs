//! The messages of a WebSocket as rmcp's side of it sees them: they were let in, and
//! what it sends is written by whoever has the socket.

use std::io;

use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use tokio::sync::{mpsc, oneshot};

use super::requests::Requests;
use crate::transport::conversation::{Arrived, Wire};

/// A message that was let in, with its length.
pub(super) type Incoming = (RxJsonRpcMessage<RoleServer>, usize);

/// A message on its way out.
pub(super) struct Outgoing {
    pub(super) text: String,
    /// Told when the message is out.
    pub(super) sent: oneshot::Sender<()>,
}

impl Outgoing {
    /// The message, and what is told when it is out.
    pub(super) fn of(message: &TxJsonRpcMessage<RoleServer>) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (sent, is_sent) = oneshot::channel();
        Ok((Self { text: serde_json::to_string(message)?, sent }, is_sent))
    }
}

/// The two directions.
pub(super) struct Messages {
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
    pub(super) requests: Requests,
}

impl Wire for Messages {
    async fn next(&mut self) -> Option<Arrived> {
        let (message, bytes) = self.incoming.recv().await?;
        Some(Arrived { message: Ok(message), bytes })
    }

    fn send(&mut self, message: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let id = match &message {
            TxJsonRpcMessage::<RoleServer>::Response(response) => Some(&response.id),
            TxJsonRpcMessage::<RoleServer>::Error(error) => error.id.as_ref(),
            _ => None,
        };
        let answered = id.and_then(|id| self.requests.end(id));
        let (message, outgoing) = (Outgoing::of(&message), self.outgoing.clone());
        async move {
            let (message, is_sent) = message?;
            let gone = io::ErrorKind::BrokenPipe;
            outgoing.send(message).await.map_err(|_| gone)?;
            is_sent.await.map_err(|_| gone)?;
            drop(answered);
            Ok(())
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.incoming.close();
        Ok(())
    }
}
