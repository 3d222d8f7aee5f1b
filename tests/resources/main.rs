//! What clients have besides tools: resources, prompts, completion; in both eras, over
//! both transports.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bad;
mod bounds;
mod changes;
mod list;
mod listener;
mod prompts;
mod read;
mod streams;
mod wire;
