//! Rules about system calls, and the filter program that they become.

use nix::errno::Errno;
use nix::libc::{self, c_long, sock_filter};

/// What happens with a system call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) call: c_long,
    pub(crate) condition: Condition,
    pub(crate) action: Action,
}

/// When a rule is about a call. Only the low half of an argument is looked at:
/// all that are flags or small numbers have nothing in the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition {
    Always,
    Equals { index: u32, value: u32 },
    AnyBit { index: u32, bits: u32 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Fail(Errno),
    /// A supervisor answers.
    Ask,
}

impl Rule {
    pub(crate) const fn fail(call: c_long, error: Errno) -> Self {
        Self { call, condition: Condition::Always, action: Action::Fail(error) }
    }
}

/// User namespaces are forbidden. The flags of `clone3` lie in memory that no filter
/// sees; without it, C libraries use `clone`.
pub(crate) fn no_user_namespaces() -> Vec<Rule> {
    let bits = libc::CLONE_NEWUSER.cast_unsigned();
    let refused =
        |call| Rule { call, condition: Condition::AnyBit { index: 0, bits }, action: Action::Fail(Errno::EPERM) };
    vec![refused(libc::SYS_unshare), refused(libc::SYS_clone), Rule::fail(libc::SYS_clone3, Errno::ENOSYS)]
}

/// The number of a system call that a protection of ours needs.
pub(crate) fn call_number(name: &str) -> Option<c_long> {
    macro_rules! numbers {
        ($($name:ident: $number:ident),* $(,)?) => {
            match name { $(stringify!($name) => Some(libc::$number),)* _ => None }
        };
    }
    numbers! {
        capset: SYS_capset,
        chroot: SYS_chroot,
        clone: SYS_clone,
        clone3: SYS_clone3,
        close_range: SYS_close_range,
        fsopen: SYS_fsopen,
        landlock_add_rule: SYS_landlock_add_rule,
        landlock_create_ruleset: SYS_landlock_create_ruleset,
        landlock_restrict_self: SYS_landlock_restrict_self,
        linkat: SYS_linkat,
        memfd_create: SYS_memfd_create,
        mount: SYS_mount,
        mount_setattr: SYS_mount_setattr,
        move_mount: SYS_move_mount,
        open_tree: SYS_open_tree,
        pivot_root: SYS_pivot_root,
        prctl: SYS_prctl,
        prlimit64: SYS_prlimit64,
        seccomp: SYS_seccomp,
        sethostname: SYS_sethostname,
        setgroups: SYS_setgroups,
        setresgid: SYS_setresgid,
        setresuid: SYS_setresuid,
        setsid: SYS_setsid,
        umount2: SYS_umount2,
        unshare: SYS_unshare,
    }
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

// linux/bpf_common.h and the layout of `struct seccomp_data`.
const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const CALL_OFFSET: u32 = 0;
const ARCHITECTURE_OFFSET: u32 = 4;
const ARGUMENTS_OFFSET: u32 = 16;

fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code.try_into().unwrap_or_default(), jt: 0, jf: 0, k }
}

/// An instruction that goes on when its condition holds, and skips `count` when not.
fn unless_skip(code: u32, k: u32, count: u8) -> sock_filter {
    sock_filter { jf: count, ..instruction(code, k) }
}

/// The filter in which the first rule that matches decides, and everything
/// else is allowed.
pub(crate) fn compile(rules: &[Rule]) -> Vec<sock_filter> {
    let allow = instruction(RETURN, libc::SECCOMP_RET_ALLOW);
    let mut program = vec![
        instruction(LOAD, ARCHITECTURE_OFFSET),
        // Calls of other architectures have other numbers. What the program
        // itself does about them is for it to show.
        sock_filter { jt: 1, ..instruction(IF_EQUAL, ARCHITECTURE) },
        allow,
    ];
    for rule in rules {
        let call = u32::try_from(rule.call).unwrap_or(u32::MAX);
        let decision = instruction(
            RETURN,
            match rule.action {
                Action::Fail(error) => libc::SECCOMP_RET_ERRNO | (error as i32).cast_unsigned(),
                Action::Ask => libc::SECCOMP_RET_USER_NOTIF,
            },
        );
        program.push(instruction(LOAD, CALL_OFFSET));
        let argument = |index: u32| instruction(LOAD, ARGUMENTS_OFFSET + 8 * index);
        match rule.condition {
            Condition::Always => program.push(unless_skip(IF_EQUAL, call, 1)),
            Condition::Equals { index, value } => {
                program.push(unless_skip(IF_EQUAL, call, 3));
                program.extend([argument(index), unless_skip(IF_EQUAL, value, 1)]);
            }
            Condition::AnyBit { index, bits } => {
                program.push(unless_skip(IF_EQUAL, call, 3));
                program.extend([argument(index), unless_skip(IF_ANY_BIT, bits, 1)]);
            }
        }
        program.push(decision);
    }
    program.push(allow);
    program
}
