//! Sessions: what they keep, whom they wait for, and how they end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod files;
mod lifetime;
mod order;
mod state;
