//! A server that speaks HTTP, and the raw connection to it: bytes as they are, one
//! answer after the other, events of a stream as they come.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::running::Running;
use crate::server::{Builder, private_directory};
use crate::{PATIENCE, Reply, eventually};

/// The newer era's version.
pub const MODERN: &str = "2026-07-28";

/// A running `belljar serve`. It is killed when dropped, and its workers with it.
#[derive(Debug)]
pub struct HttpServer {
    running: Running,
    address: SocketAddr,
    token: String,
    home: TempDir,
    builder: Builder,
}

impl HttpServer {
    /// A server with default settings, ready for calls.
    pub fn start() -> Self {
        let server = Self::with(Builder::default());
        server.wait_until_ready();
        server
    }

    /// A server with other settings, which listens.
    pub fn with(builder: Builder) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let state = private_directory(home.path().join("state"));
        let mut command = builder.command(&state);
        let listen = builder.listen.as_deref().unwrap_or("127.0.0.1:0");
        command.args(["serve", "--listen", listen]).stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(&mut command, home.path().join("log"));
        let said = eventually("the server to listen", || {
            let log = running.log();
            log.contains("curl:").then_some(log)
        });
        let words = |after: &str| -> Vec<&str> {
            let ends = |letter: char| letter.is_whitespace() || letter == '/';
            said.split(after).skip(1).map(|rest| rest.split(ends).next().unwrap_or_default()).collect()
        };
        // The server may say before that by which name clients find it.
        let address = words("://").iter().find_map(|word| word.parse().ok()).expect("the server says where it listens");
        let token = words("shown again: ").first().copied().unwrap_or_default().to_owned();
        Self { running, address, token, home, builder }
    }

    /// What another command says that has the settings of this server, and whether it
    /// could do it.
    pub fn command(&self, words: &[&str]) -> (bool, String) {
        let output = self.builder.command(&self.home.path().join("state")).args(words).output();
        let output = output.expect("the binary can be started");
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8(said).expect("a command says text"))
    }

    /// Adds a key for a client.
    pub fn add_key(&self, words: &[&str]) -> String {
        let (done, said) = self.command(&[&["keys", "add"], words].concat());
        assert!(done, "{said}");
        said.trim().to_owned()
    }

    /// Waits until calls are welcome.
    pub fn wait_until_ready(&self) {
        eventually("the server to be ready", || (self.get("/readyz").status == 200).then_some(()));
    }

    /// Where the server listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that the server made.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Time on a processor of the server and all its workers.
    pub fn cpu_time(&self) -> Duration {
        let workers = Process::children_of(self.process().pid());
        std::iter::once(self.process()).chain(workers).map(|process| process.cpu_time()).sum()
    }

    /// A directory that goes with the server.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// A request with what every one needs: the fields of the message itself too.
    pub fn request(&self, message: &Value) -> Request {
        self.request_with(&self.token, message)
    }

    /// A request with what every one needs, of whoever has this token.
    pub fn request_with(&self, token: &str, message: &Value) -> Request {
        Request::call(self.address, token, message)
    }

    /// Sends a message on a connection of its own and waits for the answer.
    pub fn post(&self, message: &Value) -> Answer {
        self.connect().ask(&self.request(message))
    }

    /// Asks for a path without a token.
    pub fn get(&self, path: &str) -> Answer {
        self.connect().ask(&Request::new("GET", path, self.address))
    }

    /// Runs Python in the newer era.
    pub fn execute(&self, code: &str) -> Reply {
        self.post(&modern("tools/call", json!({"name": "execute", "arguments": {"language": "python", "code": code}})))
            .reply()
    }

    /// What `health_check` says.
    pub fn health(&self) -> Value {
        let call = modern("tools/call", json!({"name": "health_check", "arguments": {}}));
        self.post(&call).reply().structured().clone()
    }

    /// Waits until `health_check` says what `wanted` wants.
    pub fn wait_for_health(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || Some(self.health()).filter(&wanted))
    }
}

