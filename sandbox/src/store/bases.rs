//! Guest images that sessions in the store differ from, so that a session can
//! still be opened when servers have gone on to another image.
//!
//! They are public, the same for everybody, and not sealed: whoever uses one
//! verifies its digest, which comes from a sealed commit.

use object_store::PutPayload;

use super::layout::base_place;
use super::objects::{Store, StoreBackend};
use crate::error::Error;

/// The largest compressed image that is read. Above any of ours.
const MAX_BASE_BYTES: u64 = 64 << 20;

impl Store {
    /// Keeps a compressed guest image, unless it is there or what the store
    /// holds is gone with this server.
    ///
    /// # Cancellation
    ///
    /// Safe: it is there as a whole or not at all.
    pub(crate) async fn keep_base(&self, digest: &str, compressed: &'static [u8]) -> Result<(), Error> {
        let is_gone_with_us = matches!(self.settings.backend, StoreBackend::Memory);
        let Some(place) = base_place(digest).filter(|_| !is_gone_with_us) else { return Ok(()) };
        if !self.backend.exists(&place).await? {
            // Another server may be faster, with the same content.
            self.backend.create(&place, PutPayload::from_static(compressed)).await?;
        }
        Ok(())
    }

    /// A compressed guest image as it lies there, not verified. `None` when
    /// there is none of that digest.
    pub(crate) async fn base(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(place) = base_place(digest) else { return Ok(None) };
        self.backend.read(&place, MAX_BASE_BYTES).await
    }
}
