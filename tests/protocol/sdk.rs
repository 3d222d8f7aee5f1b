//! Runs `sdk.py`: the official Python SDK against the real binary, in each
//! era, over each transport.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use tests::{Server, binary, target_directory};

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

/// The interpreter of a virtual environment with what `requirements.txt`
/// names. It is made once, and again when the file changes.
fn python() -> PathBuf {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let environment = target_directory().join("python-sdk");
    let python = environment.join("bin/python");
    let installed = environment.join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
    let requirements = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("requirements.txt");
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements));
    // Last, so that an interrupted installation is begun anew.
    std::fs::write(installed, REQUIREMENTS).unwrap();
    python
}

fn check(transport: &str, mode: &str) {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("protocol/sdk.py");
    let mut command = Command::new(python());
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
