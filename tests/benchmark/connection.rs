//! A client that adds as little as possible: it writes a line and reads a
//! line, on one thread.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Process, binary};

/// One server and the connection to it.
pub(crate) struct Connection {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    started: Instant,
    state: Option<TempDir>,
}

/// The result of a call.
pub(crate) struct Reply(Value);

impl Reply {
    fn field(&self, name: &str) -> &Value {
        &self.0["result"]["structuredContent"][name]
    }

    pub(crate) fn stdout(&self) -> &str {
        self.field("stdout").as_str().unwrap_or_else(|| panic!("not a result: {}", self.0))
    }

    pub(crate) fn result(&self) -> &str {
        self.field("result").as_str().unwrap_or_else(|| panic!("no value: {}", self.0))
    }

    pub(crate) fn session(&self) -> String {
        self.field("session")["id"].as_str().unwrap_or_else(|| panic!("no session: {}", self.0)).to_owned()
    }

    /// Stops the benchmark unless the program came to its end.
    pub(crate) fn assert_success(&self) {
        assert!(self.field("exit_code") == 0, "not a success: {}", self.0);
    }

    pub(crate) fn bytes_seen(&self) -> u64 {
        self.field("truncated")["stdout"]["bytes_seen"].as_u64().unwrap_or(0)
    }
}

impl Connection {
    /// Starts a server and says hello. Its sessions end with it.
    pub(crate) fn start() -> Self {
        let state = tempfile::tempdir().expect("a directory can be made");
        let mut connection = Self::with(state.path(), &[]);
        connection.state = Some(state);
        connection
    }

    /// Starts a server over `state` with these flags and says hello.
    pub(crate) fn with(state: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .arg("--state-directory")
            .arg(state.join("belljar"))
            // Outcomes are read by their fields.
            .arg("--structured-content")
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server must start");
        let input = child.stdin.take().expect("it has an input");
        let output = BufReader::new(child.stdout.take().expect("it has an output"));
        let mut connection = Self { child, input, output, started: Instant::now(), state: None };
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}});
        connection.send(&json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello}));
        connection.read();
        connection.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        connection
    }

    fn send(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).expect("the server must read");
    }

    fn read(&mut self) -> Value {
        assert!(self.started.elapsed() < super::PATIENCE, "the benchmark takes too long");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the server must answer");
        serde_json::from_str(&line).expect("an answer is JSON")
    }

    /// Runs a program and waits for it.
    pub(crate) fn execute(&mut self, code: &str, session: Option<&str>) -> Reply {
        let mut arguments = json!({"language": "python", "code": code});
        if let Some(session) = session {
            arguments["session"] = session.into();
        }
        self.call(0, arguments);
        self.receive().1
    }

    /// Runs a program in another language and waits for it.
    pub(crate) fn execute_in(&mut self, language: &str, code: &str) -> Reply {
        self.call(0, json!({"language": language, "code": code}));
        self.receive().1
    }

    /// Forks a session.
    pub(crate) fn fork(&mut self, session: &str) -> String {
        let params = json!({"name": "session", "arguments": {"action": "fork", "session": session}});
        self.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "tools/call", "params": params}));
        self.receive().1.session()
    }

    /// Sends a program without waiting.
    pub(crate) fn send_execute(&mut self, id: usize, code: &str) {
        self.call(id, json!({"language": "python", "code": code}));
    }

    fn call(&mut self, id: usize, arguments: Value) {
        let params = json!({"name": "execute", "arguments": arguments});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
    }

    /// The next result, and the number of its call.
    pub(crate) fn receive(&mut self) -> (usize, Reply) {
        let reply = self.read();
        let id = reply["id"].as_u64().and_then(|id| usize::try_from(id).ok()).expect("an answer has our id");
        (id, Reply(reply))
    }

    /// Calls per second with so many in flight.
    pub(crate) fn throughput(&mut self, calls: usize, in_flight: usize) -> f64 {
        let started = Instant::now();
        let (mut sent, mut done) = (0, 0);
        while done < calls {
            while sent < calls && sent - done < in_flight {
                self.send_execute(sent, &format!("print('call {sent}')"));
                sent += 1;
            }
            let (call, reply) = self.receive();
            assert_eq!(reply.stdout(), format!("call {call}\n"), "every output must be its own");
            done += 1;
        }
        calls as f64 / started.elapsed().as_secs_f64()
    }

    /// Memory of the server's own process alone.
    pub(crate) fn server_bytes(&self) -> Option<u64> {
        pss_of(i32::try_from(self.child.id()).expect("a process number fits"))
    }

    fn processes(&self) -> Vec<i32> {
        let server = i32::try_from(self.child.id()).expect("a process number fits");
        let workers = Process::children_of(server).into_iter().map(|process| process.pid());
        std::iter::once(server).chain(workers).collect()
    }

    /// Time on a processor of the server and all its workers.
    pub(crate) fn cpu_time(&self) -> Duration {
        self.processes().into_iter().filter_map(Process::find).map(|process| process.cpu_time()).sum()
    }

    /// Proportional memory of the server and all its workers.
    pub(crate) fn pss_bytes(&self) -> Option<u64> {
        self.processes().into_iter().map(pss_of).sum()
    }
}

/// Memory of a process. `None` where this user may not know.
fn pss_of(pid: i32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
