//! The entry: the order of the steps.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, Pid, getpid};

use crate::confinement::{Confinement, Refusal, Report, Step};
use crate::control::{receive_confinement, send_report};
use crate::failure::{Doing, Failure};
use crate::fds::Descriptors;
use crate::guard::Guard;
use crate::parts::Parts;
use crate::refuse::{Refuse, exit_code};
use crate::{capabilities, cgroups, credentials, given, namespaces, parent, rlimits, sys, warden};

/// What the processes of the jailer are called.
const NAME: &CStr = c"belljar-jailer";

/// The jailer. Standard input is the connection to the server; this process
/// has one thread.
///
/// Ends with 0 when the program ran, whatever became of it, and with 65 and up
/// when a step could not be taken: 65 for the first of [`Step`], and so on.
pub fn main() -> ExitCode {
    // The process was executed by a number, and a name is for people: without one
    // nothing is weaker.
    let _ = prctl::set_name(NAME);
    let Ok(connection) = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return exit_code(Step::Receive);
    };
    match confine(&connection).and_then(Confined::divide) {
        Ok(Side::Guard(confined, warden, channel)) => {
            let Confined { mut confinement, descriptors, parts, guard, .. } = confined;
            // Readers of the program's output see its end only when we let go, and
            // its files are the warden's to write.
            drop((descriptors, parts, std::mem::take(&mut confinement.files)));
            guard.stay(&confinement, &connection, warden, &channel)
        }
        Ok(Side::Warden(confined, guard, channel)) => {
            drop(connection);
            let Confined { confinement, descriptors, parts, process_bound, .. } = confined;
            warden::stand(confinement, descriptors, parts, process_bound, guard, channel)
        }
        Err(refusal) => {
            let code = exit_code(refusal.step);
            // Without a server, nobody is there to be told.
            let _ = send_report(&connection, &Report::Refused(refusal));
            code
        }
    }
}

/// A process that has taken the steps which the guard and the warden share.
struct Confined {
    confinement: Confinement,
    descriptors: Descriptors,
    parts: Parts,
    process_bound: u64,
    guard: Guard,
}

/// Which of the two processes this is; with the other one, and the channel to
/// it.
enum Side {
    Guard(Confined, Pid, UnixStream),
    Warden(Confined, Pid, UnixStream),
}

fn confine(connection: &UnixStream) -> Result<Confined, Refusal> {
    // A server that is short of open files is no reason for a jail to end halfway.
    // Where this is not allowed a step that needs more of them fails, and says so.
    let _ = rlimits::raise_open_files();
    let (confinement, received) = receive_confinement(connection).doing("receiving").at(Step::Receive)?;
    let mut descriptors = Descriptors::sort(&confinement.descriptors, received).at(Step::Receive)?;
    let server = i32::try_from(confinement.parent).map(Pid::from_raw).doing("reading a number").at(Step::Parent)?;
    parent::end_with(server, Signal::SIGKILL).at(Step::Parent)?;
    descriptors.isolate(connection).at(Step::Descriptors)?;
    umask(Mode::from_bits_truncate(0o077));
    be_first_without_memory().at(Step::Descriptors)?;
    cgroups::join(descriptors.take_cgroups()).at(Step::Cgroups)?;
    let mut handed = descriptors.take_mounts();
    let mut parts = None;
    if let Some(identity) = confinement.identity {
        if confinement.namespaces {
            // The user that this process becomes need not be able to get to what it is to see.
            namespaces::enter_mounts().at(Step::Namespaces)?;
            parts = Some(Parts::take(&confinement, std::mem::take(&mut handed)).at(Step::Filesystem)?);
        }
        credentials::become_user(identity).at(Step::Credentials)?;
        parent::end_with(server, Signal::SIGKILL).at(Step::Credentials)?;
    }
    let process_bound =
        rlimits::process_bound(confinement.namespaces, confinement.limits.processes).at(Step::Rlimits)?;
    let guard = Guard::prepare(confinement.namespaces).at(Step::Warden)?;
    if confinement.namespaces {
        namespaces::enter().at(Step::Namespaces)?;
        parent::end_with(server, Signal::SIGKILL).at(Step::Namespaces)?;
    }
    let parts = match parts {
        Some(parts) => parts,
        // Only within the namespaces may this process take the parts.
        None if confinement.namespaces => Parts::take(&confinement, handed).at(Step::Filesystem)?,
        None => {
            given::refuse(&confinement).at(Step::Filesystem)?;
            Parts::hold(&confinement.mounts, handed).at(Step::Filesystem)?
        }
    };
    // From here on nothing of the same user may look into this process and the
    // warden, which is a copy of it.
    prctl::set_dumpable(false).doing("hiding from others").at(Step::Warden)?;
    Ok(Confined { confinement, descriptors, parts, process_bound, guard })
}

impl Confined {
    fn divide(self) -> Result<Side, Refusal> {
        let (guards, wardens) = UnixStream::pair().doing("making a channel").at(Step::Warden)?;
        let guard = getpid();
        match sys::fork().doing("forking").at(Step::Warden)? {
            ForkResult::Child => Ok(Side::Warden(self, guard, wardens)),
            ForkResult::Parent { child } => {
                // The warden still needs its own capabilities to mount.
                if let Err(refusal) = capabilities::drop_all().at(Step::Capabilities) {
                    // The child has started nothing yet that would outlive it.
                    let _ = kill(child, Signal::SIGKILL);
                    return Err(refusal);
                }
                Ok(Side::Guard(self, child, guards))
            }
        }
    }
}

/// When the host runs out of memory, it ends a tree before the server.
#[expect(clippy::disallowed_methods, reason = "a file of its own process")]
fn be_first_without_memory() -> Result<(), Failure> {
    std::fs::write("/proc/self/oom_score_adj", "1000").doing("writing to oom_score_adj")
}
