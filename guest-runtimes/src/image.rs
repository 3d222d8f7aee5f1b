//! A WebAssembly image as it is distributed, and what its instances take.

#![expect(clippy::disallowed_methods, reason = "reads the images of an operator")]

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::runtime::Description;

/// The largest image after decompression. Above any of ours; a damaged frame
/// cannot make the host allocate more.
pub(crate) const MAX_IMAGE_BYTES: usize = 256 << 20;
/// The largest compressed image. Above any of ours.
pub const MAX_COMPRESSED_BYTES: u64 = 64 << 20;

/// The versions of the guest ABI that there are. A host speaks all of them, so
/// that sessions outlast a new one.
pub const ABI_VERSIONS: RangeInclusive<u32> = 1..=2;

/// A page of WebAssembly, the unit that memory grows by.
pub(crate) const WASM_PAGE: u64 = 64 << 10;
/// The largest memory of 32 bits.
const MAX_MEMORY_BYTES: u64 = 4 << 30;
/// The most stack of a guest: each run reserves it as address space.
const MAX_STACK_BYTES: u64 = 64 << 20;
/// The most warm slots of an image: a worker looks through all of them.
const MAX_WARM_SLOTS: u64 = 256;
/// The most memory that a worker may keep for one image beside what is accounted.
const MAX_WARM_BYTES: u64 = 1 << 30;

/// A WebAssembly image as it is distributed.
#[derive(Debug)]
pub struct Image {
    digest: String,
    source: Source,
    abi: u32,
    instance: Instance,
    revoked: Vec<Revoked>,
}

/// Where the compressed image is.
#[derive(Debug)]
pub(crate) enum Source {
    /// The image is in this program.
    BuiltIn(&'static [u8]),
    /// The image is in a file of an operator's.
    File { path: PathBuf, sha256: String, bytes: u64 },
}

/// An image of an earlier build that must not run any more.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    sha256: String,
    reason: String,
}

/// What an instance of an image takes: the table `instance` of `runtime.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Linear memory that it starts with, which is paid before a run begins.
    pub initial_bytes: u64,
    /// The lowest limit on its memory that a run can ask for: below it no
    /// program would start.
    pub minimum_bytes: u64,
    /// How much of that limit is kept back until growth was refused, so that
    /// the guest can raise the error.
    pub headroom_bytes: u64,
    /// Stack for the WebAssembly frames of the instance.
    pub stack_bytes: u64,
    /// How many slots a worker keeps warm at most. More than it has runs at
    /// once are never kept.
    pub warm_slots: u64,
    /// What all warm slots may have made their own of the image's memory; a slot that
    /// would make it more is dropped. The memory budget does not count it.
    pub warm_bytes: u64,
    /// The most that is written to in a warm slot before it is used.
    pub hot_bytes: u64,
}

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file of the image cannot be read.
    #[error("failed to read guest image {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file of the image is not the one that was described.
    #[error("guest image {} is not the one that compressed_sha256 beside it names: it has {found}", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// SHA-256 of what is there.
        found: String,
    },
    /// The compressed image is damaged.
    #[error("failed to decompress guest image {expected}")]
    Decompress {
        /// SHA-256 of what should be there.
        expected: String,
        /// The cause.
        source: io::Error,
    },
    /// The image is not the one that was described.
    #[error("a guest image has digest {found} where {expected} should be")]
    Digest {
        /// SHA-256 of what is there.
        found: String,
        /// SHA-256 of what should be there.
        expected: String,
    },
}

impl Image {
    /// The image of a description. Fails with the key that is wrong.
    pub(crate) fn new(
        description: &Description,
        digest: String,
        source: Source,
    ) -> Result<Self, (&'static str, String)> {
        let instance = description.instance.ok_or_else(|| ("instance", "is missing".to_owned()))?;
        instance.check()?;
        let abi = description.abi.ok_or_else(|| ("abi", "is missing".to_owned()))?;
        if !ABI_VERSIONS.contains(&abi) {
            let (oldest, newest) = ABI_VERSIONS.into_inner();
            return Err(("abi", format!("must be between {oldest} and {newest}, got {abi}")));
        }
        Ok(Self { digest, source, abi, instance, revoked: description.revoked.clone() })
    }

