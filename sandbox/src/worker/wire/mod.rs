//! What crosses the border between the server and a worker, in both processes.

pub(crate) mod frame;
pub(crate) mod protocol;
pub(crate) mod report;
pub(crate) mod transfer;
