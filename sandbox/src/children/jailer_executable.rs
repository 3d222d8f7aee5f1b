//! The jailer's executable. It comes inside of this one, because a small one is
//! started in less time, and is executed from a memory file that nobody can
//! change: nothing is installed beside the one binary, and nothing is looked up.

#![expect(clippy::disallowed_methods, reason = "makes the command that starts the jailer")]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::shortage;
use crate::sys;

const NAME: &str = "belljar-jailer";

/// Built by `build.rs`.
const CONTENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/belljar-jailer"));

/// Made when it is first needed, and there until this process ends.
static EXECUTABLE: OnceLock<File> = OnceLock::new();

fn executable() -> io::Result<&'static File> {
    if let Some(made) = EXECUTABLE.get() {
        return Ok(made);
    }
    // What failed may work the next time.
    let made = make()?;
    Ok(EXECUTABLE.get_or_init(|| made))
}

/// The command that starts the jailer, without standard streams.
///
/// # Errors
///
/// Where memory may not be executed: says so, and what helps.
pub fn jailer_command() -> io::Result<Command> {
    let file = executable().map_err(not_executable)?;
    // The number means the same in the child, until that has become the jailer.
    let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    command.arg0(NAME).arg(std::process::id().to_string()).env_clear();
    // Ctrl-C at a terminal is for the server.
    command.process_group(0);
    Ok(command)
}

/// What an error means to whoever has to do something about it. That of a
/// machine which is short of something stays as it is, to be told from others.
pub(crate) fn not_executable(error: io::Error) -> io::Error {
    let advice = match error.kind() {
        _ if shortage(&error).is_some() => return error,
        io::ErrorKind::PermissionDenied => {
            "; if `sysctl vm.memfd_noexec` is 2, set it to 1, else allow it in the host's security policy"
        }
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("the jailer, which is executed from memory, cannot be started: {error}{advice}"),
    )
}

fn make() -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let made = match memfd_create(NAME, flags | MFdFlags::from_bits_retain(libc::MFD_EXEC)) {
        // The flag is not there before Linux 6.3, and not needed.
        Err(Errno::EINVAL) => memfd_create(NAME, flags),
        made => made,
    };
    let mut file = File::from(made?);
    file.write_all(CONTENT)?;
    sys::give_back(CONTENT);
    let all = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(all))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn it_is_executed_from_memory_and_cannot_be_changed() {
        let file = executable().unwrap();
        assert_eq!(file.write_at(b"x", 0).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert_eq!(file.set_len(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
        let flags = fcntl(file, FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        // The jailer has nothing to confine without a server: its first step fails.
        let status = jailer_command().unwrap().stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(65));
    }
}
