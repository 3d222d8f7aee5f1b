//! What the wall around a worker costs a call: the system calls that a worker
//! makes for one, made by two processes in turn, of which one has confined
//! itself as workers do. Workers without a wall do not exist, so they cannot
//! be measured themselves.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use nix::time::{ClockId, clock_gettime};

use crate::figures::{Samples, milliseconds};

/// The first argument of the processes that are measured.
pub(crate) const ROLE: &str = "calls-of-a-worker";

/// How many calls are measured at a time, short enough that the two processes
/// meet the same machine.
const CALLS: u32 = 100;
const ROUNDS: u32 = 400;

/// Prints the cost, beside `call`, which is the time of a whole call.
pub(crate) fn measure(call: Duration) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let [mut free, mut confined] = ["free", "confined"].map(|wall| Subject::start(wall, directory.path()));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(free.round());
        with.push(confined.round());
    }
    let [with, without] = [with, without].map(|samples| Samples::of(samples).median());
    let cost = with.saturating_sub(without);
    println!(
        "wall around a worker, per call    {:.1} µs more for its system calls ({:.1} µs to {:.1} µs): {:.1} % of print('hi'), {}",
        micros(cost),
        micros(without),
        micros(with),
        100.0 * cost.as_secs_f64() / call.as_secs_f64(),
        milliseconds(call).trim(),
    );
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// One of the two processes, as this one sees it.
struct Subject {
    child: Child,
    stream: UnixStream,
}

impl Subject {
    fn start(wall: &str, directory: &Path) -> Self {
        let (stream, theirs) = UnixStream::pair().expect("a connection can be made");
        let child = Command::new(std::env::current_exe().expect("a program knows its path"))
            .args([ROLE, wall])
            .arg(directory)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .expect("this program can be started");
        let mut subject = Self { child, stream };
        // The first round does what is done only once.
        subject.round();
        subject
    }

    /// How long one call took it, on average.
    fn round(&mut self) -> Duration {
        let mut nanoseconds = [0; 8];
        self.stream.write_all(&[1]).and_then(|()| self.stream.read_exact(&mut nanoseconds)).expect("it answers");
        Duration::from_nanos(u64::from_le_bytes(nanoseconds)) / CALLS
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The other process: answers each byte with the time that it took.
pub(crate) fn serve(wall: &str, directory: &Path) {
    let stream = std::io::stdin().as_fd().try_clone_to_owned().expect("it has a connection");
    let mut stream = UnixStream::from(stream);
    let worker = Worker::new(directory);
    if wall == "confined" {
        jailer::confine_worker(directory, &[], || Ok(())).expect("this machine can confine workers");
    }
    while stream.read_exact(&mut [0]).is_ok() {
        let started = Instant::now();
        for _ in 0..CALLS {
            worker.call();
        }
        let elapsed = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        stream.write_all(&elapsed.to_le_bytes()).expect("somebody listens");
    }
}

struct Worker {
    workspace: std::path::PathBuf,
    transfer: std::fs::File,
    server: UnixStream,
    own: UnixStream,
}

impl Worker {
    fn new(directory: &Path) -> Self {
        let workspace = directory.join(format!("w{}", std::process::id()));
        std::fs::create_dir(&workspace).expect("a directory can be made");
        let (server, own) = UnixStream::pair().expect("a connection can be made");
        Self { workspace, transfer: tempfile::tempfile().expect("a file can be made"), server, own }
    }

    /// What strace shows between an order and the next.
    fn call(&self) {
        let mut bytes = [0; 400];
        let exchange = |from: &UnixStream, to: &UnixStream, bytes: &mut [u8]| {
            { from }.write_all(bytes).and_then(|()| { to }.read_exact(bytes)).expect("a message goes through");
        };
        // The order, in two parts.
        exchange(&self.server, &self.own, &mut bytes[..4]);
        exchange(&self.server, &self.own, &mut bytes);
        let workspace = Dir::open_ambient_dir(&self.workspace, ambient_authority()).expect("it is there");
        let list = || workspace.entries().expect("it can be read").count();
        let clock = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("there is a clock");
        list();
        clock();
        clock();
        list();
        self.transfer.set_len(0).and_then(|()| self.transfer.write_all_at(&bytes, 0)).expect("there is room");
        // The report.
        exchange(&self.own, &self.server, &mut bytes);
    }
}
