//! A compiled image as workers are sent it, and what its instances take.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, OnceLock};

use guest_runtimes::Instance;

use crate::error::Error;

/// What an instance is taken to start with until a worker has said so.
const UNKNOWN_INITIAL_BYTES: u64 = 64 << 20;

/// Compiled images, by the digest of what they were compiled from.
pub(crate) type Images = HashMap<String, Arc<CompiledImage>>;

/// A compiled image, and what its instances take.
#[derive(Debug)]
pub(crate) struct CompiledImage {
    pub(super) code: File,
    /// The version of the guest ABI that it should speak.
    pub(super) abi: u32,
    pub(super) instance: Instance,
    /// What an instance starts with.
    initial_bytes: OnceLock<u64>,
    /// Whether slots are kept warm: only sessions go on in an older one.
    keeps_warm: bool,
}

impl CompiledImage {
    /// An image of this build, which says what an instance starts with.
    pub(crate) fn current(code: File, abi: u32, instance: Instance) -> Self {
        Self { code, abi, instance, initial_bytes: OnceLock::from(instance.initial_bytes), keeps_warm: true }
    }

    /// An older image, whose instances may start with something else.
    pub(crate) fn older(code: File, abi: u32, instance: Instance) -> Self {
        Self { code, abi, instance, initial_bytes: OnceLock::new(), keeps_warm: false }
    }

    /// How many slots a worker keeps warm, which runs `runs` at once.
    pub(super) fn warm_slots(&self, runs: usize) -> usize {
        let most = usize::try_from(self.instance.warm_slots).unwrap_or(usize::MAX);
        if self.keeps_warm { most.min(runs) } else { 0 }
    }

    /// What an instance starts with.
    pub(super) fn initial_bytes(&self) -> u64 {
        self.initial_bytes.get().copied().unwrap_or(UNKNOWN_INITIAL_BYTES)
    }

    /// Takes note of what a worker found the image to start with.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] with both numbers when its description says another.
    pub(super) fn starts_with(&self, bytes: u64) -> Result<(), Error> {
        let described = *self.initial_bytes.get_or_init(|| bytes);
        if described == bytes {
            return Ok(());
        }
        let reason =
            format!("instance.initial_bytes of its runtime.toml is {described}, and its memory starts with {bytes}");
        Err(Error::host("load a guest image", reason))
    }
}
