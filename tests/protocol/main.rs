//! The protocol itself: both eras on the wire, and through the official SDK.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod definitions;
mod eras;
mod requests;
mod run_log;
mod sdk;
