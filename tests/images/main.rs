//! Does an image of an operator's run beside the one of this build, each with its own
//! numbers and only where it is wanted?

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod abi;
mod folder;
mod lazy;
mod numbers;
mod tenants;
