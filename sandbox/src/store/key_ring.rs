//! The keys that a server has at hand: the first seals, all of them open.
//!
//! A key is added while servers run. So the file is looked at again before
//! anything is sealed and at each look at a session, which costs a microsecond, and
//! where an object names a key that is not known.

use std::sync::Arc;

use parking_lot::Mutex;

use super::ends::CloseReason;
use super::key_file::{KeyFile, Stamp};
use super::layout::{BlobHash, Object};
use super::objects::Store;
use super::seal::{Binding, KeyId, Keys, header_id};
use super::secret::{Secret, random_secret};
use crate::error::Error;
use crate::handle::{Principal, SessionId};

/// The keys of a store.
#[derive(Debug)]
pub(super) struct KeyRing {
    /// Where they come from, if not from memory.
    file: Option<KeyFile>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    stamp: Option<Stamp>,
    keys: Arc<[Arc<Keys>]>,
}

impl KeyRing {
    /// One key that is gone with this server.
    pub(super) fn in_memory() -> Result<Self, Error> {
        let known = Known { stamp: None, keys: derive(&[random_secret()?]) };
        Ok(Self { file: None, known: Mutex::new(known) })
    }

    /// The keys in a file, which is made if it is not there.
    pub(super) fn open(file: KeyFile) -> Result<Self, Error> {
        let keys = derive(&file.open()?);
        // Read again at the first look, as one that was replaced meanwhile is.
        Ok(Self { file: Some(file), known: Mutex::new(Known { stamp: None, keys }) })
    }

    /// Takes over what the file holds now. One that is gone or cannot be used
    /// changes nothing: sessions must not end because somebody moved it.
    pub(super) fn refresh(&self) {
        let Some(file) = &self.file else { return };
        let mut known = self.known.lock();
        // Before it is read, so that what replaces it meanwhile is seen later.
        let stamp = file.stamp();
        if stamp == known.stamp {
            return;
        }
        known.stamp = stamp;
        match file.read() {
            Ok(Some(secrets)) => {
                let keys = derive(&secrets);
                if !keys.iter().map(|keys| keys.id()).eq(known.keys.iter().map(|keys| keys.id())) {
                    tracing::info!(seals = %keys[0].id(), keys = keys.len(), "the keys of the store changed");
                }
                known.keys = keys;
            }
            Ok(None) => tracing::warn!("the key of the store is gone; what is stored now is lost unless it comes back"),
            Err(error) => {
                tracing::warn!(%error, "the keys of the store changed, and those known before stay in use");
                if !matches!(error, Error::Denied { .. }) {
                    // It may be the machine that is short of something.
                    known.stamp = None;
                }
            }
        }
    }

    /// The one that seals.
    pub(super) fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.all()[0])
    }

    fn all(&self) -> Arc<[Arc<Keys>]> {
        Arc::clone(&self.known.lock().keys)
    }

    /// The content of what was sealed for one location, with any of them.
    ///
    /// # Errors
    ///
    /// As [`Keys::open`].
    pub(super) fn open_sealed(&self, binding: &Binding, sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
        let id = header_id(binding, &sealed)?;
        let find = || self.all().iter().find(|keys| keys.id() == id).cloned();
        let found = find().or_else(|| {
            self.refresh();
            find()
        });
        match found {
            Some(keys) => keys.open(binding, sealed),
            None => Err(self.lacks(binding, id)),
        }
    }

    /// Whether there is a key of that identifier.
    pub(super) fn has(&self, id: KeyId) -> bool {
        self.all().iter().any(|keys| keys.id() == id)
    }

    /// What is said where a key would be needed that is not there.
    pub(super) fn lacks(&self, binding: &Binding, id: KeyId) -> Error {
        let known: Vec<_> = self.all().iter().map(|keys| keys.id().to_string()).collect();
        let known = known.join(", ");
        let reason = match binding {
            Binding::KeyList => format!(
                "servers over this store seal with key {id}, and this one has {known}: it could not tell which sessions \
                 are over; add that key to the file that `store_keys` names"
            ),
            Binding::Commit { .. } | Binding::Blob { .. } | Binding::Run { .. } | Binding::Note { .. } => {
                format!("it was sealed with key {id}, and this server has {known}")
            }
        };
        Error::Denied { action: format!("opening {binding}"), reason }
    }

    /// What says that a session of `owner` is over, whichever key said so.
    pub(super) fn ends(&self, owner: &str, session: &SessionId) -> Vec<(CloseReason, Object)> {
        let of = |keys: &Arc<Keys>| {
            CloseReason::ALL.map(|reason| (reason, Object::End(keys.end_hash(owner, session, reason))))
        };
        self.all().iter().flat_map(of).collect()
    }

    /// What tells `content` from other contents of `principal`, as long as the
    /// same key seals.
    pub(super) fn blob_hash(&self, principal: &str, content: &[u8]) -> BlobHash {
        self.current().blob_hash(principal, content)
    }
}

impl Store {
    /// Signs something that is given to a principal, to know it again.
    pub(crate) fn sign(&self, principal: &Principal, content: &[u8]) -> [u8; 32] {
        *self.keys.current().signature(principal.directory_name(), content).as_bytes()
    }

    /// Whether that was signed, with any of the keys that there are.
    pub(crate) fn has_signed(&self, principal: &Principal, content: &[u8], signature: [u8; 32]) -> bool {
        // Hashes are compared in constant time.
        let is_of = |keys: &Arc<Keys>| keys.signature(principal.directory_name(), content) == signature;
        let is_known = || self.keys.all().iter().any(is_of);
        is_known() || {
            // Another server may have a key that is newer.
            self.keys.refresh();
            is_known()
        }
    }
}

fn derive(secrets: &[Secret]) -> Arc<[Arc<Keys>]> {
    secrets.iter().map(|secret| Arc::new(Keys::derive(secret))).collect()
}
