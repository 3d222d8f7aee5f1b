//! The children of this process: those it started, which are known, and those
//! that it inherited from a jailer and a warden that were both killed, which
//! are ended.

#![expect(clippy::disallowed_methods, reason = "starts our own processes, and asks the kernel for the rest")]

pub(crate) mod jailer_executable;
pub(crate) mod protect;
pub(crate) mod spawner;
pub(crate) mod standard_error;
pub(crate) mod this_binary;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;
use parking_lot::Mutex;

/// How long strays are looked for: each that ends may leave others.
const PATIENCE: Duration = Duration::from_secs(2);

/// Started and not waited for. Held while one is started, so that none is
/// there and unknown.
static KNOWN: LazyLock<Mutex<HashSet<u32>>> = LazyLock::new(Mutex::default);

/// Starts a child.
pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
    let mut known = KNOWN.lock();
    let child = command.spawn()?;
    known.insert(child.id());
    Ok(child)
}

/// Waits for a child that was started here.
pub(crate) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let status = child.wait();
    KNOWN.lock().remove(&child.id());
    status
}

/// Kills the jailer `pid`, which stays to be waited for, and everything that
/// comes to this process because of that.
pub(crate) fn end_with_strays(pid: Pid) {
    // The jailer may have ended, but nobody has waited for it: the number is its own.
    let _ = kill(pid, Signal::SIGKILL);
    // The jailer's children are ours once it has ended.
    let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    let ended = Instant::now() + PATIENCE;
    loop {
        let strays = strays();
        if strays.is_empty() {
            return;
        }
        if Instant::now() > ended {
            tracing::error!(strays = strays.len(), "processes of a native program could not be ended");
            return;
        }
        for stray in strays {
            tracing::debug!(%stray, "a process that a jailer left is ended");
            let _ = kill(stray, Signal::SIGKILL);
            while waitpid(stray, None) == Err(Errno::EINTR) {}
        }
    }
}

/// Children that this process has not started.
fn strays() -> Vec<Pid> {
    let known = KNOWN.lock();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
    let text: Vec<String> = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
    if text.is_empty() {
        // A kernel without CONFIG_PROC_CHILDREN does not list them. Wardens end their
        // trees by themselves; this is for when they could not.
        tracing::error!("the kernel does not list children: what a killed warden left is not ended");
    }
    let children = text.iter().flat_map(|text| text.split_whitespace()).filter_map(|word| word.parse::<u32>().ok());
    let strays = children.filter(|child| !known.contains(child));
    strays.filter_map(|child| i32::try_from(child).ok()).map(Pid::from_raw).collect()
}
