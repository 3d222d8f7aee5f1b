//! One who is told of changes: over the connection, a stream of its own, or the
//! stream of a request.

use serde_json::{Value, json};
use tests::http::{Connection, modern};
use tests::{Pending, Reply, eventually};

use crate::wire::Wire;

/// The id of a request to listen over HTTP.
pub(crate) const LISTEN: u64 = 77;

pub(crate) enum Listener<'a> {
    /// How many messages were seen, and the request of the newer era.
    Stdio {
        wire: &'a Wire,
        seen: usize,
        request: Option<Pending>,
    },
    Http(Box<Connection>),
}

impl<'a> Listener<'a> {
    /// Listens for changes of `uris`, all of which are accepted.
    pub(crate) fn start(wire: &'a Wire, uris: &[&str]) -> Self {
        let mut listener = Self::open(wire, uris);
        if wire.is_modern() {
            assert_eq!(listener.acknowledged(), json!({"resourceSubscriptions": uris}));
        } else {
            for uri in uris {
                assert_eq!(wire.ask("resources/subscribe", json!({"uri": uri})).result(), &json!({}));
            }
        }
        listener
    }

    /// Opens the stream, and in the newer era asks for changes of `uris`.
    pub(crate) fn open(wire: &'a Wire, uris: &[&str]) -> Self {
        let params = json!({"notifications": {"resourceSubscriptions": uris}});
        match wire {
            Wire::Stdio { server, is_modern } => {
                let seen = server.client.notifications().len();
                let ask = || server.client.request("subscriptions/listen", modern("", params)["params"].clone());
                Self::Stdio { wire, seen, request: is_modern.then(ask) }
            }
            Wire::Http { server, session } => {
                let request = match session {
                    Some(_) => wire.request(1, "", json!({})).line("GET /mcp HTTP/1.1").field("Content-Length", "0"),
                    None => wire.request(LISTEN, "subscriptions/listen", params),
                };
                let mut connection = server.connect();
                connection.send_bytes(&if session.is_some() { request.head() } else { request.bytes() });
                let head = connection.answer_head().expect("a stream is answered");
                assert_eq!((head.status, head.field("Content-Type")), (200, Some("text/event-stream")), "{head:?}");
                Self::Http(Box::new(connection))
            }
        }
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> Option<Value> {
        match self {
            Self::Stdio { wire, seen, .. } => {
                let Wire::Stdio { server, .. } = wire else { panic!("not over stdio") };
                let before = *seen;
                *seen += 1;
                Some(eventually("a message", || server.client.notifications().get(before).cloned()))
            }
            Self::Http(connection) => connection.event(),
        }
    }

    /// What the server says that it will tell.
    pub(crate) fn acknowledged(&mut self) -> Value {
        let message = self.message().unwrap();
        assert_eq!(message["method"], "notifications/subscriptions/acknowledged");
        message["params"]["notifications"].clone()
    }

    /// The addresses of the next changes, in order of the alphabet.
    pub(crate) fn next(&mut self, count: usize) -> Vec<String> {
        let mut uris: Vec<_> = (0..count)
            .map(|_| {
                let message = self.message().expect("the stream goes on");
                assert_eq!(message["method"], "notifications/resources/updated", "{message}");
                message["params"]["uri"].as_str().unwrap().to_owned()
            })
            .collect();
        uris.sort();
        uris
    }

    /// How the request to listen ends.
    pub(crate) fn end(&mut self) -> Option<Reply> {
        match self {
            Self::Stdio { request, .. } => request.take()?.wait_or_end(),
            Self::Http(connection) => connection.event().map(Reply::of),
        }
    }
}
