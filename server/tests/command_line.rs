//! The binary answers for itself. That this test is here also makes Cargo
//! build the binary for the tests that cross crates, which start it.

#![expect(clippy::disallowed_methods, reason = "starts the binary under test")]

use std::process::Command;

#[test]
fn it_tells_its_version_and_its_languages() {
    let run = |argument: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_belljar")).arg(argument).output().unwrap();
        assert!(output.status.success(), "{argument}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("--version"), format!("belljar {}\n", env!("CARGO_PKG_VERSION")));
    assert!(run("runtimes").starts_with("python "));
}
