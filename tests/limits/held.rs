//! What the server itself holds: for sessions, and for a client that does not read.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Pending, Process, Server, alone, eventually};

const MIB: u64 = 1 << 20;

/// Files with paths of 3.6 kB, which are 18 MB in all.
const LONG_PATHS: &str = "d=$(printf 'x%.0s' {1..200}); for i in {1..17}; do mkdir $d; cd $d; done; \
    for i in {1..5000}; do : > $i; done";

/// Links with texts of 4 kB, 24 MB in all: what they lead to is kept in memory.
const LONG_LINKS: &str = "import os\nfor i in range(6000): os.symlink('x' * 4000, f'{i}')";

fn begin(server: &Server, language: &str, code: &str, more: Value) -> Pending {
    let mut arguments = json!({"language": language, "code": code});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.begin("execute", arguments)
}

fn used(server: &Server) -> u64 {
    server.health()["memory_used_bytes"].as_u64().unwrap()
}

#[test]
fn what_files_of_sessions_are_known_by_is_small_counted_and_given_back() {
    let _alone = alone();
    let server = Server::with().flag("--runs=4").start();
    begin(&server, "bash", "true", json!({})).wait().assert_status("exited 0");
    let before = server.process().peak_bytes();
    let runs = [(); 4].map(|()| begin(&server, "bash", LONG_PATHS, json!({"session": "new"})));
    let sessions = runs.map(|run| run.wait().assert_status("exited 0").session());
    let (held, peak) = (server.process().resident_bytes(), server.process().peak_bytes());
    // 92 MiB for each, when every path stood alone, and 130 to make it.
    assert!(held < before + 48 * MIB, "{} MiB are held, {} before", held / MIB, before / MIB);
    // One list at a time is on its way to the store: 18 MB, the same sealed, and
    // what a copy takes.
    assert!(peak < before + 120 * MIB, "{} MiB at the most, {} before", peak / MIB, before / MIB);
    // Names and stamps of 20,000 files.
    let counted = used(&server);
    assert!((2 * MIB..32 * MIB).contains(&counted), "{counted} bytes are counted");
    for session in sessions {
        server.session("close", &session);
    }
    assert_eq!(used(&server), 0);
}

#[test]
fn a_session_that_was_taken_back_is_paid_for_as_what_it_is_then() {
    let _alone = alone();
    let server = Server::start();
    let run = |code: &str, session: &str| {
        begin(&server, "python-native", code, json!({"session": session})).wait().assert_status("exited 0").session()
    };
    let session = run(LONG_LINKS, "new");
    let counted = used(&server);
    assert!(counted > 20 * MIB, "{counted} bytes are counted");
    let snapshot = server.snapshot(&session);
    run("import os\nfor name in os.listdir(): os.unlink(name)", &session);
    // The control: files that are gone are not paid for.
    assert!(used(&server) < 8 * MIB, "{} bytes are counted", used(&server));
    server.session_at("restore", &session, &snapshot).result();
    assert!(used(&server) > 20 * MIB, "{} bytes are counted", used(&server));
}

#[test]
fn sessions_that_nobody_uses_give_back_what_they_are_held_in() {
    let _alone = alone();
    // Half of that is for what is held: enough for two of these sessions.
    let server = Server::with().flag("--memory-bytes=134217728").flag("--limit=memory_bytes=67108864").start();
    let links = |session: &str| {
        let run = begin(&server, "python-native", LONG_LINKS, json!({"session": session})).wait();
        run.assert_status("exited 0").session()
    };
    let first = links("new");
    let counted = used(&server);
    assert!(counted > 20 * MIB, "{counted} bytes are counted");
    let second = links("new");
    assert_eq!(server.health()["sessions_live"], 2);
    let third = links("new");
    assert_eq!(server.health()["sessions_live"], 2, "the first made room");
    assert!(used(&server) <= 64 * MIB);
    // A run gets what it needs, and nobody's files are lost.
    begin(&server, "bash", "true", json!({"limits": {"memory_bytes": 125_829_120}})).wait().assert_status("exited 0");
    for session in [first, second, third] {
        let count = begin(&server, "bash", "ls | wc -l; readlink 5999 | wc -c", json!({"session": session})).wait();
        assert_eq!(count.output(), "6000\n4001\n");
    }
}

