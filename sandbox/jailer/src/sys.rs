//! The only file with unsafe code of this crate.

#![expect(unsafe_code, reason = "system calls that no safe interface offers")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::unistd::ForkResult;

/// Owns a descriptor that the kernel has just made.
pub(crate) fn own_new(descriptor: RawFd) -> OwnedFd {
    // SAFETY: `recvmsg` or `F_DUPFD_CLOEXEC` made this descriptor for the caller,
    // nothing else knows its number, and the caller passes each one once.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Makes a copy of this process.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: the jailer has one thread, so no lock is held by another one and
    // the child may do all that its parent may.
    unsafe { nix::unistd::fork() }
}

/// Makes `number` another name of a descriptor, one that lives through an
/// `execve`.
pub(crate) fn install(descriptor: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: the process executes another program or ends next, and owns
    // nothing under this number: what it owns lies above.
    answer(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }.into()).map(drop)
}

/// Closes the descriptors from `first` to `last`.
pub(crate) fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: takes numbers only. The caller names those that nothing in this
    // process owns.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Lets a signal have its default effect, also one of those that the C library
/// keeps for itself and ignores in what it starts.
pub(crate) fn default_signal(number: libc::c_int) -> io::Result<()> {
    // The kernel's `struct sigaction`: handler (`SIG_DFL`), flags, restorer, mask.
    let default = [0_u64; 4];
    // SAFETY: the structure is as large as the kernel's and outlives the call,
    // the old one is not asked for, and `SIG_DFL` is no function of ours.
    answer(unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            number,
            default.as_ptr(),
            std::ptr::null_mut::<libc::c_void>(),
            size_of::<u64>(),
        )
    })
    .map(drop)
}

/// Takes a capability out of the bounding set. `EINVAL` when there is none of
/// this number.
pub(crate) fn drop_bounding_capability(number: u32) -> io::Result<()> {
    // SAFETY: `PR_CAPBSET_DROP` takes a number and touches no memory of ours.
    answer(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) }.into()).map(drop)
}

/// Empties the set of ambient capabilities.
pub(crate) fn clear_ambient_capabilities() -> io::Result<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    // SAFETY: takes numbers only.
    answer(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear, 0, 0, 0) }.into()).map(drop)
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilitySets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3` of include/uapi/linux/capability.h.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Empties the effective, permitted and inheritable sets.
pub(crate) fn clear_capabilities() -> io::Result<()> {
    let header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let sets = [CapabilitySets::default(); 2];
    // SAFETY: this version of the call reads one header and two sets, which
    // both live until it returns.
    answer(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }).map(drop)
}

/// The ABI of Landlock that the kernel has.
pub(crate) fn landlock_abi() -> io::Result<u32> {
    const CREATE_RULESET_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no attributes and only answers a
    // number.
    let version = answer(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    })?;
    u32::try_from(version).map_err(io::Error::other)
}

/// A detached copy of the mount at an open file or directory, with what is
/// mounted below it.
pub(crate) fn clone_mount(place: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | (libc::AT_RECURSIVE | libc::AT_EMPTY_PATH).cast_unsigned();
    // SAFETY: the path is empty and constant.
    let tree = answer(unsafe { libc::syscall(libc::SYS_open_tree, place.as_raw_fd(), c"".as_ptr(), flags) })?;
    let tree = RawFd::try_from(tree).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(tree) })
}

/// A detached mount of an overlay that shows these directories and can be read
/// only.
pub(crate) fn mount_overlay(directories: &CStr) -> io::Result<OwnedFd> {
    // linux/mount.h.
    const CLOEXEC: libc::c_uint = 1;
    const SET_STRING: libc::c_uint = 1;
    const CREATE: libc::c_uint = 6;
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let own = |descriptor: libc::c_long| -> io::Result<OwnedFd> {
        let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    };
    // SAFETY: the name is constant.
    let context = own(answer(unsafe { libc::syscall(libc::SYS_fsopen, c"overlay".as_ptr(), CLOEXEC) })?)?;
    let configure = |command: libc::c_uint, key: *const libc::c_char, value: *const libc::c_char| {
        // SAFETY: both are null where the command takes none, and C strings that
        // live until the call returns otherwise.
        answer(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) })
    };
    configure(SET_STRING, c"lowerdir".as_ptr(), directories.as_ptr())?;
    configure(CREATE, std::ptr::null(), std::ptr::null())?;
    // SAFETY: takes numbers only.
    own(answer(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, attributes) })?)
}

/// Sets attributes of a mount, and of all mounts below it when `recursive`.
pub(crate) fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: u64, recursive: bool) -> io::Result<()> {
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is empty and constant, the structure lives until the
    // call returns, and its size is passed.
    answer(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches a detached mount to an open directory or file.
pub(crate) fn attach_mount(tree: BorrowedFd<'_>, place: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are empty and constant.
    answer(unsafe {
        libc::syscall(libc::SYS_move_mount, tree.as_raw_fd(), c"".as_ptr(), place.as_raw_fd(), c"".as_ptr(), flags)
    })
    .map(drop)
}

/// Whether two processes are known to have one memory.
pub(crate) fn have_same_memory(first: libc::pid_t, second: libc::pid_t) -> bool {
    /// `KCMP_VM` of linux/kcmp.h.
    const MEMORY: libc::c_int = 1;
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_kcmp, first, second, MEMORY, 0, 0) == 0 }
}

/// `struct sched_attr` of linux/sched/types.h, in its first form.
#[repr(C)]
#[derive(Default)]
struct Scheduling {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks for turns of this length at the processor, which come the sooner the
/// shorter they are (Linux 6.12; older kernels take no notice).
pub(crate) fn set_slice(nanoseconds: u64) -> io::Result<()> {
    let size = u32::try_from(size_of::<Scheduling>()).map_err(io::Error::other)?;
    let mut scheduling = Scheduling::default();
    // SAFETY: the structure is as large as is said, and outlives the call.
    answer(unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut scheduling, size, 0) })?;
    scheduling = Scheduling { size, runtime: nanoseconds, ..scheduling };
    // SAFETY: the structure is as large as is said, and outlives the call, which only reads it.
    answer(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const scheduling, 0) }).map(drop)
}

/// Lowers the priority of this process by so many steps.
pub(crate) fn lower_priority(steps: libc::c_int) -> nix::Result<()> {
    nix::errno::Errno::clear();
    // SAFETY: takes a number only.
    let answer = unsafe { libc::nice(steps) };
    // A priority of -1 is also what means an error.
    if answer == -1 && nix::errno::Errno::last_raw() != 0 { Err(nix::errno::Errno::last()) } else { Ok(()) }
}

/// The kernel's answer as a result.
fn answer(value: libc::c_long) -> io::Result<libc::c_long> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
