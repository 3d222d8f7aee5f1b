//! Calls that make a program of a file which runs as the file's owner or group,
//! whoever starts it: refused where the file stays on the host.

use nix::libc::*;

use crate::seccomp::Argument::Masked;
use crate::seccomp::{Argument, Rule};

const USER: u32 = S_ISUID;
const GROUP: u32 = S_ISGID;
const MAKES: u32 = O_CREAT.cast_unsigned();
/// `__O_TMPFILE` of the kernel: without `O_DIRECTORY`, which it goes with.
const NAMELESS: u32 = (O_TMPFILE & !O_DIRECTORY).cast_unsigned();

const FIRST: &[&[Argument]] = &[&[Masked(1, USER, USER)], &[Masked(1, GROUP, GROUP)]];
const SECOND: &[&[Argument]] = &[&[Masked(2, USER, USER)], &[Masked(2, GROUP, GROUP)]];
const OPENED_AT: &[&[Argument]] = &[
    &[Masked(2, MAKES, MAKES), Masked(3, USER, USER)],
    &[Masked(2, MAKES, MAKES), Masked(3, GROUP, GROUP)],
    &[Masked(2, NAMELESS, NAMELESS), Masked(3, USER, USER)],
    &[Masked(2, NAMELESS, NAMELESS), Masked(3, GROUP, GROUP)],
];

/// Calls that are refused where a program can write to what is not its own.
pub(crate) const SET_IDS: &[Rule] = &[
    Rule::when(SYS_fchmod, FIRST),     // mode of a file that is open
    Rule::when(SYS_fchmodat, SECOND),  // mode of a file
    Rule::when(SYS_openat, OPENED_AT), // mode of a new file; of others it is not looked at
    Rule::when(SYS_mknodat, SECOND),   // likewise
    #[cfg(target_arch = "x86_64")]
    Rule::when(SYS_chmod, FIRST), // mode of a file
    #[cfg(target_arch = "x86_64")]
    Rule::when(SYS_creat, FIRST), // mode of a new file
    #[cfg(target_arch = "x86_64")]
    Rule::when(SYS_mknod, FIRST), // likewise
    #[cfg(target_arch = "x86_64")]
    Rule::when(
        SYS_open,
        &[
            &[Masked(1, MAKES, MAKES), Masked(2, USER, USER)],
            &[Masked(1, MAKES, MAKES), Masked(2, GROUP, GROUP)],
            &[Masked(1, NAMELESS, NAMELESS), Masked(2, USER, USER)],
            &[Masked(1, NAMELESS, NAMELESS), Masked(2, GROUP, GROUP)],
        ],
    ), // likewise
];
