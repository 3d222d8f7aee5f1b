//! Calls that both architectures have.

use nix::libc::*;

use crate::seccomp::Argument::{self, Int, Long, Masked};
use crate::seccomp::Rule;

/// Newer calls have one number on all architectures; libc does not name this
/// one on each.
const FCHMODAT2: c_long = 452;

/// Calls that are refused with `ENOSYS`: libraries take another way then.
pub(super) const ABSENT: &[i64] = &[
    SYS_clone3,                  // flags are in memory, where a filter cannot see them; libc uses clone
    SYS_memfd_create,            // memory that no process shows as its own; users fall back to files
    SYS_memfd_secret,            // likewise
    SYS_io_uring_setup,          // does what other calls do, past the filter; libuv uses threads
    SYS_io_uring_enter,          // likewise
    SYS_io_uring_register,       // likewise
    FCHMODAT2,                   // libc has a way around, which is decided below
    SYS_openat2,                 // flags are in memory; users fall back to openat
    SYS_pidfd_open,              // Python's asyncio uses threads
    SYS_process_madvise,         // acts on other processes
    SYS_process_mrelease,        // likewise
    SYS_inotify_init1,           // tells what others open on this host; watchers look again and again
    SYS_inotify_add_watch,       // likewise
    SYS_inotify_rm_watch,        // likewise
    SYS_copy_file_range,         // takes space without writing where files can share it; users read and write
    SYS_landlock_create_ruleset, // layers are limited, and ours are enough
    SYS_landlock_add_rule,       // likewise
    SYS_landlock_restrict_self,  // likewise
];

/// Calls that are refused with `EOPNOTSUPP`, on which libc's `posix_fallocate` writes
/// instead: what is reserved is there sooner than anybody can look.
pub(super) const UNRESERVED: &[i64] = &[
    SYS_fallocate, // all the space of a disk, in no time
];

/// Calls that are refused with `EOPNOTSUPP` without namespaces: what copies files goes
/// on without these attributes.
pub(super) const UNSUPPORTED: &[i64] = &[
    SYS_getxattr,     // content of any file of the same user, by path
    SYS_lgetxattr,    // likewise
    SYS_listxattr,    // likewise
    SYS_llistxattr,   // likewise
    SYS_setxattr,     // any file of the same user, by path
    SYS_lsetxattr,    // likewise
    SYS_fsetxattr,    // also a file that was opened for reading only
    SYS_removexattr,  // as for setting
    SYS_lremovexattr, // likewise
    SYS_fremovexattr, // likewise
];

/// Calls that do nothing without namespaces: files keep the times that writing gives
/// them. Programs that make or copy files would fail over any error here.
pub(super) const IGNORED: &[i64] = &[
    SYS_utimensat, // any file of the same user, by path or opened for reading only
];

