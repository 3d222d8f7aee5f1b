//! Files that a process holds without a name or a descriptor that shows them,
//! as /proc tells it.

#![expect(clippy::disallowed_methods, reason = "/proc has no owner")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::processes;

/// A file that is mapped and has no name any more.
pub(crate) struct NamelessMap {
    /// The name that the file had.
    pub(crate) path: PathBuf,
    pub(crate) inode: u64,
}

/// The nameless maps of a process, as in proc_pid_maps(5). `None` when it does not let us look.
pub(crate) fn nameless_maps(pid: i32) -> Option<Vec<NamelessMap>> {
    let maps = match fs::read(format!("/proc/{pid}/maps")) {
        Ok(maps) => maps,
        Err(_) => return (!processes::has_memory(pid)).then(Vec::new),
    };
    let nameless = maps.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.splitn(6, |byte| *byte == b' ');
        let inode = std::str::from_utf8(fields.nth(4)?).ok()?.parse().ok()?;
        let path = fields.next()?.trim_ascii_start().strip_suffix(b" (deleted)")?;
        Some(NamelessMap { path: OsStr::from_bytes(path).into(), inode })
    });
    Some(nameless.collect())
}

/// How many descriptors wait in a socket to be received (Linux 5.8).
pub(crate) fn on_their_way(pid: i32, descriptor: &OsStr) -> u64 {
    let Some(number) = descriptor.to_str() else { return 0 };
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("scm_fds:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
