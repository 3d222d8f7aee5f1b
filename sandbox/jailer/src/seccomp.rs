//! Filters of system calls: tables of rules become programs for the kernel.
//!
//! What a table does not list is refused with `EPERM`. A table may refuse some
//! calls with another error, so that libraries take the way around that they
//! have for an older kernel: those get a filter of their own. All filters of a
//! process are asked, and of several refusals the newest filter's counts. So
//! the filter with the default is applied last and lets those calls pass.

use std::collections::{BTreeMap, BTreeSet};

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use crate::failure::{Doing, Failure};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// This architecture as a filter sees it: `AUDIT_ARCH_*` of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCHITECTURE: u32 = 0xc000_00b7;

/// What a process may ask of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Calls that fail with this error number instead of `EPERM`; with zero they
    /// succeed and do nothing.
    pub refused: &'a [(i32, &'a [i64])],
    /// Calls that are let through.
    pub allowed: &'a [&'a [Rule<'a>]],
}

/// A call that is let through.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    call: i64,
    when: Option<&'a [&'a [Argument]]>,
}

impl<'a> Rule<'a> {
    /// Whatever its arguments are.
    pub const fn always(call: i64) -> Self {
        Self { call, when: None }
    }

    /// When all arguments of one of these alternatives are as they should be.
    pub const fn when(call: i64, alternatives: &'a [&'a [Argument]]) -> Self {
        Self { call, when: Some(alternatives) }
    }
}

/// What an argument of a call must be. The first one has index zero.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// An `int` of this value; the kernel ignores its upper half.
    Int(u8, u32),
    /// An `int` with these bits (the second number) under a mask (the first).
    Masked(u8, u32, u32),
    /// A pointer or `long` of this value.
    Long(u8, u64),
    /// An unsigned `int` above this value.
    Above(u8, u32),
}

/// A compiled [`Table`].
#[derive(Debug)]
pub struct Filter {
    programs: Vec<BpfProgram>,
}

impl Filter {
    /// Compiles a table.
    ///
    /// # Errors
    ///
    /// When the table makes no sense or is too large.
    pub fn compile(table: &Table<'_>) -> Result<Self, Failure> {
        let mut programs = Vec::with_capacity(table.refused.len() + 1);
        let mut passed = Vec::new();
        for (errno, calls) in table.refused {
            let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
            programs.push(program(rules, SeccompAction::Allow, SeccompAction::Errno(errno.unsigned_abs()))?);
            passed.extend(calls.iter().map(|call| Rule::always(*call)));
        }
        let Sorted { unconditional, conditional } = sort(table.allowed.iter().copied().flatten().chain(&passed))?;
        let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let mut last = shortcut(&unconditional)?;
        last.extend(program(conditional, denied, SeccompAction::Allow)?);
        programs.push(last);
        Ok(Self { programs })
    }

