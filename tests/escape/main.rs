//! Programs that try to get out of the sandbox, to take more than their share,
//! and to stay after their end; and the machine taken apart around them.
//!
//! `attacks/` holds the attempts as Python, one function each, with what is to
//! become of it beside it. Every test runs in places that differ in what the
//! kernel allows a server to do. They have to be made by root, and nothing is
//! skipped where they cannot be made.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up fails its test, with a message")]
mod attempts;
mod controls;
mod disk;
mod failures;
mod files;
mod guests;
mod installations;
mod kills;
mod left;
mod locks;
mod mounts;
mod neighbours;
mod place;
mod resources;
mod shown;
mod victim;
