//! Guests in WebAssembly. Called in worker processes only, except for
//! compiling, which has a process of its own that never hosts a guest.

mod cache;
mod clock;
mod control;
mod delta;
mod devices;
mod dirty;
pub(crate) mod engine;
mod entropy;
mod errno;
mod files;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod guest_memory;
mod host;
mod host_state;
mod image;
mod interrupt;
mod open_files;
mod pages;
mod poll;
mod quota;
mod saved;
mod slot;
mod wasi;

pub use cache::CodeCache;
pub(crate) use cache::ImageName;
pub(crate) use control::RunControl;
pub(crate) use delta::MAX_PART_BYTES;
pub(crate) use entropy::Determinism;

pub(crate) use host::{MemoryLease, RunParts, Stdio};
pub(crate) use image::{ABI_VERSION, Image};
pub(crate) use quota::DiskQuota;
pub(crate) use slot::Slot;
