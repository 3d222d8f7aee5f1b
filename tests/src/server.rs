//! One running server: the real binary, with pipes and a state directory of
//! its own. The compiled guest image is shared, because compiling takes long.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Pending};
use crate::eventually;
use crate::process::{Process, Watch};
use crate::reply::Reply;
use crate::restriction::Restriction;
use crate::running::Running;
use crate::store::Store;

/// Where Cargo puts programs: those of tests lie in the folder `deps` there.
fn profile_directory() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its path");
    let folder = program.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().expect("folders nest") } else { folder };
    profile.to_path_buf()
}

/// Cargo's target directory.
pub fn target_directory() -> PathBuf {
    profile_directory().parent().expect("programs lie beneath the target directory").to_path_buf()
}

/// The binary under test.
pub fn binary() -> PathBuf {
    let binary = profile_directory().join("belljar");
    assert!(binary.exists(), "{} is missing: run `cargo test --release --workspace`", binary.display());
    binary
}

pub(crate) fn private_directory(path: PathBuf) -> PathBuf {
    DirBuilder::new().recursive(true).mode(0o700).create(&path).expect("a directory for tests can be made");
    path
}

/// The shared cache, with every image compiled.
pub fn cache_directory() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let path = private_directory(target_directory().join("belljar-test-cache"));
        let prepared = Command::new(binary())
            .arg("prepare")
            .env_clear()
            .env("HOME", &path)
            .env("BELLJAR_CACHE_DIRECTORY", &path)
            .output()
            .expect("the binary can be started");
        assert!(prepared.status.success(), "`belljar prepare`: {}", String::from_utf8_lossy(&prepared.stderr));
        path
    })
}

/// What the processes that confine a native program are called.
const JAILER: &str = "belljar-jailer";

/// The first argument of the processes that host guests, or compile them.
const OWN_ROLES: [&str; 2] = ["worker-process", "compile-process"];

/// How a server is to be started.
#[derive(Debug, Default)]
pub struct Builder {
    binary: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    silent: bool,
    text_only: bool,
    restriction: Option<Restriction>,
    home: Option<Arc<TempDir>>,
    log: Option<PathBuf>,
    configuration: Option<String>,
    pub(crate) listen: Option<String>,
}

impl Builder {
    /// Starts another binary than the one under test.
    pub fn binary(mut self, binary: impl Into<PathBuf>) -> Self {
        self.binary = Some(binary.into());
        self
    }

    /// Adds an argument to the command line.
    pub fn flag(mut self, flag: impl Into<OsString>) -> Self {
        self.arguments.push(flag.into());
        self
    }

    /// Sets a variable in the environment of the server.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Gives the server a file of settings, beside its state directory.
    pub fn configured(mut self, text: &str) -> Self {
        self.configuration = Some(text.to_owned());
        self
    }

