//! A request and its answer. What the request holds is let go of when the last byte
//! of the answer is with the kernel, or the connection is gone: hyper lets go of a
//! body earlier, when it has taken it into a buffer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::combinators::BoxBody;
use hyper::Response;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::connection::Connection;
use crate::caller::Held;

/// What comes of a request, from us or from rmcp.
pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A request that is being answered on a connection.
pub(super) struct Exchange {
    connection: Arc<Connection>,
    held: Arc<Held>,
    /// The place of the request among the connections of its principal, once it is admitted.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Exchange {
    pub(super) fn begin(connection: &Arc<Connection>, held: Arc<Held>) -> Self {
        connection.begin();
        Self { connection: Arc::clone(connection), held, place: Mutex::default() }
    }

    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) const fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// Keeps the connection of the request from making room for others.
    pub(super) fn admit(&self, place: OwnedSemaphorePermit) {
        *self.place.lock() = Some(place);
        self.connection.admit();
    }

    /// Refuses the request, which then keeps nobody out.
    pub(super) fn dismiss(&self) {
        if self.place.lock().take().is_some() {
            self.connection.dismiss();
        }
    }

    /// The answer, which ends the exchange.
    pub(super) fn answer(self, answer: Answer) -> Response<AnswerBody> {
        answer.map(|body| AnswerBody { body, _exchange: self })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.answered(Arc::clone(&self.held), self.place.lock().take());
    }
}

/// The body of an answer.
pub(super) struct AnswerBody {
    body: BoxBody<Bytes, Infallible>,
    _exchange: Exchange,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
