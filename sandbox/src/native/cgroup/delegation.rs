//! Dividing the control group (version 2) that this process was given.
//!
//! The kernel has a rule: a group with processes in it has no controllers for
//! groups below it, unless it is the machine's first. So this process steps
//! aside, with its own children, into a group below the one it was given; the
//! groups of runs lie beside it and count towards what it was given as before.
//! Processes that are not ours are never moved: with one of them in it, a group
//! stays as it is. So does one that systemd has not delegated: it would take the
//! controllers away again, and every limit with them.

#![expect(clippy::disallowed_methods, reason = "the kernel's interface is files")]

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::PREFIX;
use crate::sys::has_attribute;

/// How the name of the group ends that a server stepped aside into.
const SERVER: &str = "-server";
/// How often it is tried to move all processes: a child may be born meanwhile.
const ATTEMPTS: usize = 8;

/// Makes groups possible in `own`, the group of this process, and says in which
/// group they are.
pub(in crate::native) fn divide(own: &Path) -> Result<PathBuf, String> {
    // A server stepped aside already: this one, or one in whose place this
    // process was put.
    if let Some(given) = own.parent().filter(|given| is_of_a_server(own) && is_divided(given)) {
        return Ok(given.to_path_buf());
    }
    if is_divided(own) {
        return Ok(own.to_path_buf());
    }
    let divided = if has_attribute(own, c"user.invocation_id") && !has_attribute(own, c"user.delegate") {
        Err(io::Error::other("it is a unit of systemd that is not delegated"))
    } else {
        match switch_on(own) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => step_aside(own),
            switched => switched,
        }
    };
    divided.map(|()| own.to_path_buf()).map_err(|error| {
        let own = own.display();
        format!("{own} cannot be divided: {error}; systemd gives a service one of its own to divide (Delegate=yes)")
    })
}

/// Whether memory and processes are counted in groups below this one.
fn is_divided(group: &Path) -> bool {
    let on = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    ["memory", "pids"].iter().all(|controller| on.split_whitespace().any(|word| word == *controller))
}

fn is_of_a_server(group: &Path) -> bool {
    let name = group.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(PREFIX) && name.ends_with(SERVER)
}

fn switch_on(group: &Path) -> io::Result<()> {
    write(&group.join("cgroup.subtree_control"), "+memory +pids").map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("the controllers memory and pids are not there"),
        _ => error,
    })
}

/// Moves this process and its children below `own`, and switches the
/// controllers on there.
fn step_aside(own: &Path) -> io::Result<()> {
    if let Some(other) = processes(own)?.into_iter().find(|process| is_ours(*process) == Some(false)) {
        return Err(io::Error::other(format!("process {other} is in it, which is not of this server")));
    }
    let aside = own.join(format!("{PREFIX}{}{SERVER}", std::process::id()));
    fs::create_dir(&aside)?;
    let mut divided = Ok(());
    for _ in 0..ATTEMPTS {
        divided = move_ours(own, &aside).and_then(|()| switch_on(own));
        if !divided.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy) {
            break;
        }
    }
    if divided.is_err() {
        // The group is left as it was. What cannot be moved back is in the same group
        // still, one further down.
        let _ = move_ours(&aside, own);
        let _ = fs::remove_dir(&aside);
    }
    divided
}

/// Moves this process, so that its next children are born there, and then the
/// children it has.
fn move_ours(from: &Path, to: &Path) -> io::Result<()> {
    let procs = to.join("cgroup.procs");
    write(&procs, &std::process::id().to_string())?;
    for process in processes(from)?.into_iter().filter(|process| is_ours(*process) == Some(true)) {
        match write(&procs, &process.to_string()) {
            // The process has ended.
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
            moved => moved?,
        }
    }
    Ok(())
}

/// Whether this process started `process` or an ancestor of it; `None` when it is gone.
fn is_ours(process: u32) -> Option<bool> {
    let mut process = process;
    // Zero is outside of what this process can see, or the parent of the first.
    while process != 0 && process != std::process::id() {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        process = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    }
    Some(process != 0)
}

fn processes(group: &Path) -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(group.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// One write to a file that is there: the kernel takes it whole.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a group looks like, with `processes` in it.
    fn group(processes: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cgroup.procs"), processes).unwrap();
        fs::write(directory.path().join("cgroup.subtree_control"), "").unwrap();
        directory
    }

    #[test]
    fn this_process_and_its_children_are_ours_and_nobody_else_is() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(is_ours(std::process::id()), Some(true));
        assert_eq!(is_ours(child.id()), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(is_ours(child.id()), None);
        assert_eq!(is_ours(nix::unistd::getppid().as_raw().unsigned_abs()), Some(false));
        assert_eq!(is_ours(0), Some(false));
    }

    #[test]
    fn a_group_that_others_are_in_stays_as_it_is() {
        let parent = nix::unistd::getppid();
        let shared = group(&format!("{}\n{parent}\n", std::process::id()));
        let refused = step_aside(shared.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {parent} is in it")), "{refused}");
        assert_eq!(fs::read_dir(shared.path()).unwrap().count(), 2);
        assert!(!is_divided(shared.path()));
    }

    #[test]
    fn a_group_is_divided_once_and_one_that_cannot_be_is_named() {
        let own = group("");
        assert_eq!(divide(own.path()).unwrap(), own.path());
        assert!(!is_divided(own.path()), "the kernel's answer has no signs");
        fs::write(own.path().join("cgroup.subtree_control"), "cpu memory pids").unwrap();
        let aside = own.path().join(format!("{PREFIX}1{SERVER}"));
        fs::create_dir(&aside).unwrap();
        assert_eq!(divide(&aside).unwrap(), own.path());

        let refused = divide(&own.path().join("nothing")).unwrap_err();
        assert!(refused.contains("nothing cannot be divided") && refused.contains("Delegate=yes"), "{refused}");
    }
}
