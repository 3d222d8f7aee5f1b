//! Do programs reach what their host answers them, and nothing past its bounds?

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod native;
mod python;
mod told;
mod wasm;
