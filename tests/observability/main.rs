//! What operators are told of what runs: by the audit log and metrics.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod dashboard;
#[path = "../sessions/disk.rs"]
mod disk;
mod metrics;
