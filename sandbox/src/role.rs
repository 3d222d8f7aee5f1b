//! The processes that this one binary becomes when asked by its first argument:
//! a worker, and the one that compiles an image.

use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::children::this_binary::{COMPILE, WORKER};
use crate::images::compile::compile_main;
use crate::wasm::ImageName;

/// Becomes one of our own processes if `arguments` ask for it. Call it first
/// in `main`, before any thread exists; `None` means go on as usual.
pub fn role(arguments: &[String], start_log: fn()) -> Option<ExitCode> {
    let Some(WORKER | COMPILE) = arguments.get(1).map(String::as_str) else { return None };
    start_log();
    if !dies_with_its_parent(arguments.get(2)) {
        return Some(ExitCode::FAILURE);
    }
    match arguments.get(1).map(String::as_str) {
        Some(WORKER) => Some(crate::worker::inside::main()),
        Some(COMPILE) => {
            let [_, _, _, runtime, digest, directory, processors] = arguments else { return Some(ExitCode::FAILURE) };
            Some(compile_main(ImageName { runtime, digest }, directory, processors))
        }
        _ => None,
    }
}

/// Has the kernel end this process with the thread that started it, and says
/// whether that is still there: it may have ended before we asked.
fn dies_with_its_parent(parent: Option<&String>) -> bool {
    prctl::set_pdeathsig(Signal::SIGKILL).is_ok()
        && parent.is_some_and(|parent| *parent == nix::unistd::getppid().to_string())
}
