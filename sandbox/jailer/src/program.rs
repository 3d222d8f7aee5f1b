//! The process that becomes the program: the steps that bind it alone.

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, setpgid};

use crate::confinement::{Access, Confinement, Enforced, Refusal, Report, Step};
use crate::control::send_report;
use crate::execute::Executable;
use crate::failure::{Doing, Failure};
use crate::fds::Descriptors;
use crate::landlock::{FIRST_ABI_WITH_SCOPES, PathAccess, PathRule, landlock_abi, restrict_paths};
use crate::parts::{DEVICES, Parts, ZERO};
use crate::refuse::{Refuse, exit_code};
use crate::{filters, given, parent, rlimits, sys};

/// By how much the priority of a program is lower than that of its warden,
/// which many processes would keep from looking. It gets a third of what it
/// would when others want the processor too.
const LOWER_BY: i32 = 5;

/// Becomes the program, or says on `channel` why not. When it has become the
/// program, the channel ends after [`Report::Started`].
pub(crate) fn become_program(
    confinement: &Confinement,
    descriptors: Descriptors,
    parts: &Parts,
    process_bound: u64,
    warden: Pid,
    channel: UnixStream,
) -> ExitCode {
    let channel = match descriptors.install(channel).at(Step::Descriptors) {
        Ok(channel) => channel,
        Err(refusal) => return exit_code(refusal.step),
    };
    let refusal = match take_steps(confinement, parts, process_bound, warden, &channel) {
        Err(refusal) => refusal,
        Ok(never) => match never {},
    };
    let code = exit_code(refusal.step);
    // Nobody is there to hear it when the warden is gone.
    let _ = send_report(&channel, &Report::Refused(refusal));
    code
}

fn take_steps(
    confinement: &Confinement,
    parts: &Parts,
    process_bound: u64,
    warden: Pid,
    channel: &UnixStream,
) -> Result<Infallible, Refusal> {
    parent::end_with(warden, Signal::SIGKILL).at(Step::Parent)?;
    // A signal to its own group is not for the warden.
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).doing("starting a process group").at(Step::Descriptors)?;
    // A directory that is held is, with namespaces, a mount beside those that the program sees.
    let held = parts.at(&confinement.mounts, &confinement.program.directory);
    let directory = held.filter(|_| !confinement.namespaces);
    let executable = Executable::prepare(&confinement.program, directory).at(Step::Execute)?;
    let filter = filters::program(confinement.namespaces, confinement.cgroups() > 0);
    let filter = filter.and_then(|filter| match confinement.shares() {
        true => filter.refusing(filters::SET_IDS),
        false => Ok(filter),
    });
    let filter = filter.at(Step::Seccomp)?;

    sys::lower_priority(LOWER_BY).doing("lowering the priority").at(Step::Rlimits)?;
    rlimits::set(&confinement.limits, process_bound).at(Step::Rlimits)?;
    prctl::set_no_new_privs().doing("setting no_new_privs").at(Step::NoNewPrivileges)?;
    let landlock_abi = restrict_files(confinement, parts).at(Step::Landlock)?;
    filter.apply().at(Step::Seccomp)?;

    let enforced = Enforced {
        namespaces: confinement.namespaces,
        identity: confinement.identity.is_some(),
        landlock_abi,
        cgroups: u32::try_from(confinement.cgroups()).unwrap_or(u32::MAX),
        own_locks: parts.own_locks,
    };
    send_report(channel, &Report::Started(enforced)).doing("reporting to the warden").at(Step::Execute)?;
    executable.execute().at(Step::Execute)
}

/// Lets the program use the files that it was given, and tells the ABI of
/// Landlock that keeps it to them.
fn restrict_files(confinement: &Confinement, parts: &Parts) -> Result<u32, Failure> {
    // Without namespaces nothing else keeps signals from the host.
    let minimum = match confinement.namespaces {
        true => confinement.landlock_abi,
        false => confinement.landlock_abi.max(FIRST_ABI_WITH_SCOPES),
    };
    if minimum == 0 && landlock_abi() == 0 {
        return Ok(0);
    }
    // A link leads to what has a rule of its own, or else has none.
    let trees = parts.trees(&confinement.mounts);
    let mut rules: Vec<PathRule<'_>> = trees
        .map(|(mount, tree)| PathRule {
            path: &mount.destination,
            found: Some(tree),
            access: match mount.access {
                Access::Read | Access::Granted => PathAccess::Execute,
                Access::Write => PathAccess::Write,
                Access::GrantedWrite => PathAccess::Share,
            },
        })
        .collect();
    let by_path = |path, access| PathRule { path, found: None, access };
    rules.extend(confinement.scratch.iter().map(|scratch| by_path(&scratch.destination, PathAccess::Write)));
    // The real device is a way to memory that no process shows.
    let zero = confinement.namespaces || confinement.cgroups() > 0;
    let devices = DEVICES.iter().filter(|device| zero || **device != ZERO);
    rules.extend(devices.map(|device| by_path(Path::new(device), PathAccess::Device)));
    rules.extend(given::directories(&confinement.files).map(|directory| by_path(directory, PathAccess::Read)));
    if confinement.namespaces {
        rules.push(by_path(Path::new("/"), PathAccess::List));
        rules.push(by_path(Path::new("/proc"), PathAccess::Read));
    }
    restrict_paths(&rules, minimum)
}
