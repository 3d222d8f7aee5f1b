//! Starts a program on a machine that allows less than this one: as another
//! user, as in a container, without user namespaces, on an older kernel, or
//! with system calls missing. Tests start the server through it.
//!
//! It becomes the program, so the program has the process number that its
//! starter knows. What is taken away cannot be had back, by any descendant.
//! It is started by root, which may restrict itself without `no_new_privs`,
//! because a server that finds that flag set would be another test.

mod arguments;
mod docker;
mod filter;
mod landlock;
mod sys;

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use arguments::{Capabilities, Restrictions};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

fn main() -> ExitCode {
    let failure = match Restrictions::parse(std::env::args_os().skip(1)) {
        Ok(restrictions) => match become_program(&restrictions) {
            Ok(never) => match never {},
            Err(error) => error.to_string(),
        },
        Err(message) => message,
    };
    use std::io::Write as _;
    // Whoever started it reads standard error, or only sees the exit code.
    let _ = writeln!(io::stderr().lock(), "restricted: {failure}");
    ExitCode::from(126)
}

/// The order matters: each step needs rights that a later one gives up, and
/// the filter comes last because it may forbid any of the others.
fn become_program(restrictions: &Restrictions) -> io::Result<Infallible> {
    let supervisor = restrictions.landlock_abi.map(landlock::start_supervisor).transpose()?;
    if restrictions.docker {
        docker::protect_kernel_files()?;
    }
    match restrictions.capabilities {
        Capabilities::All => {}
        Capabilities::Docker => sys::limit_capabilities(docker::CAPABILITIES)?,
        Capabilities::None => sys::limit_capabilities(&[])?,
    }
    if let Some(most) = restrictions.processes {
        setrlimit(Resource::RLIMIT_NPROC, most.into(), most.into())?;
    }
    if let Some((user, group)) = restrictions.identity {
        sys::become_user(user, group)?;
    }
    if let Some(files) = restrictions.open_files {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, files.into(), hard)?;
    }
    if restrictions.no_new_privileges {
        sys::set_no_new_privileges()?;
    }
    let rules = restrictions.rules();
    if !rules.is_empty() {
        let listener = sys::install_filter(&filter::compile(&rules), supervisor.is_some())?;
        if let (Some(supervisor), Some(listener)) = (supervisor, listener) {
            landlock::hand_over(&supervisor, &listener)?;
        }
    }
    Err(Command::new(&restrictions.program).args(&restrictions.program_arguments).exec())
}
