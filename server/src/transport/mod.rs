//! How bytes come in.

pub(crate) mod stdio;
