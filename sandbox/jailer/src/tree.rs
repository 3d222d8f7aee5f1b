//! The end of all processes below this one.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::failure::Failure;

/// How many children are reaped before other events get their turn.
const REAPED_AT_ONCE: u32 = 256;

/// The processes that a signal to all of them reaches: the others of this
/// process namespace, or those of this process's own Landlock domain. Made only
/// where one of the two is in force.
#[derive(Debug)]
pub(crate) struct Tree(());

impl Tree {
    /// The process namespace that this process is the first one of.
    pub(crate) fn of_namespace() -> Result<Self, Failure> {
        if nix::unistd::getpid() != Pid::from_raw(1) {
            return Err(Failure::new("ending a process namespace", "this is not its first process"));
        }
        Ok(Self(()))
    }

    /// The Landlock domain that this process has just entered. `outside` is a
    /// process that is not in it: when a signal could reach it, one to all
    /// would reach the host.
    pub(crate) fn of_domain(outside: Pid) -> Result<Self, Failure> {
        match kill(outside, None) {
            Err(Errno::EPERM) => Ok(Self(())),
            answer => Err(Failure::new("keeping signals inside", format!("a process outside answers {answer:?}"))),
        }
    }

    /// Keeps all processes from going on, but for what is under way in the kernel.
    pub(crate) fn pause(&self) {
        // A tree without any process is fine.
        let _ = kill(Pid::from_raw(-1), Signal::SIGSTOP);
    }

    /// Lets all processes go on.
    pub(crate) fn go_on(&self) {
        let _ = kill(Pid::from_raw(-1), Signal::SIGCONT);
    }

    /// Lets one process go on.
    pub(crate) fn let_go_on(&self, pid: i32) {
        // The process may have been about to end.
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
    }

    /// Kills all processes, and waits until none is left.
    pub(crate) fn end(&self, mut reaped: impl FnMut(Pid, WaitStatus)) {
        loop {
            // A tree without any process is fine, and so is one that is ending already.
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            match waitpid(None, None) {
                Ok(status) => status.pid().into_iter().for_each(|pid| reaped(pid, status)),
                Err(Errno::EINTR) => {}
                // The only other error is that there is no child.
                Err(_) => return,
            }
            self.reap(&mut reaped);
        }
    }

    /// Takes the exit status of children that have ended. Says whether there
    /// may be more of them.
    pub(crate) fn reap(&self, mut reaped: impl FnMut(Pid, WaitStatus)) -> bool {
        for _ in 0..REAPED_AT_ONCE {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return false,
                Ok(status) => status.pid().into_iter().for_each(|pid| reaped(pid, status)),
                Err(_) => {}
            }
        }
        true
    }
}

/// Whether a child has ended; it stays there to be reaped.
pub(crate) fn has_ended(child: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(child), flags), Ok(WaitStatus::StillAlive))
}

/// A wait status as `waitpid` gives it in C.
pub(crate) fn raw_status(status: WaitStatus) -> Option<i32> {
    const CORE_DUMPED: i32 = 0x80;
    match status {
        WaitStatus::Exited(_, code) => Some((code & 0xff) << 8),
        WaitStatus::Signaled(_, signal, dumped) => Some(signal as i32 | if dumped { CORE_DUMPED } else { 0 }),
        _ => None,
    }
}
