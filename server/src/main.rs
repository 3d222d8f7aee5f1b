//! The one binary: the server, its commands, and the processes it starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::main()
}
