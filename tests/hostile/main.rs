//! Hostile input, from the client's side and from the guest's. Every refusal
//! names its reason and has a control that is not refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod arguments;
mod broken;
mod guest;
mod log;
mod paths;
mod wall;
mod wire;
