//! The fake model: a server on loopback that asks for one call of `execute`,
//! keeps what comes back, and ends the conversation.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

use crate::http::Connection;
use crate::wires::{Kind, Received, Say, Turn, Wire};

/// Connections at once; a client has a few.
const CONNECTIONS: usize = 32;
/// Hosts that are kept of those a client asked for.
const HOSTS: usize = 32;

/// What the model was told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How often the model was asked.
    pub(crate) turns: usize,
    /// Whether the model found `execute` among its tools and called it.
    pub(crate) called: bool,
    /// What came back from the call.
    pub(crate) received: Option<Received>,
    /// Hosts of the world that the client asked for.
    pub(crate) hosts: BTreeSet<String>,
}

/// A running model server.
#[derive(Debug)]
pub(crate) struct Model {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Model {
    /// Starts a model that speaks `wire` and wants `arguments` executed.
    pub(crate) fn start(wire: Wire, arguments: Value) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let heard = Arc::new(Mutex::new(Heard::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (heard, is_over) = (Arc::clone(&heard), Arc::clone(&is_over));
            move || accept(&listener, &is_over, wire, &Arc::new(arguments), &heard)
        });
        Self { address, heard, is_over, thread: Some(thread) }
    }

    /// Where the model listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the model.
    pub(crate) fn finish(mut self) -> Heard {
        self.stop();
        std::mem::take(&mut lock(&self.heard))
    }

    fn stop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // A connection wakes the thread, which waits for one.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("accepting a connection does not fail");
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, is_over: &AtomicBool, wire: Wire, arguments: &Arc<Value>, heard: &Arc<Mutex<Heard>>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (open, arguments, heard) = (Arc::clone(&open), Arc::clone(arguments), Arc::clone(heard));
        thread::spawn(move || {
            // What a client does with its connection is for the client to say:
            // it shows in what the model did not hear.
            let _ = serve(stream, wire, &arguments, &heard);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn serve(stream: TcpStream, wire: Wire, arguments: &Value, heard: &Mutex<Heard>) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    let request = connection.request()?;
    // The client takes this server for its proxy, too.
    if request.method == "CONNECT" || !request.target.starts_with('/') {
        let hosts = &mut lock(heard).hosts;
        if hosts.len() < HOSTS {
            hosts.insert(request.target);
        }
        return connection.answer("403 Forbidden", "text/plain", "there is no world here");
    }
    let conversation = serde_json::from_slice::<Value>(&request.body).ok();
    let Some(conversation) = conversation.filter(|_| request.method == "POST" && wire.is_turn(&request.target)) else {
        let error = json!({"error": {"type": "not_found_error", "message": "this model only takes part in talks"}});
        return connection.answer("404 Not Found", "application/json", &error.to_string());
    };
    let say = answer(wire.read(&conversation), arguments, &mut lock(heard));
    connection.answer("200 OK", "text/event-stream", &wire.write(&say))
}

/// What a model says that wants one thing.
fn answer(turn: Turn, arguments: &Value, heard: &mut Heard) -> Say {
    heard.turns += 1;
    if turn.received.is_some() {
        heard.received = turn.received;
        return Say::Text("The plot is drawn.");
    }
    let offered = |kind: Kind| turn.offered.iter().find(|tool| tool.kind == kind);
    let execute = turn.offered.iter().find(|tool| tool.is_execute());
    if let Some(tool) = execute.or_else(|| offered(Kind::Script)) {
        heard.called = true;
        return Say::Execute { tool: tool.clone(), arguments: arguments.clone() };
    }
    match offered(Kind::Search) {
        Some(tool) if !turn.has_searched => Say::Search(tool.clone()),
        // Clients also ask for a title, without any tool.
        _ => Say::Text("A plot"),
    }
}