/// A picture of 2 MiB in base64.
const PICTURE: &str = "import base64\nhead = base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ')\n\
    open('p.png', 'wb').write(head + bytes(1_500_000))";

/// A server, and a client that reads when it is told to.
struct Deaf {
    child: Child,
    process: Process,
    input: ChildStdin,
    lines: Box<dyn Iterator<Item = Value>>,
    /// A session with a picture in it.
    session: String,
    _home: TempDir,
}

impl Deaf {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        std::fs::DirBuilder::new().mode(0o700).create(&state).unwrap();
        let mut command = Server::with().command(&state);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let process = Process::find(i32::try_from(child.id()).unwrap()).unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let lines = BufReader::new(output).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let mut deaf = Self { child, process, input, lines: Box::new(lines), session: String::new(), _home: home };
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
        deaf.send(1, "initialize", hello);
        deaf.lines.next().unwrap();
        deaf.call(2, "execute", json!({"language": "python", "code": PICTURE, "session": "new"}));
        let begun = deaf.lines.find(|line| line["id"] == 2).unwrap();
        let text = begun["result"]["content"][0]["text"].as_str().unwrap();
        text.split("session=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().clone_into(&mut deaf.session);
        deaf
    }

    fn send(&mut self, id: usize, method: &str, params: Value) {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writeln!(self.input, "{request}").unwrap();
    }

    fn call(&mut self, id: usize, tool: &str, arguments: Value) {
        self.send(id, "tools/call", json!({"name": tool, "arguments": arguments}));
    }

    /// Asks for the picture many times. Each answer is 2 MiB.
    fn read_pictures(&mut self, count: usize) {
        for id in 0..count {
            self.call(100 + id, "read", json!({"session": self.session, "path": "p.png"}));
        }
    }

    /// Waits until the server has done what it does without a reader.
    fn rest(&self) {
        let mut last = None;
        eventually("the server to rest", || {
            std::thread::sleep(Duration::from_millis(250));
            let now = Some(self.process.cpu_time());
            (std::mem::replace(&mut last, now) == now).then_some(())
        });
    }
}

#[test]
fn a_client_that_does_not_read_has_few_replies_made_and_all_in_the_end() {
    const REPLIES: usize = 200;
    let _alone = alone();
    let mut deaf = Deaf::start();
    let before = deaf.process.peak_bytes();
    deaf.read_pictures(REPLIES);
    deaf.rest();
    let peak = deaf.process.peak_bytes();
    // All pictures are 400 MiB, and those that may wait are 16.
    assert!(peak > before + 16 * MIB, "{} MiB at the most, {} before", peak / MIB, before / MIB);
    assert!(peak < before + 160 * MIB, "{} MiB at the most, {} before", peak / MIB, before / MIB);
    let Deaf { mut child, input, lines, _home, .. } = deaf;
    let answered: Vec<_> = lines.filter(|line| line["id"].as_u64() >= Some(100)).take(REPLIES).collect();
    assert!(answered.len() == REPLIES && answered.iter().all(|reply| reply["result"]["content"][1]["type"] == "image"));
    drop(input);
    child.wait().unwrap();
}

#[test]
fn a_client_that_never_reads_keeps_no_server_whichever_way_it_ends() {
    let _alone = alone();
    for by_signal in [false, true] {
        let mut deaf = Deaf::start();
        let before = deaf.process.peak_bytes();
        let limits = json!({"wall_time_ms": 300_000, "fuel": 1_000_000_000_000_u64});
        deaf.call(3, "execute", json!({"language": "python", "code": "while True: pass", "limits": limits}));
        deaf.read_pictures(200);
        let Deaf { mut child, process, input, lines, _home, .. } = deaf;
        let input = if by_signal {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.pid()), nix::sys::signal::Signal::SIGTERM)
                .unwrap();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.pid()), nix::sys::signal::Signal::SIGTERM)
                .unwrap();
            Some(input)
        } else {
            drop(input);
            None
        };
        let mut peak = before;
        let status = eventually("the server to end", || {
            peak = peak.max(process.peak_bytes());
            child.try_wait().unwrap()
        });
        assert!(status.success(), "{status}");
        assert!(peak < before + 160 * MIB, "{} MiB at the most, {} before", peak / MIB, before / MIB);
        drop((input, lines));
    }
}
