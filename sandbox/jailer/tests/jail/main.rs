//! End to end: programs in jails, what they may and may not, and how they end.
//!
//! This program starts itself as the jailer, so it has a `main` of its own. It
//! takes part of a test's name as its argument.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test starts processes and fails by panicking"
)]

mod denials;
mod ends;
mod floods;
mod jail;
mod lacking;
mod limits;
mod replaced;
mod runs;
mod shared;

use std::panic::catch_unwind;
use std::process::ExitCode;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("jailer-process") {
        return jailer::main();
    }
    if argument.as_deref() == Some("server-process") {
        ends::serve();
        return ExitCode::SUCCESS;
    }
    let tests: Vec<Test> =
        [runs::TESTS, denials::TESTS, shared::TESTS, limits::TESTS, floods::TESTS, ends::TESTS, replaced::TESTS]
            .concat();
    let wanted = argument.filter(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut failed = Vec::new();
    for (name, test) in tests.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let began = std::time::Instant::now();
        let passed = catch_unwind(test).is_ok();
        say(&format!("test {name} ... {} ({:?})", if passed { "ok" } else { "FAILED" }, began.elapsed()));
        if !passed {
            failed.push(name);
        }
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "the report of the tests")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
