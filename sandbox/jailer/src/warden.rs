//! The warden: the process between the guard and the program. It starts the
//! program, adopts and reaps what the program leaves behind, keeps the limits
//! of the tree, and ends all of it.
//!
//! In a process namespace it is the first process, and the kernel ends the
//! rest with it. Otherwise it is in a Landlock domain of its own, which its
//! signals cannot leave, with the program in a domain below that the program's
//! signals cannot leave.

use std::borrow::Cow;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid, getpid, getppid, setpgid, setsid};

use crate::capabilities;
use crate::confinement::{Cause, Confinement, Ended, Enforced, Refusal, Report, Step, Stop};
use crate::control::{read_report, receive_stop, send_report};
use crate::failure::{Doing, Failure};
use crate::fds::Descriptors;
use crate::parts::Parts;
use crate::program::become_program;
use crate::refuse::{Refuse, exit_code};
use crate::tree::{self, Tree};
use crate::watch::Watch;
use crate::{filesystem, landlock, parent, sys};

/// Does all that comes between the guard and the program, and goes on until no
/// process of the tree is left.
pub(crate) fn stand(
    mut confinement: Confinement,
    descriptors: Descriptors,
    parts: Parts,
    process_bound: u64,
    guard: Pid,
    channel: UnixStream,
) -> ExitCode {
    let prepared = Warden::prepare(&confinement, &parts, guard, channel.try_clone().ok());
    // The files are where the program finds them; held on to, they would take memory
    // that nobody counts for as long as it runs.
    confinement.files.iter_mut().for_each(|file| file.content = Cow::Borrowed(""));
    let confinement = &confinement;
    let refusal = match prepared {
        Err(refusal) => refusal,
        Ok(mut warden) => match warden.start(confinement, descriptors, parts, process_bound) {
            Err(refusal) => refusal,
            Ok(Started::Program(code)) => return code,
            Ok(Started::Warden) => match warden.watch_over(confinement) {
                Ok(ended) => {
                    // The guard tells how the run ended when it does not hear this.
                    let _ = send_report(&channel, &Report::Ended(ended));
                    return ExitCode::SUCCESS;
                }
                Err(refusal) => refusal,
            },
        },
    };
    let code = exit_code(refusal.step);
    let _ = send_report(&channel, &Report::Refused(refusal));
    code
}

/// The shortest turn at a processor that can be asked for. A warden has little
/// to do, and that at once.
const SLICE_NANOSECONDS: u64 = 100_000;

enum Started {
    /// This process is the warden.
    Warden,
    /// This process was to become the program, and could not.
    Program(ExitCode),
}

struct Warden {
    guard: UnixStream,
    /// The guard's number, as far as the warden can see it.
    parent: Pid,
    signals: SignalFd,
    tree: Tree,
    watch: Watch,
    /// Whether the warden has left the session and the group of the guard.
    is_apart: bool,
    program: Pid,
    /// The channel from the program, until it executes.
    channel: Option<UnixStream>,
    /// When the program began to run.
    began: Option<Instant>,
    deadline: Instant,
    kill_at: Option<Instant>,
    cause: Option<Cause>,
    wait_status: Option<i32>,
}

impl Warden {
    fn prepare(
        confinement: &Confinement,
        parts: &Parts,
        guard: Pid,
        channel: Option<UnixStream>,
    ) -> Result<Self, Refusal> {
        let namespaces = confinement.namespaces;
        // The warden is asked to end where there is no namespace: it has others to end
        // first. The signal is the one that reaches a stopped process too and can be read.
        let signal = if namespaces { Signal::SIGKILL } else { Signal::SIGCONT };
        let signals = blocked_signals().at(Step::Warden)?;
        // The first process of a namespace does not see its parent's number.
        let parent = if namespaces { Pid::from_raw(0) } else { guard };
        parent::end_with(parent, signal).at(Step::Warden)?;
        // A signal to the guard's process group is not for the warden.
        let is_apart = leave_group(confinement.cgroups() > 0).at(Step::Warden)?;
        if namespaces {
            filesystem::build(confinement, parts).at(Step::Filesystem)?;
        }
        capabilities::drop_all().at(Step::Capabilities)?;
        let tree = if namespaces { Tree::of_namespace() } else { own_domain(guard) }.at(Step::Warden)?;
        let watch = Watch::new(confinement, parts).at(Step::Warden)?;
        let guard = channel.ok_or_else(|| Failure::new("copying a descriptor", "there is none")).at(Step::Warden)?;
        Ok(Self {
            guard,
            parent,
            signals,
            tree,
            watch,
            is_apart,
            program: getpid(),
            channel: None,
            began: None,
            deadline: after(Instant::now(), confinement.limits.wall_time_ms),
            kill_at: None,
            cause: None,
            wait_status: None,
        })
    }

