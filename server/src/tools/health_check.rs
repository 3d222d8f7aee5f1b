//! `health_check`: how the server is.

use std::time::Instant;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, Tool};
use sandbox::Executor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hints, reply, tool};

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
    protections: Vec<&'static str>,
}

/// Counts are as plain as their names: describing each would be half of the
/// definition.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = {"type": "integer"}))]
#[expect(dead_code, reason = "the shape of a reply, for its schema alone")]
struct ReplyShape {
    /// ok or shutting_down
    status: String,
    version: String,
    protections: Vec<String>,
}

pub(crate) fn definition() -> Tool {
    let description = "Show load, memory and the protections in force.".to_owned();
    tool::<Arguments, ReplyShape>(
        NAME,
        "Health",
        description,
        Hints { read_only: true, destructive: false, idempotent: true },
    )
}

/// Reports.
pub(crate) fn call(executor: &Executor, started: Instant) -> Result<CallToolResult, ErrorData> {
    let health = executor.health();
    let reply = Reply {
        status: if health.shutting_down { "shutting_down" } else { "ok" },
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: started.elapsed().as_secs(),
        runs_active: health.runs_active,
        runs_queued: health.runs_queued,
        runs_finished: health.runs_finished,
        warm_starts: health.warm_starts,
        sessions_live: health.sessions_live,
        sessions_hibernated: health.sessions_hibernated,
        workers: health.pool.map_or(0, |pool| pool.workers),
        memory_used_bytes: health.pool.map_or(0, |pool| pool.memory_used_bytes),
        memory_total_bytes: health.pool.map_or(0, |pool| pool.memory_total_bytes),
        protections: PROTECTIONS.to_vec(),
    };
    let text = format!(
        "{}: {} running, {} queued, {} sessions and {} hibernated, {} workers, {} of {} MiB in use; {}",
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
    reply::structured(text, &reply)
}

/// What holds today, and what does not.
const PROTECTIONS: [&str; 3] = [
    "WebAssembly instance per run or session",
    "separate worker processes",
    "worker processes are NOT confined by the kernel yet",
];
