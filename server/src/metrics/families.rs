//! Every metric: its name, with the unit in it, what sort it is, its labels, and a
//! sentence. `server/README.md` has a table of them, which a test compares.

/// A metric and all its series.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the table in the README, which a test compares"))]
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// What sort of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! families {
    ($($(#[$note:meta])* $constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $($(#[$note])* pub(super) const $constant: Family =
            Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// All metrics.
        #[cfg(test)]
        pub(super) const ALL: &[Family] = &[$($constant),*];
    };
}

families! {
    BUILD = Gauge "belljar_build_info" ["version"] "Always 1, with the version of the server.";
    READY = Gauge "belljar_ready" [] "Whether calls are welcome: what /readyz says.";
    RUNS = Counter "belljar_runs_total" ["language", "outcome", "tenant"]
        "Runs that began and are over, by how they ended.";
    RUN_SECONDS = Histogram "belljar_run_duration_seconds" ["language"]
        "Time of runs from their place to their answer, saving included.";
    RUN_CPU_SECONDS = Counter "belljar_run_cpu_seconds_total" ["language", "tenant"]
        "Time on processors that programs used, in whole milliseconds of each run.";
    RUN_WARM_STARTS = Counter "belljar_run_warm_starts_total" ["language"] "Runs that found an instance ready.";
    LIMITS_REACHED = Counter "belljar_run_limits_reached_total" ["limit"] "Runs that ended at a limit.";
    QUEUE_SECONDS = Histogram "belljar_run_queue_duration_seconds" []
        "Time that runs waited for their session and their place.";
    RUNS_ACTIVE = Gauge "belljar_runs_active" [] "Runs that go on.";
    RUNS_QUEUED = Gauge "belljar_runs_queued" [] "Runs that wait for a place.";
    REFUSALS = Counter "belljar_refusals_total" ["reason", "tenant"]
        "Requests and runs that were refused, before anything was done for them.";
    SESSIONS = Gauge "belljar_sessions" ["state"] "Sessions, in memory or in the store alone.";
    TENANTS = Gauge "belljar_tenants" [] "Tenants that are known at this moment.";
    WORKERS = Gauge "belljar_workers" [] "Worker processes.";
    MEMORY_USED = Gauge "belljar_memory_used_bytes" [] "Memory that runs and sessions have of their budget.";
    MEMORY_LIMIT = Gauge "belljar_memory_limit_bytes" [] "The budget of memory of all runs and sessions.";
    COMMITS = Counter "belljar_store_commits_total" ["result"] "States of sessions that were to be committed.";
    COMMIT_SECONDS = Histogram "belljar_store_commit_duration_seconds" [] "Time of commits.";
    COMMIT_BYTES = Counter "belljar_store_commit_bytes_total" [] "Bytes of commits before they are sealed.";
    CAPTURES = Counter "belljar_captures_total" [] "Interpreters that were captured after a run.";
    CAPTURE_BYTES = Counter "belljar_capture_bytes_total" [] "Bytes of memory in captures that are new.";
    RESUMES = Histogram "belljar_session_resume_duration_seconds" []
        "Time in which sessions came back from the store.";
    WALLS = Gauge "belljar_wall_in_force" ["wall", "tier"]
        "Whether worker processes and native programs are confined, and in which tier.";
    CONNECTIONS = Gauge "belljar_http_connections" [] "Connections over HTTP.";
    REQUESTS = Counter "belljar_http_requests_total" ["status"] "Answers over HTTP, by their status.";
    KEY_FETCHES = Counter "belljar_oauth_key_fetches_total" ["result"]
        "Fetches of the keys of authorization servers.";
    AUDIT_FAILING = Gauge "belljar_audit_log_failing" [] "Whether the audit log could not be written the last time.";
    SPANS = Counter "belljar_trace_spans_total" ["result"]
        "Spans of traces: sent, or dropped because the collector was slow or away.";
    PROCESS_START = Gauge "process_start_time_seconds" [] "When the process began, in seconds since 1970.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" [] "Time on processors of the server itself.";
    PROCESS_RESIDENT = Gauge "process_resident_memory_bytes" [] "Resident memory of the server itself.";
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes" [] "Virtual memory of the server itself.";
    PROCESS_OPEN = Gauge "process_open_fds" [] "Open files of the server itself.";
    PROCESS_MOST = Gauge "process_max_fds" [] "The most open files that it may have.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_readme_is_of_all_metrics() {
        let readme = include_str!("../../README.md");
        let row = |family: &Family| {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let name = family.name;
            format!("| `{name}` | {} | {} | {} |", family.kind.name(), labels.join(", "), family.help)
        };
        let expected: Vec<_> = ALL.iter().map(row).collect();
        let there: Vec<_> =
            readme.lines().filter(|line| line.starts_with("| `belljar_") || line.starts_with("| `process_")).collect();
        assert_eq!(there.join("\n"), expected.join("\n"));
    }

    #[test]
    fn names_say_their_units_and_what_counts() {
        for Family { name, kind, help, .. } in ALL {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(name.starts_with("belljar_") || name.starts_with("process_"), "{name}");
            assert!(help.ends_with('.'), "{name}");
        }
    }
}
