//! One run as a value: what is asked for, under which limits, what is said
//! between host and guest, what is written meanwhile, and what comes out.

pub(crate) mod abi;
pub(crate) mod calls;
pub(crate) mod event;
pub(crate) mod finished;
pub(crate) mod follower;
pub(crate) mod limits;
pub(crate) mod observer;
pub(crate) mod order;
pub(crate) mod outcome;
pub(crate) mod output;
pub(crate) mod program;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod results;
pub(crate) mod shared;
pub(crate) mod spool;
pub(crate) mod stream;
