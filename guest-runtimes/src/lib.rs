//! The catalogue of guest runtimes.
//!
//! Adding a language is one folder and one entry of [`FOLDERS`]; nothing
//! outside this crate names a language. There is no engine here and no limit:
//! see `README.md` for the contract between a guest and its host.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What a folder holds.
struct Folder {
    description: &'static str,
    probes: &'static str,
    image: &'static [u8],
}

const FOLDERS: &[Folder] = &[Folder {
    description: include_str!("../python/runtime.toml"),
    probes: include_str!("../python/probes.toml"),
    image: include_bytes!("../python/python.wasm.zst"),
}];

/// The largest image after decompression. Above any of ours; a damaged frame
/// cannot make the host allocate more.
const MAX_IMAGE_BYTES: usize = 256 << 20;

/// A language that programs can be written in.
#[derive(Debug)]
pub struct GuestRuntime {
    description: Description,
    probes: BTreeMap<String, Probe>,
    compressed: &'static [u8],
}

/// Two programs that show whether a limit holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The limit to run both under.
    pub limit: u64,
    /// Runs into the limit.
    pub exceeds: String,
    /// Stays below it and ends in order.
    pub obeys: String,
}

/// `runtime.toml`. Members that only people read, such as sources and
/// licences, are not decoded.
#[derive(Debug, Deserialize)]
struct Description {
    id: String,
    name: String,
    description: String,
    version: String,
    image_sha256: String,
    #[serde(default)]
    source_extensions: Vec<String>,
    /// Limits on what a guest of this kind cannot have at all.
    #[serde(default)]
    has_none_of: Vec<String>,
}

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The compressed image is damaged.
    #[error("failed to decompress the image of `{id}`")]
    Decompress {
        /// The language.
        id: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The image is not the one that was described.
    #[error("the image of `{id}` has digest {found}, its description says {expected}")]
    Digest {
        /// The language.
        id: String,
        /// SHA-256 of what is there.
        found: String,
        /// SHA-256 of what should be there.
        expected: String,
    },
}

impl GuestRuntime {
    /// The language id that a request names.
    pub fn id(&self) -> &str {
        &self.description.id
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// One line on what it has and what it has not.
    pub fn description(&self) -> &str {
        &self.description.description
    }

    /// The version of the language implementation.
    pub fn version(&self) -> &str {
        &self.description.version
    }

    /// SHA-256 of the image in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.description.image_sha256
    }

    /// File name extensions of programs, without the dot.
    pub fn source_extensions(&self) -> &[String] {
        &self.description.source_extensions
    }

    /// For the name of each limit, programs that show whether it holds.
    pub const fn probes(&self) -> &BTreeMap<String, Probe> {
        &self.probes
    }

    /// Whether this guest cannot have any of what the limit is about.
    pub fn has_none_of(&self, limit: &str) -> bool {
        self.description.has_none_of.iter().any(|name| name == limit)
    }

    /// The image: a WebAssembly module.
    ///
    /// # Errors
    ///
    /// [`ImageError`] when it is damaged or another one than described.
    pub fn image(&self) -> Result<Vec<u8>, ImageError> {
        let id = || self.id().to_owned();
        let image = zstd::bulk::decompress(self.compressed, MAX_IMAGE_BYTES)
            .map_err(|source| ImageError::Decompress { id: id(), source })?;
        let found = hexadecimal(&Sha256::digest(&image));
        if found != self.digest() {
            return Err(ImageError::Digest { id: id(), found, expected: self.digest().to_owned() });
        }
        Ok(image)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every runtime of this build.
///
/// # Panics
///
/// When a description in this very source tree cannot be read, which a test
/// rules out.
pub fn all() -> &'static [GuestRuntime] {
    static ALL: OnceLock<Vec<GuestRuntime>> = OnceLock::new();
    ALL.get_or_init(|| {
        let load = |folder: &Folder| {
            let Folder { description, probes, image: compressed } = folder;
            match (toml::from_str(description), toml::from_str(probes)) {
                (Ok(description), Ok(probes)) => GuestRuntime { description, probes, compressed },
                (Err(error), _) | (_, Err(error)) => panic!("a description of a guest cannot be read: {error}"),
            }
        };
        FOLDERS.iter().map(load).collect()
    })
}

/// The runtime of language `id`.
pub fn find(id: &str) -> Option<&'static GuestRuntime> {
    all().iter().find(|runtime| runtime.id() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_the_one_that_its_description_names() {
        for runtime in all() {
            let image = runtime.image().unwrap();
            assert!(image.starts_with(b"\0asm"), "{}", runtime.id());
            assert!(find(runtime.id()).is_some());
        }
    }
}
