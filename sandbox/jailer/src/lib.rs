//! Applies a [`Confinement`] to its own process, then executes a program in it
//! and stays as its warden until every process of it is gone. And, for the
//! process that Wasm guests run in, [`confine_worker`], which executes nothing.
//!
//! The code here runs in a process of its own with a single thread: [`main`] is
//! all that the program `belljar-jailer` does. No event loop, no engine,
//! no logging framework, no retries and no fallbacks: a step that is asked for
//! and cannot be taken ends the process before the program starts, and names
//! the step.

mod capabilities;
mod cgroups;
mod confinement;
mod control;
mod cpu_time;
mod credentials;
mod disk;
mod entry;
mod execute;
mod failure;
mod fds;
mod filesystem;
mod filters;
pub mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod given;
mod growth;
mod guard;
mod held;
mod landlock;
mod memory;
mod namespaces;
mod overlay;
mod parent;
mod parts;
mod proc;
mod processes;
mod program;
mod refuse;
mod rlimits;
mod seccomp;
mod standstill;
mod sys;
mod tree;
mod warden;
mod watch;
mod worker;

pub use confinement::{
    Access, Cause, Confinement, Descriptor, Ended, Enforced, GivenFile, Identity, Mount, Program, Refusal, Report,
    Scratch, Step, Stop, TreeLimits, TreeUsage,
};
pub use control::{read_report, send_confinement, send_stop};
pub use disk::taken_bytes;
pub use entry::main;
pub use failure::Failure;
pub use landlock::{FIRST_ABI_WITH_SCOPES, PathAccess, PathRule, landlock_abi, restrict_paths};
pub use namespaces::HOSTNAME;
pub use seccomp::{Argument, Filter, Rule, Table};
pub use worker::{WorkerWall, confine_worker};
