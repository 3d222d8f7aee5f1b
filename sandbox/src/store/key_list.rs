//! Which keys servers over one bucket seal with: a list there, sealed like everything else.
//!
//! What says that a session is over has a name that is made with a key. A server that has
//! not got that key would go on with the session, so it does not start, and commits and
//! ends nothing until it has it. Whoever begins to seal with a key says so here before.

use std::time::{Duration, SystemTime};

use object_store::path::Path;
use parking_lot::Mutex;

use super::objects::Store;
use super::seal::{Binding, KeyId, OVERHEAD};
use crate::error::Error;

const LIST: &str = "keys";
/// An entry is a key, and when it sealed last, in seconds since 1970.
const ENTRY_BYTES: usize = 16;
/// More than there ever are: a ring has 20 keys.
const MAX_ENTRIES: usize = 64;
/// How often a server says again that it seals with its key.
const SAID_AGAIN: Duration = Duration::from_secs(24 * 3600);
/// What clocks and a server that was stopped may be off by.
const TOLERANCE: Duration = Duration::from_secs(2 * 24 * 3600);
/// How often it is tried to write beside others.
const ATTEMPTS: u32 = 8;

/// The key that this server said it seals with, if it has those of all others.
#[derive(Debug, Default)]
pub(super) struct Agreed(Mutex<Option<KeyId>>);

impl Store {
    /// Finds out whether this server has the keys that others over the same store seal with,
    /// and tells them its own.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when it lacks one. It commits and ends nothing until it has it.
    pub(crate) async fn check_keys(&self) -> Result<(), Error> {
        if self.cache.is_none() {
            return Ok(());
        }
        let agreed = self.agree().await;
        match &agreed {
            Ok(id) => *self.agreed.0.lock() = Some(*id),
            // A store that does not answer says nothing of keys.
            Err(Error::Unreachable { .. }) => {}
            Err(_) => *self.agreed.0.lock() = None,
        }
        agreed.map(drop)
    }

    /// Checks the keys before a session goes on or ends, unless nothing has changed.
    pub(super) async fn agree_on_keys(&self) -> Result<(), Error> {
        let seals = self.keys.current().id();
        if self.cache.is_none() || *self.agreed.0.lock() == Some(seals) { Ok(()) } else { self.check_keys().await }
    }

    async fn agree(&self) -> Result<KeyId, Error> {
        let path = Path::from(LIST);
        let most = (MAX_ENTRIES * ENTRY_BYTES + OVERHEAD) as u64;
        for _ in 0..ATTEMPTS {
            self.keys.refresh();
            let keys = self.keys.current();
            let found = self.backend.read(&path, most).await?;
            let is_there = found.is_some();
            let listed = found.map_or(Ok(Vec::new()), |sealed| self.keys.open_sealed(&Binding::KeyList, sealed))?;
            let now = SystemTime::now();
            let mut entries = self.entries(&listed, now);
            let lacked: Vec<_> = entries.iter().map(|(id, _)| *id).filter(|id| !self.keys.has(*id)).collect();
            if let Some(id) = lacked.first() {
                return Err(self.keys.lacks(&Binding::KeyList, *id));
            }
            let is_said = |(id, since): &(KeyId, SystemTime)| {
                *id == keys.id() && now.duration_since(*since).unwrap_or_default() < SAID_AGAIN
            };
            if entries.iter().any(is_said) {
                return Ok(keys.id());
            }
            entries.retain(|(id, _)| *id != keys.id());
            entries.push((keys.id(), now));
            let sealed = keys.seal(&Binding::KeyList, &written(&entries))?;
            // Another may write at the same moment: what counts is what is read after that.
            if is_there {
                self.backend.replace(&path, sealed.into()).await?;
            } else {
                self.backend.create(&path, sealed.into()).await?;
            }
        }
        Err(Error::host("agree on the keys of the store", "what is written there is gone again"))
    }

    /// What is listed and not so old that nothing is left of what was sealed.
    pub(super) fn entries(&self, listed: &[u8], now: SystemTime) -> Vec<(KeyId, SystemTime)> {
        let (entries, _) = listed.as_chunks::<ENTRY_BYTES>();
        let oldest = self.settings.lifetime.saturating_add(TOLERANCE);
        let entry = |bytes: &[u8; ENTRY_BYTES]| {
            let [mut id, mut seconds] = [[0; 8]; 2];
            id.copy_from_slice(&bytes[..8]);
            seconds.copy_from_slice(&bytes[8..]);
            let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_le_bytes(seconds)))?;
            Some((KeyId::from(id), since))
        };
        let is_recent = |(_, since): &(KeyId, SystemTime)| now.duration_since(*since).unwrap_or_default() <= oldest;
        entries.iter().filter_map(entry).filter(is_recent).take(MAX_ENTRIES - 1).collect()
    }
}

fn written(entries: &[(KeyId, SystemTime)]) -> Vec<u8> {
    let seconds = |time: &SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    entries.iter().flat_map(|(id, since)| [*id.as_bytes(), seconds(since).to_le_bytes()].concat()).collect()
}
