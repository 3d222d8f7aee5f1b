//! Sessions that last: what saving them costs, and how fast they come back.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::connection::{Connection, Reply};
use super::figures::{Samples, mebibytes, milliseconds};
use super::{HELLO, grown};

const DICT: &str = "d = {str(n): [n] for n in range(5000)}\nx = 0";
const STEP: &str = "x += 1";

/// Sessions on disk for the measurement of many.
const MANY: u64 = 10_000;
/// Sessions in memory for the measurement of some.
const LIVE: u64 = 500;

pub(crate) fn measure() {
    durability();
    large();
    fork_and_resume();
    live();
    hibernated();
}

fn step(server: &mut Connection, session: Option<&str>) -> Duration {
    let started = Instant::now();
    let reply = server.execute(if session.is_some() { STEP } else { "x = 0\nx += 1" }, session);
    let elapsed = started.elapsed();
    reply.assert_success();
    elapsed
}

/// Calls in a session, interleaved with the same call without one, and by how
/// much their medians differ.
fn beside(server: &mut Connection, session: &str, count: u32) -> (Samples, Duration) {
    for _ in 0..count / 5 {
        step(server, Some(session));
        step(server, None);
    }
    let mut alone = Vec::new();
    let saved = Samples::take(count, || {
        alone.push(step(server, None));
        step(server, Some(session))
    });
    let added = saved.median().saturating_sub(Samples::of(alone).median());
    (saved, added)
}

/// What saving adds to a call.
fn durability() {
    for (level, flag) in
        [("memory", "--store=memory"), ("process", "--durability=process"), ("disk", "--durability=disk")]
    {
        let state = tempfile::tempdir().expect("a directory can be made");
        let mut server = Connection::with(state.path(), &[flag]);
        let session = server.execute(DICT, Some("new")).session();
        let (saved, added) = beside(&mut server, &session, 500);
        println!(
            "x += 1 beside a 5,000-entry dict, durability {level:<7}  p50 {}  p95 {}  adds {} to p50",
            saved.p50(),
            saved.p95(),
            milliseconds(added)
        );
    }
}

fn large() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let mut server = Connection::with(state.path(), &[]);
    let session = server.execute("import os\nbig = os.urandom(64 << 20)\nx = 0", Some("new")).session();
    let (samples, added) = beside(&mut server, &session, 100);
    let newest = objects(state.path()).into_iter().max_by_key(|(modified, _)| *modified).expect("a commit is there").1;
    println!(
        "x += 1 beside 64 MiB of random bytes                 p50 {}  p95 {}  adds {} to p50, writes {} KiB",
        samples.p50(),
        samples.p95(),
        milliseconds(added),
        newest.div_ceil(1024)
    );
}

/// When each object of the store was written, and its size.
fn objects(state: &Path) -> Vec<((i64, i64), u64)> {
    fn add(directory: &Path, found: &mut Vec<((i64, i64), u64)>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => add(&entry.path(), found),
                Ok(metadata) => found.push(((metadata.mtime(), metadata.mtime_nsec()), metadata.blocks() * 512)),
                Err(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    add(&state.join("belljar/store"), &mut found);
    found
}

fn fork_and_resume() {
    const FORKS: u32 = 500;
    /// How many sessions are in memory at once unless somebody says otherwise.
    const PLACES: usize = 64;
    let state = tempfile::tempdir().expect("a directory can be made");
    let mut server = Connection::with(state.path(), &[]);
    let session = server.execute(DICT, Some("new")).session();
    step(&mut server, Some(&session));
    let mut forks = Vec::new();
    let samples = Samples::take(FORKS, || {
        let started = Instant::now();
        let fork = server.fork(&session);
        let elapsed = started.elapsed();
        forks.push(fork);
        elapsed
    });
    println!("fork of that session                                 p50 {}  p95 {}", samples.p50(), samples.p95());
    drop(server);
    // Another server goes on, which has nothing of these sessions in memory.
    let mut server = Connection::with(state.path(), &[]);
    for _ in 0..100 {
        server.execute(HELLO, None);
    }
    let resume = |fork: String| {
        let started = Instant::now();
        let reply = server.execute("x, len(d)", Some(&fork));
        let elapsed = started.elapsed();
        assert_eq!(reply.result(), "(1, 5000)");
        elapsed
    };
    let all: Vec<_> = forks.into_iter().map(resume).collect();
    let samples = Samples::of(all.clone());
    println!(
        "resume from the store, to the first result           p50 {}  p95 {}  p99 {}",
        samples.p50(),
        samples.p95(),
        samples.p99()
    );
    let (first, later) = all.split_at(PLACES);
    println!(
        "  in new instances p50 {}, in those of sessions that left p50 {}",
        Samples::of(first.to_vec()).p50(),
        Samples::of(later.to_vec()).p50()
    );
}

fn live() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let mut server = Connection::with(state.path(), &["--sessions=600"]);
    server.execute(HELLO, None);
    let idle = server.pss_bytes();
    for _ in 0..LIVE {
        server.execute(DICT, Some("new")).assert_success();
    }
    let each = grown(idle, server.pss_bytes()).map(|bytes| bytes / LIVE);
    println!("memory (PSS) of each of {LIVE} live sessions with a 5,000-entry dict  {}", mebibytes(each));
}

fn hibernated() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let mut server = Connection::with(state.path(), &["--sessions=16"]);
    server.execute(DICT, Some("new")).assert_success();
    let before = server.server_bytes();
    let mut last = String::new();
    for _ in 0..MANY {
        let reply: Reply = server.execute(DICT, Some("new"));
        last = reply.session();
    }
    let larger = grown(before, server.server_bytes());
    let disk: u64 = objects(state.path()).into_iter().map(|(_, bytes)| bytes).sum();
    drop(server);
    let samples = Samples::take(20, || {
        let started = Instant::now();
        let mut server = Connection::with(state.path(), &[]);
        assert_eq!(server.execute("len(d)", Some(&last)).result(), "5000");
        started.elapsed()
    });
    println!(
        "{MANY} hibernated sessions with that dict              {} KiB of disk each, the server grew by {}",
        disk / MANY / 1024,
        mebibytes(larger)
    );
    println!("  start of a server, to the first result in one of them  p50 {}  p95 {}", samples.p50(), samples.p95());
}
