//! The binary with the fixtures of the conformance suite over HTTP in place of our
//! tools, and everything else as it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::main()
}
