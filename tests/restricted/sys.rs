//! The only file with unsafe code of this program.

#![expect(unsafe_code, reason = "system calls that no safe interface offers")]

use std::ffi::{CString, c_int, c_long};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::libc::{self, sock_filter, sock_fprog};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{ForkResult, Gid, Uid};

use crate::landlock::Answer;

/// The highest capability that any kernel has had.
const MOST_CAPABILITIES: u32 = 63;

fn prctl(option: c_int, value: u64) -> io::Result<()> {
    // SAFETY: none of the options used here takes a pointer.
    let result = unsafe { libc::prctl(option, value, 0u64, 0u64, 0u64) };
    Errno::result(result)?;
    Ok(())
}

/// Limits what any program that is executed from here on may have. This
/// process keeps its own rights until then.
pub(crate) fn limit_capabilities(allowed: &[u32]) -> io::Result<()> {
    for capability in (0..=MOST_CAPABILITIES).filter(|capability| !allowed.contains(capability)) {
        match prctl(libc::PR_CAPBSET_DROP, capability.into()) {
            // A kernel with fewer capabilities has come to their end.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            dropped => dropped?,
        }
    }
    Ok(())
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilitySet {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Becomes another user. The rights to install a filter stay until the next
/// program is executed, which a user other than root starts without any.
pub(crate) fn become_user(user: u32, group: u32) -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, 1)?;
    let (user_id, group_id) = (Uid::from_raw(user), Gid::from_raw(group));
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(group_id, group_id, group_id)?;
    nix::unistd::setresuid(user_id, user_id, user_id)?;
    if user == 0 {
        return Ok(());
    }
    // _LINUX_CAPABILITY_VERSION_3, for which a set comes in two halves.
    let header = CapabilityHeader { version: 0x2008_0522, pid: 0 };
    let mut sets = [CapabilitySet::default(); 2];
    // SAFETY: both point to structures as this version of the call has them.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) };
    Errno::result(got)?;
    for set in &mut sets {
        set.effective = set.permitted;
    }
    // SAFETY: as above.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    Errno::result(done)?;
    Ok(())
}

pub(crate) fn set_no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

fn mount(source: Option<&Path>, target: &Path, flags: u64) -> io::Result<()> {
    let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let source = source.map(c_path).transpose()?;
    let target = c_path(target)?;
    let source = source.as_ref().map_or(std::ptr::null(), |source| source.as_ptr());
    // SAFETY: the paths are null or end in NUL and outlive the call; with these
    // flags the kernel reads neither type nor data.
    let result = unsafe { libc::mount(source, target.as_ptr(), std::ptr::null(), flags, std::ptr::null()) };
    Errno::result(result)?;
    Ok(())
}

/// Enters a new mount namespace, from which nothing goes back.
pub(crate) fn leave_mount_namespace() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE)
}

/// Has `target` show what `source` does, and what is mounted beneath it.
pub(crate) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount(Some(source), target, libc::MS_BIND | libc::MS_REC)
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Makes what is mounted at `target` and beneath it read-only.
pub(crate) fn make_read_only(target: &Path) -> io::Result<()> {
    // MOUNT_ATTR_RDONLY
    let attributes = MountAttributes { set: 1, clear: 0, propagation: 0, user_namespace: 0 };
    let target = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: the path ends in NUL, the structure is a valid `struct mount_attr`
    // of the size that is given, and both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    Errno::result(result)?;
    Ok(())
}

/// Installs a filter for this process and all that come of it. Gives what a
/// supervisor listens to, if it is to have one.
pub(crate) fn install_filter(program: &[sock_filter], with_listener: bool) -> io::Result<Option<OwnedFd>> {
    let program =
        sock_fprog { len: program.len().try_into().map_err(io::Error::other)?, filter: program.as_ptr().cast_mut() };
    let flags = if with_listener { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // SAFETY: the program is valid for its length, and the kernel copies it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let result = Errno::result(result)?;
    if !with_listener {
        return Ok(None);
    }
    // SAFETY: the kernel has just made this descriptor, and nobody knows it.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(result).map_err(io::Error::other)?) }))
}

/// Forks a process that is not a child of this one, in a session of its own and
/// with only these descriptors. True in that process.
pub(crate) fn fork_away(keep: &[RawFd]) -> io::Result<bool> {
    // SAFETY: this program has one thread, so any code may run after the fork.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None)?;
            Ok(false)
        }
        ForkResult::Child => {
            // SAFETY: as above.
            match unsafe { nix::unistd::fork() } {
                Ok(ForkResult::Child) => {}
                Ok(ForkResult::Parent { .. }) => std::process::exit(0),
                Err(_) => std::process::exit(1),
            }
            let _ = nix::unistd::setsid();
            close_all_but(keep);
            Ok(true)
        }
    }
}

fn close_all_but(keep: &[RawFd]) {
    let mut first: u32 = 0;
    let mut keep: Vec<u32> = keep.iter().map(|descriptor| descriptor.cast_unsigned()).collect();
    keep.sort_unstable();
    for last in keep.into_iter().map(Some).chain([None]) {
        let until = last.map_or(u32::MAX, |kept| kept.wrapping_sub(1));
        if last != Some(first) {
            // SAFETY: this process uses no other descriptor from here on.
            unsafe { libc::syscall(libc::SYS_close_range, first, until, 0) };
        }
        first = last.map_or(u32::MAX, |kept| kept + 1);
    }
}

/// Receives the one descriptor that the stream brings.
pub(crate) fn receive_descriptor(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = part
            && let Some(descriptor) = received.first()
        {
            // SAFETY: `recvmsg` just installed this descriptor for us alone.
            return Ok(unsafe { OwnedFd::from_raw_fd(*descriptor) });
        }
    }
    Err(io::Error::other("no descriptor came"))
}

/// A system call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    id: u64,
    pub(crate) pid: u32,
    pub(crate) call: c_long,
    pub(crate) arguments: [u64; 6],
}

nix::ioctl_readwrite!(receive_notification, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(send_notification, b'!', 1, libc::seccomp_notif_resp);

pub(crate) fn next_question(listener: &OwnedFd) -> io::Result<Question> {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    let mut question = libc::seccomp_notif { id: 0, pid: 0, flags: 0, data };
    // SAFETY: a structure of the kernel's, all zero as it wants it.
    unsafe { receive_notification(listener.as_raw_fd(), &raw mut question) }?;
    Ok(Question { id: question.id, pid: question.pid, call: question.data.nr.into(), arguments: question.data.args })
}

pub(crate) fn answer_question(listener: &OwnedFd, question: &Question, answer: Answer) -> io::Result<()> {
    let mut response = libc::seccomp_notif_resp { id: question.id, val: 0, error: 0, flags: 0 };
    match answer {
        Answer::Value(value) => response.val = value,
        Answer::Fail(error) => response.error = -(error as i32),
        Answer::Continue => response.flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1),
    }
    // SAFETY: a valid structure of the kernel's, which only reads it.
    unsafe { send_notification(listener.as_raw_fd(), &raw mut response) }?;
    Ok(())
}
