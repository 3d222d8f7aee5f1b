//! What this server says of itself to programs: languages, limits, policy.

use sandbox::{Executor, Limits, Mount, Network, Principal, RequestedLimits, Resource, TenantLimits};
use serde_json::{Map, Value, json};

/// The languages that a caller may run here, with what each has.
pub(super) async fn languages(executor: &Executor, principal: &Principal) -> String {
    let languages: Vec<_> = executor
        .languages(principal)
        .await
        .into_iter()
        .map(|language| {
            json!({"id": language.id, "description": language.description, "packages": language.packages, "add": language.add})
        })
        .collect();
    format!("{:#}", json!({"languages": languages}))
}

/// What a run of a caller has unless it asks for more, and the most that it may ask
/// for.
pub(super) struct RunLimits {
    pub(super) defaults: Limits,
    pub(super) ceilings: Limits,
}

impl RunLimits {
    /// The limits of runs of a principal, by a credential that may have lower `ceilings`.
    pub(super) fn of(executor: &Executor, principal: &Principal, ceilings: &RequestedLimits) -> Self {
        let mut limits =
            Self { defaults: executor.default_limits_of(principal), ceilings: executor.limit_ceilings_of(principal) };
        for resource in Resource::ALL {
            let Some(ceiling) = ceilings.get(resource) else { continue };
            for limits in [&mut limits.defaults, &mut limits.ceilings] {
                limits.set(resource, limits.get(resource).min(ceiling));
            }
        }
        limits
    }
}

/// What a run of a caller may use, and what its programs are granted. Where things
/// lie on this machine is none of theirs.
pub(super) fn limits(executor: &Executor, principal: &Principal, ceilings: &RequestedLimits) -> String {
    let TenantLimits { runs, queue, workers, memory_bytes, sessions, store_bytes, policy, .. } =
        executor.granted(principal);
    let RunLimits { defaults, ceilings } = RunLimits::of(executor, principal, ceilings);
    let of = |resource: Resource| json!({"default": defaults.get(resource), "ceiling": ceilings.get(resource)});
    let limits: Map<String, Value> =
        Resource::ALL.into_iter().map(|resource| (resource.name().to_owned(), of(resource))).collect();
    let mount =
        |mount: &Mount| json!({"path": mount.destination().display().to_string(), "access": mount.access().name()});
    let Network::None = policy.network;
    let facts = json!({
        "limits": limits,
        "caller": {
            "runs": runs,
            "queue": queue,
            "workers": workers,
            "memory_bytes": memory_bytes,
            "sessions_in_memory": sessions,
            "store_bytes": store_bytes,
        },
        "policy": {
            "network": "none",
            "calls": policy.calls,
            "environment": policy.environment.keys().collect::<Vec<_>>(),
            "mounts": policy.mounts.iter().map(mount).collect::<Vec<_>>(),
        },
    });
    format!("{facts:#}")
}
