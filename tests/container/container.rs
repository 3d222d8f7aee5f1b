//! A server in a container that has as little as there is to have.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::http::{Answer, Connection, Request, modern};
use tests::{Reply, eventually, free_address};

use crate::engine::{Engine, NETWORK};
use crate::images::Image;

/// What the README gives a container, and no capability, no new privilege and nothing to
/// write to but the volume and `/tmp`.
const CONFINED: [&str; 8] =
    ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp", "--stop-timeout=45"];

/// Results as most tests look at them, and not as agents get them.
pub(crate) const STRUCTURED: &[&str] = &["--env=BELLJAR_STRUCTURED_CONTENT=true"];

/// A server in a container. It is removed when dropped, and its volume with it.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    engine: &'a Engine,
    name: String,
    address: SocketAddr,
    metrics: SocketAddr,
    key: String,
}

impl<'a> Container<'a> {
    /// A server that is ready, with one key.
    pub(crate) fn start(engine: &'a Engine, image: Image, settings: &[&str]) -> Self {
        let container = Self::create(engine, image, settings);
        container.begin();
        container.wait_until_ready();
        container
    }

    /// A container that is not started yet, with one key on its volume.
    pub(crate) fn create(engine: &'a Engine, image: Image, settings: &[&str]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("belljar-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (address, metrics) = (free_address(), free_address());
        let where_it_is = [
            "--env=BELLJAR_BEHIND_PROXY=true".to_owned(),
            "--env=BELLJAR_METRICS_LISTEN=0.0.0.0:9411".to_owned(),
            format!("--env=BELLJAR_PUBLIC_URL=http://{address}/mcp"),
            format!("--publish={address}:7411"),
            format!("--publish={metrics}:9411"),
        ];
        let volume = format!("--volume={name}:/var/lib/belljar");
        let mut words = vec!["create", "--name", &name, "--network", NETWORK, &volume];
        words.extend(CONFINED);
        words.extend(where_it_is.iter().map(String::as_str));
        words.extend(settings);
        words.push(image.tag());
        engine.docker(&words).expect("a container can be made");
        let mut words = vec!["run", "--rm", "--network", "none", &volume];
        words.extend(CONFINED);
        words.extend([image.tag(), "keys", "add", "--scopes=sandbox:execute"]);
        let key = engine.docker(&words).expect("a key can be added");
        Self { engine, name, address, metrics, key }
    }

    /// Starts the server.
    pub(crate) fn begin(&self) {
        self.engine.docker(&["start", &self.name]).expect("a container can be started");
    }

    pub(crate) fn wait_until_ready(&self) {
        eventually("the server in the container to be ready", || (self.readiness() == Some(200)).then_some(()));
    }

    /// Has the server end as `docker stop` does, and gives its exit code.
    pub(crate) fn stop(&self) -> String {
        self.engine.docker(&["stop", &self.name]).expect("a container can be stopped");
        self.inspect("{{.State.ExitCode}}")
    }

    /// What `docker inspect` says of the container.
    pub(crate) fn inspect(&self, format: &str) -> String {
        self.engine.docker(&["inspect", "--format", format, &self.name]).expect("the container is there")
    }

    /// Runs the program beside the server, and returns what it printed.
    pub(crate) fn exec(&self, words: &[&str]) -> Result<String, String> {
        self.engine.docker(&[&["exec", &self.name, "/usr/local/bin/belljar"], words].concat())
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&self, signal: &str) {
        self.engine.docker(&["kill", "--signal", signal, &self.name]).expect("the container runs");
    }

    pub(crate) fn log(&self) -> String {
        let output = self.engine.command(&["logs", &self.name]).output();
        output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default()
    }

    /// The key that the server has from the start.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Where clients find the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The status of `/readyz`; none where nobody answers. Docker's proxy listens before
    /// the server does, and closes.
    pub(crate) fn readiness(&self) -> Option<u16> {
        Some(self.get(self.address, "/readyz")?.status)
    }

    /// The text of the metrics.
    pub(crate) fn metrics(&self) -> String {
        self.get(self.metrics, "/metrics").expect("metrics are told").body
    }

    fn get(&self, address: SocketAddr, path: &str) -> Option<Answer> {
        let mut connection = Connection::try_to(address)?;
        connection.send(&Request::new("GET", path, address));
        connection.answer_or_end()
    }

    /// A request with a message, of whoever has this key.
    pub(crate) fn request(&self, key: &str, message: &Value) -> Request {
        Request::call(self.address, key, message)
    }

    /// Sends a request on a connection of its own, and waits for the answer.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request)
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// Calls a tool with the key that is there from the start.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> Reply {
        let message = modern("tools/call", json!({"name": tool, "arguments": arguments}));
        self.ask(&self.request(&self.key, &message)).reply()
    }

    /// Runs Python with more arguments of `execute`.
    pub(crate) fn execute(&self, code: &str, more: Value) -> Reply {
        let mut arguments = json!({"language": "python", "code": code});
        if let (Value::Object(arguments), Value::Object(more)) = (&mut arguments, more) {
            arguments.extend(more);
        }
        self.call("execute", &arguments)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // What cannot be removed is, when the engine ends.
        let _ = self.engine.docker(&["rm", "--force", &self.name]);
        let _ = self.engine.docker(&["volume", "rm", "--force", &self.name]);
    }
}
