//! Has an image compiled when it is first wanted, and gives it to the workers of
//! whoever wants it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::error::Error;
use crate::handle::Principal;
use crate::worker::{CompiledImage, Pool};

/// The right to look for an image and to compile it. It goes to the thread that does
/// so: a caller that waits no longer lets nobody else begin beside it.
pub(crate) struct OpeningTurn(#[expect(dead_code, reason = "held")] OwnedMutexGuard<()>);

/// An image, if there is one, and the turn of whoever looked for it.
pub(crate) type Found = (Option<CompiledImage>, OpeningTurn);

/// Opens images, each once for all who want it.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// Images that are in the set of some principal, by digest: verifying one reads all
    /// of its code.
    opened: Mutex<HashMap<String, Weak<CompiledImage>>>,
    /// Held while the image of a digest is looked for and compiled: whoever
    /// wants it too waits, rather than compile it again.
    turns: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

impl Opening {
    /// Sees to it that workers of `principal` get the image, which is asked of
    /// `find` if nobody has it. Answers false when there is none.
    ///
    /// # Cancellation
    ///
    /// Safe: what is being compiled still goes to the cache.
    pub(crate) async fn open<F: Future<Output = Result<Found, Error>>>(
        &self,
        pool: &Pool,
        principal: &Principal,
        digest: &str,
        find: impl FnOnce(OpeningTurn) -> F,
    ) -> Result<bool, Error> {
        if pool.wants_image(principal, digest) {
            return Ok(true);
        }
        let turn = {
            let mut turns = self.turns.lock();
            // Turns that nobody has any more are not kept.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(digest.to_owned()).or_default())
        };
        let mut turn = OpeningTurn(turn.lock_owned().await);
        let known = self.opened.lock().get(digest).and_then(Weak::upgrade);
        let image = match known {
            Some(image) => image,
            None => {
                let found;
                (found, turn) = find(turn).await?;
                let Some(found) = found else { return Ok(false) };
                let image = Arc::new(found);
                let mut opened = self.opened.lock();
                opened.retain(|_, image| image.strong_count() > 0);
                opened.insert(digest.to_owned(), Arc::downgrade(&image));
                image
            }
        };
        pool.add_image(principal, digest, image);
        drop(turn);
        Ok(true)
    }
}
