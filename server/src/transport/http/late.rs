//! An answer that is not there at once. Its head goes out before it, and signs of life
//! after that: clients and proxies give up a connection on which nothing comes, and
//! some clients send no other request until the head of the answer to one is there.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::http::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Response};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::exchange::Answer;

const EVENTS: &str = "text/event-stream";
/// A comment, which says nothing.
const SIGN_OF_LIFE: &[u8] = b":\n\n";

/// How long what is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long an answer is waited for until its head goes out.
    pub(super) at_once: Duration,
    /// How long it takes between signs of life.
    pub(super) keep_alive: Duration,
}

/// The answer, or the beginning of one that is a stream of events. Whoever lets go of
/// either lets go of what makes it.
pub(super) async fn begin(
    answer: impl Future<Output = Answer> + Send + 'static,
    pace: Pace,
    tasks: &TaskTracker,
) -> Answer {
    let mut answer: Pin<Box<dyn Future<Output = Answer> + Send>> = Box::pin(answer);
    if let Ok(answer) = timeout(pace.at_once, answer.as_mut()).await {
        return answer;
    }
    let (sender, events) = mpsc::channel(1);
    tasks.spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            () = tell(answer, pace.keep_alive, &sender) => {}
        }
    });
    let mut begun = Response::new(BoxBody::new(Events(events)));
    let fields = [
        (CONTENT_TYPE, EVENTS),
        (CACHE_CONTROL, "no-cache"),
        // nginx would keep events until it has many.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    begun.headers_mut().extend(fields.map(|(name, value)| (name, HeaderValue::from_static(value))));
    begun
}

async fn tell(
    mut answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    keep_alive: Duration,
    sender: &mpsc::Sender<Bytes>,
) {
    let (head, mut body) = loop {
        tokio::select! {
            biased;
            answer = answer.as_mut() => break answer.into_parts(),
            () = sleep(keep_alive) => {}
        }
        if sender.send(Bytes::from_static(SIGN_OF_LIFE)).await.is_err() {
            return;
        }
    };
    if !is_stream(&head.headers) {
        let Ok(message) = body.collect().await;
        let event = [b"data: ", &*message.to_bytes(), b"\n\n"].concat();
        // A client that has gone takes nothing any more.
        let _ = sender.send(event.into()).await;
        return;
    }
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(event) = frame.into_data()
            && sender.send(event).await.is_err()
        {
            return;
        }
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(EVENTS.as_bytes()))
}

/// The events of an answer, as they are told.
struct Events(mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use hyper::StatusCode;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::super::refusal::json_answer;
    use super::*;

    const SOON: Duration = Duration::from_millis(10);
    const NEVER: Duration = Duration::from_secs(3600);

    async fn text(answer: Answer) -> String {
        let Ok(body) = answer.into_body().collect().await;
        String::from_utf8(body.to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_that_is_there_goes_out_as_it_is() {
        let pace = Pace { at_once: NEVER, keep_alive: NEVER };
        let answer = async { json_answer(StatusCode::NOT_FOUND, &json!(1)) };
        let answer = begin(answer, pace, &TaskTracker::new()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(text(answer).await, "1");
    }

    #[tokio::test]
    async fn an_answer_that_is_late_comes_as_an_event_after_signs_of_life() {
        let ready = CancellationToken::new();
        let answer = {
            let ready = ready.clone();
            async move {
                ready.cancelled().await;
                json_answer(StatusCode::OK, &json!({"a": "b"}))
            }
        };
        let pace = Pace { at_once: SOON, keep_alive: SOON };
        let mut begun = begin(answer, pace, &TaskTracker::new()).await;
        assert!(begun.status() == StatusCode::OK && is_stream(begun.headers()));
        for _ in 0..2 {
            let Some(Ok(frame)) = begun.body_mut().frame().await else { panic!("it ended") };
            assert_eq!(frame.data_ref().map(|data| &data[..]), Some(SIGN_OF_LIFE));
        }
        ready.cancel();
        let rest = text(begun).await;
        assert_eq!(rest.trim_start_matches(":\n\n"), "data: {\"a\":\"b\"}\n\n");
    }

    #[tokio::test]
    async fn events_of_a_stream_that_begins_late_are_handed_on() {
        let tasks = TaskTracker::new();
        let answer = async {
            sleep(SOON).await;
            let (sender, events) = mpsc::channel(2);
            sender.send("data: 1\n\n".into()).await.unwrap();
            sender.send("data: 2\n\n".into()).await.unwrap();
            let mut answer = Response::new(BoxBody::new(Events(events)));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
            answer
        };
        let pace = Pace { at_once: Duration::ZERO, keep_alive: NEVER };
        assert_eq!(text(begin(answer, pace, &tasks).await).await, "data: 1\n\ndata: 2\n\n");
    }

    #[tokio::test]
    async fn who_lets_go_of_it_lets_go_of_what_makes_it() {
        let tasks = TaskTracker::new();
        let made = CancellationToken::new();
        let guard = made.clone().drop_guard();
        let answer = async move {
            let _guard = guard;
            pending().await
        };
        let begun = begin(answer, Pace { at_once: SOON, keep_alive: NEVER }, &tasks).await;
        assert!(!made.is_cancelled());
        drop(begun);
        timeout(Duration::from_secs(60), made.cancelled()).await.unwrap();
    }
}
