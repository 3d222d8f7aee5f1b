//! Guests in WebAssembly. Called in worker processes only, except for
//! compiling, which has a process of its own that never hosts a guest.

mod cache;
pub(crate) mod calls;
mod control;
pub(crate) mod engine;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod host;
mod image;
mod interrupt;
mod memory;
mod saved;
mod slot;
mod wasi;

pub use cache::CodeCache;
pub(crate) use cache::ImageName;
pub(crate) use control::RunControl;
pub use engine::Processors;
pub(crate) use memory::delta::MAX_PART_BYTES;
pub(crate) use wasi::entropy::Determinism;

pub(crate) use host::{MemoryLease, RunParts, Stdio};
pub(crate) use image::Image;
pub(crate) use slot::Slot;
pub(crate) use wasi::links::Links;
pub(crate) use wasi::quota::DiskQuota;
