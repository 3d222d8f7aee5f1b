//! What every message passes before anything is done for it, as a request over HTTP
//! does: who sends it, with the credential that opened the connection, what that may do,
//! and the principal's room.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::body::Bytes;
use rmcp::model::{ClientNotification, GetExtensions as _, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};

use super::super::Server;
use super::super::body::Taken;
use super::super::client::Client;
use super::super::long::LONG_BYTES;
use super::super::operation::Operation;
use super::super::refusal::Refusal;
use super::requests::Requests;
use crate::caller::Held;
use crate::identity::{Identity, Unauthenticated};
use crate::transport::message::{self, parse};
use crate::transport::request_id::IdFinder;

/// The door of one connection.
pub(super) struct Admission {
    pub(super) server: Arc<Server>,
    pub(super) client: Arc<Client>,
    /// The identity of whoever opened the connection.
    pub(super) identity: Arc<Identity>,
    /// The address from which it was opened.
    pub(super) address: IpAddr,
    /// The head with which it was opened: a credential that is good no more is noticed by this.
    pub(super) headers: HeaderMap,
    pub(super) requests: Requests,
}

/// What becomes of a message.
pub(super) enum Admitted {
    In(RxJsonRpcMessage<RoleServer>),
    /// The message is answered here.
    Refused(TxJsonRpcMessage<RoleServer>),
    /// Nobody waits for an answer.
    Nothing,
}

impl Admission {
    /// Lets a message in, or not. `room` is what was taken for it while it came.
    pub(super) async fn admit(&self, text: Bytes, room: Option<Taken>) -> Admitted {
        match self.check(&text, room).await {
            Ok(Some(message)) => Admitted::In(message),
            Ok(None) => Admitted::Nothing,
            Err(refusal) => {
                self.server.service.refused(Some(&self.identity), Some(self.address), refusal.reason());
                tracing::debug!(
                    tenant = self.identity.tenant(),
                    credential = &*self.identity.credential,
                    reason = refusal.reason(),
                    "a message over a WebSocket was refused"
                );
                match asked_for(&text, &refusal) {
                    Some(id) => Admitted::Refused(TxJsonRpcMessage::<RoleServer>::error(refusal.error(), id)),
                    None => Admitted::Nothing,
                }
            }
        }
    }

    async fn check(&self, text: &Bytes, room: Option<Taken>) -> Result<Option<RxJsonRpcMessage<RoleServer>>, Refusal> {
        let identity = self.server.authentication.authenticate(&self.headers).await;
        let identity = identity.map_err(Refusal::Unauthenticated)?;
        if identity.principal != self.identity.principal {
            return Err(Refusal::Unauthenticated(Unauthenticated::Revoked));
        }
        let read = match text.len() < LONG_BYTES {
            true => read(text),
            false => {
                let text = text.clone();
                let reading = async move { read(&text) };
                self.client.long().carry_out(reading).await.unwrap_or(Err(Refusal::Failed))
            }
        };
        let Some((operation, mut message)) = read? else { return Ok(None) };
        // A message that ends requests needs none of the room that they take.
        let held = Held::new(self.server.calls.clone());
        if matches!(message, RxJsonRpcMessage::<RoleServer>::Request(_)) {
            held.keep_place(self.client.request()?);
            // A short message needs no room: there are as many as there are requests.
            if let Some(mut room) = room {
                room.shrink(text.len());
                held.keep(room);
            }
        }
        operation.check(&identity, &self.server.service.accounts)?;
        match &mut message {
            RxJsonRpcMessage::<RoleServer>::Request(request) => {
                if !self.requests.begin(&request.id, &held) {
                    return Err(Refusal::Twice);
                }
                let extensions = request.request.extensions_mut();
                extensions.insert(held);
                extensions.insert(identity);
            }
            RxJsonRpcMessage::<RoleServer>::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification {
                    // A request that was cancelled is not answered.
                    let ended = cancelled.params.request_id.as_ref().and_then(|id: &RequestId| self.requests.end(id));
                    drop(ended);
                }
            }
            _ => {}
        }
        Ok(Some(message))
    }
}

/// The id under which a refusal is given, if anybody waits for one.
fn asked_for(text: &[u8], refusal: &Refusal) -> Option<Option<RequestId>> {
    if let Refusal::NoMessage(refusal) = refusal {
        return Some(refusal.id.clone());
    }
    let mut finder = IdFinder::default();
    finder.feed(text);
    // An answer to what is no request could go round in circles.
    finder.has_method().then(|| finder.found())
}

/// What a text asks for, and the message in it. `None` for one that asks for no answer and
/// says nothing.
fn read(text: &[u8]) -> Result<Option<(Operation, RxJsonRpcMessage<RoleServer>)>, Refusal> {
    message::check_size(text).map_err(Refusal::NoMessage)?;
    let operation = Operation::of(text)?;
    match parse(text) {
        Ok(message) => Ok(Some((operation, message))),
        Err(Some(refusal)) => Err(Refusal::NoMessage(refusal)),
        Err(None) => Ok(None),
    }
}
