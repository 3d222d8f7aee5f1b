//! The one binary: the server, its commands, and the processes it starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::begin();
    // Before any thread exists: this binary may have been started by itself,
    // to host guests or to compile one.
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if let Some(code) = server::start_as_child(&arguments) {
        return code;
    }
    server::command_line()
}