    fn start(
        &mut self,
        confinement: &Confinement,
        descriptors: Descriptors,
        parts: Parts,
        process_bound: u64,
    ) -> Result<Started, Refusal> {
        let (ours, theirs) = UnixStream::pair().doing("making a channel").at(Step::Warden)?;
        let warden = getpid();
        match sys::fork().doing("forking").at(Step::Warden)? {
            ForkResult::Child => {
                let code = become_program(confinement, descriptors, &parts, process_bound, warden, theirs);
                Ok(Started::Program(code))
            }
            ForkResult::Parent { child } => {
                // Session and slice are set only now: the program would have inherited both.
                if !self.is_apart {
                    setsid().doing("starting a session").at(Step::Warden)?;
                }
                let _ = sys::set_slice(SLICE_NANOSECONDS);
                self.program = child;
                self.channel = Some(ours);
                Ok(Started::Warden)
            }
        }
    }

    fn watch_over(&mut self, confinement: &Confinement) -> Result<Ended, Refusal> {
        let grace = confinement.limits.grace_ms;
        while self.wait_status.is_none() {
            let events = self.wait().doing("waiting for events").at(Step::Warden)?;
            if events.program {
                self.hear_program(confinement.limits.wall_time_ms)?;
            }
            if events.guard {
                match receive_stop(&self.guard) {
                    Stop::Ask => self.ask(Cause::Stopped, grace),
                    Stop::Kill => {
                        self.cause.get_or_insert(Cause::Stopped);
                        break;
                    }
                }
            }
            if events.signal && self.is_to_end() {
                self.cause.get_or_insert(Cause::Stopped);
                break;
            }
            self.reap();
            let now = Instant::now();
            if self.kill_at.is_some_and(|at| now >= at) {
                break;
            }
            if now >= self.deadline && self.kill_at.is_none() {
                self.ask(Cause::WallTime, grace);
            }
            if self.began.is_some() && self.wait_status.is_none() {
                // A tree that cannot be watched is not left running.
                let passed = self.watch.look(&self.tree).doing("watching").at(Step::Warden)?;
                if let Some(cause) = passed {
                    self.cause.get_or_insert(cause);
                    break;
                }
            }
        }
        self.end()
    }

