//! The memory of a guest as data: which pages differ from the image, and chains
//! of deltas that hold them.

pub(in crate::wasm) mod delta;
pub(in crate::wasm) mod dirty;
pub(in crate::wasm) mod pages;
