//! Processes that a client started: none outlives its trial.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tests::Process;

/// How long what a client leaves behind may take to end by itself. `belljar`
/// ends when its input does.
const GRACE: Duration = Duration::from_secs(10);

/// Makes this process the parent of every orphan below it, so that
/// [`clear`] finds them.
pub(crate) fn adopt_orphans() {
    prctl::set_child_subreaper(true).expect("Linux 3.4 and newer can do that");
}

/// Waits for a process, and kills it when it takes longer than `patience`.
pub(crate) fn wait(mut child: Child, patience: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break Some(status);
        }
        if started.elapsed() > patience {
            child.kill().expect("a child that was not waited for can be killed");
            child.wait().expect("a child can be waited for");
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    clear();
    status
}

/// Waits until no descendant is left, and kills those that stay.
fn clear() {
    let started = Instant::now();
    let this = std::process::id().try_into().expect("process numbers are positive");
    loop {
        let left = Process::children_of(this);
        if left.is_empty() {
            return;
        }
        for process in left {
            if started.elapsed() > GRACE {
                process.signal(Signal::SIGKILL);
            }
            // One that still runs is looked at again in the next round.
            let _ = waitpid(Pid::from_raw(process.pid()), Some(WaitPidFlag::WNOHANG));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The end of what a process wrote to a file.
pub(crate) fn end_of(file: &Path) -> String {
    const LENGTH: u64 = 3000;
    let read = || {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LENGTH)))?;
        let mut bytes = Vec::new();
        file.take(LENGTH).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}
