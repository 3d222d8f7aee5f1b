//! `belljar prepare`: compiles the guest images ahead of time, and shows that it does.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use guest_runtimes::{GuestRuntime, Kind};
use indicatif::{ProgressBar, ProgressStyle};
use sandbox::{CodeCache, Error, Processors};

use super::say;
use crate::config::Config;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// What it may be told.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// For every x86-64 processor rather than for those like this one: for a machine image
    /// or container that is made here and runs elsewhere
    #[arg(long)]
    portable: bool,
}

/// Compiles what is not in the cache.
pub(crate) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut cache = CodeCache::open(config.executor.cache_directory.clone())?;
    if arguments.portable {
        cache = cache.for_processors(Processors::All)?;
    }
    compile_missing(&cache, config.executor.catalogue.iter())?;
    say(&format!("all guest images are compiled in {}", cache.directory().display()));
    Ok(ExitCode::SUCCESS)
}

/// Compiles what is not in the cache of these runtimes, and shows that it does.
pub(crate) fn compile_missing<'a>(
    cache: &CodeCache,
    runtimes: impl IntoIterator<Item = &'a Arc<GuestRuntime>>,
) -> Result<(), Error> {
    for runtime in runtimes {
        if let Kind::Wasm(image) = runtime.kind() {
            sandbox::prepare(cache, runtime, image, || Spinner::new(runtime))?;
        }
    }
    Ok(())
}

/// Says on standard error, when that is a terminal, what is compiled and since
/// when. Goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn new(runtime: &GuestRuntime) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        let spinner = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_message(format!("compiling {} {}, once", runtime.name(), runtime.version()));
        spinner.enable_steady_tick(TICK);
        Self(spinner)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
