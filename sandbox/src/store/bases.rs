//! Guest images that sessions in the store differ from, so that a session can
//! still be opened when servers have gone on to another image.
//!
//! They are public, the same for everybody, and not sealed: whoever uses one
//! verifies its digest, which comes from a sealed commit.

use object_store::{ObjectStoreExt as _, PutMode, PutPayload};

use super::layout::base_place;
use super::objects::{Durability, Store, failed};
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
        let Some(place) = base_place(digest).filter(|_| self.settings.durability != Durability::None) else {
            return Ok(());
        };
        match self.objects.head(&place).await {
            Err(object_store::Error::NotFound { .. }) => {}
            other => return other.map(drop).map_err(|source| failed(format!("look for {place}"), source)),
        }
        match self.objects.put_opts(&place, PutPayload::from_static(compressed), PutMode::Create.into()).await {
            // Another server was faster.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(failed(format!("write {place} to the store"), source)),
        }
    }

    /// A compressed guest image as it lies there, not verified. `None` when
    /// there is none of that digest.
    pub(crate) async fn base(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(place) = base_place(digest) else { return Ok(None) };
        let doing = || format!("read {place} from the store");
        let found = match self.objects.get(&place).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other.map_err(|source| failed(doing(), source))?,
        };
        if found.meta.size > MAX_BASE_BYTES {
            let reason = format!("it is damaged: at most {MAX_BASE_BYTES} bytes can be right, got {}", found.meta.size);
            return Err(Error::host(doing(), reason));
        }
        Ok(Some(found.bytes().await.map_err(|source| failed(doing(), source))?.into()))
    }
}
