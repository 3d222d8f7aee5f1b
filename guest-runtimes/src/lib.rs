//! The catalogue of guest runtimes.
//!
//! Adding a language to the build is one folder and one entry in `built_in.rs`,
//! and an operator adds one by a folder alone; nothing outside this crate names
//! a language. There is no engine here and no limit: see `README.md` for the
//! contract between a guest and its host.

mod built_in;
mod catalogue;
mod image;
mod native;
pub mod rules;
mod runtime;

pub use catalogue::{Catalogue, CatalogueError};
pub use image::{ABI_VERSIONS, Image, ImageError, Instance, MAX_COMPRESSED_BYTES, unpack};
pub use native::{Argument, Layout, Native, Packages};
pub use runtime::{GuestRuntime, Kind, Probe};
