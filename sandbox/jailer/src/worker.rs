//! The second wall around Wasm guests: a worker process confines itself, for
//! good, once everything that needs more is done.
//!
//! It needs neither namespaces nor root, and Landlock from its first version
//! on, so it stands where native programs cannot be confined. There is no
//! weaker form of it: a worker hosts guests behind all of it or not at all.
//!
//! What it does not hide: whether a path outside exists, and its metadata.
//! Landlock does not cover that.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use serde::{Deserialize, Serialize};

use crate::capabilities;
use crate::confinement::{Refusal, Step};
use crate::failure::{Doing, Failure};
use crate::filters::worker::{ALLOWED, FATAL, REFUSED};
use crate::landlock::{PathAccess, PathRule, restrict_paths};
use crate::refuse::Refuse as _;
use crate::seccomp::{Argument, Filter, Rule, Table};

/// The oldest Landlock ABI that a worker takes. Before the second (Linux 5.19) a file
/// cannot be moved or linked from one directory to another.
const LANDLOCK_ABI: u32 = 1;
/// The first Landlock ABI (Linux 6.2) that keeps a file which may only be read from being emptied.
const ABI_WITH_TRUNCATE: u32 = 3;

/// What is in force around a worker: its filter of system calls without new
/// executable memory, no capability, no access to its memory by others, and
/// Landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerWall {
    /// The Landlock ABI that access to files was restricted with.
    pub landlock_abi: u32,
}

/// Confines this process to files in `directory` and in what is `shown`, to the
/// descriptors and the machine code that it has, to the threads that `start_threads` starts, and to
/// itself. It must have returned when those are ready for their work.
///
/// # Errors
///
/// The first step that could not be taken. Some of the wall stands then, so
/// the process is good for nothing but ending.
pub fn confine_worker(
    directory: &Path,
    shown: &[PathRule<'_>],
    start_threads: impl FnOnce() -> io::Result<()>,
) -> Result<WorkerWall, Refusal> {
    require_single_thread().at(Step::SingleThread)?;
    prctl::set_dumpable(false).doing("closing its memory to others").at(Step::Memory)?;
    capabilities::drop_all().at(Step::Capabilities)?;
    prctl::set_no_new_privs().doing("setting no_new_privs").at(Step::NoNewPrivileges)?;
    let landlock_abi = restrict_files(directory, shown).at(Step::Landlock)?;
    // Threads inherit all of that. A filter is the one thing that others can be given,
    // and it lets none be started.
    start_threads().doing("starting threads").at(Step::Threads)?;
    filter(std::process::id()).and_then(|filter| filter.apply_to_all_threads()).at(Step::Seccomp)?;
    prove().at(Step::Proof)?;
    Ok(WorkerWall { landlock_abi })
}

/// Landlock is taken on by a thread and inherited by those that it starts;
/// others would be left out.
fn require_single_thread() -> Result<(), Failure> {
    let threads = std::fs::read_dir("/proc/self/task").doing("counting threads")?.count();
    if threads == 1 { Ok(()) } else { Err(Failure::new("counting threads", format!("there are {threads}"))) }
}

fn restrict_files(directory: &Path, shown: &[PathRule<'_>]) -> Result<u32, Failure> {
    let own = PathRule { path: directory, found: None, access: PathAccess::Own };
    let rules: Vec<_> = std::iter::once(own).chain(shown.iter().copied()).collect();
    let is_read_only = shown.iter().any(|rule| matches!(rule.access, PathAccess::Read));
    restrict_paths(&rules, if is_read_only { ABI_WITH_TRUNCATE } else { LANDLOCK_ABI })
}

fn filter(process: u32) -> Result<Filter, Failure> {
    // `abort` sends a signal to its own thread.
    let this_process: &[Argument] = &[Argument::Int(0, process)];
    let own_signals = [Rule::when(libc::SYS_tgkill, std::slice::from_ref(&this_process))];
    Filter::compile(&Table { refused: REFUSED, allowed: &[ALLOWED, &own_signals] })?.ending_on(FATAL)
}

/// Tries what must fail now. A kernel, or what passes for one, may have said
/// yes to everything and done nothing.
fn prove() -> Result<(), Failure> {
    let opened = std::fs::read_dir("/").map(drop).map_err(|error| error.raw_os_error());
    expect("opening a directory outside", opened, Errno::EACCES)?;
    let named = nix::sys::utsname::uname().map(drop).map_err(|errno| Some(errno as i32));
    expect("a system call that is not in the filter", named, Errno::EPERM)
}

fn expect(what: &str, outcome: Result<(), Option<i32>>, refusal: Errno) -> Result<(), Failure> {
    match outcome {
        Err(errno) if errno == Some(refusal as i32) => Ok(()),
        Err(errno) => Err(io::Error::from_raw_os_error(errno.unwrap_or_default())).doing(what),
        Ok(()) => Err(Failure::new(what, "it was allowed")),
    }
}
