//! One user, with a server that goes on through all of it, and one over the same
//! directory that is killed again and again (`crash.rs`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tests::{Builder, Pending, Reply, Restriction, Server};

/// The sessions in memory: fewer than there are at once, so that some come back from the store.
const SESSIONS_IN_MEMORY: &str = "--sessions=6";

pub(crate) struct Tenant {
    pub(crate) user: u32,
    pub(crate) server: Server,
    calls: AtomicU64,
    /// How often each kind of thing was done, and how many calls that took.
    pub(crate) done: Mutex<BTreeMap<&'static str, (u64, u64)>>,
    /// The handle of a session of this user, for the other one to try.
    pub(crate) session: Mutex<Option<String>>,
}

impl Tenant {
    pub(crate) fn start(user: u32) -> Self {
        let server = set_up(Server::with(), user).start();
        Self { user, server, calls: AtomicU64::new(0), done: Mutex::default(), session: Mutex::default() }
    }

    /// Another server over the same directory.
    pub(crate) fn beside(&self) -> Builder {
        set_up(self.server.beside(), self.user)
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self, tool: &str, arguments: Value) -> Pending {
        self.count();
        self.server.client.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Reply {
        self.begin(tool, arguments).wait()
    }
}

fn set_up(builder: Builder, user: u32) -> Builder {
    builder.restricted(Restriction::user(user)).flag(SESSIONS_IN_MEMORY).flag("--log=warn")
}
