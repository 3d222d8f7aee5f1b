//! The raw connection to a server: JSON-RPC over pipes, one message a line.
//!
//! A thread of its own reads, so that any number of requests can be in flight.
//! Everything that arrives is kept in order, and lines that are not JSON too.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;

use serde_json::{Value, json};

use crate::PATIENCE;
use crate::reply::Reply;

/// One end of a connection.
#[derive(Debug)]
pub struct Client {
    input: Mutex<Option<ChildStdin>>,
    next_id: AtomicU64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    received: Mutex<Received>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Received {
    messages: usize,
    waiting: HashMap<String, mpsc::Sender<Reply>>,
    notifications: Vec<Value>,
    strays: Vec<String>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, output: ChildStdout) {
        for line in BufReader::with_capacity(1 << 20, output).split(b'\n').map_while(Result::ok) {
            let mut received = self.lock();
            match serde_json::from_slice::<Value>(&line) {
                Ok(message) => received.take(message),
                Err(_) => received.strays.push(String::from_utf8_lossy(&line).into_owned()),
            }
            self.changed.notify_all();
        }
        let mut received = self.lock();
        received.ended = true;
        // Whoever still waits learns that nothing will come.
        received.waiting.clear();
        self.changed.notify_all();
    }
}

impl Received {
    fn take(&mut self, message: Value) {
        let arrival = self.messages;
        self.messages += 1;
        if message.get("method").is_some() {
            self.notifications.push(message);
            return;
        }
        match self.waiting.remove(&message["id"].to_string()) {
            // A test that no longer waits has what it wants.
            Some(waiting) => drop(waiting.send(Reply { message, arrival })),
            None => self.strays.push(message.to_string()),
        }
    }
}

/// A request whose answer has not been taken yet.
#[derive(Debug)]
pub struct Pending {
    id: u64,
    reply: mpsc::Receiver<Reply>,
    arrived: Option<Reply>,
}

impl Pending {
    /// The id of the request, which is also its progress token.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Waits for the answer.
    pub fn wait(self) -> Reply {
        let id = self.id;
        self.wait_or_end().unwrap_or_else(|| panic!("the server ended without an answer to request {id}"))
    }

    /// Waits for the answer, or for the end of the server: then there is none.
    pub fn wait_or_end(self) -> Option<Reply> {
        if self.arrived.is_some() {
            return self.arrived;
        }
        match self.reply.recv_timeout(PATIENCE) {
            Ok(reply) => Some(reply),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("request {} got no answer", self.id),
        }
    }

    /// Whether the answer is still to come.
    pub fn is_open(&mut self) -> bool {
        if self.arrived.is_none() {
            self.arrived = self.reply.try_recv().ok();
        }
        self.arrived.is_none()
    }
}

impl Client {
    pub(crate) fn new(input: ChildStdin, output: ChildStdout) -> Self {
        let shared = Arc::<Shared>::default();
        let reader = Arc::clone(&shared);
        std::thread::spawn(move || reader.read(output));
        Self { input: Mutex::new(Some(input)), next_id: AtomicU64::new(1), shared }
    }

    /// Sends bytes as they are. A server that stopped reading is no failure
    /// here: what it answers, or does not, tells.
    pub fn send_bytes(&self, bytes: &[u8]) {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = input.as_mut() {
            let _ = input.write_all(bytes).and_then(|()| input.flush());
        }
    }

    /// Sends a message on a line of its own.
    pub fn send(&self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes());
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request.
    pub fn request(&self, method: &str, params: Value) -> Pending {
        let pending = self.expect_reply();
        self.send(&json!({"jsonrpc": "2.0", "id": pending.id, "method": method, "params": params}));
        pending
    }

    /// Registers a new id, for a request that the caller writes itself.
    pub fn expect_reply(&self) -> Pending {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = mpsc::channel();
        let mut received = self.shared.lock();
        if !received.ended {
            received.waiting.insert(id.to_string(), sender);
        }
        Pending { id, reply, arrived: None }
    }

    /// Closes the server's standard input.
    pub fn close(&self) {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Notifications, and requests of the server, that have come so far.
    pub fn notifications(&self) -> Vec<Value> {
        self.shared.lock().notifications.clone()
    }

    /// Waits for a notification that `wanted` accepts, past ones included.
    pub fn notification(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.among_notifications(|all| all.iter().find(|message| wanted(message)).cloned())
    }

    /// Waits until `find` finds something among all notifications so far.
    fn among_notifications<T>(&self, mut find: impl FnMut(&[Value]) -> Option<T>) -> T {
        let started = Instant::now();
        let mut received = self.shared.lock();
        loop {
            if let Some(found) = find(&received.notifications) {
                return found;
            }
            assert!(!received.ended, "the server ended before it sent the notification");
            let left = PATIENCE.checked_sub(started.elapsed()).expect("still waiting for a notification");
            received = self.shared.changed.wait_timeout(received, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until `request`, which must report progress, has written `text`: at once, or
    /// in parts that were told one after the other. Answers the last notification of it.
    pub fn progress(&self, request: &Pending, text: &str) -> Value {
        let is_its_own = |message: &&Value| {
            message["method"] == "notifications/progress" && message["params"]["progressToken"] == request.id
        };
        self.among_notifications(|all| {
            let mut told = String::new();
            all.iter().filter(is_its_own).find_map(|message| {
                told.push_str(message["params"]["message"].as_str().unwrap_or_default());
                told.contains(text).then(|| message.clone())
            })
        })
    }

    /// Lines that were no message, or answers that nobody asked for.
    pub fn strays(&self) -> Vec<String> {
        self.shared.lock().strays.clone()
    }
}
