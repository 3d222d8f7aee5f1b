//! What clients read without a tool, in both eras, over both transports.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bad;
mod changes;
mod list;
mod listener;
mod read;
mod wire;