    /// Ends the process on these calls, instead of refusing them.
    ///
    /// # Errors
    ///
    /// When the rules make no sense or are too many.
    pub fn ending_on(mut self, rules: &[Rule<'_>]) -> Result<Self, Failure> {
        let Sorted { unconditional, conditional: mut rules } = sort(rules)?;
        rules.extend(unconditional.into_iter().map(|call| (call, Vec::new())));
        self.programs.insert(0, program(rules, SeccompAction::Allow, SeccompAction::KillProcess)?);
        Ok(self)
    }

    /// Applies the filter to this thread, for ever. Sets `no_new_privs`.
    ///
    /// # Errors
    ///
    /// When the kernel refuses; some of the filter may be in force then.
    pub fn apply(&self) -> Result<(), Failure> {
        self.programs.iter().try_for_each(|program| seccompiler::apply_filter(program).doing("applying a filter"))
    }

    /// Applies it to every thread of this process.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or a thread has a filter that this one has not.
    pub fn apply_to_all_threads(&self) -> Result<(), Failure> {
        let apply = |program: &BpfProgram| {
            seccompiler::apply_filter_all_threads(program).doing("applying a filter to all threads")
        };
        self.programs.iter().try_for_each(apply)
    }
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, Failure> {
    let filter = SeccompFilter::new(rules, otherwise, listed, ARCHITECTURE).doing("making a filter")?;
    BpfProgram::try_from(filter).doing("compiling a filter")
}

/// Rules by call.
struct Sorted {
    unconditional: BTreeSet<i64>,
    /// None of those.
    conditional: BTreeMap<i64, Vec<SeccompRule>>,
}

/// Sorts rules. One without conditions takes precedence over others for the
/// same call.
fn sort<'a>(rules: impl IntoIterator<Item = &'a Rule<'a>>) -> Result<Sorted, Failure> {
    let mut unconditional = BTreeSet::new();
    let mut conditional: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for rule in rules {
        match rule.when {
            None => {
                unconditional.insert(rule.call);
            }
            Some(alternatives) => {
                let alternatives = alternatives.iter().map(|arguments| compile(arguments));
                let compiled: Vec<SeccompRule> = alternatives.collect::<Result<_, _>>()?;
                conditional.entry(rule.call).or_default().extend(compiled);
            }
        }
    }
    conditional.retain(|call, _| !unconditional.contains(call));
    Ok(Sorted { unconditional, conditional })
}

fn compile(arguments: &[Argument]) -> Result<SeccompRule, Failure> {
    let conditions = arguments.iter().map(|argument| {
        let (index, length, operator, value) = match *argument {
            Argument::Int(index, value) => (index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value.into()),
            Argument::Masked(index, mask, value) => {
                (index, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask.into()), value.into())
            }
            Argument::Long(index, value) => (index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value),
            Argument::Above(index, value) => (index, SeccompCmpArgLen::Dword, SeccompCmpOp::Gt, value.into()),
        };
        SeccompCondition::new(index, length, operator, value)
    });
    let conditions = conditions.collect::<Result<_, _>>().doing("making a condition")?;
    SeccompRule::new(conditions).doing("making a rule")
}

/// Lets these calls through at once, and hands on all others to the program
/// that follows. Most calls of a table are neighbours by their numbers, so this
/// is short, and the kernel takes in a short program in a fraction of the time.
///
/// Kills on another architecture, and on the numbers of the x32 ABI: they come
/// with the architecture of 64-bit x86, but a list of its numbers does not know
/// them. No number of another architecture is that large.
fn shortcut(calls: &BTreeSet<i64>) -> Result<BpfProgram, Failure> {
    // Offsets in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    const ARCHITECTURE_OF_CALL: u32 = 4;
    const FIRST_X32: u32 = 0x4000_0000;
    let statement = |class: u32, k: u32| jump(class, k, 0, 0);
    let mut program = vec![
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, ARCHITECTURE_OF_CALL),
        jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, AUDIT_ARCHITECTURE, 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS),
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER),
        jump(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, FIRST_X32, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for call in calls {
        let call = u32::try_from(*call).doing("using the number of a call")?;
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == call => *last = call,
            _ => ranges.push((call, call)),
        }
    }
    for (first, last) in ranges {
        program.push(jump(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, first, 0, 2));
        program.push(jump(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, last, 1, 0));
        program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    }
    Ok(program)
}

/// An instruction; `jt` and `jf` are how many to pass over when a condition
/// holds, and when it does not.
fn jump(class: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    // The classes of linux/bpf_common.h have eight bits.
    sock_filter { code: u16::try_from(class).unwrap_or(u16::MAX), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_range() {
        let head = shortcut(&BTreeSet::new()).unwrap().len();
        let length = |calls: &[i64]| shortcut(&calls.iter().copied().collect()).unwrap().len() - head;
        assert_eq!(length(&[1, 2, 3]), 3);
        assert_eq!(length(&[1, 3]), 6);
        assert!(shortcut(&BTreeSet::from([-1])).is_err());
    }
}