/// Calls that are let through in both forms.
pub(super) const ALLOWED: &[Rule] = &[
    // Files by descriptor.
    Rule::always(SYS_read),            // reading
    Rule::always(SYS_write),           // writing
    Rule::always(SYS_readv),           // reading
    Rule::always(SYS_writev),          // writing
    Rule::always(SYS_pread64),         // reading
    Rule::always(SYS_pwrite64),        // writing
    Rule::always(SYS_preadv),          // reading
    Rule::always(SYS_pwritev),         // writing
    Rule::always(SYS_preadv2),         // reading
    Rule::always(SYS_pwritev2),        // writing
    Rule::always(SYS_lseek),           // position in a file
    Rule::always(SYS_close),           // descriptors
    Rule::always(SYS_close_range),     // subprocess closes what it does not pass on
    Rule::always(SYS_dup),             // descriptors
    Rule::always(SYS_dup3),            // descriptors
    Rule::always(SYS_pipe2),           // pipes
    Rule::always(SYS_fstat),           // metadata of an open file
    Rule::always(SYS_ftruncate),       // size of an open file
    Rule::always(SYS_fsync),           // durability
    Rule::always(SYS_fdatasync),       // durability
    Rule::always(SYS_sync_file_range), // durability
    Rule::always(SYS_syncfs),          // durability
    Rule::always(SYS_fadvise64),       // access pattern
    Rule::always(SYS_readahead),       // access pattern
    Rule::always(SYS_sendfile),        // copying files
    Rule::always(SYS_splice),          // copying pipes
    Rule::always(SYS_tee),             // copying pipes
    Rule::always(SYS_flock),           // locks of files
    Rule::always(SYS_fgetxattr),       // copying files
    Rule::always(SYS_flistxattr),      // copying files
    Rule::always(SYS_getdents64),      // listing directories
    Rule::always(SYS_fchdir),          // current directory
    Rule::always(SYS_fstatfs),         // free space
    // Files by path: Landlock and the mounts decide.
    Rule::always(SYS_mkdirat),                                      // making directories
    Rule::always(SYS_unlinkat),                                     // removing files
    Rule::when(SYS_renameat2, &[&[Masked(4, RENAME_WHITEOUT, 0)]]), // renaming files, and leaving no device behind
    Rule::always(SYS_linkat),                                       // hard links
    Rule::always(SYS_symlinkat),                                    // symbolic links
    Rule::always(SYS_readlinkat),                                   // symbolic links
    Rule::always(SYS_newfstatat),                                   // metadata
    Rule::always(SYS_statx),                                        // metadata
    Rule::always(SYS_faccessat),                                    // what may be done with a file
    Rule::always(SYS_faccessat2),                                   // likewise
    Rule::always(SYS_truncate),                                     // size of a file; Landlock decides
    Rule::always(SYS_chdir),                                        // current directory
    Rule::always(SYS_getcwd),                                       // current directory
    Rule::always(SYS_statfs),                                       // free space
    Rule::always(SYS_umask),                                        // mode of new files
    // Memory.
    Rule::always(SYS_munmap),        // memory
    Rule::always(SYS_mremap),        // memory
    Rule::always(SYS_mprotect),      // memory; compilers in a program need executable pages
    Rule::always(SYS_madvise),       // memory
    Rule::always(SYS_mincore),       // memory
    Rule::always(SYS_msync),         // memory mapped files
    Rule::always(SYS_mlock),         // bounded by a limit
    Rule::always(SYS_mlock2),        // likewise
    Rule::always(SYS_munlock),       // likewise
    Rule::always(SYS_brk),           // memory
    Rule::always(SYS_membarrier),    // node and lock-free libraries
    Rule::always(SYS_get_mempolicy), // numerical libraries ask for nodes
    Rule::always(SYS_set_mempolicy), // numerical libraries place their own memory
    Rule::always(SYS_mbind),         // likewise
    Rule::always(SYS_pkey_alloc),    // protection keys of V8
    Rule::always(SYS_pkey_free),     // likewise
    Rule::always(SYS_pkey_mprotect), // likewise
    // Processes and threads.
    Rule::always(SYS_execve),                 // starting programs
    Rule::always(SYS_execveat),               // starting programs
    Rule::always(SYS_exit),                   // ending
    Rule::always(SYS_exit_group),             // ending
    Rule::always(SYS_wait4),                  // children
    Rule::always(SYS_waitid),                 // children
    Rule::always(SYS_getpid),                 // identity
    Rule::always(SYS_getppid),                // identity
    Rule::always(SYS_gettid),                 // identity
    Rule::always(SYS_getpgid),                // job control of shells
    Rule::always(SYS_setpgid),                // job control of shells
    Rule::always(SYS_getsid),                 // job control of shells
    Rule::always(SYS_setsid),                 // daemons; the warden finds them all the same
    Rule::always(SYS_getuid),                 // identity
    Rule::always(SYS_geteuid),                // identity
    Rule::always(SYS_getgid),                 // identity
    Rule::always(SYS_getegid),                // identity
    Rule::always(SYS_getresuid),              // identity
    Rule::always(SYS_getresgid),              // identity
    Rule::always(SYS_getgroups),              // identity
    Rule::always(SYS_capget),                 // asking for capabilities; there are none
    Rule::always(SYS_set_tid_address),        // threads
    Rule::always(SYS_set_robust_list),        // threads
    Rule::always(SYS_get_robust_list),        // threads
    Rule::always(SYS_rseq),                   // threads
    Rule::always(SYS_futex),                  // locks
    Rule::always(SYS_futex_waitv),            // locks
    Rule::always(SYS_sched_yield),            // threads
    Rule::always(SYS_sched_getaffinity),      // how many processors
    Rule::always(SYS_sched_getparam),         // pthread_getschedparam
    Rule::always(SYS_sched_getscheduler),     // likewise
    Rule::always(SYS_sched_getattr),          // likewise
    Rule::always(SYS_sched_get_priority_max), // likewise
    Rule::always(SYS_sched_get_priority_min), // likewise
    Rule::always(SYS_sched_rr_get_interval),  // likewise
    Rule::always(SYS_getpriority),            // asking for the priority
    Rule::always(SYS_ioprio_get),             // asking for the priority
    Rule::always(SYS_getcpu),                 // which processor
    Rule::always(SYS_getrusage),              // own use
    Rule::always(SYS_times),                  // own use
    Rule::always(SYS_getrlimit),              // own limits
    Rule::always(SYS_setrlimit),              // own limits; they only go down
    // Signals: Landlock, or the process namespace, keeps them inside.
    Rule::always(SYS_kill),              // signals
    Rule::always(SYS_tgkill),            // signals to threads
    Rule::always(SYS_tkill),             // signals to threads
    Rule::always(SYS_rt_sigaction),      // signals
    Rule::always(SYS_rt_sigprocmask),    // signals
    Rule::always(SYS_rt_sigpending),     // signals
    Rule::always(SYS_rt_sigreturn),      // signals
    Rule::always(SYS_rt_sigsuspend),     // signals
    Rule::always(SYS_rt_sigtimedwait),   // signals
    Rule::always(SYS_rt_sigqueueinfo),   // signals with a value
    Rule::always(SYS_rt_tgsigqueueinfo), // likewise
    Rule::always(SYS_sigaltstack),       // signals
    Rule::always(SYS_signalfd4),         // signals
    Rule::always(SYS_restart_syscall),   // calls that a signal interrupted
    // Time.
    Rule::always(SYS_clock_gettime),    // time
    Rule::always(SYS_clock_getres),     // time
    Rule::always(SYS_clock_nanosleep),  // time
    Rule::always(SYS_gettimeofday),     // time
    Rule::always(SYS_nanosleep),        // time
    Rule::always(SYS_timer_create),     // timers
    Rule::always(SYS_timer_settime),    // timers
    Rule::always(SYS_timer_gettime),    // timers
    Rule::always(SYS_timer_getoverrun), // timers
    Rule::always(SYS_timer_delete),     // timers
    Rule::always(SYS_timerfd_create),   // timers
    Rule::always(SYS_timerfd_settime),  // timers
    Rule::always(SYS_timerfd_gettime),  // timers
    Rule::always(SYS_getitimer),        // timers
    Rule::always(SYS_setitimer),        // timers
    // Waiting for events.
    Rule::always(SYS_ppoll),         // events
    Rule::always(SYS_pselect6),      // events
    Rule::always(SYS_epoll_create1), // events
    Rule::always(SYS_epoll_ctl),     // events
    Rule::always(SYS_epoll_pwait),   // events
    Rule::always(SYS_epoll_pwait2),  // events
    Rule::always(SYS_eventfd2),      // events
    // Pairs of sockets: there is no way to make another one.
    Rule::when(SYS_socketpair, PAIRS),        // talking to a child
    Rule::when(SYS_sendto, &[&[Long(4, 0)]]), // on a pair, so never with an address
    Rule::always(SYS_recvfrom),               // on a pair
    Rule::always(SYS_sendmsg),                // on a pair, with descriptors
    Rule::always(SYS_recvmsg),                // on a pair, with descriptors
    Rule::always(SYS_sendmmsg),               // on a pair
    Rule::always(SYS_recvmmsg),               // on a pair
    Rule::always(SYS_shutdown),               // on a pair
    Rule::always(SYS_getsockname),            // on a pair
    Rule::always(SYS_getpeername),            // on a pair
    Rule::always(SYS_getsockopt),             // on a pair
    // The rest.
    Rule::always(SYS_uname),     // which kernel
    Rule::always(SYS_sysinfo),   // how much memory
    Rule::always(SYS_getrandom), // randomness
    // Calls whose arguments decide.
    Rule::when(SYS_openat, &[&[Masked(2, O_PATH.cast_unsigned(), 0)]]), // opening files; Landlock does not cover `O_PATH`
    Rule::when(SYS_clone, CLONE),                                       // processes and threads, no namespaces
    Rule::when(SYS_prlimit64, &[&[Int(0, 0)]]),                         // own limits, nobody else's
    Rule::when(SYS_setpriority, &[&[Int(0, 0), Int(1, 0)]]),            // own priority; Landlock does not cover others'
    Rule::when(SYS_sched_setaffinity, &[&[Int(0, 0)]]),                 // own processors
    Rule::when(SYS_sched_setscheduler, &[&[Int(0, 0)]]),                // own scheduling
    Rule::when(SYS_sched_setparam, &[&[Int(0, 0)]]),                    // own scheduling
    Rule::when(SYS_ioprio_set, &[&[Int(0, 1), Int(1, 0)]]),             // own priority
    Rule::when(SYS_setsockopt, SOCKET_OPTIONS),
    Rule::when(SYS_mmap, MMAP),
    Rule::when(SYS_fcntl, FCNTL),
    Rule::when(SYS_ioctl, IOCTL),
    Rule::when(SYS_prctl, PRCTL),
];

