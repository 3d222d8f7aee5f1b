//! Who is told of changes, over all connections of this server: streams of the newer
//! era, and sessions of the older one that subscribed to a resource.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use hyper::http::request::Parts;
use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::service::{RequestContext, SubscriptionSink};

/// All who are told of changes.
pub(super) static LISTENERS: LazyLock<Listeners> = LazyLock::new(Listeners::default);

#[derive(Default)]
pub(super) struct Listeners {
    streams: Mutex<Streams>,
    /// Sessions with what each subscribed to.
    subscribed: Mutex<HashSet<(String, String)>>,
}

#[derive(Default)]
struct Streams {
    next: u64,
    sinks: HashMap<u64, SubscriptionSink>,
}

/// A stream that is told, until this is dropped.
pub(super) struct Listener(u64);

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENERS.streams.lock().sinks.remove(&self.0);
    }
}

impl Listeners {
    /// Has a stream told.
    pub(super) fn enter(&self, sink: &SubscriptionSink) -> Listener {
        let mut streams = self.streams.lock();
        streams.next += 1;
        let number = streams.next;
        streams.sinks.insert(number, sink.clone());
        Listener(number)
    }

    fn sinks(&self) -> Vec<SubscriptionSink> {
        self.streams.lock().sinks.values().cloned().collect()
    }

    /// Says that tools have changed, and how many were told.
    pub(super) async fn tools_changed(&self) -> String {
        let mut told = 0;
        for sink in self.sinks() {
            // A stream that did not ask for it, or has gone, is not told.
            told += usize::from(sink.notify_tool_list_changed().await.is_ok());
        }
        format!("{told} were told")
    }

    /// Says that prompts have changed, and how many were told.
    pub(super) async fn prompts_changed(&self) -> String {
        let mut told = 0;
        for sink in self.sinks() {
            told += usize::from(sink.notify_prompt_list_changed().await.is_ok());
        }
        format!("{told} were told")
    }

    /// Remembers that a session subscribed.
    pub(super) fn subscribe(&self, uri: String, context: &RequestContext<RoleServer>) {
        self.subscribed.lock().insert((session(context), uri));
    }

    /// Forgets that a session subscribed.
    pub(super) fn unsubscribe(&self, uri: &str, context: &RequestContext<RoleServer>) {
        self.subscribed.lock().remove(&(session(context), uri.to_owned()));
    }
}

fn session(context: &RequestContext<RoleServer>) -> String {
    let id = context.extensions.get::<Parts>().and_then(|parts| parts.headers.get("mcp-session-id"));
    id.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned()
}
