//! Guest images that sessions in the store differ from, so that a session can
//! still be opened when servers have gone on to another image.
//!
//! They are public, the same for everybody, and not sealed: whoever uses one
//! verifies its digest, which comes from a sealed commit.

use std::borrow::Cow;

use guest_runtimes::MAX_COMPRESSED_BYTES;
use object_store::PutPayload;

use super::layout::base_location;
use super::objects::{Store, StoreBackend};
use crate::error::Error;

impl Store {
    /// Keeps a compressed guest image, which is only asked for if it is not there
    /// yet, and if what the store holds outlasts this server.
    ///
    /// # Cancellation
    ///
    /// Safe: it is there as a whole or not at all.
    pub(crate) async fn keep_base(
        &self,
        digest: &str,
        compressed: impl FnOnce() -> Result<Cow<'static, [u8]>, Error>,
    ) -> Result<(), Error> {
        let is_gone_with_us = matches!(self.settings.backend, StoreBackend::Memory);
        let Some(location) = base_location(digest).filter(|_| !is_gone_with_us) else { return Ok(()) };
        if !self.backend.exists(&location).await? {
            let payload = match compressed()? {
                Cow::Borrowed(compressed) => PutPayload::from_static(compressed),
                Cow::Owned(compressed) => compressed.into(),
            };
            // Another server may be faster, with the same content.
            self.backend.create(&location, payload).await?;
        }
        Ok(())
    }

    /// A compressed guest image as it lies there, not verified. `None` when
    /// there is none of that digest.
    pub(crate) async fn base(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(location) = base_location(digest) else { return Ok(None) };
        self.backend.read(&location, MAX_COMPRESSED_BYTES).await
    }
}
