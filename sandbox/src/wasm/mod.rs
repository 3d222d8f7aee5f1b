//! Guests in WebAssembly. Called in worker processes only, except for
//! compiling, which has a process of its own that never hosts a guest.

mod abi;
mod cache;
mod control;
pub(crate) mod engine;
mod host;
mod image;
mod quota;
mod slot;
mod wasi;

pub(crate) use abi::GuestRequest;
pub use cache::CodeCache;
pub(crate) use control::RunControl;
pub use host::Stream;
pub(crate) use host::{MemoryLease, OutputSink, RunParts, Stdio, spool_path};
pub(crate) use image::Image;
pub(crate) use quota::DiskQuota;
pub(crate) use slot::Slot;
