//! The last step: this process becomes the program.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, execve, fchdir};

use crate::confinement::Program;
use crate::failure::{Doing, Failure};
use crate::sys;

/// A program in the form that the kernel takes.
pub(crate) struct Executable {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Executable {
    /// Goes to the directory of the program, which may be open, and makes the
    /// effect of signals what a program expects.
    pub(crate) fn prepare(program: &Program, directory: Option<BorrowedFd<'_>>) -> Result<Self, Failure> {
        directory.map_or_else(|| chdir(&program.directory), fchdir).doing_at("going to", &program.directory)?;
        for signal in 1..=libc::SIGRTMAX() {
            match signal {
                libc::SIGKILL | libc::SIGSTOP => {}
                signal => sys::default_signal(signal).doing("resetting a signal")?,
            }
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).doing("unblocking signals")?;
        let env = program.env.iter().map(|(name, value)| {
            let mut variable = OsString::from(name);
            variable.push("=");
            variable.push(value);
            c_string(&variable)
        });
        Ok(Self {
            path: c_string(program.path.as_os_str())?,
            args: program.args.iter().map(|argument| c_string(argument)).collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
        })
    }

    /// Executes the program. Its files get the modes that programs expect: others are
    /// kept out by the modes of the directories that they lie in.
    pub(crate) fn execute(&self) -> Result<Infallible, Failure> {
        umask(Mode::from_bits_truncate(0o022));
        execve(&self.path, &self.args, &self.env)
            .doing_at("executing", OsStr::from_bytes(self.path.as_bytes()).as_ref())
    }
}

fn c_string(text: &OsStr) -> Result<CString, Failure> {
    CString::new(text.as_bytes()).doing("passing a string with a zero byte")
}
