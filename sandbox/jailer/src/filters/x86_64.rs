//! Calls that only 64-bit x86 has, most of them older forms of common ones.

use nix::libc::*;

use crate::seccomp::Argument::Masked;
use crate::seccomp::Rule;

/// Calls that do nothing without namespaces, as the common form of them.
pub(super) const IGNORED: &[i64] = &[
    SYS_utime,     // any file of the same user, by path
    SYS_utimes,    // likewise
    SYS_futimesat, // likewise
];

/// Calls that are let through in both forms.
pub(super) const ALLOWED: &[Rule] = &[
    Rule::when(SYS_open, &[&[Masked(1, O_PATH.cast_unsigned(), 0)]]), // opening files; Landlock does not cover `O_PATH`
    Rule::always(SYS_creat),                                          // opening files
    Rule::always(SYS_stat),                                           // metadata
    Rule::always(SYS_lstat),                                          // metadata
    Rule::always(SYS_access),                                         // what may be done with a file
    Rule::always(SYS_mkdir),                                          // making directories
    Rule::always(SYS_rmdir),                                          // removing directories
    Rule::always(SYS_unlink),                                         // removing files
    Rule::always(SYS_rename),                                         // renaming files
    Rule::always(SYS_renameat),                                       // renaming files
    Rule::always(SYS_link),                                           // hard links
    Rule::always(SYS_symlink),                                        // symbolic links
    Rule::always(SYS_readlink),                                       // symbolic links
    Rule::always(SYS_getdents),                                       // listing directories
    Rule::always(SYS_dup2),                                           // descriptors
    Rule::always(SYS_pipe),                                           // pipes
    Rule::always(SYS_fork),                                           // starting programs
    Rule::always(SYS_vfork),                                          // starting programs
    Rule::always(SYS_getpgrp),                                        // job control of shells
    Rule::always(SYS_arch_prctl),                                     // thread pointer
    Rule::always(SYS_time),                                           // time
    Rule::always(SYS_alarm),                                          // timers
    Rule::always(SYS_pause),                                          // signals
    Rule::always(SYS_poll),                                           // events
    Rule::always(SYS_select),                                         // events
    Rule::always(SYS_epoll_create),                                   // events
    Rule::always(SYS_epoll_wait),                                     // events
    Rule::always(SYS_epoll_pwait),                                    // events
    Rule::always(SYS_eventfd),                                        // events
    Rule::always(SYS_signalfd),                                       // signals
];

/// Calls that are let through with namespaces only.
pub(super) const ALLOWED_IN_NAMESPACES: &[Rule] = &[
    Rule::always(SYS_open),      // opening files
    Rule::always(SYS_chmod),     // mode of a file; read-only mounts are read-only for it too
    Rule::always(SYS_chown),     // owner of a file; there is one user and one group
    Rule::always(SYS_lchown),    // likewise
    Rule::always(SYS_utime),     // times of a file
    Rule::always(SYS_utimes),    // likewise
    Rule::always(SYS_futimesat), // likewise
];
