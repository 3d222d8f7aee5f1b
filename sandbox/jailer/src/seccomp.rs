//! Filters of system calls: tables of rules become programs for the kernel.
//!
//! What a table does not list is refused with `EPERM`. A table may refuse some
//! calls with another error, so that libraries take the way around that they
//! have for an older kernel.

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
        let Sorted { unconditional, conditional } = sort(table.allowed.iter().copied().flatten())?;
        let mut verdicts = Verdicts::new();
        for (calls, verdict) in [
            (conditional.keys().copied().collect(), Verdict::Decide),
            (unconditional.into_iter().collect::<Vec<_>>(), Verdict::Allow),
        ] {
            add(&mut verdicts, &calls, verdict)?;
        }
        for (errno, calls) in table.refused {
            add(&mut verdicts, calls, Verdict::Refuse(errno.unsigned_abs()))?;
        }
        let mut program = decision(&verdicts)?;
        if !conditional.is_empty() {
            program.extend(self::program(conditional, DENIED, SeccompAction::Allow)?);
        }
        Ok(Self { programs: vec![program] })
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

    /// Refuses these calls as well, whatever the table says of them.
    ///
    /// # Errors
    ///
    /// When the rules make no sense or are too many.
    pub(crate) fn refusing(mut self, rules: &[Rule<'_>]) -> Result<Self, Failure> {
        let Sorted { unconditional, conditional: mut rules } = sort(rules)?;
        rules.extend(unconditional.into_iter().map(|call| (call, Vec::new())));
        self.programs.insert(0, program(rules, SeccompAction::Allow, DENIED)?);
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

    /// Applies the filter to every thread of this process.
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
    /// Calls that are let through under conditions; none of the others is among them.
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

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    /// The call fails with this error number.
    Refuse(u32),
    /// The arguments of the call decide, in the program that follows.
    Decide,
}

/// Verdicts by the numbers of calls; all others are denied.
type Verdicts = BTreeMap<u32, Verdict>;

/// What becomes of a call that is not listed.
const DENIED: SeccompAction = SeccompAction::Errno(libc::EPERM.unsigned_abs());

fn add(verdicts: &mut Verdicts, calls: &[i64], verdict: Verdict) -> Result<(), Failure> {
    for call in calls {
        verdicts.insert(u32::try_from(*call).doing("using the number of a call")?, verdict);
    }
    Ok(())
}

/// The first number of the x32 ABI. No number of another architecture is that
/// large.
const FIRST_X32: u32 = 0x4000_0000;

/// Decides by the number of a call in a few steps, whatever the number: when a
/// filter is applied, the kernel has it decide on every call that there is.
///
/// Kills on another architecture, and on the numbers of the x32 ABI: they come
/// with the architecture of 64-bit x86, but a list of its numbers does not know
/// them.
fn decision(verdicts: &Verdicts) -> Result<BpfProgram, Failure> {
    // Offsets in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    const ARCHITECTURE_OF_CALL: u32 = 4;
    let mut program = vec![
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, ARCHITECTURE_OF_CALL),
        jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, AUDIT_ARCHITECTURE, 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS),
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER),
        jump(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, FIRST_X32, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let denied = Verdict::Refuse(libc::EPERM.unsigned_abs());
    // Each range begins at its number and ends before the next one.
    let mut ranges = vec![(0, denied)];
    let mut begin = |number: u32, verdict: Verdict| match ranges.last_mut() {
        Some((first, last)) if *first == number => *last = verdict,
        Some((_, last)) if *last == verdict => {}
        _ => ranges.push((number, verdict)),
    };
    for (number, verdict) in verdicts {
        begin(*number, *verdict);
        begin(number.saturating_add(1), denied);
    }
    // What began with a verdict that was replaced may continue the one before.
    ranges.dedup_by_key(|(_, verdict)| *verdict);
    let mut tree = search(&ranges)?;
    // A call whose arguments decide is decided after the whole tree.
    let length = tree.len();
    for (index, instruction) in tree.iter_mut().enumerate().filter(|(_, instruction)| instruction.code == ALWAYS) {
        instruction.k = u32::try_from(length - index - 1).doing("jumping")?;
    }
    program.append(&mut tree);
    Ok(program)
}

/// A jump that has no condition.
const ALWAYS: u16 = 0x05;

/// Halves the ranges until there is one.
fn search(ranges: &[(u32, Verdict)]) -> Result<BpfProgram, Failure> {
    let (below, above) = match ranges {
        [] => return Ok(Vec::new()),
        [(_, verdict)] => {
            return Ok(vec![match verdict {
                Verdict::Allow => statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
                Verdict::Refuse(errno) => {
                    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | (errno & libc::SECCOMP_RET_DATA))
                }
                Verdict::Decide => statement(ALWAYS.into(), 0),
            }]);
        }
        _ => ranges.split_at(ranges.len() / 2),
    };
    let (below, first, mut above) = (search(below)?, above[0].0, search(above)?);
    let over = u8::try_from(below.len()).doing("jumping over half of a filter")?;
    let mut program = vec![jump(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, first, over, 0)];
    program.extend(below);
    program.append(&mut above);
    Ok(program)
}

