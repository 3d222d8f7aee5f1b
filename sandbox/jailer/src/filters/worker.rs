//! The process that Wasm guests run in, once its engine and images are loaded.
//!
//! Read this as the list of what a guest that broke out of the engine has
//! left. Numbers are those of the architecture that this is built for; every
//! call here is there on each of ours. A line that no test makes the worker
//! need says so with `Rare`; `cargo run --release --bin worker-calls` finds others.

use nix::libc;

use crate::seccomp::{Argument, Rule};

use Argument::{Above, Int, Long, Masked};

const EXECUTABLE: u32 = libc::PROT_EXEC.cast_unsigned();

/// The nine bits of a mode that are not set-user-id and the like.
const PERMISSIONS: u32 = 0o777;
/// The permission that no file goes without (`workspace/permissions.rs` of `sandbox`).
const OWNER_READS: u32 = 0o400;
const LAST_STREAM: u32 = 2;

const PRIVATE: u32 = libc::MAP_PRIVATE.cast_unsigned();
/// Flags of a mapping that change nothing about whose it is, and how it counts.
const PLAIN: u32 =
    (libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE | libc::MAP_STACK)
        .cast_unsigned();

/// How a futex is used, apart from its scope and clock.
const FUTEX_USE: u32 = !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME).cast_unsigned();
const WAIT: u32 = libc::FUTEX_WAIT.cast_unsigned();
const WAKE: u32 = libc::FUTEX_WAKE.cast_unsigned();
const WAIT_UNTIL: u32 = libc::FUTEX_WAIT_BITSET.cast_unsigned();

/// `PAGEMAP_SCAN` of include/uapi/linux/fs.h.
const PAGEMAP_SCAN: u32 = 0xc060_6610;
/// `UFFDIO_REGISTER` of include/uapi/linux/userfaultfd.h.
const UFFDIO_REGISTER: u32 = 0xc020_aa00;

/// Calls that a worker is let through.
pub(crate) const ALLOWED: &[Rule<'_>] = &[
    // The connection to the server. Nothing is sent to an address, and no
    // descriptor is sent at all.
    Rule::always(libc::SYS_recvmsg), // the start of a message, and the descriptor with it
    Rule::when(libc::SYS_recvfrom, &[&[Long(4, 0)]]), // the rest of a message
    Rule::when(libc::SYS_sendto, &[&[Long(4, 0)]]), // replies
    Rule::always(libc::SYS_write),   // the log, and spooled output
    Rule::always(libc::SYS_writev),  // Rare: last words of the C library
    // Files. Landlock says which; O_PATH and metadata it does not cover.
    Rule::always(libc::SYS_openat),     // a workspace, and directories to list
    Rule::always(libc::SYS_openat2),    // all that guests open
    Rule::always(libc::SYS_close),      // all of them
    Rule::always(libc::SYS_statx),      // metadata of what is open
    Rule::always(libc::SYS_getdents64), // listing
    Rule::always(libc::SYS_lseek),      // going on with a listing
    Rule::always(libc::SYS_pread64),    // reading; saved sessions from their memory file
    Rule::always(libc::SYS_pwrite64),   // writing; saved sessions to their memory file
    Rule::always(libc::SYS_pwritev2),   // appending
    Rule::always(libc::SYS_ftruncate),  // truncating; emptying that memory file
    Rule::always(libc::SYS_fsync),      // `fsync` of a guest
    Rule::always(libc::SYS_fdatasync),  // `fdatasync` of a guest
    Rule::always(libc::SYS_fadvise64),  // `posix_fadvise` of a guest
    Rule::always(libc::SYS_mkdirat),    // `mkdir` of a guest
    Rule::always(libc::SYS_unlinkat),   // `unlink` and `rmdir` of a guest
    Rule::always(libc::SYS_renameat),   // `rename` of a guest
    Rule::when(libc::SYS_utimensat, &[&[Long(1, 0)]]), // `utime` of a guest, on what is open
    // `chmod` of a guest, on what is open, so that Landlock has seen it.
    // Permissions only, nothing that its owner may not read any more, and never
    // of the streams that came from the server.
    Rule::when(libc::SYS_fchmod, &[&[Above(0, LAST_STREAM), Masked(1, !PERMISSIONS | OWNER_READS, OWNER_READS)]]),
    // When a guest opens something. No locks, no signals on readiness.
    Rule::when(libc::SYS_fcntl, &[&[Int(1, libc::F_GETFL.cast_unsigned())]]),
    // Memory. Never executable: all code was mapped before. Private and no
    // stack, because of such memory alone the kernel counts how much there is.
    Rule::when(libc::SYS_mmap, &[&[Masked(2, EXECUTABLE, 0), Masked(3, !PLAIN, PRIVATE)]]), // instances, stacks, large allocations
    Rule::when(libc::SYS_mprotect, &[&[Masked(2, EXECUTABLE, 0)]]), // growing instances, guard pages
    Rule::always(libc::SYS_munmap),                                 // giving it back
    Rule::always(libc::SYS_mremap),                                 // growing a large allocation
    Rule::always(libc::SYS_brk),                                    // small allocations
    Rule::when(libc::SYS_madvise, &[&[Int(2, libc::MADV_DONTNEED.cast_unsigned())]]), // giving back pages
    // Which pages of an instance changed, on descriptors opened before.
    Rule::when(libc::SYS_ioctl, &[&[Int(1, PAGEMAP_SCAN)], &[Int(1, UFFDIO_REGISTER)]]),
    Rule::when(libc::SYS_getrusage, &[&[Int(0, libc::RUSAGE_THREAD.cast_unsigned())]]), // whether any did
    // Threads. All of them were started before.
    Rule::always(libc::SYS_gettid),         // Rare: `abort` after a fault of ours
    Rule::always(libc::SYS_rt_sigprocmask), // Rare: the same
    Rule::always(libc::SYS_rt_sigreturn),   // traps of guests are signals
    // Waiting and waking. Without requeueing and priority inheritance, which
    // nothing here uses and much went wrong with.
    Rule::when(
        libc::SYS_futex,
        &[&[Masked(1, FUTEX_USE, WAIT)], &[Masked(1, FUTEX_USE, WAKE)], &[Masked(1, FUTEX_USE, WAIT_UNTIL)]],
    ),
    Rule::always(libc::SYS_restart_syscall), // Rare: a wait goes on after the process was stopped
    // The rest.
    Rule::always(libc::SYS_clock_gettime), // time, where the kernel offers no shorter way
    Rule::always(libc::SYS_getrandom),     // entropy of guests, seeds of hash maps
    Rule::always(libc::SYS_getpid),        // Rare: `abort` after a fault of ours
    Rule::always(libc::SYS_exit_group),    // the end
];

