//! What is asked of the jailer, and what it reports. Both borders are between
//! our own processes; the program that is confined has no part in them.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that a confined program gets; what is not here it does not have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confinement {
    /// The process that asks. The jailer ends when that is not its parent.
    pub parent: u32,
    /// What to execute.
    pub program: Program,
    /// The parts of the host's file system that it sees. Without namespaces a
    /// destination must equal its source. Each [that is handed
    /// over](Access::is_handed) comes as a descriptor too, a [`Descriptor::Mount`].
    pub mounts: Vec<Mount>,
    /// New namespaces (user, mount, process, network, IPC, UTS, cgroup) with a
    /// root of their own.
    pub namespaces: bool,
    /// Temporary file systems in memory; with namespaces only.
    pub scratch: Vec<Scratch>,
    /// Files that are nowhere on the host, to be read only; with namespaces
    /// only.
    pub files: Vec<GivenFile>,
    /// A directory of the host whose files are the only settings of the kernel that
    /// the program sees, below `/proc/sys`; without one it sees none. An empty
    /// `kernel/random/uuid` stands for the kernel's. With namespaces only.
    pub settings: Option<PathBuf>,
    /// The user to become. For a server that runs as root.
    pub identity: Option<Identity>,
    /// The oldest Landlock ABI to accept.
    pub landlock_abi: u32,
    /// Limits of the whole process tree.
    pub limits: TreeLimits,
    /// Descriptors that come with this message, in their order.
    pub descriptors: Vec<Descriptor>,
}

impl Confinement {
    /// Whether the program can write to what is not its own.
    pub(crate) fn shares(&self) -> bool {
        self.mounts.iter().any(|mount| mount.access == Access::GrantedWrite)
    }

    /// How many control groups the tree is to be in.
    pub(crate) fn cgroups(&self) -> usize {
        self.descriptors.iter().filter(|descriptor| **descriptor == Descriptor::CgroupProcs).count()
    }
}

/// A program to execute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Program {
    /// Its file, as seen inside.
    pub path: PathBuf,
    /// Its arguments, its own name first.
    pub args: Vec<OsString>,
    /// All of its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts, as seen inside.
    pub directory: PathBuf,
}

/// A part of the host's file system, with what lies below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// A file or directory of the host. What is handed over is where somebody
    /// else may write, too: its path only says where to look for what the
    /// descriptor is, and nothing else is taken.
    pub source: PathBuf,
    /// Where the program sees it.
    pub destination: PathBuf,
    /// What it may do there.
    pub access: Access,
}

/// What a program may do in a [`Mount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Read and execute.
    Read,
    /// Read, execute, write, create and remove; no device, no set-user-id. It is
    /// the run's own, and what it holds is limited.
    Write,
    /// Read and execute what is somebody's folder.
    Granted,
    /// Change files and directories in it as well, and make some: no links, no
    /// FIFOs, no set-user-id, nothing that leads who follows it astray. What is
    /// written counts, and not what it holds.
    GrantedWrite,
}

impl Access {
    /// Whether a mount of this access comes as a descriptor.
    pub const fn is_handed(self) -> bool {
        match self {
            Self::Read => false,
            Self::Write | Self::Granted | Self::GrantedWrite => true,
        }
    }
}

/// A file system in memory, gone with the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scratch {
    /// Where the program sees it.
    pub destination: PathBuf,
    /// The most that it holds.
    pub bytes: u64,
    /// The most files and directories in it.
    pub files: u64,
}

/// A file in memory, gone with the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenFile {
    /// Where the program sees it, in a directory that is no mount.
    pub path: PathBuf,
    /// What is in it.
    pub content: Cow<'static, str>,
}

/// A user of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Limits of a process tree. All of it is meant, where not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeLimits {
    /// Real time.
    pub wall_time_ms: u64,
    /// Processor time.
    pub cpu_time_ms: u64,
    /// Memory, scratch file systems included.
    pub memory_bytes: u64,
    /// What the run's own mounts hold, and what is written to others. The largest
    /// single file, too.
    pub disk_bytes: u64,
    /// Files and directories in the run's own mounts.
    pub disk_files: u64,
    /// Open descriptors of each process.
    pub open_files: u64,
    /// Processes and threads.
    pub processes: u64,
    /// How long a program gets between being asked to end (`SIGTERM`) and
    /// being killed.
    pub grace_ms: u64,
}