impl Deref for HttpServer {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

/// A request of the newer era.
pub fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "belljar-tests", "version": "0"});
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// A request of the `initialize` era.
pub fn legacy(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// An HTTP request, as bytes.
#[derive(Clone, Debug)]
pub struct Request {
    line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request with a `Host` alone.
    pub fn new(method: &str, target: &str, host: SocketAddr) -> Self {
        let fields = vec![("Host".to_owned(), host.to_string())];
        Self { line: format!("{method} {target} HTTP/1.1"), fields, body: Vec::new() }
    }

    /// A message to the endpoint, without a token.
    pub fn post(host: SocketAddr, body: &[u8]) -> Self {
        let request = Self::new("POST", "/mcp", host)
            .field("Content-Type", "application/json")
            .field("Accept", "application/json, text/event-stream")
            .field("Content-Length", &body.len().to_string());
        Self { body: body.to_vec(), ..request }
    }

    /// A message with what every one needs, of whoever has this token: the fields of the
    /// message itself too.
    pub fn call(host: SocketAddr, token: &str, message: &Value) -> Self {
        let mut request =
            Self::post(host, message.to_string().as_bytes()).field("Authorization", &format!("Bearer {token}"));
        if message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == MODERN {
            request = request.field("MCP-Protocol-Version", MODERN);
            let params = &message["params"];
            // The name of a resource is its address.
            let name = if params["uri"].is_string() { &params["uri"] } else { &params["name"] };
            for (field, value) in [("Mcp-Method", &message["method"]), ("Mcp-Name", name)] {
                if let Some(value) = value.as_str() {
                    let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic());
                    let encoded = || format!("=?base64?{}?=", STANDARD.encode(value));
                    request = request.field(field, &if is_plain { value.to_owned() } else { encoded() });
                }
            }
        }
        request
    }

    /// This request, with another first line.
    pub fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    /// This request, with a field in place of all of that name.
    pub fn field(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// This request, with one field more.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// This request, without the fields of a name.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    /// The head of the request.
    pub fn head(&self) -> Vec<u8> {
        let fields: String = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{fields}\r\n", self.line).into_bytes()
    }

    /// All bytes of the request.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    output: TcpStream,
    input: BufReader<TcpStream>,
    /// What has come of a stream and is no whole event yet.
    pending: String,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// The status of the answer.
    pub status: u16,
    fields: Vec<(String, String)>,
    /// The body of the answer.
    pub body: String,
}

impl Answer {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The word for why the request was refused.
    pub fn reason(&self) -> String {
        self.json()["error"]["data"]["reason"].as_str().unwrap_or_else(|| panic!("no refusal: {self:?}")).to_owned()
    }

    /// The messages in the answer, whether it is a stream or not.
    pub fn messages(&self) -> Vec<Value> {
        match self.field("Content-Type") {
            Some("text/event-stream") => self.body.split("\n\n").filter_map(message).collect(),
            _ => vec![self.json()],
        }
    }

    /// The reply to a call.
    pub fn reply(&self) -> Reply {
        let last = self.messages().pop().unwrap_or_else(|| panic!("no message: {self:?}"));
        Reply::of(last)
    }
}

/// The message of an event. A comment has none.
fn message(event: &str) -> Option<Value> {
    let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
    serde_json::from_str(&data.join("\n")).ok()
}

impl Connection {
    /// Connects.
    pub fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the server listens"))
    }

    /// Connects, if anybody listens.
    pub fn try_to(address: SocketAddr) -> Option<Self> {
        TcpStream::connect(address).ok().map(Self::over)
    }

    fn over(output: TcpStream) -> Self {
        output.set_nodelay(true).expect("a socket has options");
        output.set_read_timeout(Some(PATIENCE)).expect("a socket has a deadline");
        output.set_write_timeout(Some(PATIENCE)).expect("a socket has a deadline");
        let input = BufReader::new(output.try_clone().expect("a socket can be cloned"));
        Self { output, input, pending: String::new() }
    }

    /// Sends bytes. A server that does not take them is no failure here.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.output.write_all(bytes);
    }

    /// Sends a request.
    pub fn send(&mut self, request: &Request) {
        self.send_bytes(&request.bytes());
    }

    /// Closes the half that sends.
    pub fn close_half(&self) {
        self.output.shutdown(Shutdown::Write).expect("a socket can be closed");
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, request: &Request) -> Answer {
        self.send(request);
        self.answer()
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        self.answer_or_end().expect("the server closed the connection without an answer")
    }

    /// The next answer, or the end.
    pub fn answer_or_end(&mut self) -> Option<Answer> {
        let mut answer = self.answer_head()?;
        if answer.field("Transfer-Encoding").is_some() {
            while let Some(chunk) = self.chunk() {
                answer.body.push_str(&chunk);
            }
        } else {
            let length = answer.field("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            self.input.read_exact(&mut body).ok()?;
            answer.body = String::from_utf8(body).expect("a body is text");
        }
        Some(answer)
    }

    /// The head of the next answer, which is a stream.
    pub fn answer_head(&mut self) -> Option<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(Answer { status, fields, body: String::new() });
            }
            let (name, value) = line.split_once(':').expect("a field has a name and a value");
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The next message of a stream; `None` at its end.
    pub fn event(&mut self) -> Option<Value> {
        let started = Instant::now();
        loop {
            // Signs of life alone would keep it for ever.
            assert!(started.elapsed() < PATIENCE, "still waiting for a message of the stream");
            if let Some((event, rest)) = self.pending.split_once("\n\n") {
                let (event, rest) = (message(event), rest.to_owned());
                self.pending = rest;
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = self.chunk()?;
            self.pending.push_str(&chunk);
        }
    }

    /// Whether the server has closed the connection, or does so.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.input.read(&mut byte), Ok(0)) || self.output.take_error().is_ok_and(|error| error.is_some())
    }

    /// Whether the server has closed the connection by now.
    pub fn is_over(&self) -> bool {
        self.output.set_nonblocking(true).expect("a socket can be asked without waiting");
        let outcome = self.output.peek(&mut [0]);
        self.output.set_nonblocking(false).expect("a socket can be waited for");
        match outcome {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let bytes = self.input.read_line(&mut line).ok()?;
        (bytes > 0).then(|| line.trim_end().to_owned())
    }

    fn chunk(&mut self) -> Option<String> {
        let length = usize::from_str_radix(&self.line()?, 16).ok()?;
        let mut chunk = vec![0; length + 2];
        self.input.read_exact(&mut chunk).ok()?;
        chunk.truncate(length);
        (length > 0).then(|| String::from_utf8(chunk).expect("a stream is text"))
    }
}