/// Calls that are refused as by an older kernel, which libraries know a way around.
pub(crate) const REFUSED: &[(i32, &[i64])] = &[
    // A library calls `clone` then, which ends the process.
    (libc::ENOSYS, &[libc::SYS_clone3]),
    // Links in a workspace are followed by the kernel, which sees that they
    // stay inside; to whoever wants to do that by hand nothing is one.
    (libc::EINVAL, &[libc::SYS_readlinkat]),
];

/// Calls that end the process: no worker in its senses makes these, so whoever does is
/// stopped at the first try, and the server's log says so.
pub(crate) const FATAL: &[Rule<'_>] = &[
    // Another program, another process, another thread.
    Rule::always(libc::SYS_execve),
    Rule::always(libc::SYS_execveat),
    Rule::always(libc::SYS_clone),
    #[cfg(target_arch = "x86_64")]
    Rule::always(libc::SYS_fork),
    #[cfg(target_arch = "x86_64")]
    Rule::always(libc::SYS_vfork),
    // New machine code.
    Rule::when(libc::SYS_mmap, &[&[Masked(2, EXECUTABLE, EXECUTABLE)]]),
    Rule::when(libc::SYS_mprotect, &[&[Masked(2, EXECUTABLE, EXECUTABLE)]]),
    Rule::always(libc::SYS_pkey_mprotect),
    // The network, and other ways to another process.
    Rule::always(libc::SYS_socket),
    Rule::always(libc::SYS_socketpair),
    Rule::always(libc::SYS_connect),
    Rule::always(libc::SYS_bind),
    Rule::always(libc::SYS_shmat),
    // Other processes.
    Rule::always(libc::SYS_kill),
    Rule::always(libc::SYS_tkill),
    Rule::always(libc::SYS_rt_sigqueueinfo),
    Rule::always(libc::SYS_rt_tgsigqueueinfo),
    Rule::always(libc::SYS_pidfd_open),
    Rule::always(libc::SYS_pidfd_getfd),
    Rule::always(libc::SYS_pidfd_send_signal),
    Rule::always(libc::SYS_ptrace),
    Rule::always(libc::SYS_process_vm_readv),
    Rule::always(libc::SYS_process_vm_writev),
    Rule::always(libc::SYS_prlimit64),
    // Another view of the system, other rights.
    Rule::always(libc::SYS_unshare),
    Rule::always(libc::SYS_setns),
    Rule::always(libc::SYS_mount),
    Rule::always(libc::SYS_open_tree),
    Rule::always(libc::SYS_fsopen),
    Rule::always(libc::SYS_pivot_root),
    Rule::always(libc::SYS_chroot),
    Rule::always(libc::SYS_open_by_handle_at),
    Rule::always(libc::SYS_setuid),
    Rule::always(libc::SYS_setresuid),
    Rule::always(libc::SYS_capset),
    // Parts of the kernel that are large and that much went wrong with.
    Rule::always(libc::SYS_bpf),
    Rule::always(libc::SYS_io_uring_setup),
    Rule::always(libc::SYS_io_uring_enter),
    Rule::always(libc::SYS_io_uring_register),
    Rule::always(libc::SYS_keyctl),
    Rule::always(libc::SYS_add_key),
    Rule::always(libc::SYS_request_key),
    Rule::always(libc::SYS_perf_event_open),
    Rule::always(libc::SYS_userfaultfd),
    Rule::always(libc::SYS_init_module),
    Rule::always(libc::SYS_finit_module),
    Rule::always(libc::SYS_kexec_load),
];
