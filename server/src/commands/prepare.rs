//! `belljar prepare`: compiles the guest images ahead of time, with a bar.

use std::process::ExitCode;
use std::sync::Arc;

use guest_runtimes::{GuestRuntime, Kind};
use indicatif::{ProgressBar, ProgressStyle};
use sandbox::{CodeCache, Error};

use super::say;
use crate::config::Config;

/// Compiles what is not in the cache.
pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let cache = CodeCache::open(config.executor.cache_directory.clone())?;
    compile_missing(&cache, config.executor.catalogue.iter())?;
    say(&format!("all guest images are compiled in {}", cache.directory().display()));
    Ok(ExitCode::SUCCESS)
}

/// Compiles what is not in the cache of these runtimes, with a bar.
pub(crate) fn compile_missing<'a>(
    cache: &CodeCache,
    runtimes: impl IntoIterator<Item = &'a Arc<GuestRuntime>>,
) -> Result<(), Error> {
    let mut bar = Bar::default();
    for runtime in runtimes {
        if let Kind::Wasm(image) = runtime.kind() {
            sandbox::prepare(cache, runtime, image, |done, total| bar.show(runtime, done, total))?;
        }
    }
    Ok(())
}

/// A bar on standard error, when that is a terminal. Appears with the first
/// news and goes with the last.
#[derive(Debug, Default)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Shows that `done` of `total` functions of an image are compiled.
    pub(crate) fn show(&mut self, runtime: &GuestRuntime, done: u64, total: u64) {
        let bar = self.0.get_or_insert_with(|| {
            let template = "{msg} {wide_bar} {percent}% ({elapsed}, about {eta} left)";
            ProgressBar::new(total)
                .with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(format!("compiling {} {} (once)", runtime.name(), runtime.version()))
        });
        bar.set_position(done);
        if done >= total {
            bar.finish_and_clear();
            self.0 = None;
        }
    }
}
