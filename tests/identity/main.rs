//! Who calls `belljar serve`, and what do they get of each other?

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod apart;
mod caller;
mod crowd;
mod files;
mod keys;
mod quotas;
mod resources;
mod scopes;
mod slow;
mod waiting;