/// An instruction that jumps nowhere.
fn statement(class: u32, k: u32) -> sock_filter {
    jump(class, k, 0, 0)
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
    use crate::filters;

    /// What the kernel does with a program, for the instructions that are here.
    fn verdict(program: &BpfProgram, architecture: u32, call: u32, args: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            0 => call,
            4 => architecture,
            16.. => {
                let whole = args[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { whole as u32 } else { (whole >> 32) as u32 }
            }
            _ => panic!("{offset}"),
        };
        let (mut at, mut accumulator) = (0, 0);
        for _ in 0..10_000 {
            let sock_filter { code, jt, jf, k } = program[at];
            let condition = |holds: bool| usize::from(if holds { jt } else { jf });
            at += 1 + match u32::from(code) {
                0x20 => {
                    accumulator = word(k);
                    0
                }
                0x54 => {
                    accumulator &= k;
                    0
                }
                0x05 => k as usize,
                0x15 => condition(accumulator == k),
                0x25 => condition(accumulator > k),
                0x35 => condition(accumulator >= k),
                0x06 => return k,
                other => panic!("{other:#x}"),
            };
        }
        panic!("it does not end")
    }

    const KILLED: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
    const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    /// The arguments of a call that a rule is for.
    fn matching(alternative: &[Argument]) -> [u64; 6] {
        let mut args = [0xdead_beef_0000_0000; 6];
        for argument in alternative {
            let (index, value) = match *argument {
                Argument::Int(index, value) => (index, 0xdead_0000_0000_0000 | u64::from(value)),
                Argument::Masked(index, mask, value) => (index, u64::from(!mask | value)),
                Argument::Long(index, value) => (index, value),
                Argument::Above(index, value) => (index, u64::from(value) + 1),
            };
            args[usize::from(index)] = value;
        }
        args
    }

    fn check(table: &Table<'_>, program: &BpfProgram) {
        let rules: Vec<_> = table.allowed.iter().copied().flatten().collect();
        for call in (0..1000_u32).chain([FIRST_X32 - 1]) {
            let number = i64::from(call);
            let of = |call: u32, args| verdict(program, AUDIT_ARCHITECTURE, call, args);
            let refused = table.refused.iter().rev().find(|(_, calls)| calls.contains(&number));
            let own: Vec<_> = rules.iter().filter(|rule| rule.call == number).collect();
            let alternatives: Vec<_> = own.iter().filter_map(|rule| rule.when).flatten().collect();
            // None of the tables says something of this value.
            let strange = of(call, [0x5555_5555_5555_5555; 6]);
            match refused {
                Some((errno, _)) => assert_eq!(strange, libc::SECCOMP_RET_ERRNO | *errno as u32, "{call}"),
                None if own.iter().any(|rule| rule.when.is_none()) => assert_eq!(strange, ALLOWED, "{call}"),
                None if own.is_empty() => assert_eq!(strange, REFUSED, "{call}"),
                None => {
                    for alternative in &alternatives {
                        assert_eq!(of(call, matching(alternative)), ALLOWED, "{call} {alternative:?}");
                        for (at, argument) in alternative.iter().enumerate() {
                            let mut others = matching(alternative);
                            match argument {
                                Argument::Above(index, value) => others[usize::from(*index)] = u64::from(*value),
                                Argument::Int(index, _) | Argument::Masked(index, ..) | Argument::Long(index, _) => {
                                    others[usize::from(*index)] ^= 0x7fff_ffff;
                                }
                            }
                            let is_another = alternatives.iter().any(|other| agrees(other, others));
                            let expected = if is_another { ALLOWED } else { REFUSED };
                            assert_eq!(of(call, others), expected, "{call} {alternative:?} {at}");
                        }
                    }
                }
            }
            assert_eq!(of(FIRST_X32 + call % FIRST_X32, [0; 6]), KILLED);
            assert_eq!(verdict(program, AUDIT_ARCHITECTURE ^ 1, call, [0; 6]), KILLED);
        }
        assert_eq!(verdict(program, AUDIT_ARCHITECTURE, u32::MAX, [0; 6]), KILLED);
    }

    fn agrees(alternative: &[Argument], args: [u64; 6]) -> bool {
        alternative.iter().all(|argument| match *argument {
            Argument::Int(index, value) => args[usize::from(index)] as u32 == value,
            Argument::Masked(index, mask, value) => args[usize::from(index)] as u32 & mask == value,
            Argument::Long(index, value) => args[usize::from(index)] == value,
            Argument::Above(index, value) => args[usize::from(index)] as u32 > value,
        })
    }

    #[test]
    fn a_filter_decides_on_every_call_as_its_table_says() {
        for (namespaces, cgroups) in [(false, false), (false, true), (true, false), (true, true)] {
            filters::with_table(namespaces, cgroups, |table| -> Result<(), Failure> {
                let filter = Filter::compile(table)?;
                assert_eq!(filter.programs.len(), 1);
                check(table, &filter.programs[0]);
                Ok(())
            })
            .unwrap();
        }
        let rules = &[Rule::always(0), Rule::always(1), Rule::always(7), Rule::when(3, &[&[Argument::Int(0, 1)]])];
        let table = Table { refused: &[(95, &[1, 2, 999]), (0, &[2, 5])], allowed: &[rules] };
        check(&table, &Filter::compile(&table).unwrap().programs[0]);
        let nothing = Table { refused: &[], allowed: &[] };
        check(&nothing, &Filter::compile(&nothing).unwrap().programs[0]);
        assert!(Filter::compile(&Table { refused: &[(1, &[-1])], allowed: &[] }).is_err());
    }

    #[test]
    fn whatever_the_call_is_the_decision_takes_a_few_steps() {
        let calls: Vec<_> = (0..200).map(|call| Rule::always(call * 2)).collect();
        let filter = Filter::compile(&Table { refused: &[], allowed: &[&calls] });
        // The instructions are more than a conditional jump can pass over.
        assert!(filter.is_err());
        let verdicts = (0..100).map(|call| (call * 2, Verdict::Allow)).collect();
        let head = decision(&Verdicts::new()).unwrap().len();
        assert!(decision(&verdicts).unwrap().len() - head < 2 * 201);
    }
}