    /// Has a server over HTTP listen on another address than a free port of this machine.
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// Has the server log to a file that is there.
    pub fn log_to(mut self, log: impl Into<PathBuf>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// Has results as agents get them: most tests look at structured content.
    pub fn text_only(mut self) -> Self {
        self.text_only = true;
        self
    }

    /// Leaves the handshake to the test.
    pub fn without_handshake(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Starts the server with less of the machine.
    pub fn restricted(mut self, restriction: Restriction) -> Self {
        self.restriction = Some(restriction);
        self
    }

    /// Starts the server.
    pub fn start(self) -> Server {
        static LOGS: AtomicUsize = AtomicUsize::new(0);
        let home = self
            .home
            .clone()
            .unwrap_or_else(|| Arc::new(tempfile::tempdir().expect("a temporary directory can be made")));
        let state = private_directory(home.path().join("state"));
        if let Some(restriction) = &self.restriction {
            restriction.give(home.path());
            restriction.give(&state);
        }
        let new_log = || home.path().join(format!("log-{}", LOGS.fetch_add(1, Ordering::Relaxed)));
        let log = self.log.clone().unwrap_or_else(new_log);
        let running = Running::start(self.command(&state).stdin(Stdio::piped()).stdout(Stdio::piped()), log);
        let mut child = running.child();
        let input = child.stdin.take().expect("standard input is a pipe");
        let output = child.stdout.take().expect("standard output is a pipe");
        drop(child);
        let server = Server { client: Client::new(input, output), running, state, home };
        if !self.silent {
            server.handshake();
        }
        server
    }

    /// Hands a directory to whoever the server will be.
    pub fn give(&self, directory: &Path) {
        if let Some(restriction) = &self.restriction {
            restriction.give(directory);
        }
    }

    /// The command for a server, or for a command of the same binary, with
    /// nothing of this process's own configuration.
    pub fn command(&self, state: &Path) -> Command {
        let (mut command, cache) = match &self.restriction {
            None => (Command::new(self.binary.clone().unwrap_or_else(binary)), cache_directory().to_path_buf()),
            Some(restriction) => {
                let (binary, cache) = restriction.installation();
                (restriction.command(&binary), cache)
            }
        };
        if let Some(text) = &self.configuration {
            let path = state.with_file_name("belljar.toml");
            std::fs::write(&path, text).expect("settings can be written");
            command.arg("--config").arg(path);
        }
        command
            .args(&self.arguments)
            .env_clear()
            .env("HOME", state)
            .env("BELLJAR_STATE_DIRECTORY", state)
            .env("BELLJAR_CACHE_DIRECTORY", cache)
            .env("BELLJAR_STRUCTURED_CONTENT", if self.text_only { "false" } else { "true" })
            // Another Python of the machine, for those who want to know.
            .envs(
                std::env::var("BELLJAR_TEST_PYTHON")
                    .map(|path| ("BELLJAR_NATIVE_PROGRAMS", format!("python-native={path}"))),
            )
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running server. It is killed when dropped, and its workers with it.
#[derive(Debug)]
pub struct Server {
    running: Running,
    /// The connection to it.
    pub client: Client,
    state: PathBuf,
    home: Arc<TempDir>,
}

impl Server {
    /// A server with default settings, ready for calls.
    pub fn start() -> Self {
        Builder::default().start()
    }

    /// A server with other settings.
    pub fn with() -> Builder {
        Builder::default()
    }

    /// Another server over the same state directory.
    pub fn beside(&self) -> Builder {
        Builder { home: Some(Arc::clone(&self.home)), ..Builder::default() }
    }

    /// Kills the server as a crash would. What comes next starts where its
    /// state directory was left.
    pub fn kill(self) -> Builder {
        let next = self.beside();
        let workers = self.workers();
        drop(self);
        for worker in workers {
            worker.wait_until_gone();
        }
        next
    }

    /// Says hello as clients of the `initialize` era do.
    pub fn handshake(&self) {
        let hello = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "belljar-tests", "version": "0"},
        });
        let reply = self.client.request("initialize", hello).wait();
        assert_eq!(reply.result()["serverInfo"]["name"], "belljar");
        self.client.notify("notifications/initialized", json!({}));
    }

    /// Calls a tool and leaves the answer for later. It reports progress under
    /// the id of the request.
    pub fn begin(&self, tool: &str, arguments: Value) -> Pending {
        let pending = self.client.expect_reply();
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": pending.id()}});
        self.client.send(&json!({"jsonrpc": "2.0", "id": pending.id(), "method": "tools/call", "params": params}));
        pending
    }

    /// Calls a tool and waits for the answer.
    pub fn call(&self, tool: &str, arguments: Value) -> Reply {
        self.begin(tool, arguments).wait()
    }

    /// Runs Python without a session.
    pub fn execute(&self, code: &str) -> Reply {
        self.execute_with(code, json!({}))
    }

    /// Runs Python with more arguments of `execute`.
    pub fn execute_with(&self, code: &str, more: Value) -> Reply {
        self.begin_execute(code, more).wait()
    }

    /// Starts to run Python and leaves the answer for later.
    pub fn begin_execute(&self, code: &str, more: Value) -> Pending {
        let mut arguments = json!({"language": "python", "code": code});
        if let (Value::Object(arguments), Value::Object(more)) = (&mut arguments, more) {
            arguments.extend(more);
        }
        self.begin("execute", arguments)
    }

    /// Runs Python in a session.
    pub fn execute_in(&self, session: &str, code: &str) -> Reply {
        self.execute_with(code, json!({"session": session}))
    }

    /// Starts a session with an empty interpreter.
    pub fn new_session(&self) -> String {
        let reply = self.execute_in("new", "");
        reply.assert_status("exited 0");
        reply.session()
    }

    /// Calls the tool `session`.
    pub fn session(&self, action: &str, session: &str) -> Reply {
        self.call("session", json!({"action": action, "session": session}))
    }

    /// Calls the tool `session` with a snapshot.
    pub fn session_at(&self, action: &str, session: &str, snapshot: &str) -> Reply {
        self.call("session", json!({"action": action, "session": session, "snapshot": snapshot}))
    }

    /// Remembers the state of a session, and gives the handle of it.
    pub fn snapshot(&self, session: &str) -> String {
        let reply = self.session("snapshot", session);
        reply.structured()["snapshot"]["id"].as_str().expect("a snapshot has a handle").to_owned()
    }

    /// Writes a text into a session.
    pub fn write(&self, session: &str, path: &str, text: &str) -> Reply {
        self.call("write", json!({"session": session, "path": path, "text": text}))
    }

    /// Reads a file of a session.
    pub fn read(&self, session: &str, path: &str) -> Reply {
        self.call("read", json!({"session": session, "path": path}))
    }

    /// What `health_check` says.
    pub fn health(&self) -> Value {
        self.call("health_check", json!({})).structured().clone()
    }

    /// Waits until `health_check` says what `wanted` wants.
    pub fn wait_for_health(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || Some(self.health()).filter(&wanted))
    }

