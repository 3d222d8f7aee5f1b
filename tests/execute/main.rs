//! What programs do when nothing stands in their way: real programs, what a
//! reply says of them, and many at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod command;
mod concurrency;
mod javascript;
mod mounts;
mod policy;
mod programs;
mod replies;
mod reports;
