//! What operators are told of what runs: by the audit log, metrics and traces.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod audit_file;
mod collector;
mod dashboard;
#[path = "../sessions/disk.rs"]
mod disk;
mod metrics;
mod traces;
