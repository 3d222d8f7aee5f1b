//! Sessions: what they keep, whom they wait for, and how they end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod determinism;
mod disk;
mod endings;
mod files;
mod fork;
mod full_disk;
mod golden;
mod harm;
mod hibernation;
mod javascript;
mod keys;
mod lifetime;
mod links;
mod mounts;
mod names;
mod open_files;
mod order;
mod restart;
mod rewind;
mod sequence;
mod servers;
mod state;
mod store;
mod traces;
