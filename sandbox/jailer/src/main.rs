//! The jailer as a program of its own. It comes inside of the one binary, which
//! executes it from memory.

use std::process::ExitCode;

fn main() -> ExitCode {
    jailer::main()
}
