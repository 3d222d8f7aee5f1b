//! What is left of a run.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::Process;

/// How long anything of a run may be there after its answer.
const AT_MOST: Duration = Duration::from_millis(500);

fn all_processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").expect("proc is there");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The processes with this text in their environment, where those of a run
/// have what the call gave them.
pub(crate) fn marked(mark: &str) -> Vec<Process> {
    let has_mark = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    all_processes().filter(has_mark).filter_map(Process::find).collect()
}

/// The jailers and wardens of a server.
pub(crate) fn jailers(server: i32) -> Vec<Process> {
    let is_jailer = |process: &Process| process.arguments().first().is_some_and(|name| name == "belljar-jailer");
    let mut found: Vec<_> = Process::children_of(server).into_iter().filter(is_jailer).collect();
    let mut next = 0;
    while next < found.len() {
        found.extend(Process::children_of(found[next].pid()).into_iter().filter(is_jailer));
        next += 1;
    }
    found
}

/// Waits until `left` gives nothing more, and says how long that took.
#[track_caller]
pub(crate) fn assert_gone(what: &str, left: impl Fn() -> Vec<Process>) -> Duration {
    let started = Instant::now();
    loop {
        let now = left();
        if now.is_empty() {
            return started.elapsed();
        }
        if started.elapsed() > AT_MOST {
            // The processes are ended, so that they are not on this machine for ever.
            now.iter().for_each(|process| process.signal(Signal::SIGKILL));
            panic!("{what}: still there after {:?}: {now:?}", started.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that no process of a run is left, and says how long that took.
#[track_caller]
pub(crate) fn assert_nothing_left(what: &str, mark: &str) -> Duration {
    assert_gone(what, || marked(mark))
}
