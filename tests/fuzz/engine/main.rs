//! The fuzzer for one target, which `fuzz` starts. What is left of the command
//! line is libFuzzer's; the name of the target is in the environment.

#![no_main]
#![expect(clippy::expect_used, reason = "a program for people, that `fuzz` starts")]

mod control;
mod memory;
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

/// The target that is chosen.
static TARGET: OnceLock<&Target> = OnceLock::new();

/// Chooses the target, and writes its seeds where they are wanted.
fn choose() {
    let name = std::env::var("BELLJAR_FUZZ_TARGET").expect("`fuzz` names a target");
    if name == "list" {
        let names = TARGETS.iter().map(|target| target.name).collect::<Vec<_>>();
        let file = std::env::var("BELLJAR_FUZZ_SEEDS").expect("`fuzz` names a file");
        std::fs::write(file, names.join("\n")).expect("a file can be written");
        std::process::exit(0);
    }
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target is one of the list");
    if let Ok(directory) = std::env::var("BELLJAR_FUZZ_SEEDS") {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            // A seed that breaks a promise is found before anything is mutated.
            target.check(seed);
            std::fs::write(format!("{directory}/seed-{number:03}"), seed).expect("a file can be written");
        }
    }
    TARGET.get_or_init(|| target);
}

fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target.check(data);
    }
});
