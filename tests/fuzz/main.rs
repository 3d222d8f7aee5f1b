//! Fuzzes every border that bytes cross: builds the engine, instrumented, and
//! has it go on from real values for so long a target.
//!
//! ```console
//! $ cargo run --release --bin fuzz                            # a minute each, two at once
//! $ cargo run --release --bin fuzz -- --seconds 3600 lines    # an hour of one
//! $ cargo run --release --bin fuzz -- --repeat lines BASE64   # an input again
//! ```

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for people: it prints, and stops at a fault")]

mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use run::{Ending, Engine};

/// Targets with a fault that must be found.
const CONTROL: &str = "control-";

struct Asked {
    seconds: u64,
    jobs: usize,
    /// The targets that are asked for; none means all.
    targets: Vec<String>,
    repeat: Option<(String, String)>,
}

fn main() -> ExitCode {
    let Some(asked) = understood(std::env::args().skip(1)) else {
        println!("fuzz [--seconds N] [--jobs N] [TARGET…]\nfuzz --repeat TARGET BASE64");
        return ExitCode::from(2);
    };
    let place = tests::target_directory().join("fuzz");
    fs::create_dir_all(&place).expect("a directory can be made");
    let engine = Engine::new(build(), place);
    if let Some((target, input)) = asked.repeat {
        let input = STANDARD.decode(input).expect("the input is base64");
        return if engine.repeat(&target, &input) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let all = engine.targets();
    if let Some(unknown) = asked.targets.iter().find(|name| !all.contains(name)) {
        println!("there is no target `{unknown}`; there are {}", all.join(", "));
        return ExitCode::from(2);
    }
    let is_asked = |name: &String| asked.targets.is_empty() || asked.targets.contains(name);
    let targets: Vec<_> = all.into_iter().filter(is_asked).collect();
    if fuzz(&engine, targets, &asked) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn understood(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked { seconds: 60, jobs: 2, targets: Vec::new(), repeat: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => asked.seconds = arguments.next()?.parse().ok()?,
            "--jobs" => asked.jobs = arguments.next()?.parse().ok().filter(|jobs| *jobs > 0)?,
            "--repeat" => asked.repeat = Some((arguments.next()?, arguments.next()?)),
            name if !name.starts_with('-') => asked.targets.push(name.to_owned()),
            _ => return None,
        }
    }
    Some(asked)
}

/// Builds the engine with our own crates instrumented, and returns its path.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let wrapper = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/rustc.sh");
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    // The whole workspace is built, so that dependencies have the features that they
    // have in every other build.
    cargo.args(["build", "--release", "--workspace", "--locked", "--features", "belljar-tests/fuzz"]);
    cargo.args(["--bin", "fuzz-engine"]).current_dir(root).env("RUSTC_WORKSPACE_WRAPPER", wrapper);
    assert!(cargo.status().expect("cargo can be started").success(), "the engine cannot be built");
    tests::target_directory().join("release/fuzz-engine")
}

/// Fuzzes these targets, a few at once, and prints what came of each. Returns whether
/// all is as it should be.
fn fuzz(engine: &Engine, targets: Vec<String>, asked: &Asked) -> bool {
    println!("{:15} {:>12} {:>8} {:>7} {:>8}  outcome", "target", "inputs", "reached", "corpus", "MiB");
    let (queue, is_well) = (Mutex::new(targets.into_iter()), AtomicBool::new(true));
    let next = || queue.lock().expect("nobody panics with it").next();
    std::thread::scope(|scope| {
        for _ in 0..asked.jobs {
            scope.spawn(|| {
                while let Some(target) = next() {
                    let ended = engine.fuzz(&target, asked.seconds);
                    let must_fail = target.starts_with(CONTROL);
                    let outcome = match &ended.ending {
                        Ending::Nothing if must_fail => "MISSED: there is a fault, and it was not found".to_owned(),
                        Ending::Nothing => "nothing found".to_owned(),
                        Ending::Found { .. } if must_fail => "found, as it must be".to_owned(),
                        Ending::Found { what, input } => format!(
                            "FOUND: {what}\n  again: cargo run --release --bin fuzz -- --repeat {target} '{input}'\n"
                        ),
                    };
                    if matches!(ended.ending, Ending::Nothing) == must_fail {
                        is_well.store(false, Ordering::Relaxed);
                    }
                    let [inputs, reached, corpus, mebibytes] = ended.figures;
                    println!("{target:15} {inputs:>12} {reached:>8} {corpus:>7} {mebibytes:>8}  {outcome}");
                }
            });
        }
    });
    is_well.into_inner()
}
