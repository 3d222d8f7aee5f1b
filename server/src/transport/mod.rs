//! How bytes come in.

mod conversation;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod gate;
pub(crate) mod http;
mod lines;
pub(crate) mod message;
mod request_id;
pub(crate) mod stdio;
mod total;
pub(crate) mod unsent;