    /// Asserts that the server answers and runs programs.
    #[track_caller]
    pub fn assert_usable(&self) {
        assert_eq!(self.execute("print(6 * 7)").output(), "42\n");
    }

    /// The workers of the server, or the process that compiles.
    pub fn workers(&self) -> Vec<Process> {
        self.children(|arguments| arguments.get(1).is_some_and(|role| OWN_ROLES.contains(&role.as_str())))
    }

    /// The jailers of native programs that are running.
    pub fn jails(&self) -> Vec<Process> {
        self.children(|arguments| arguments.first().is_some_and(|name| name == JAILER))
    }

    /// Children of the server that are wanted. One that has not executed its program
    /// yet has the arguments of the server, and is neither.
    fn children(&self, is_wanted: impl Fn(&[String]) -> bool) -> Vec<Process> {
        let children = Process::children_of(self.running.process().pid()).into_iter().filter(Process::is_running);
        children.filter(|child| is_wanted(&child.arguments())).collect()
    }

    /// The largest amount of memory that `work` makes the workers hold
    /// together, seen from outside while it goes on.
    pub fn peak_of_workers<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let pid = self.running.process().pid();
        let watch = Watch::start(move || Process::children_of(pid).iter().map(Process::resident_bytes).sum());
        let value = work();
        (value, watch.finish())
    }

    /// The directory, on this machine, of a session's files.
    pub fn workspace(&self, session: &str) -> PathBuf {
        self.principal_directory().join(session)
    }

    /// The directory beneath which workspaces and spool files lie.
    pub fn principal_directory(&self) -> PathBuf {
        // The kernel hands out its list a page at a time. When another server gives
        // up a lock between two pages, the list can miss one that is still held.
        let own = (0..1000).find_map(|_| {
            let held = self.held_locks();
            let is_own = |directory: &PathBuf| {
                std::fs::metadata(directory.join("lock")).is_ok_and(|lock| held.contains(&lock.ino()))
            };
            self.server_directories().into_iter().find(is_own)
        });
        own.expect("the server has a directory in the state directory").join("local/files")
    }

    /// The inodes of the files that this server has locked.
    fn held_locks(&self) -> Vec<u64> {
        // The locks are not found by what the server has open: only root may look at
        // that of a server, which is not dumpable. Everybody sees who holds which lock.
        let locks = std::fs::read_to_string("/proc/locks").expect("the kernel lists locks");
        let pid = self.running.process().pid().to_string();
        let inode = |line: &str| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let place = fields.get(5).filter(|_| fields.get(4) == Some(&pid.as_str()))?;
            place.rsplit(':').next()?.parse::<u64>().ok()
        };
        locks.lines().filter_map(inode).collect()
    }

    /// The directory that was given as state directory.
    pub fn state_directory(&self) -> &Path {
        &self.state
    }

    /// What servers, dead or alive, have in the state directory. The store,
    /// and the lock that starting servers take, are nobody's own.
    pub fn server_directories(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.state).expect("the state directory can be read");
        let is_shared = |path: &PathBuf| path.ends_with("lock") || path.ends_with("store");
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| !is_shared(path)).collect()
    }

    /// The store in the state directory.
    pub fn store(&self) -> Store {
        Store::new(self.state.join("store"))
    }
}

impl Deref for Server {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}
