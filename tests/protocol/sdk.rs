//! Runs `sdk.py`: the official Python SDK against the real binary, in each
//! era, over each transport.

use std::path::PathBuf;
use std::process::{Command, Output};

use tests::{Server, binary};

const REQUIREMENTS: &str = include_str!("../requirements.txt");

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn check(transport: &str, mode: &str) {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("protocol/sdk.py");
    let mut command = Command::new(tests::installed::python("python-sdk", REQUIREMENTS).unwrap());
    command.arg(script).arg(binary()).args([transport, mode]);
    // The script starts the server itself, with the settings of every test.
    let settings = Server::with().command(&state);
    command.envs(settings.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = run(&mut command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.lines().count() >= 10 && said.lines().all(|line| line.ends_with(": ok")), "{said}");
}

#[test]
fn the_official_sdk_works_in_the_newer_era() {
    for transport in ["stdio", "http"] {
        check(transport, "auto");
    }
}

#[test]
fn the_official_sdk_works_in_the_initialize_era() {
    for transport in ["stdio", "http"] {
        check(transport, "legacy");
    }
}
