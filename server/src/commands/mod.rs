//! What the command line can do.

pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod prepare;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod store_keys;

use std::io::Write;
use std::process::ExitCode;

use guest_runtimes::Kind;

use crate::config::Config;

/// Writes a line for people to standard error.
pub(crate) fn complain(line: &str) {
    // Nobody reading is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "belljar: {line}");
}

/// Writes text for people to standard error, as it is.
fn tell(text: &str) {
    // Nobody reading is no reason to fail.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a line to standard output. A reader that went away is not an error.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// An event loop: on this thread if it has one thread, as it has unless configured. Guests run
/// in other processes; what is left here is cheaper without handing work between threads.
fn event_loop(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    use tokio::runtime::Builder;
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    Ok(builder.worker_threads(threads).enable_all().build()?)
}

/// Lists the languages.
pub(crate) fn runtimes(config: &Config) -> anyhow::Result<ExitCode> {
    for runtime in config.executor.catalogue.iter() {
        let image = match runtime.kind() {
            Kind::Wasm(image) => format!(" (image {})", &image.digest()[..12]),
            Kind::Native(_) => String::new(),
        };
        say(&format!(
            "{:<14} {} {}: {}{image}",
            runtime.id(),
            runtime.name(),
            runtime.version(),
            runtime.description()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
