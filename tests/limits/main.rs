//! Every limit: a program that reaches it, the same program just below it, and
//! what the machine shows from outside meanwhile. After each the server goes on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod disk;
mod held;
mod javascript;
mod memory;
mod output;
mod places;
mod replies;
mod requests;
mod space;
mod time;
mod tree;
