//! The guard: the process that the server started. It passes on what the
//! server and the warden say, sees to it that nothing is left when the warden
//! is killed, and speaks the last word.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getppid};

use crate::confinement::{Confinement, Ended, Refusal, Report, Step, Stop, TreeUsage};
use crate::control::{read_report, receive_stop, send_report, send_stop};
use crate::failure::{Doing, Failure};
use crate::landlock;
use crate::refuse::exit_code;
use crate::tree::{self, Tree};

/// How long the warden may take for what it was told, or for what it should
/// have done by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has to be there before the warden is.
pub(crate) struct Guard {
    signals: SignalFd,
    /// Where all processes of the warden are, without a process namespace.
    tree: Option<Tree>,
}

impl Guard {
    /// Gets ready to adopt and to end what a killed warden would leave behind.
    pub(crate) fn prepare(namespaces: bool) -> Result<Self, Failure> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGCHLD);
        set.thread_block().doing("blocking signals")?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&set, flags).doing("listening to signals")?;
        prctl::set_child_subreaper(true).doing("adopting orphans")?;
        let tree = match namespaces {
            true => None,
            false => {
                landlock::restrict_scope()?;
                Some(Tree::of_domain(getppid())?)
            }
        };
        Ok(Self { signals, tree })
    }

    /// Stays until no process of the tree is left, and says how it ended.
    pub(crate) fn stay(
        self,
        confinement: &Confinement,
        server: &UnixStream,
        warden: Pid,
        channel: &UnixStream,
    ) -> ExitCode {
        let said = self.pass_on(confinement, server, warden, channel);
        // The warden is the parent of all; a killed one leaves them to us.
        let mut wait_status = None;
        let mut reap = |pid, status| {
            if pid == warden {
                wait_status = Some(status);
            }
        };
        match &self.tree {
            Some(tree) => tree.end(&mut reap),
            // The kernel ends the namespace before its first process.
            None => {
                while let Ok(status) = nix::sys::wait::waitpid(warden, None) {
                    reap(warden, status);
                }
            }
        }
        let last = match said {
            Said { started: false, last: Some(last) } => last,
            Said { started: true, last: Some(Report::Ended(ended)) } => Report::Ended(ended),
            // A warden that could not go on, or was killed.
            Said { started: true, .. } => {
                Report::Ended(Ended { wait_status: None, cause: None, usage: TreeUsage::default() })
            }
            Said { started: false, last: None } => {
                let detail = format!("the warden ended without a word: {wait_status:?}");
                Report::Refused(Refusal { step: Step::Warden, errno: None, detail })
            }
        };
        // Without a server, nobody is there to be told.
        let _ = send_report(server, &last);
        match last {
            Report::Refused(refusal) => exit_code(refusal.step),
            Report::Started(_) | Report::Ended(_) => ExitCode::SUCCESS,
        }
    }

    /// Passes on what server and warden say, until the warden is about to end, or is dead.
    fn pass_on(&self, confinement: &Confinement, server: &UnixStream, warden: Pid, channel: &UnixStream) -> Said {
        let limits = &confinement.limits;
        let whole = Duration::from_millis(limits.wall_time_ms.saturating_add(limits.grace_ms));
        let mut deadline = Instant::now().checked_add(whole.saturating_add(PATIENCE));
        let mut said = Said { started: false, last: None };
        let mut server_is_there = true;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                let _ = kill(warden, Signal::SIGKILL);
                return said;
            }
            let timeout = left.and_then(|left| PollTimeout::try_from(left + Duration::from_millis(1)).ok());
            let Ok([signal, heard, stop]) =
                self.wait(channel, server_is_there.then_some(server), timeout.unwrap_or(PollTimeout::MAX))
            else {
                let _ = kill(warden, Signal::SIGKILL);
                return said;
            };
            if heard {
                match read_report(channel) {
                    Ok(Some(Report::Started(enforced))) => {
                        said.started = true;
                        let _ = send_report(server, &Report::Started(enforced));
                    }
                    Ok(last) => {
                        said.last = last;
                        return said;
                    }
                    Err(_) => return said,
                }
                continue;
            }
            if signal {
                while let Ok(Some(_)) = self.signals.read_signal() {}
                if tree::has_ended(warden) {
                    // The warden may have spoken in between.
                    if let Ok(true) = readable(channel) {
                        continue;
                    }
                    return said;
                }
            }
            if stop {
                let word = receive_stop(server);
                if word == Stop::Kill {
                    server_is_there = false;
                    deadline = Some(Instant::now() + PATIENCE);
                }
                let _ = send_stop(channel, word);
            }
        }
    }

    fn wait(&self, channel: &UnixStream, server: Option<&UnixStream>, timeout: PollTimeout) -> nix::Result<[bool; 3]> {
        let mut set =
            vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN), PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
        set.extend(server.map(|server| PollFd::new(server.as_fd(), PollFlags::POLLIN)));
        match poll(&mut set, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let happened = |index: usize| set.get(index).and_then(PollFd::any).unwrap_or(false);
        Ok([happened(0), happened(1), happened(2)])
    }
}

/// What the warden has said.
struct Said {
    started: bool,
    last: Option<Report>,
}

fn readable(channel: &UnixStream) -> io::Result<bool> {
    let mut set = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut set, PollTimeout::ZERO)? > 0)
}