/// What a descriptor that comes with a [`Confinement`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Descriptor {
    /// Standard input of the program.
    Input,
    /// Standard output of the program.
    Output,
    /// Standard error of the program.
    Error,
    /// Descriptor 3 of the program, where its result goes.
    Result,
    /// Descriptor 4 of the program, by which it calls its host.
    Calls,
    /// `cgroup.procs` of a control group that the tree is to be in. With one, memory
    /// counts as limited by that group.
    CgroupProcs,
    /// A directory that is handed over, in the order of the mounts.
    Mount,
}

/// What to do about a program that is running. One byte on the connection; its
/// end means [`Stop::Kill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ask it to end, and kill it after the grace.
    Ask,
    /// Kill all of it now.
    Kill,
}

/// What the jailer says, in this order: [`Report::Refused`] and nothing else,
/// or [`Report::Started`] and at the end [`Report::Ended`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// A step could not be taken: the program never ran.
    Refused(Refusal),
    /// The program runs, under all of these protections.
    Started(Enforced),
    /// No process of the program is left.
    Ended(Ended),
}

/// Why a program was not started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the step `{step}` failed: {detail}")]
pub struct Refusal {
    /// The step that failed.
    pub step: Step,
    /// The kernel's error number, when it was the kernel that refused.
    pub errno: Option<i32>,
    /// What was tried, and the error.
    pub detail: String,
}

/// What is in force around a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforced {
    /// Whether the program has namespaces of its own.
    pub namespaces: bool,
    /// Whether the program is another user of the host than the server.
    pub identity: bool,
    /// The Landlock ABI that the program's rules were enforced with.
    pub landlock_abi: u32,
    /// How many control groups the program was put into.
    pub cgroups: u32,
    /// Whether a lock that the program takes on a file of the host's which it may only
    /// read is for itself alone.
    pub own_locks: bool,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Wait status of the program itself, as in `waitpid`; absent when it was
    /// not there to be waited for.
    pub wait_status: Option<i32>,
    /// Why the warden ended the program; absent when it ended by itself.
    pub cause: Option<Cause>,
    /// What the tree used.
    pub usage: TreeUsage,
}

/// Why the warden ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The warden was told to end it.
    Stopped,
    /// [`TreeLimits::wall_time_ms`] is over.
    WallTime,
    /// [`TreeLimits::cpu_time_ms`] is used up.
    CpuTime,
    /// The tree held more than [`TreeLimits::memory_bytes`].
    Memory,
    /// The writable mounts held more than [`TreeLimits::disk_bytes`].
    DiskBytes,
    /// The writable mounts held more than [`TreeLimits::disk_files`].
    DiskFiles,
    /// The tree had more than [`TreeLimits::processes`].
    Processes,
}

/// What a process tree used. Absent means not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeUsage {
    /// Real time.
    pub wall_time_ms: Option<u64>,
    /// Processor time.
    pub cpu_time_ms: Option<u64>,
    /// The most memory at once, as far as it was seen.
    pub memory_bytes: Option<u64>,
    /// The most processes at once, as far as it was seen.
    pub processes: Option<u64>,
}

/// The steps of the jailer, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Receiving the confinement.
    Receive,
    /// Ending with the server.
    Parent,
    /// Closing what was inherited, a session and an input of its own.
    Descriptors,
    /// Joining control groups.
    Cgroups,
    /// Becoming another user.
    Credentials,
    /// New namespaces.
    Namespaces,
    /// The root that the program sees.
    Filesystem,
    /// Giving up all capabilities.
    Capabilities,
    /// The process that ends and reaps the tree.
    Warden,
    /// Resource limits.
    Rlimits,
    /// Never gaining privileges by executing a file.
    NoNewPrivileges,
    /// Access to files, sockets and signals by Landlock.
    Landlock,
    /// The filter of system calls.
    Seccomp,
    /// Executing the program.
    Execute,
    /// A step of a worker: making sure that there is one thread, to which all of this applies.
    SingleThread,
    /// A step of a worker: keeping other processes out of its memory.
    Memory,
    /// A step of a worker: starting its threads, which are all that it will have.
    Threads,
    /// A step of a worker: a live attempt at what is forbidden.
    Proof,
}

impl Step {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Parent => "parent",
            Self::Descriptors => "descriptors",
            Self::Cgroups => "cgroups",
            Self::Credentials => "credentials",
            Self::Namespaces => "namespaces",
            Self::Filesystem => "filesystem",
            Self::Capabilities => "capabilities",
            Self::Warden => "warden",
            Self::Rlimits => "rlimits",
            Self::NoNewPrivileges => "no_new_privs",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Execute => "execute",
            Self::SingleThread => "single_thread",
            Self::Memory => "memory",
            Self::Threads => "threads",
            Self::Proof => "proof",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
