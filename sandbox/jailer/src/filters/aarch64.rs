//! Calls that only 64-bit ARM has.

use nix::libc::*;

use crate::seccomp::Rule;

/// Done without effect without namespaces.
pub(super) const IGNORED: &[i64] = &[];

/// Let through in both forms.
pub(super) const ALLOWED: &[Rule] = &[
    Rule::always(SYS_renameat), // renaming files; x86 has it in its own table
];

/// Let through with namespaces only.
pub(super) const ALLOWED_IN_NAMESPACES: &[Rule] = &[];
