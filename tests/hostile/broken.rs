//! A worker that was broken into, beside a server at work: whatever it moves
//! under the feet of the server, nothing is written, made executable or removed
//! where a link leads that a native program left.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Server, binary};

/// How long the broken worker tries.
const SECONDS: u64 = 4;

/// A worker that was broken into, of root as the server is.
struct Broken(Child);

impl Broken {
    fn into(directory: &Path) -> Self {
        let mut command = Command::new(binary().with_file_name("broken-worker"));
        command.arg(directory).arg(SECONDS.to_string()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// What the broken worker says that it could do.
    fn said(mut self) -> String {
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.wait().unwrap();
        said
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        // The broken worker may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What must not change, with what a program leaves that leads there.
fn victim() -> (tempfile::TempDir, PathBuf) {
    let victim = tempfile::tempdir().unwrap();
    let file = victim.path().join("file");
    fs::write(&file, "content").unwrap();
    (victim, file)
}

fn entries(directory: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().into_owned();
    fs::read_dir(directory).unwrap().map(name).collect()
}

#[test]
fn what_a_broken_worker_moves_leads_the_server_nowhere() {
    let (victim, file) = victim();
    let before = fs::metadata(victim.path()).unwrap();
    let server = Server::start();
    let target = victim.path().display();
    let prepare =
        format!("mkdir -p prep; for n in given tmp cache; do ln -sfn {target} prep/$n; done; ln -sfn {target} link");
    let run = |code: &str, session: &str| {
        server.call("execute", json!({"language": "bash", "code": code, "session": session}))
    };
    let first = run(&prepare, "new");
    let session = first.session();
    let broken = Broken::into(&server.principal_directory());
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let (mut runs, mut held) = (0, 0);
    while Instant::now() < until {
        // Its answers may be refusals, and the server goes on.
        let reply = run(&format!("{prepare}; echo ran; echo x > new-$RANDOM; mkdir -p /tmp/t"), &session);
        runs += 1;
        held += u32::from(!reply.is_error() && reply.stdout() == "ran\n");
        server.write(&session, "link/written", "x");
        server.write(&session, "d/written", "x");
        server.read(&session, ".");
        server.call("execute", json!({"language": "bash", "code": "echo alone; ln -s / link"}));
    }
    let said = broken.said();
    assert_eq!(entries(victim.path()), ["file"], "after {runs} runs, {said}");
    let after = fs::metadata(victim.path()).unwrap();
    assert_eq!((after.mode(), after.uid(), after.mtime()), (before.mode(), before.uid(), before.mtime()));
    assert_eq!(fs::read(&file).unwrap(), b"content");
    assert!(said.contains("refused: true"), "{said}");
    assert!(runs > 0 && held > 0, "{held} of {runs}, {said}");
    assert_eq!(server.execute("print('well')").output(), "well\n");
}

/// A broken worker against whoever makes an inbox by its path, which is what the server did.
#[test]
fn a_broken_worker_leads_whoever_goes_by_paths_where_it_likes() {
    let (victim, _) = victim();
    let shared = tempfile::tempdir().unwrap();
    let prepare = || {
        let prep = shared.path().join("s_workspace/prep");
        let _ = fs::create_dir_all(&prep);
        let _ = symlink(victim.path(), prep.join("given"));
    };
    let broken = Broken::into(shared.path());
    // A race is won sooner or later, on a busy machine later.
    let until = Instant::now() + Duration::from_secs(10 * SECONDS);
    let mut number = 0;
    while Instant::now() < until && !victim.path().join("main.sh").exists() {
        prepare();
        number += 1;
        let inbox = shared.path().join(format!("r_{number}.inbox"));
        let _ = fs::create_dir(&inbox);
        // Whoever goes by paths may be interrupted here, and on a busy machine is.
        std::thread::sleep(Duration::from_millis(1));
        let _ = fs::create_dir(inbox.join("given"));
        let _ = fs::write(inbox.join("given/main.sh"), "x");
    }
    drop(broken);
    assert!(victim.path().join("main.sh").exists(), "{number} tries");
}

/// The worker's end of its connection, which is its standard input.
fn connection_of(worker: i32) -> std::os::unix::net::UnixStream {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
    let process = pidfd_open(Pid::from_raw(worker).unwrap(), PidfdFlags::empty()).unwrap();
    pidfd_getfd(process, 0, PidfdGetfdFlags::empty()).unwrap().into()
}

/// A report has a bound that comes from the limits of its run, and it is kept
/// before the server holds any of it.
#[test]
fn a_worker_that_reports_more_than_its_run_may_say_is_ended_before_it_is_believed() {
    const LONG: u32 = 38 << 20;
    let server = Server::with().flag("--workers=1").env("NO_COLOR", "1").start();
    server.assert_usable();
    let resident = || server.process().resident_bytes();
    let before = resident();
    for turn in 0..4 {
        let worker = server.workers()[0].pid();
        let pending = server.begin_execute("print('begun')\nimport time\ntime.sleep(60)", json!({}));
        server.client.progress(&pending, "begun");
        let mut connection = connection_of(worker);
        connection.write_all(&LONG.to_le_bytes()).unwrap();
        // The server may hang up before it was sent all of that.
        let content = vec![b'x'; LONG as usize];
        let sent = connection.write_all(&content);
        pending.wait().assert_status("trapped worker_lost");
        assert!(sent.is_err(), "all of it was taken");
        drop(connection);
        assert!(server.log().contains(&format!("a frame of {LONG} bytes, where ")), "{turn}");
        assert_eq!(server.execute("print('well')").output(), "well\n");
        assert_ne!(server.workers()[0].pid(), worker, "it was not replaced");
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < u64::from(LONG), "the server grew by {grown} bytes");
}

/// A call of a program, as a worker brings it: the second kind of message that
/// there is.
fn call_frame(run: u64, number: u32, name: &str, bytes: &[u8]) -> Vec<u8> {
    fn number_of(mut value: u64, into: &mut Vec<u8>) {
        while value > 127 {
            into.push((value & 127) as u8 | 128);
            value >>= 7;
        }
        into.push(value as u8);
    }
    let mut message = vec![1];
    number_of(run, &mut message);
    number_of(number.into(), &mut message);
    for part in [name.as_bytes(), bytes] {
        number_of(part.len() as u64, &mut message);
        message.extend_from_slice(part);
    }
    [&u32::try_from(message.len()).unwrap().to_le_bytes()[..], &message].concat()
}

/// What a worker says of a run.
type Frames<'a> = &'a dyn Fn(u64) -> Vec<u8>;

/// What a worker says that its programs call is held against what they may call.
#[test]
fn a_worker_that_lies_about_calls_is_ended_with_the_reason() {
    const STEP: &[u8] = b"{\"message\":\"from a broken worker\"}";
    let server = Server::with().flag("--workers=1").env("NO_COLOR", "1").start();
    server.assert_usable();
    // Runs are numbered as they come.
    let say = |run: u64, frames: Frames<'_>| {
        let worker = server.workers()[0].pid();
        let pending = server.begin_execute("print('begun')\nimport time\ntime.sleep(60)", json!({}));
        server.client.progress(&pending, "begun");
        // The server may hang up before it was sent all of that.
        let _ = connection_of(worker).write_all(&frames(run));
        pending
    };
    // The control: what keeps to the bounds is answered, and the run goes on.
    let honest = say(1, &|run| call_frame(run, 0, "progress", STEP));
    server.client.progress(&honest, "from a broken worker");
    let many = |run, same: bool| -> Vec<u8> {
        (0..17).flat_map(|number| call_frame(run, if same { number / 2 } else { number }, "progress", STEP)).collect()
    };
    let lies: [(Frames<'_>, &str); 6] = [
        (&|run| call_frame(run + 700, 0, "progress", STEP), "it sends a call, which nobody asked for"),
        (&|run| call_frame(run, 0, &"n".repeat(65), STEP), "its name of a call may be 64 bytes long, and is 65"),
        (&|run| call_frame(run, 0, "progress", &[b'x'; 131_073]), "its call may be 131072 bytes long, and is 131073"),
        (&|run| many(run, false), "its run may have 16 calls in flight, and this would be one more"),
        (&|run| many(run, true), "it gives a call the number 0, which another has that is not answered"),
        (&|_| vec![3, 0, 0, 0, 1, 0xff, 0xff], "a worker broke the protocol and is ended"),
    ];
    for ((frames, reason), run) in lies.into_iter().zip((2..).step_by(2)) {
        let worker = server.workers()[0].pid();
        say(run, frames).wait().assert_status("trapped worker_lost");
        assert!(server.log().contains(reason), "{reason}");
        assert_eq!(server.execute("print('well')").output(), "well\n", "{reason}");
        assert_ne!(server.workers()[0].pid(), worker, "{reason}: it was not replaced");
    }
}