/// Calls that are let through with namespaces only.
pub(super) const ALLOWED_IN_NAMESPACES: &[Rule] = &[
    Rule::always(SYS_openat),       // opening files
    Rule::always(SYS_getxattr),     // attributes of a file
    Rule::always(SYS_lgetxattr),    // likewise
    Rule::always(SYS_listxattr),    // likewise
    Rule::always(SYS_llistxattr),   // likewise
    Rule::always(SYS_fchmod),       // mode of a file that is open; a read-only mount refuses
    Rule::always(SYS_fchown),       // owner of a file that is open
    Rule::always(SYS_fchmodat),     // mode of a file; read-only mounts are read-only for it too
    Rule::always(SYS_fchownat),     // owner of a file; there is one user and one group
    Rule::always(SYS_utimensat),    // times of a file
    Rule::always(SYS_setxattr),     // attributes of a file
    Rule::always(SYS_lsetxattr),    // likewise
    Rule::always(SYS_fsetxattr),    // likewise
    Rule::always(SYS_removexattr),  // likewise
    Rule::always(SYS_lremovexattr), // likewise
    Rule::always(SYS_fremovexattr), // likewise
];

/// Calls that are let through with a control group that counts memory only.
pub(super) const ALLOWED_IN_CGROUPS: &[Rule] = &[
    Rule::always(SYS_mmap), // memory that is shared without a file, too
];

