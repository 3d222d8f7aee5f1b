//! What Docker takes from a container by default: capabilities, files of the
//! kernel, system calls. From its documentation and the profile it publishes;
//! what only names another way to say the same is left out, and so is
//! everything that makes a container a place of its own (processes, network),
//! because with less the wall of ours has more to hold.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use crate::filter::{Action, Condition, Rule};
use crate::sys;

/// The capabilities of root in a container, by number (linux/capability.h):
/// chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
/// net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
pub(crate) const CAPABILITIES: &[u32] = &[0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/sys"];

const MASKED: &[&str] = &["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"];

/// Covers files of the kernel in a mount namespace of its own, so that nobody else sees it.
pub(crate) fn protect_kernel_files() -> io::Result<()> {
    sys::leave_mount_namespace()?;
    for path in MASKED.iter().map(Path::new).filter(|path| path.exists()) {
        sys::bind(Path::new("/dev/null"), path)?;
    }
    for path in READ_ONLY.iter().map(Path::new).filter(|path| path.exists()) {
        sys::bind(path, path)?;
        sys::make_read_only(path)?;
    }
    Ok(())
}

/// The system calls that the default profile refuses to a container without
/// further capabilities.
pub(crate) fn rules() -> Vec<Rule> {
    let mut refused = vec![
        libc::SYS_acct,
        libc::SYS_add_key,
        libc::SYS_bpf,
        libc::SYS_clock_adjtime,
        libc::SYS_clock_settime,
        libc::SYS_delete_module,
        libc::SYS_fanotify_init,
        libc::SYS_finit_module,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fsopen,
        libc::SYS_fspick,
        libc::SYS_get_mempolicy,
        libc::SYS_init_module,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_io_uring_setup,
        libc::SYS_kcmp,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_mbind,
        libc::SYS_mount,
        libc::SYS_mount_setattr,
        libc::SYS_move_mount,
        libc::SYS_move_pages,
        libc::SYS_open_by_handle_at,
        libc::SYS_open_tree,
        libc::SYS_perf_event_open,
        libc::SYS_pivot_root,
        libc::SYS_quotactl,
        libc::SYS_quotactl_fd,
        libc::SYS_reboot,
        libc::SYS_request_key,
        libc::SYS_set_mempolicy,
        libc::SYS_setdomainname,
        libc::SYS_sethostname,
        libc::SYS_setns,
        libc::SYS_settimeofday,
        libc::SYS_swapoff,
        libc::SYS_swapon,
        libc::SYS_syslog,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
        libc::SYS_vhangup,
    ];
    #[cfg(target_arch = "x86_64")]
    refused.extend([
        libc::SYS_ioperm,
        libc::SYS_iopl,
        libc::SYS_kexec_file_load,
        libc::SYS_lookup_dcookie,
        libc::SYS_nfsservctl,
        libc::SYS_sysfs,
        libc::SYS_uselib,
        libc::SYS_ustat,
        libc::SYS__sysctl,
    ]);
    let mut rules: Vec<Rule> = refused.into_iter().map(|call| Rule::fail(call, Errno::EPERM)).collect();
    let namespaces = libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWUTS;
    let refused = |call, condition| Rule { call, condition, action: Action::Fail(Errno::EPERM) };
    rules.extend([
        refused(libc::SYS_clone, Condition::AnyBit { index: 0, bits: namespaces.cast_unsigned() }),
        Rule::fail(libc::SYS_clone3, Errno::ENOSYS),
        refused(libc::SYS_socket, Condition::Equals { index: 0, value: libc::AF_VSOCK.cast_unsigned() }),
        refused(libc::SYS_personality, Condition::AnyBit { index: 0, bits: libc::ADDR_NO_RANDOMIZE.cast_unsigned() }),
    ]);
    rules
}
