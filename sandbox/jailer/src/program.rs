//! The process that becomes the program: the steps that bind it alone.

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, setpgid};

use crate::confinement::{Access, Confinement, Enforced, Mount, Refusal, Report, Step};
use crate::control::send_report;
use crate::execute::Executable;
use crate::failure::{Doing, Failure};
use crate::fds::Descriptors;
use crate::filesystem::{DEVICES, ZERO, is_link};
use crate::landlock::{FIRST_ABI_WITH_SCOPES, PathAccess, PathRule, landlock_abi, restrict_paths};
use crate::refuse::{Refuse, exit_code};
use crate::{filters, parent, rlimits};

/// Becomes the program, or says on `channel` why not. When it has become the
/// program, the channel ends after [`Report::Started`].
pub(crate) fn become_program(
    confinement: &Confinement,
    descriptors: Descriptors,
    process_bound: u64,
    warden: Pid,
    channel: UnixStream,
) -> ExitCode {
    let channel = match descriptors.install(channel).at(Step::Descriptors) {
        Ok(channel) => channel,
        Err(refusal) => return exit_code(refusal.step),
    };
    let refusal = match take_steps(confinement, process_bound, warden, &channel) {
        Err(refusal) => refusal,
        Ok(never) => match never {},
    };
    let code = exit_code(refusal.step);
    // Nobody is there to hear when the warden is gone.
    let _ = send_report(&channel, &Report::Refused(refusal));
    code
}

fn take_steps(
    confinement: &Confinement,
    process_bound: u64,
    warden: Pid,
    channel: &UnixStream,
) -> Result<Infallible, Refusal> {
    parent::end_with(warden, Signal::SIGKILL).at(Step::Parent)?;
    // A signal to its own group is not for the warden.
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).doing("starting a process group").at(Step::Descriptors)?;
    let executable = Executable::prepare(&confinement.program).at(Step::Execute)?;
    let filter = filters::program(confinement.namespaces, confinement.cgroups() > 0).at(Step::Seccomp)?;

    rlimits::set(&confinement.limits, process_bound).at(Step::Rlimits)?;
    prctl::set_no_new_privs().doing("setting no_new_privs").at(Step::NoNewPrivileges)?;
    let landlock_abi = restrict_files(confinement).at(Step::Landlock)?;
    filter.apply().at(Step::Seccomp)?;

    let enforced = Enforced {
        namespaces: confinement.namespaces,
        identity: confinement.identity.is_some(),
        landlock_abi,
        cgroups: u32::try_from(confinement.cgroups()).unwrap_or(u32::MAX),
    };
    send_report(channel, &Report::Started(enforced)).doing("reporting to the warden").at(Step::Execute)?;
    executable.execute().at(Step::Execute)
}

/// Lets the program use the files that it was given, and tells the ABI of
/// Landlock that keeps it to them.
fn restrict_files(confinement: &Confinement) -> Result<u32, Failure> {
    // Without namespaces nothing else keeps signals from the host.
    let minimum = match confinement.namespaces {
        true => confinement.landlock_abi,
        false => confinement.landlock_abi.max(FIRST_ABI_WITH_SCOPES),
    };
    if minimum == 0 && landlock_abi() == 0 {
        return Ok(0);
    }
    // A link leads to what has a rule of its own, or else has none.
    let has_rule = |mount: &&Mount| mount.access == Access::Write || !is_link(&mount.destination);
    let mounts = confinement.mounts.iter().filter(has_rule);
    let mut rules: Vec<PathRule<'_>> = mounts
        .map(|mount| PathRule {
            path: &mount.destination,
            access: match mount.access {
                Access::Read => PathAccess::Execute,
                Access::Write => PathAccess::Write,
            },
        })
        .collect();
    rules.extend(
        confinement.scratch.iter().map(|scratch| PathRule { path: &scratch.destination, access: PathAccess::Write }),
    );
    // The real one is a way to memory that no process shows.
    let zero = confinement.namespaces || confinement.cgroups() > 0;
    let devices = DEVICES.iter().filter(|device| zero || **device != ZERO);
    rules.extend(devices.map(|device| PathRule { path: Path::new(device), access: PathAccess::Device }));
    if confinement.namespaces {
        rules.push(PathRule { path: Path::new("/"), access: PathAccess::List });
        rules.push(PathRule { path: Path::new("/proc"), access: PathAccess::Read });
    }
    restrict_paths(&rules, minimum)
}
