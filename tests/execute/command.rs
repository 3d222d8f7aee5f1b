//! `belljar run` and the other commands: exit codes, streams, and settings that
//! are refused.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Server, eventually};

/// Runs the binary with `arguments`, and `input` as its standard input.
fn belljar(arguments: &[&str], input: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Server::with()
        .command(&directory.path().join("state"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input has closed the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn run_passes_streams_arguments_and_the_exit_code_through() {
    let code = "import os, sys\nprint(sys.argv[1:], os.environ['A'], sys.stdin.read())\nprint('err', file=sys.stderr)\nsys.exit(5)";
    let output = belljar(&["run", "--stdin", "--env", "A=b", "-c", code, "one", "--two"], "input");
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("['one', '--two'] b input\n", Some(5)));
    assert_eq!(text(&output.stderr), "err\n");
}

#[test]
fn run_tells_a_limit_a_trap_and_a_failure_apart() {
    let run = |arguments: &[&str]| {
        let output = belljar(&[&["run"], arguments].concat(), "");
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = run(&["--limit", "wall_time_ms=300", "-c", "while True: pass"]);
    assert_eq!(code, Some(124));
    assert!(said.contains("wall_time_ms reached its limit of 300"), "{said}");
    let (code, said) = run(&["-c", "import os\nos.abort()"]);
    assert_eq!(code, Some(134));
    assert!(said.contains("trapped (unreachable)"), "{said}");
    let (code, said) = run(&["-c", "1 / 0"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("ZeroDivisionError: division by zero"), "{said}");
    let (code, said) = run(&["--language", "cobol", "-c", "1"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("language must be one of python, javascript, bash, python-native, got \"cobol\""), "{said}");
}

#[test]
fn run_is_cancelled_by_an_interrupt() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Server::with()
        .command(&directory.path().join("state"))
        .args(["run", "-c", "open('begun', 'w').close()\nwhile True: pass"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The program says by a file that it has begun.
    fn holds_begun(directory: &std::path::Path) -> bool {
        let Ok(entries) = std::fs::read_dir(directory) else { return false };
        entries.filter_map(Result::ok).any(|entry| {
            let path = entry.path();
            entry.file_name() == "begun" || (path.is_dir() && holds_begun(&path))
        })
    }
    eventually("the program to begin", || holds_begun(directory.path()).then_some(()));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_starts() {
    for (arguments, reason) in [
        (["--runs=0"].as_slice(), "runs must be between 1 and 4096, got 0"),
        (&["--limit=wall_time_ms=400000"], "limits.wall_time_ms must be between 10 and its ceiling 300000, got 400000"),
        (&["--limit=time=1"], "unknown limit `time`, expected one of wall_time_ms"),
        (&["--config=/nonexistent.toml"], "failed to read /nonexistent.toml"),
    ] {
        let output = belljar(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(reason), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
    assert_eq!(belljar(&["--runs=1"], "").status.code(), Some(0));
}

#[test]
fn a_state_directory_that_others_can_look_into_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let start = |mode: u32| {
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).unwrap();
        Server::with().command(&state).stdin(Stdio::null()).output().unwrap()
    };
    let open = start(0o755);
    assert_eq!(open.status.code(), Some(2));
    assert!(text(&open.stderr).contains("it must have mode 0700"), "{}", text(&open.stderr));
    assert_eq!(start(0o700).status.code(), Some(0));
}