    /// Waits for an event or for the time to look again.
    fn wait(&self) -> nix::Result<Events> {
        let mut until = self.deadline;
        if let Some(at) = self.kill_at {
            until = at;
        }
        if self.began.is_some() {
            until = until.min(self.watch.next());
        }
        // Rounded up, so that it is over when the wait is.
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut set = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.guard.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(channel) = &self.channel {
            set.push(PollFd::new(channel.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut set, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let happened = |index: usize| set.get(index).and_then(PollFd::any).unwrap_or(false);
        Ok(Events { signal: happened(0), guard: happened(1), program: happened(2) })
    }

    /// Takes what the program's process has to say.
    fn hear_program(&mut self, wall_time_ms: u64) -> Result<(), Refusal> {
        let Some(channel) = self.channel.take() else { return Ok(()) };
        let enforced = match last_word(&channel) {
            Ok(enforced) => enforced,
            Err(refusal) => {
                self.tree.end(|_, _| ());
                return Err(refusal);
            }
        };
        let Some(enforced) = enforced else {
            let mut status = None;
            let program = self.program;
            self.tree.end(|pid, ended| status = if pid == program { Some(ended) } else { status });
            let detail = format!("the process ended before it became the program: {status:?}");
            return Err(Refusal { step: Step::Execute, errno: None, detail });
        };
        let now = Instant::now();
        self.deadline = after(now, wall_time_ms);
        self.begin(now, enforced);
        Ok(())
    }

    fn begin(&mut self, now: Instant, enforced: Enforced) {
        self.began = Some(now);
        // Without a guard, nobody is there to be told.
        let _ = send_report(&self.guard, &Report::Started(enforced));
    }

    /// Asks the program to end, and sees to it that it does.
    fn ask(&mut self, cause: Cause, grace_ms: u64) {
        self.cause.get_or_insert(cause);
        if self.kill_at.is_none() {
            self.kill_at = Some(after(Instant::now(), grace_ms));
        }
        if !tree::has_ended(self.program) {
            // The program is not reaped, so the number is its own. It may be stopped.
            let _ = kill(self.program, Signal::SIGTERM);
            let _ = kill(self.program, Signal::SIGCONT);
        }
    }

    /// Takes the signals that came, which may be about children and only wake
    /// the loop. Says whether the guard is gone, or somebody asks for the end.
    fn is_to_end(&self) -> bool {
        let mut asked = false;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            asked |= signal.ssi_signo == Signal::SIGTERM as u32;
        }
        asked || getppid() != self.parent
    }

    fn reap(&mut self) {
        let (program, wait_status) = (self.program, &mut self.wait_status);
        while self.tree.reap(|pid, status| {
            if pid == program {
                *wait_status = tree::raw_status(status);
            }
        }) && wait_status.is_none()
        {}
    }

    fn end(&mut self) -> Result<Ended, Refusal> {
        let (program, wait_status) = (self.program, &mut self.wait_status);
        let ended = Instant::now();
        self.tree.end(|pid, status| {
            if pid == program {
                *wait_status = tree::raw_status(status);
            }
        });
        // The program may have begun when it was already to end. Nobody is left to
        // write, so this does not wait.
        if let Some(channel) = self.channel.take()
            && let Some(enforced) = last_word(&channel)?
        {
            self.begin(ended, enforced);
        }
        let Some(began) = self.began else {
            let detail = format!("ended before it began: {:?}", self.cause);
            return Err(Refusal { step: Step::Execute, errno: None, detail });
        };
        let usage = self.watch.usage(ended - began).doing("asking what was used").at(Step::Warden)?;
        let cause = self.cause.or_else(|| limit_of_kernel(self.wait_status));
        Ok(Ended { wait_status: self.wait_status, cause, usage })
    }
}

struct Events {
    signal: bool,
    guard: bool,
    program: bool,
}

/// The kernel ends a single process at some limits before the tree has passed
/// them.
fn limit_of_kernel(wait_status: Option<i32>) -> Option<Cause> {
    match wait_status {
        Some(status) if status & 0x7f == Signal::SIGXCPU as i32 => Some(Cause::CpuTime),
        Some(status) if status & 0x7f == Signal::SIGXFSZ as i32 => Some(Cause::DiskBytes),
        _ => None,
    }
}

/// The program's process either says that it is about to execute and then
/// closes the channel by doing so, or says what went wrong, or nothing.
fn last_word(channel: &UnixStream) -> Result<Option<Enforced>, Refusal> {
    let mut enforced = None;
    loop {
        match read_report(channel) {
            Ok(Some(Report::Started(report))) => enforced = Some(report),
            Ok(Some(Report::Refused(refusal))) => return Err(refusal),
            Ok(Some(Report::Ended(_))) | Err(_) => return Ok(None),
            Ok(None) => return Ok(enforced),
        }
    }
}

fn blocked_signals() -> Result<SignalFd, Failure> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGCONT);
    signals.add(Signal::SIGTERM);
    signals.thread_block().doing("blocking signals")?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    SignalFd::with_flags(&signals, flags).doing("listening to signals")
}

/// Starts a process group: a signal to the guard's is not for the warden. And a session
/// when there is a terminal to leave. Says whether the warden has left all that it must.
///
/// The kernel gives each session its turns at the processor, so in one of its
/// own a warden is not kept waiting by those of its program. That takes time,
/// which is spent while the program starts. With a control group its watch is
/// not what bounds memory.
fn leave_group(is_bounded: bool) -> Result<bool, Failure> {
    match open("/dev/tty", OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty()) {
        Err(Errno::ENXIO) if !is_bounded => return Ok(false),
        Err(Errno::ENXIO) => setpgid(Pid::from_raw(0), Pid::from_raw(0)).doing("starting a process group")?,
        _ => drop(setsid().doing("starting a session")?),
    }
    Ok(true)
}

fn own_domain(guard: Pid) -> Result<Tree, Failure> {
    prctl::set_child_subreaper(true).doing("adopting orphans")?;
    landlock::restrict_scope()?;
    Tree::of_domain(guard)
}

fn after(instant: Instant, milliseconds: u64) -> Instant {
    // No tree is meant to run longer than a year.
    const LONGEST_MS: u64 = 365 * 24 * 3600 * 1000;
    instant + Duration::from_millis(milliseconds.min(LONGEST_MS))
}