/// Flags of clone that make namespaces, and those that put a process where its
/// parent is not. `CLONE_NEWTIME` cannot be given to this call.
const NEW_NAMESPACES: u32 = (CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET
    | CLONE_PARENT
    | CLONE_PTRACE
    | CLONE_UNTRACED)
    .cast_unsigned();

/// Threads share their descriptors, so that one look at a process shows all of
/// them.
const CLONE: &[&[Argument]] = &[
    &[Masked(0, NEW_NAMESPACES | THREAD, 0)],
    &[Masked(0, NEW_NAMESPACES | THREAD | CLONE_FILES.cast_unsigned(), THREAD | CLONE_FILES.cast_unsigned())],
];

const THREAD: u32 = CLONE_THREAD.cast_unsigned();

/// A datagram could be sent to any other socket that has a path.
const PAIRS: &[&[Argument]] = &[
    &[Int(0, AF_UNIX.cast_unsigned()), Masked(1, SOCKET_TYPE, SOCK_STREAM.cast_unsigned())],
    &[Int(0, AF_UNIX.cast_unsigned()), Masked(1, SOCKET_TYPE, SOCK_SEQPACKET.cast_unsigned())],
];

/// The kernel's `SOCK_TYPE_MASK`; the rest are flags.
const SOCKET_TYPE: u32 = 0xf;

/// Options of a pair; not among them are the sizes of its buffers, which are
/// memory that no process shows as its own.
const SOCKET_OPTIONS: &[&[Argument]] = &[
    &[Int(1, SOL_SOCKET.cast_unsigned()), Int(2, SO_PASSCRED.cast_unsigned())],
    &[Int(1, SOL_SOCKET.cast_unsigned()), Int(2, SO_RCVTIMEO.cast_unsigned())],
    &[Int(1, SOL_SOCKET.cast_unsigned()), Int(2, SO_SNDTIMEO.cast_unsigned())],
];