    /// SHA-256 of the image in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The image as it is distributed: see [`unpack`]. Reads it from its file,
    /// if it is not of this build.
    ///
    /// # Errors
    ///
    /// [`ImageError`] when the file cannot be read or is another by now.
    pub fn compressed(&self) -> Result<Cow<'static, [u8]>, ImageError> {
        let (path, sha256, bytes) = match &self.source {
            Source::BuiltIn(compressed) => return Ok(Cow::Borrowed(compressed)),
            Source::File { path, sha256, bytes } => (path, sha256, *bytes),
        };
        let mut compressed = Vec::new();
        // No more is read than was described: the file may have grown since.
        File::open(path)
            .and_then(|file| file.take(bytes.saturating_add(1)).read_to_end(&mut compressed))
            .map_err(|source| ImageError::Unreadable { path: path.clone(), source })?;
        let found = hexadecimal(&Sha256::digest(&compressed));
        if found != *sha256 {
            return Err(ImageError::Replaced { path: path.clone(), found });
        }
        Ok(Cow::Owned(compressed))
    }

    /// The version of the guest ABI that the image speaks.
    pub const fn abi(&self) -> u32 {
        self.abi
    }

    /// What instances of the image take.
    pub const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Why the image of an earlier build with this digest must not run any
    /// more; `None` when it may.
    pub fn revoked(&self, digest: &str) -> Option<&str> {
        let found = self.revoked.iter().find(|revoked| revoked.sha256 == digest);
        found.map(|revoked| revoked.reason.as_str())
    }
}

impl Instance {
    /// The key whose value cannot be, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let Self { initial_bytes, minimum_bytes, headroom_bytes, stack_bytes, warm_slots, warm_bytes, hot_bytes } =
            *self;
        if initial_bytes == 0 || !initial_bytes.is_multiple_of(WASM_PAGE) {
            return Err(("instance.initial_bytes", format!("must be a multiple of {WASM_PAGE}, got {initial_bytes}")));
        }
        let needed = initial_bytes.saturating_add(headroom_bytes);
        for (key, value, least, most) in [
            ("instance.initial_bytes", initial_bytes, WASM_PAGE, MAX_MEMORY_BYTES),
            ("instance.headroom_bytes", headroom_bytes, 0, MAX_MEMORY_BYTES - initial_bytes),
            ("instance.minimum_bytes", minimum_bytes, needed, MAX_MEMORY_BYTES),
            ("instance.stack_bytes", stack_bytes, WASM_PAGE, MAX_STACK_BYTES),
            ("instance.warm_slots", warm_slots, 0, MAX_WARM_SLOTS),
            ("instance.warm_bytes", warm_bytes, 0, MAX_WARM_BYTES),
            ("instance.hot_bytes", hot_bytes, 0, warm_bytes),
        ] {
            if !(least..=most).contains(&value) {
                return Err((key, format!("must be between {least} and {most}, got {value}")));
            }
        }
        Ok(())
    }
}

/// The image in `compressed`, a WebAssembly module, which must have this
/// SHA-256 in hexadecimal.
///
/// # Errors
///
/// [`ImageError`] when it is damaged or another one.
pub fn unpack(compressed: &[u8], digest: &str) -> Result<Vec<u8>, ImageError> {
    let expected = || digest.to_owned();
    let image = zstd::bulk::decompress(compressed, MAX_IMAGE_BYTES)
        .map_err(|source| ImageError::Decompress { expected: expected(), source })?;
    let found = hexadecimal(&Sha256::digest(&image));
    if found != digest {
        return Err(ImageError::Digest { found, expected: expected() });
    }
    Ok(image)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_are_refused_by_key_bound_and_value() {
        let instance = Instance {
            initial_bytes: 128 << 10,
            minimum_bytes: 1 << 20,
            headroom_bytes: 64 << 10,
            stack_bytes: 64 << 10,
            warm_slots: 1,
            warm_bytes: 1 << 20,
            hot_bytes: 1 << 20,
        };
        assert_eq!(instance.check(), Ok(()));
        for (wrong, key, reason) in [
            (Instance { initial_bytes: 0, ..instance }, "initial_bytes", "a multiple of 65536, got 0"),
            (Instance { initial_bytes: 65_537, ..instance }, "initial_bytes", "a multiple of 65536, got 65537"),
            (Instance { initial_bytes: 1 << 33, ..instance }, "initial_bytes", "and 4294967296, got 8589934592"),
            (Instance { headroom_bytes: u64::MAX, ..instance }, "headroom_bytes", "and 4294836224, got 1844"),
            (Instance { minimum_bytes: 196_607, ..instance }, "minimum_bytes", "between 196608 and 4294967296, got"),
            (Instance { stack_bytes: 0, ..instance }, "stack_bytes", "between 65536 and 67108864, got 0"),
            (Instance { warm_slots: 257, ..instance }, "warm_slots", "between 0 and 256, got 257"),
            (Instance { warm_bytes: u64::MAX, ..instance }, "warm_bytes", "between 0 and 1073741824, got"),
            (Instance { hot_bytes: (1 << 20) + 1, ..instance }, "hot_bytes", "between 0 and 1048576, got 1048577"),
        ] {
            let (found, said) = wrong.check().unwrap_err();
            assert_eq!(found.strip_prefix("instance."), Some(key));
            assert!(said.contains(reason), "{key}: {said}");
        }
    }
}
