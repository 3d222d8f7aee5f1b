//! How bytes come in.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod lines;
mod request_id;
pub(crate) mod stdio;
pub(crate) mod unsent;
