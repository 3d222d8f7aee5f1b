//! Calls that only 64-bit ARM has.

use nix::libc::*;

use crate::seccomp::Rule;

/// Calls that do nothing without namespaces.
pub(super) const IGNORED: &[i64] = &[];

/// Calls that are let through in both forms.
pub(super) const ALLOWED: &[Rule] = &[
    Rule::always(SYS_renameat), // renaming files; x86 has it in its own table
];

/// Calls that are let through with namespaces only.
pub(super) const ALLOWED_IN_NAMESPACES: &[Rule] = &[];
