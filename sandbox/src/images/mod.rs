//! From the catalogue to compiled images.

pub(crate) mod compile;
pub(crate) mod older;
mod opening;

use std::sync::Arc;

use guest_runtimes::{Catalogue, GuestRuntime, Image};

use crate::error::Error;
use crate::wasm::{CodeCache, ImageName};

/// The runtime of a language.
///
/// # Errors
///
/// [`Error::InvalidRequest`] with the languages that there are.
pub(crate) fn find_runtime(catalogue: &Catalogue, language: &str) -> Result<Arc<GuestRuntime>, Error> {
    catalogue.find(language).cloned().ok_or_else(|| {
        let known: Vec<_> = catalogue.iter().map(|runtime| runtime.id()).collect();
        let shown: String = language.chars().take(40).collect();
        Error::invalid("language", format!("must be one of {}, got {shown:?}", known.join(", ")))
    })
}

/// The compiled image of `runtime`: from the cache, or compiled now in a
/// process of its own. While that takes its seconds what `compiling` made is
/// held. Blocks.
///
/// # Errors
///
/// [`Error::Host`] when it cannot be compiled.
pub fn prepare<G>(
    cache: &CodeCache,
    runtime: &GuestRuntime,
    image: &Image,
    compiling: impl FnOnce() -> G,
) -> Result<std::fs::File, Error> {
    let name = ImageName::of(runtime, image);
    if let Some(file) = cache.find(name)? {
        return Ok(file);
    }
    let compressed = image.compressed().map_err(|source| Error::host("read a guest image", source))?;
    let _held = compiling();
    compile::compile(cache, name, &compressed)
}
