//! `health_check`: how the server is.

use std::collections::BTreeMap;

use rmcp::model::{CallToolResult, Tool};
use sandbox::{Enforced, Health, NativeHealth, Shown, WorkerWall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::execute::mounted;
use super::reply::{self, Form};
use super::{Call, Hints, Result, any_object, tool};
use crate::service::Stage;

pub(crate) const NAME: &str = "health_check";

#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {}

#[derive(Debug, Serialize)]
struct Reply {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    runs_active: usize,
    runs_queued: usize,
    runs_finished: u64,
    warm_starts: u64,
    sessions_live: usize,
    sessions_hibernated: usize,
    workers: usize,
    memory_used_bytes: u64,
    memory_total_bytes: u64,
    /// By reason, of the caller's tenant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    refusals: BTreeMap<&'static str, u64>,
    protections: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mounts: Option<String>,
}

/// Counts are as plain as their names: describing each would be half of the
/// definition.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = {"type": "integer"}))]
#[expect(dead_code, reason = "the shape of a reply, for its schema alone")]
struct ReplyShape {
    /// starting, ok or shutting_down
    status: String,
    version: String,
    #[schemars(schema_with = "any_object")]
    refusals: Option<BTreeMap<String, u64>>,
    protections: Vec<String>,
    mounts: Option<String>,
}

pub(crate) fn definition(form: Form) -> Tool {
    let description = "Load, memory and the protections in force.".to_owned();
    tool::<Arguments, ReplyShape>(
        NAME,
        "Health",
        description,
        Hints { read_only: true, destructive: false, idempotent: true },
        form,
    )
}

/// Reports.
pub(crate) fn call(call: &Call<'_>) -> Result<CallToolResult> {
    let service = call.service;
    let health = service.executor.health_of(call.principal);
    let reply = Reply {
        status: match service.stage() {
            Stage::Starting => "starting",
            Stage::Ready => "ok",
            Stage::Stopping | Stage::Over => "shutting_down",
        },
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: service.started.elapsed().as_secs(),
        runs_active: health.runs_active,
        runs_queued: health.runs_queued,
        runs_finished: health.runs_finished,
        warm_starts: health.warm_starts,
        sessions_live: health.sessions_live,
        sessions_hibernated: health.sessions_hibernated,
        workers: health.pool.as_ref().map_or(0, |pool| pool.workers),
        memory_used_bytes: health.pool.as_ref().map_or(0, |pool| pool.memory_used_bytes),
        memory_total_bytes: health.pool.as_ref().map_or(0, |pool| pool.memory_total_bytes),
        refusals: service.accounts.refusals_of(call.principal),
        protections: protections(&health),
        mounts: mounted(&service.executor.policy(call.principal).mounts),
    };
    let mounts = reply.mounts.as_ref().map(|mounts| format!("; mounted: {mounts}")).unwrap_or_default();
    let refused: Vec<_> = reply.refusals.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let refused = if refused.is_empty() { String::new() } else { format!("; refused: {}", refused.join(", ")) };
    let text = format!(
        "{}: {} running, {} queued, {} sessions and {} hibernated, {} workers, {} of {} MiB in use{refused}; {}{mounts}",
        reply.status,
        reply.runs_active,
        reply.runs_queued,
        reply.sessions_live,
        reply.sessions_hibernated,
        reply.workers,
        reply.memory_used_bytes >> 20,
        reply.memory_total_bytes >> 20,
        reply.protections.join("; "),
    );
    reply::success(text, &reply, service.form)
}

/// What holds, and what does not.
fn protections(health: &Health) -> Vec<String> {
    let mut held = vec!["WebAssembly instance per run or session, in separate worker processes".to_owned()];
    held.push(match health.pool.as_ref().and_then(|pool| pool.wall) {
        None => "worker processes: none started yet".to_owned(),
        Some(wall) => format!("worker processes: {}", worker_layers(&wall)),
    });
    held.push(match &health.native {
        None => "native programs: not tried yet".to_owned(),
        Some(NativeHealth { tier: Err(reason), .. }) => format!("native programs: refused, {reason}"),
        Some(NativeHealth { tier: Ok(tier), enforced, .. }) => {
            let layers = enforced.as_ref().map(layers).unwrap_or_default();
            format!("native programs: tier {tier} ({layers})")
        }
    });
    held.extend(health.native.iter().flat_map(|native| &native.missing).map(|missing| format!("not here: {missing}")));
    if let Some(native) = &health.native {
        for (languages, shown) in shown(native) {
            let paths: Vec<_> = shown.iter().map(|part| part.path.display().to_string()).collect();
            held.push(format!("{languages}: of this machine only, read-only, {}", paths.join(", ")));
        }
        let left_out =
            native.left_out.iter().flat_map(|(language, left_out)| left_out.iter().map(move |it| (language, it)));
        held.extend(left_out.map(|(language, reason)| format!("{language}: {reason}")));
    }
    held
}

/// What native programs see of this machine: what all of them do, and then what
/// those of a language do beside that.
pub(crate) fn shown(native: &NativeHealth) -> Vec<(String, Vec<&Shown>)> {
    let several = native.shown.len() > 1;
    let is_common = |part: &Shown| several && native.shown.values().all(|shown| shown.contains(part));
    let common: Option<Vec<_>> =
        native.shown.values().next().map(|shown| shown.iter().filter(|part| is_common(part)).collect());
    let mut all = vec![("native programs".to_owned(), common.unwrap_or_default())];
    for (language, shown) in &native.shown {
        all.push((language.clone(), shown.iter().filter(|part| !is_common(part)).collect()));
    }
    all.retain(|(_, shown)| !shown.is_empty());
    all
}

/// The layers around worker processes, by their names.
pub(crate) fn worker_layers(wall: &WorkerWall) -> String {
    format!("seccomp, no capabilities, Landlock ABI {}, no new executable memory", wall.landlock_abi)
}

/// The layers around native programs, by their names.
pub(crate) fn layers(enforced: &Enforced) -> String {
    let landlock = format!("Landlock ABI {}", enforced.landlock_abi);
    let layers = [
        (enforced.namespaces, "namespaces"),
        (enforced.identity, "a user for each run"),
        (enforced.cgroups > 0, "control groups"),
        (enforced.own_locks, "locks of its own"),
        (true, "seccomp"),
        (true, &landlock),
    ];
    layers.iter().filter(|(is_there, _)| *is_there).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
