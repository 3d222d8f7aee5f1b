//! What the command line can do.

pub(crate) mod doctor;
pub(crate) mod keys;
pub(crate) mod prepare;
pub(crate) mod run;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use guest_runtimes::Kind;

use crate::config::Config;
use crate::service::Service;
use crate::shutdown::Signals;
use crate::transport;

/// Writes a line for people to standard error.
pub(crate) fn complain(line: &str) {
    // Nobody reading is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "belljar: {line}");
}

/// Writes a line to standard output. A reader that went away is not an error.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// An event loop: on this thread if it has one, as it has unless configured.
/// Guests run in other processes; what is left here is cheaper without handing
/// work between threads.
fn event_loop(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    use tokio::runtime::Builder;
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    Ok(builder.worker_threads(threads).enable_all().build()?)
}

/// Serves MCP over standard input and output.
pub(crate) fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let event_loop = event_loop(config.threads)?;
    let ended = event_loop.block_on(async {
        let service = Arc::new(Service::new(config)?);
        let signals = Signals::listen()?;
        let life = async {
            service.live(signals).await;
            Ok(())
        };
        tokio::try_join!(life, transport::stdio::serve(Arc::clone(&service)))
    });
    // A blocked read of standard input must not keep the process.
    event_loop.shutdown_background();
    ended.map(|_| ExitCode::SUCCESS)
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
