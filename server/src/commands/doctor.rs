//! `belljar doctor`: what holds on this machine, each shown by a live attempt.

#![expect(clippy::disallowed_methods, reason = "asks the kernel for a setting of AppArmor")]

use std::process::ExitCode;
use std::sync::Arc;

use guest_runtimes::{GuestRuntime, Kind, Probe};
use sandbox::{
    CodeCache, ExecuteRequest, Executor, Follower, NativeHealth, Outcome, Principal, Program, Resource, Status,
    StoreBackend,
};
use tokio_util::sync::CancellationToken;

use super::{event_loop, prepare, say};
use crate::config::Config;
use crate::tools::health_check::{layers, shown, worker_layers};

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
    prepare::compile_missing(&cache, settings.catalogue.iter())?;
    say(&format!("cache   {}, every image compiled and verified", cache.directory().display()));

    let place = match &settings.store {
        StoreBackend::Memory => "in memory, gone with the server".to_owned(),
        StoreBackend::Objects(objects) => {
            config.storage.as_ref().map_or_else(|| objects.to_string(), ToString::to_string)
        }
        StoreBackend::Directory => {
            let directory = settings.state_directory.join("store");
            format!("{}, durability {}", directory.display(), settings.durability.name())
        }
    };
    say(&format!(
        "store   {place}, up to {} MiB, sessions live {} days without use",
        settings.store_bytes >> 20,
        settings.session_lifetime.as_secs() / 86_400
    ));

    for mount in &settings.policy.mounts {
        let (source, destination) = (mount.source().display(), mount.destination().display());
        say(&format!("mount   {source} at {destination}, {}", mount.access().name()));
    }

    let mut failures = 0;
    let (executor, health) = event_loop(config.threads)?.block_on(async {
        if let Some(storage) = &config.storage {
            match storage.check().await {
                Ok(()) => say("  ok   it is reached, and refuses to write over what is there"),
                Err(error) => {
                    failures += 1;
                    say(&format!("  FAIL {error}"));
                    if let Some(cause) = std::error::Error::source(&error) {
                        say(&format!("       {cause}"));
                    }
                }
            }
        }
        let executor = Arc::new(Executor::new(config.executor)?);
        if config.storage.is_some()
            && failures == 0
            && let Err(error) = executor.check_store_keys().await
        {
            failures += 1;
            say(&format!("  FAIL {error}"));
        }
        executor.probe_native_languages().await;
        let native = executor.health().native;
        for runtime in executor.catalogue().iter() {
            if let Some(reason) = native.as_ref().and_then(|native| refusal(native, runtime)) {
                say(&format!("\n{} ({})", runtime.name(), runtime.id()));
                say(&format!("  NONE {reason}"));
                continue;
            }
            say(&format!("\n{} {} ({})", runtime.name(), runtime.version(), runtime.id()));
            if runtime.probes().is_empty() {
                say("  not tried: it came without programs that show whether its limits hold (probes.toml)");
                continue;
            }
            for resource in Resource::ALL {
                let (verdict, holds) = match runtime.probes().get(resource.name()) {
                    Some(probe) => match attempt(&executor, runtime, resource, probe).await {
                        // The reason is the same for every limit.
                        Err(sandbox::Error::Denied { reason, .. }) => {
                            say(&format!("  NONE {reason}"));
                            failures += 1;
                            break;
                        }
                        attempted => attempted?,
                    },
                    None if runtime.has_none_of(resource.name()) => {
                        ("does not apply: there is nothing of the kind in this guest".to_owned(), true)
                    }
                    None => ("no program shows whether it holds".to_owned(), false),
                };
                failures += usize::from(!holds);
                say(&format!("  {} {:<14} {verdict}", if holds { "ok  " } else { "FAIL" }, resource.name()));
            }
        }
        let health = executor.health();
        anyhow::Ok((executor, health))
    })?;
    drop(executor);

    say("\nwalls");
    say("  ok   every program in a WebAssembly instance of its own, in a separate process");
    say(if health.pool.as_ref().is_some_and(|pool| pool.resets) {
        "  ok   warm instances are reset to the image (the kernel tells dirty pages)"
    } else {
        "  slow a new instance for each run: this kernel cannot tell dirty pages (PAGEMAP_SCAN, Linux 6.7)"
    });
    match health.pool.as_ref().and_then(|pool| pool.wall) {
        Some(wall) => say(&format!("  ok   worker processes are confined: {}", worker_layers(&wall))),
        None => {
            failures += 1;
            say("  FAIL no worker process said that it is confined");
        }
    }
    if let Some(native) = &health.native {
        say_native(native);
    }
    if failures > 0 {
        say(&format!("\n{failures} of these do not hold on this machine; do not rely on them"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a language cannot be run here.
fn refusal<'a>(native: &'a NativeHealth, runtime: &GuestRuntime) -> Option<&'a str> {
    match runtime.kind() {
        Kind::Wasm(_) => return None,
        Kind::Native(_) => {}
    }
    let language = native.languages.get(runtime.id()).and_then(|language| language.as_ref().err());
    native.tier.as_ref().err().or(language).map(String::as_str)
}

/// The fix on Ubuntu 24.04 and later, where unprivileged user namespaces need
/// a profile.
const RESTRICTED_NAMESPACES: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// What native programs run under.
fn say_native(native: &NativeHealth) {
    match (&native.tier, &native.enforced) {
        (Ok(tier), Some(enforced)) => {
            say(&format!("  ok   native programs in tier `{tier}`: {}", layers(enforced)));
            say("       a canary in it could neither open a file of the server, nor connect, nor signal it");
        }
        (Ok(tier), None) => say(&format!("  ok   native programs in tier `{tier}`")),
        (Err(reason), _) => say(&format!("  NONE native programs are refused: {reason}")),
    }
    for missing in &native.missing {
        say(&format!("  less {missing}"));
    }
    say_shown(native);
    let is_restricted = std::fs::read_to_string(RESTRICTED_NAMESPACES).is_ok_and(|text| text.trim() == "1");
    if is_restricted && native.enforced.is_none_or(|enforced| !enforced.namespaces) {
        let program = std::env::current_exe().map_or_else(|_| "belljar".to_owned(), |path| path.display().to_string());
        say("  fix  AppArmor keeps user namespaces from programs without a profile. As root:");
        say(&format!("         sed 's|@BELLJAR@|{program}|' deploy/apparmor/belljar > /etc/apparmor.d/belljar"));
        say("         apparmor_parser -r /etc/apparmor.d/belljar");
    }
}

/// What native programs see of this machine, and what is not there for that
/// reason.
fn say_shown(native: &NativeHealth) {
    for (languages, shown) in shown(native) {
        for part in shown {
            say(&format!("  see  {languages}, read-only: {} ({})", part.path.display(), part.why));
        }
    }
    for (language, left_out) in &native.left_out {
        for reason in left_out {
            say(&format!("  less {language}: {reason}"));
        }
    }
}

/// Runs a program into the limit, and one that stays below it.
async fn attempt(
    executor: &Arc<Executor>,
    runtime: &GuestRuntime,
    resource: Resource,
    probe: &Probe,
) -> Result<(String, bool), sandbox::Error> {
    let exceeded = execute(executor, runtime, resource, probe.limit, &probe.exceeds).await?;
    let obeyed = execute(executor, runtime, resource, probe.limit, &probe.obeys).await?;
    let limit = probe.limit;
    if !obeyed.report.status.is_success() || is_exceeded(&obeyed, resource) {
        return Ok((format!("a program below {limit} ended as {:?}", obeyed.report.status), false));
    }
    if probe.fails && matches!(exceeded.report.status, Status::Exited(code) if code != 0) {
        return Ok((format!("a program past {limit} fails; a program below it ends in order"), true));
    }
    if !is_exceeded(&exceeded, resource) {
        return Ok((format!("a program past {limit} ended as {:?}", exceeded.report.status), false));
    }
    let wall_time = exceeded.report.usage.get(Resource::WallTimeMs).unwrap_or(0);
    Ok((format!("stopped at {limit}, after {wall_time} ms; a program below it ends in order"), true))
}

/// Output past its limit is cut, which ends no run.
fn is_exceeded(outcome: &Outcome, resource: Resource) -> bool {
    match resource {
        Resource::OutputBytes => outcome.report.stdout.is_truncated(),
        resource => outcome.report.status == Status::LimitExceeded(resource),
    }
}

async fn execute(
    executor: &Arc<Executor>,
    runtime: &GuestRuntime,
    resource: Resource,
    limit: u64,
    code: &str,
) -> Result<Outcome, sandbox::Error> {
    let program = Program { code: code.to_owned(), ..Program::default() };
    let mut request = ExecuteRequest { language: runtime.id().to_owned(), program, ..ExecuteRequest::default() };
    request.limits.set(resource, limit);
    executor.execute(&Principal::local(), request, &CancellationToken::new(), Follower::default()).await
}
