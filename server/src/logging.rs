//! Logs go to standard error, and never hold guest code or its output.

#![expect(clippy::disallowed_methods, reason = "reads the filter that the parent process passed on")]

use tracing_subscriber::EnvFilter;

/// rmcp logs whole requests at `debug` and every error reply at `warn`; both
/// carry guest code. Nothing of it passes, whatever the filter says.
const ALWAYS: [&str; 1] = ["rmcp=off"];

/// Starts logging with `filter`, in the syntax of `tracing-subscriber`'s
/// `EnvFilter`, such as `info` or `sandbox=debug`.
///
/// # Errors
///
/// When the filter cannot be read.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    let mut filter = EnvFilter::try_new(filter)
        .map_err(|error| anyhow::anyhow!("failed to read the log filter {filter:?}: {error}"))?;
    for directive in ALWAYS {
        filter = filter.add_directive(directive.parse()?);
    }
    // A line that cannot be written is lost: complaining about it would end in a
    // panic, on the same standard error.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .log_internal_errors(false)
        .init();
    Ok(())
}

/// Starts logging in a process that the server started. What it says goes to
/// the server's standard error.
pub(crate) fn start_child() {
    let filter = std::env::var(crate::config::LOG_VARIABLE).unwrap_or_else(|_| crate::config::DEFAULT_LOG.into());
    // The parent has checked the filter; without it the child is silent.
    let _ = start(&filter);
}
