//! Finds rules of the worker's filter that nothing needs: runs the test
//! programs with every server under `strace`, and compares the system calls
//! that confined workers made with the table. A rule that says `Rare` may be
//! unused.
//!
//! `cargo test --release --workspace --no-run && cargo run --release --bin worker-calls`

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TABLE: &str = include_str!("../../sandbox/jailer/src/filters/worker.rs");
/// Test programs that start servers. Timing differs under `strace`, so what they find
/// wrong is left to an ordinary run.
const PROGRAMS: [&str; 5] = ["execute", "limits", "hostile", "sessions", "shutdown"];

fn main() -> ExitCode {
    let place = tempfile::tempdir().expect("a directory can be made");
    let traces = place.path().join("traces");
    fs::create_dir(&traces).expect("a directory can be made");
    let deps = install(place.path(), &traces);
    for program in PROGRAMS {
        println!("running `{program}` under strace");
        let status = Command::new(deps.join(program))
            // The last start servers as other users, who cannot write traces
            // here, and without the calls that `strace` needs.
            .args(["--test-threads=2", "--skip=wall::where", "--skip=wall::workers", "--skip=wall::a_kernel"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        println!("  {}", status.expect("it can be started"));
    }
    let (workers, made) = calls(&traces);
    let (allowed, rare) = table();
    println!("{workers} workers made {} different system calls once they were confined", made.len());
    let mut redundant = 0;
    for call in &allowed {
        match (made.get(call), rare.contains(call)) {
            (None, false) => {
                println!("{call}: allowed, never made");
                redundant += 1;
            }
            (None, true) => println!("{call}: rare, and not made"),
            (Some(count), true) => println!("{call}: rare, made {count} times"),
            (Some(_), false) => {}
        }
    }
    for (call, count) in made.iter().filter(|(call, _)| !allowed.contains(*call)) {
        println!("{call}: not allowed, tried {count} times");
    }
    assert!(workers > 0, "no worker was traced");
    if redundant == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lays the test programs out as Cargo does, beside a binary that has the
/// real one traced. With `-D` it keeps the process number that tests know.
fn install(place: &Path, traces: &Path) -> PathBuf {
    let target = tests::target_directory();
    let (from, to) = (target.join("release"), place.join("release"));
    let deps = to.join("deps");
    fs::create_dir_all(&deps).expect("a directory can be made");
    for program in PROGRAMS {
        let built = fs::read_dir(from.join("deps")).expect("it was built").filter_map(Result::ok).filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_prefix(program).is_some_and(|rest| rest.starts_with('-') && !rest.contains('.'))
        });
        let newest = built.max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok());
        fs::copy(newest.expect("it was built").path(), deps.join(program)).expect("a file can be copied");
    }
    let real = to.join("traced");
    fs::copy(from.join("belljar"), &real).expect("it was built");
    let script =
        format!("#!/bin/sh\nexec strace -D -ff -qq -s 64 -o {}/t {} \"$@\"\n", traces.display(), real.display());
    fs::write(to.join("belljar"), script).expect("a file can be written");
    fs::set_permissions(to.join("belljar"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let copied = Command::new("cp").arg("-a").arg(target.join("belljar-test-cache")).arg(place).status();
    assert!(copied.expect("cp runs").success(), "the cache is missing: run the tests first");
    deps
}

/// How many workers there were, and the calls that they made once confined.
fn calls(traces: &Path) -> (usize, BTreeMap<String, usize>) {
    let files: BTreeMap<String, PathBuf> = fs::read_dir(traces)
        .expect("traces can be read")
        .filter_map(|entry| Some((entry.as_ref().ok()?.path().extension()?.to_str()?.to_owned(), entry.ok()?.path())))
        .collect();
    let (mut workers, mut made) = (0, BTreeMap::new());
    for path in files.values() {
        let text = String::from_utf8_lossy(&fs::read(path).expect("a trace can be read")).into_owned();
        // The last filter is the whole wall.
        if let Some(wall) =
            text.rfind("seccomp(SECCOMP_SET_MODE_FILTER").filter(|_| text.contains("\"worker-process\""))
        {
            workers += 1;
            let after = text[wall..].split_once('\n').map_or("", |(_, after)| after);
            count(after, &files, &mut made);
        }
    }
    (workers, made)
}

/// Counts the calls of a thread, and of those that it started.
fn count(trace: &str, files: &BTreeMap<String, PathBuf>, made: &mut BTreeMap<String, usize>) {
    for line in trace.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            continue;
        }
        *made.entry(name.to_owned()).or_default() += 1;
        let thread = rest.rsplit_once(" = ").map(|(_, thread)| thread).filter(|_| name == "clone");
        if let Some(path) = thread.and_then(|thread| files.get(thread)) {
            let text = String::from_utf8_lossy(&fs::read(path).expect("a trace can be read")).into_owned();
            // A number may have been given again, to a process: no thread of a
            // worker executes or confines anything.
            if !["execve(", "seccomp("].iter().any(|call| text.contains(call)) {
                count(&text, files, made);
            }
        }
    }
}

/// The calls that the table lets through, and those among them that are rare.
fn table() -> (BTreeSet<String>, BTreeSet<String>) {
    let start = TABLE.find("const ALLOWED").expect("the table is there");
    let end = TABLE.find("const REFUSED").expect("the next table is there");
    let (mut allowed, mut rare) = (BTreeSet::new(), BTreeSet::new());
    for line in TABLE[start..end].lines() {
        for (at, _) in line.match_indices("libc::SYS_") {
            let name = line[at + "libc::SYS_".len()..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
            let name = name.unwrap_or_default().to_owned();
            if line.contains("// Rare") {
                rare.insert(name.clone());
            }
            allowed.insert(name);
        }
    }
    // This call is allowed beside the table, for this process alone.
    allowed.insert("tgkill".to_owned());
    rare.insert("tgkill".to_owned());
    (allowed, rare)
}
