//! An answer that lasts no longer than the credential that asked for it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::exchange::Answer;
use crate::identity::Over;

/// Has `answer` end when the credential is over, as if its client had been let go.
pub(super) fn lasting(answer: Answer, over: Over) -> Answer {
    answer.map(|body| {
        if body.is_end_stream() || body.size_hint().exact().is_some() {
            // The answer is there already.
            body
        } else {
            Lasting { body, over }.boxed()
        }
    })
}

struct Lasting {
    body: BoxBody<Bytes, Infallible>,
    over: Over,
}

impl Body for Lasting {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use hyper::Response;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_with_its_credential_and_what_is_there_is_given() {
        let (end, ended) = oneshot::channel::<()>();
        let over: Over = Box::pin(async { drop(ended.await) });
        let endless = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let mut answer = lasting(Response::new(endless.boxed()), over);
        let frame = answer.body_mut().frame();
        drop(end);
        assert!(frame.await.is_none());
        let whole = http_body_util::Full::new(Bytes::from("x")).boxed();
        let answer = lasting(Response::new(whole), Box::pin(std::future::ready(())));
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "x");
    }
}
