//! This binary as a command that becomes another of our own processes.

#![expect(clippy::disallowed_methods, reason = "starts our own processes, and passes on the one variable they need")]

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The first argument of a worker.
pub(crate) const WORKER: &str = "worker-process";
/// The first argument of the process that compiles an image.
pub(crate) const COMPILE: &str = "compile-process";

/// The one environment variable that our own processes get.
const LOG_VARIABLE: &str = "BELLJAR_LOG";

/// This binary, as a command without any of the server's environment. The
/// link stays right when the file is replaced while the server runs.
pub(crate) fn this_binary(role: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("belljar").arg(role).arg(std::process::id().to_string()).env_clear();
    // Ctrl-C at a terminal is for the server, which drains; not for what it
    // started.
    command.process_group(0);
    // What it says is read by us, and not shown as it is.
    command.env("NO_COLOR", "1");
    if let Ok(filter) = std::env::var(LOG_VARIABLE) {
        command.env(LOG_VARIABLE, filter);
    }
    command
}
