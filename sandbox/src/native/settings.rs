//! Settings of the kernel that a native program sees below `/proc/sys`. They are
//! copied: those beside them are not shown.

#![expect(clippy::disallowed_methods, reason = "/proc has no owner")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use jailer::{GivenFile, HOSTNAME};

/// Where settings of the kernel are.
const PLACE: &str = "/proc/sys";

/// Settings that common programs and libraries read.
const COPIED: [&str; 13] = [
    "fs/file-max",
    "fs/nr_open",
    "fs/pipe-max-size",
    "kernel/cap_last_cap",
    "kernel/ngroups_max",
    "kernel/osrelease",
    "kernel/ostype",
    "kernel/overflowgid",
    "kernel/overflowuid",
    "kernel/pid_max",
    "kernel/threads-max",
    "vm/max_map_count",
    "vm/overcommit_memory",
];

/// The settings that a program sees, read once: reading them in each run would take
/// longer than all else of its `/proc`.
pub(super) fn given() -> impl Iterator<Item = GivenFile> {
    static READ: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        // A kernel may not have all of them.
        let content = |name: &&str| fs::read_to_string(Path::new(PLACE).join(name)).ok();
        let copied = COPIED.iter().filter_map(|name| Some((*name, content(name)?)));
        // The kernel's own shows through the last one: it is another with each reading.
        let others = [("kernel/hostname", format!("{HOSTNAME}\n")), ("kernel/random/uuid", String::new())];
        copied.chain(others).collect()
    });
    read.iter().map(|(name, content)| GivenFile { path: Path::new(PLACE).join(name), content: content.as_str().into() })
}
