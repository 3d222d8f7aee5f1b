//! `belljar doctor`: what holds on this machine, each shown by a live attempt.

use std::process::ExitCode;
use std::sync::Arc;

use guest_runtimes::{GuestRuntime, Probe};
use sandbox::{CodeCache, ExecuteRequest, Executor, Outcome, Principal, Resource, Status};
use tokio_util::sync::CancellationToken;

use super::{event_loop, prepare, say};
use crate::config::Config;

/// Says what holds. Fails when something that should hold does not.
pub(crate) fn run(config: Config) -> anyhow::Result<ExitCode> {
    let kernel = nix::sys::utsname::uname()?;
    say(&format!("belljar {} with Wasmtime {}", env!("CARGO_PKG_VERSION"), sandbox::ENGINE_VERSION));
    say(&format!("kernel  {} {}", kernel.release().to_string_lossy(), kernel.machine().to_string_lossy()));
    let settings = &config.executor;
    say(&format!("state   {}", settings.state_directory.display()));
    say(&format!(
        "room    {} runs at once, {} workers, {} MiB of memory, {} sessions",
        settings.runs,
        settings.workers,
        settings.memory_bytes >> 20,
        settings.sessions
    ));
    let cache = CodeCache::open(settings.cache_directory.clone())?;
    prepare::compile_missing(&cache)?;
    say(&format!("cache   {}, every image compiled and verified", cache.directory().display()));

    say(&format!(
        "store   {}, durability {}, up to {} MiB, sessions live {} days without use",
        settings.state_directory.join("store").display(),
        settings.durability.name(),
        settings.store_bytes >> 20,
        settings.session_lifetime.as_secs() / 86_400
    ));

    let mut failures = 0;
    let (executor, resets) = event_loop()?.block_on(async {
        let executor = Arc::new(Executor::new(config.executor)?);
        for runtime in guest_runtimes::all() {
            say(&format!("\n{} {} ({})", runtime.name(), runtime.version(), runtime.id()));
            for resource in Resource::ALL {
                let (verdict, holds) = match runtime.probes().get(resource.name()) {
                    Some(probe) => attempt(&executor, runtime, resource, probe).await?,
                    None if runtime.has_none_of(resource.name()) => {
                        ("does not apply: there is nothing of the kind in this guest".to_owned(), true)
                    }
                    None => ("no program shows whether it holds".to_owned(), false),
                };
                failures += usize::from(!holds);
                say(&format!("  {} {:<14} {verdict}", if holds { "ok  " } else { "FAIL" }, resource.name()));
            }
        }
        let resets = executor.health().pool.is_some_and(|pool| pool.resets);
        anyhow::Ok((executor, resets))
    })?;
    drop(executor);

    say("\nwalls");
    say("  ok   every program in a WebAssembly instance of its own, in a separate process");
    say(if resets {
        "  ok   warm instances are reset to the image (the kernel tells dirty pages)"
    } else {
        "  slow a new instance for each run: this kernel cannot tell dirty pages (PAGEMAP_SCAN, Linux 6.7)"
    });
    say("  NONE worker processes are not confined by the kernel yet. Do not run hostile code:");
    say("       a bug in the WebAssembly engine would be a bug of this user's account.");
    if failures > 0 {
        say(&format!("\n{failures} limits do not hold on this machine; do not rely on them"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs into the limit, and stays below it.
async fn attempt(
    executor: &Arc<Executor>,
    runtime: &GuestRuntime,
    resource: Resource,
    probe: &Probe,
) -> anyhow::Result<(String, bool)> {
    let exceeded = execute(executor, runtime, resource, probe.limit, &probe.exceeds).await?;
    let obeyed = execute(executor, runtime, resource, probe.limit, &probe.obeys).await?;
    let limit = probe.limit;
    if !obeyed.status.is_success() || is_exceeded(&obeyed, resource) {
        return Ok((format!("a program below {limit} ended as {:?}", obeyed.status), false));
    }
    if !is_exceeded(&exceeded, resource) {
        return Ok((format!("a program past {limit} ended as {:?}", exceeded.status), false));
    }
    let wall_time = exceeded.usage.get(Resource::WallTimeMs).unwrap_or(0);
    Ok((format!("stopped at {limit}, after {wall_time} ms; a program below it ends in order"), true))
}

/// Output past its limit is cut, which ends no run.
fn is_exceeded(outcome: &Outcome, resource: Resource) -> bool {
    match resource {
        Resource::OutputBytes => outcome.stdout.is_truncated(),
        resource => outcome.status == Status::LimitExceeded(resource),
    }
}

async fn execute(
    executor: &Arc<Executor>,
    runtime: &GuestRuntime,
    resource: Resource,
    limit: u64,
    code: &str,
) -> anyhow::Result<Outcome> {
    let mut request =
        ExecuteRequest { language: runtime.id().to_owned(), code: code.to_owned(), ..ExecuteRequest::default() };
    request.limits.set(resource, limit);
    Ok(executor.execute(&Principal::local(), request, &CancellationToken::new(), None).await?)
}
