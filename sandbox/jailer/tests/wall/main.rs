//! The wall around a worker, tried from inside: this program starts itself
//! again for each attempt, once behind the wall and once, as the control,
//! without it.

#![expect(unsafe_code, reason = "attempts are system calls as an attacker would make them")]
#![expect(clippy::disallowed_methods, reason = "starts itself, and tries files that it must not reach")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says how it goes, and fails by panicking")]

mod attempts;

use std::fmt;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use attempts::{ATTEMPTS, Place};
use jailer::{PathAccess, PathRule, Step};
use nix::errno::Errno;
use nix::sys::signal::Signal;

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Succeeds,
    Fails(Errno),
    Dies(Signal),
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeds => formatter.write_str("succeeds"),
            Self::Fails(errno) => write!(formatter, "fails with {errno:?}"),
            Self::Dies(signal) => write!(formatter, "dies of {signal}"),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, wall, name, parent] = &arguments[..]
        && role == "attempt"
    {
        return attempt(wall == "confined", name, &Place::below(Path::new(parent)));
    }
    // What `cargo test` was told to look for.
    let wanted = arguments.iter().skip(1).find(|argument| !argument.starts_with('-')).map_or("", String::as_str);
    let mut failed = 0;
    for (name, _, free, confined) in ATTEMPTS.iter().filter(|(name, ..)| name.contains(wanted)) {
        for (wall, expected) in [("free", free), ("confined", confined)] {
            let end = started(wall, name);
            if end != *expected {
                println!("{name}, {wall}: {end}, expected: {expected}");
                failed += 1;
            }
        }
    }
    failed += refusals();
    println!("wall: {} attempts, {failed} failures", ATTEMPTS.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes one attempt in a process of its own.
fn started(wall: &str, name: &str) -> End {
    let parent = tempfile::tempdir().unwrap();
    Place::below(parent.path()).furnish();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["attempt", wall, name])
        .arg(parent.path())
        .env("PARENT", std::process::id().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert!(said.is_empty(), "{name}, {wall}: {said}");
    match (status.code(), status.signal()) {
        (Some(0), _) => End::Succeeds,
        (Some(errno), _) => End::Fails(Errno::from_raw(errno)),
        (None, signal) => End::Dies(Signal::try_from(signal.unwrap()).unwrap()),
    }
}

/// The other process: its exit code is the error number.
fn attempt(confined: bool, name: &str, place: &Place) -> ExitCode {
    let (_, attempt, ..) = ATTEMPTS.iter().find(|(other, ..)| *other == name).unwrap();
    if confined {
        let held = [&place.shown, &place.shared].map(|path| std::fs::File::open(path).unwrap());
        let access = [PathAccess::Read, PathAccess::Data];
        let path = Path::new("/where/it/does/not/lie");
        let shown: Vec<_> = held
            .iter()
            .zip(access)
            .map(|(held, access)| PathRule { path, found: Some(held.as_fd()), access })
            .collect();
        jailer::confine_worker(&place.inside, &shown, || Ok(())).unwrap();
    }
    match attempt(place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => ExitCode::from(u8::try_from(errno as i32).unwrap()),
    }
}

/// What cannot be confined is refused, with the step.
fn refusals() -> u32 {
    // Each is tried in a thread of its own, which has not confined the others: this one
    // is not alone, and that is one of the refusals.
    let refused = std::thread::spawn(|| jailer::confine_worker(Path::new("/"), &[], || Ok(()))).join().unwrap();
    let step = refused.map_err(|refusal| refusal.step);
    if step == Err(Step::SingleThread) {
        return 0;
    }
    println!("with another thread: {step:?}");
    1
}
