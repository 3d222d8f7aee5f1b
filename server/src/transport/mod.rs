//! How bytes come in.

mod lines;
mod request_id;
pub(crate) mod stdio;