/// What is shared without a file stays when no process shows it any more, as
/// long as one page of it is mapped. The pages of a huge pool never show.
const MMAP: &[&[Argument]] = &[
    &[Masked(3, MAP_ANONYMOUS.cast_unsigned(), 0)],
    &[Masked(3, (MAP_TYPE | MAP_HUGETLB).cast_unsigned(), MAP_PRIVATE.cast_unsigned())],
];

/// Operations of fcntl; not among them are who gets signals (`F_SETOWN`), and
/// leases, which keep others waiting (`F_SETLEASE`).
const FCNTL: &[&[Argument]] = &[
    &[Int(1, F_DUPFD.cast_unsigned())],         // descriptors
    &[Int(1, F_DUPFD_CLOEXEC.cast_unsigned())], // descriptors
    &[Int(1, F_GETFD.cast_unsigned())],         // descriptors
    &[Int(1, F_SETFD.cast_unsigned())],         // descriptors
    &[Int(1, F_GETFL.cast_unsigned())],         // flags
    &[Int(1, F_SETFL.cast_unsigned())],         // flags
    &[Int(1, F_GETLK.cast_unsigned())],         // locks
    &[Int(1, F_SETLK.cast_unsigned())],         // locks
    &[Int(1, F_SETLKW.cast_unsigned())],        // locks
    &[Int(1, F_OFD_GETLK.cast_unsigned())],     // locks
    &[Int(1, F_OFD_SETLK.cast_unsigned())],     // locks
    &[Int(1, F_OFD_SETLKW.cast_unsigned())],    // locks
    &[Int(1, F_GETPIPE_SZ.cast_unsigned())],    // pipes
    &[Int(1, F_SETPIPE_SZ.cast_unsigned())],    // pipes; bounded per user
    &[Int(1, F_GETLEASE.cast_unsigned())],      // leases
    &[Int(1, F_GET_SEALS.cast_unsigned())],     // files in memory
    &[Int(1, F_ADD_SEALS.cast_unsigned())],     // likewise
];

/// Operations of ioctl; not among them is typing on a terminal (`TIOCSTI`).
const IOCTL: &[&[Argument]] = &[
    &[Int(1, number(TCGETS))],     // whether it is a terminal
    &[Int(1, number(TIOCGWINSZ))], // width of a terminal
    &[Int(1, number(FIONREAD))],   // how much there is to read
    &[Int(1, number(FIONBIO))],    // waiting or not
    &[Int(1, number(FIOCLEX))],    // descriptors
    &[Int(1, number(FIONCLEX))],   // descriptors
];

/// Operations of prctl; not among them are being traced and filters of its own.
const PRCTL: &[&[Argument]] = &[
    &[Int(0, PR_SET_NAME.cast_unsigned())],                 // names of threads
    &[Int(0, PR_GET_NAME.cast_unsigned())],                 // names of threads
    &[Int(0, PR_SET_PDEATHSIG.cast_unsigned())],            // ending with a parent
    &[Int(0, PR_GET_PDEATHSIG.cast_unsigned())],            // likewise
    &[Int(0, PR_SET_DUMPABLE.cast_unsigned()), Long(1, 1)], // is so already; hiding would be from the warden
    &[Int(0, PR_GET_DUMPABLE.cast_unsigned())],             // likewise
    &[Int(0, PR_SET_NO_NEW_PRIVS.cast_unsigned())],         // is set already
    &[Int(0, PR_GET_NO_NEW_PRIVS.cast_unsigned())],         // likewise
    &[Int(0, PR_CAPBSET_READ.cast_unsigned())],             // asking for capabilities
    &[Int(0, PR_SET_VMA.cast_unsigned())],                  // names of memory
    &[Int(0, PR_SET_TIMERSLACK.cast_unsigned())],           // timers
    &[Int(0, PR_GET_TIMERSLACK.cast_unsigned())],           // timers
    &[Int(0, PR_SET_THP_DISABLE.cast_unsigned())],          // memory
    &[Int(0, PR_GET_SECCOMP.cast_unsigned())],              // asking for a filter
    &[Int(0, PR_SET_CHILD_SUBREAPER.cast_unsigned())],      // supervisors; the warden stays above them
    &[Int(0, PR_GET_CHILD_SUBREAPER.cast_unsigned())],      // likewise
];

#[expect(clippy::cast_possible_truncation, reason = "operations of ioctl have 32 bits")]
const fn number(operation: c_ulong) -> u32 {
    operation as u32
}
