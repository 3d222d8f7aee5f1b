//! Keys that were revoked, in a file of the state directory beside that of the keys.
//!
//! A key may be in files of several servers, each with a copy. What is revoked at one of
//! them is told to the others, and stays revoked there: each keeps what it was told. Only
//! what `belljar keys revoke` took back is here. What merely vanished from a file may be
//! back when somebody brings back a copy of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::error::KeysError;
use super::own_file::{OwnFile, failed};
use crate::given_file::Stamp;

const FILE: &str = "revoked-keys.json";
/// The version of the form of the file, which is that of what servers tell each other.
const VERSION: u32 = 1;
/// The most keys that are remembered. Of more, those go that were revoked first.
const MOST: usize = 100_000;
/// The most that are told: what a note has room for.
const MOST_TOLD: usize = 4096;
const MAX_FILE_BYTES: u64 = 32 << 20;
/// How long a key is remembered past its end, as clocks may differ.
const TOLERANCE_SECONDS: u64 = 24 * 3600;

/// What is known of a key that was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revocation {
    /// Seconds since 1970. They decide about nothing but which go first.
    pub(super) at: u64,
    /// When the key would have ended. It lets nobody in from then on anyway.
    pub(super) expires: Option<u64>,
}

/// Keys that were revoked, by their hashes. There are only ever more of them, until they
/// would have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RevokedKeys(BTreeMap<[u8; 32], Revocation>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    keys: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// BLAKE3 of the key, in hexadecimal digits.
    hash: String,
    revoked: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

impl RevokedKeys {
    /// One key.
    pub(super) fn one(hash: [u8; 32], revocation: Revocation) -> Self {
        Self(BTreeMap::from([(hash, revocation)]))
    }

    pub(super) fn has(&self, hash: &[u8; 32]) -> bool {
        self.0.contains_key(hash)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that `other` has not got.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|(hash, _)| !other.has(hash)).map(|(hash, known)| (*hash, *known)).collect())
    }

    /// Takes over what `other` has, and of too much forgets what would have ended by now and
    /// what was revoked first. A clock that is wrong for a while forgets nothing else.
    pub(super) fn merge(&mut self, other: &Self) {
        for (hash, revocation) in &other.0 {
            self.0.entry(*hash).or_insert(*revocation);
        }
        if self.0.len() > MOST {
            *self = self.newest(MOST);
        }
    }

    /// Those that would not have ended by now; of more than so many, the ones that were
    /// revoked last.
    fn newest(&self, most: usize) -> Self {
        let now = now();
        let lasts = |known: &Revocation| known.expires.is_none_or(|end| end.saturating_add(TOLERANCE_SECONDS) > now);
        let mut all: Vec<_> = self.0.iter().map(|(hash, known)| (*hash, *known)).collect();
        all.retain(|(_, known)| lasts(known));
        if all.len() > most {
            all.sort_unstable_by_key(|(hash, known)| (Reverse(known.at), *hash));
            all.truncate(most);
        }
        Self(all.into_iter().collect())
    }

    /// What there is to be told to whoever was told `told`: all of it, if that lacks any.
    pub(super) fn untold(&self, told: &Self) -> Option<Vec<u8>> {
        let newest = self.newest(MOST_TOLD);
        if newest.without(told).is_empty() {
            return None;
        }
        serde_json::to_vec(&newest.contents()).ok()
    }

    /// What was told, if it is that.
    pub(super) fn told(bytes: &[u8]) -> Result<Self, String> {
        Self::parse(bytes).map(|told| told.newest(MOST_TOLD))
    }

    fn contents(&self) -> Contents {
        let entry = |(hash, known): (&[u8; 32], &Revocation)| Entry {
            hash: blake3::Hash::from_bytes(*hash).to_hex().to_string(),
            revoked: known.at,
            expires: known.expires,
        };
        Contents { version: VERSION, keys: self.0.iter().map(entry).collect() }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let contents: Contents =
            serde_json::from_slice(bytes).map_err(|error| format!("it is torn or was changed ({error})"))?;
        if contents.version != VERSION {
            return Err(format!("it has version {}, and this server knows {VERSION}", contents.version));
        }
        let entry = |entry: Entry| {
            let hash = blake3::Hash::from_hex(&entry.hash).map_err(|_| "a key in it has no hash".to_owned())?;
            Ok((*hash.as_bytes(), Revocation { at: entry.revoked, expires: entry.expires }))
        };
        contents.keys.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

/// The file of them, and what could not be written into it.
#[derive(Clone, Debug)]
pub(super) struct RevokedFile {
    file: OwnFile,
    unsaved: Arc<Mutex<Unsaved>>,
}

#[derive(Clone, Debug, Default)]
struct Unsaved {
    keys: RevokedKeys,
    /// How often they changed.
    changes: u64,
}

impl Unsaved {
    fn change(&mut self, keys: RevokedKeys) {
        if keys != self.keys {
            *self = Self { keys, changes: self.changes + 1 };
        }
    }

    fn add(&mut self, keys: &RevokedKeys) {
        let mut all = self.keys.clone();
        all.merge(keys);
        self.change(all);
    }
}

/// What tells one state of it from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RevokedStamp {
    file: Option<Stamp>,
    changes: u64,
}

impl RevokedFile {
    pub(super) fn of(state_directory: &Path) -> Self {
        Self { file: OwnFile::at(state_directory.join(FILE)), unsaved: Arc::default() }
    }

    pub(super) fn stamp(&self) -> RevokedStamp {
        RevokedStamp { file: self.file.stamp(), changes: self.unsaved.lock().changes }
    }

    /// The keys that were revoked, and what they were read from.
    ///
    /// # Errors
    ///
    /// When the file is there and is not as it must be. What is in it is not known then, so
    /// nobody may be let in.
    pub(super) fn read(&self) -> Result<(RevokedKeys, RevokedStamp), KeysError> {
        // What is written meanwhile is in the file then.
        let unsaved = self.unsaved.lock().clone();
        let (mut keys, file) = self.saved()?;
        keys.merge(&unsaved.keys);
        Ok((keys, RevokedStamp { file, changes: unsaved.changes }))
    }

    fn saved(&self) -> Result<(RevokedKeys, Option<Stamp>), KeysError> {
        let Some(file) = self.file.open()? else { return Ok(Default::default()) };
        let path = self.file.path().to_path_buf();
        let garbage = |reason: String| KeysError::UnknownRevoked { path: path.clone(), reason };
        let stamp = file.stamp();
        let bytes = file.read(MAX_FILE_BYTES).map_err(failed(&path, "read"))?;
        let bytes = bytes.ok_or_else(|| garbage(format!("it has more than {MAX_FILE_BYTES} bytes")))?;
        Ok((RevokedKeys::parse(&bytes).map_err(garbage)?, Some(stamp)))
    }

    /// Adds keys to those that were revoked, in memory at least.
    ///
    /// # Errors
    ///
    /// When they could not be written: they are gone with this process unless this is
    /// called again.
    pub(super) fn add(&self, keys: &RevokedKeys) -> Result<(), KeysError> {
        self.unsaved.lock().add(keys);
        let _lock = self.file.lock()?;
        self.add_locked(keys)
    }

    /// The same for whoever has locked the files of the directory.
    pub(super) fn add_locked(&self, keys: &RevokedKeys) -> Result<(), KeysError> {
        self.unsaved.lock().add(keys);
        let (mut all, _) = self.saved()?;
        // Whatever is added meanwhile waits for its own turn to be written.
        let written = self.unsaved.lock().keys.clone();
        all.merge(&written);
        self.file.replace(&all.contents())?;
        let mut unsaved = self.unsaved.lock();
        let left = unsaved.keys.without(&written);
        unsaved.change(left);
        Ok(())
    }

    /// Those that could not be written yet.
    pub(super) fn unsaved(&self) -> RevokedKeys {
        self.unsaved.lock().keys.clone()
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that are read here")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn revoked(numbers: impl IntoIterator<Item = u16>) -> RevokedKeys {
        let entry = |number: u16| {
            let hash = *blake3::hash(&number.to_le_bytes()).as_bytes();
            (hash, Revocation { at: u64::from(number), expires: None })
        };
        RevokedKeys(numbers.into_iter().map(entry).collect())
    }

    #[test]
    fn what_is_told_is_what_somebody_lacks_and_there_is_only_ever_more() {
        let (one, other) = (revoked([1, 2]), revoked([2, 3]));
        let told = RevokedKeys::told(&one.untold(&other).unwrap()).unwrap();
        assert_eq!(told, one);
        let mut both = other.clone();
        both.merge(&told);
        assert_eq!(both, revoked([1, 2, 3]));
        assert!(both.untold(&both).is_none() && other.untold(&both).is_none() && both.untold(&one).is_some());
        assert!(RevokedKeys::default().untold(&RevokedKeys::default()).is_none());
        for wrong in [
            &b""[..],
            b"{}",
            b"[]",
            br#"{"version":2,"keys":[]}"#,
            br#"{"version":1,"keys":[{"hash":"x","revoked":1}]}"#,
        ] {
            RevokedKeys::told(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_key_is_told_of_until_it_would_have_ended_and_of_too_many_the_last() {
        let hash = |number: u8| [number; 32];
        let ended = RevokedKeys::one(hash(1), Revocation { at: 1, expires: Some(now() - TOLERANCE_SECONDS - 9) });
        let mut all = RevokedKeys::one(hash(2), Revocation { at: 1, expires: Some(now() - 9) });
        all.merge(&ended);
        assert!(all.has(&hash(1)), "by a clock that is ahead all have ended");
        let told = RevokedKeys::told(&all.untold(&RevokedKeys::default()).unwrap()).unwrap();
        assert!(!told.has(&hash(1)) && told.has(&hash(2)));
        assert!(ended.untold(&RevokedKeys::default()).is_none());
        let many = revoked(0..10_000);
        let note = many.untold(&RevokedKeys::default()).unwrap();
        assert!(note.len() < 1 << 20, "{}", note.len());
        let told = RevokedKeys::told(&note).unwrap();
        assert_eq!(told, revoked(10_000 - MOST_TOLD as u16..10_000));
        assert!(many.untold(&told).is_none());
    }

    #[test]
    fn what_was_learned_stays_and_is_kept_in_memory_where_it_cannot_be_written() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("state");
        let file = RevokedFile::of(&directory);
        assert_eq!(file.read().unwrap(), Default::default());
        file.add(&revoked([1])).unwrap();
        let before = file.stamp();
        assert_eq!(file.read().unwrap(), (revoked([1]), before));
        assert_eq!(RevokedFile::of(&directory).read().unwrap().0, revoked([1]));
        // The place of the file is taken by what is none.
        let path = directory.join(FILE);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        file.add(&revoked([2])).unwrap_err();
        file.read().unwrap_err();
        fs::remove_dir(&path).unwrap();
        fs::write(&path, kept).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(file.read().unwrap().0, revoked([1, 2]));
        assert_ne!(file.stamp(), before);
        file.add(&RevokedKeys::default()).unwrap();
        assert!(file.unsaved().is_empty());
        assert_eq!(RevokedFile::of(&directory).read().unwrap().0, revoked([1, 2]));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.read(), Err(KeysError::Shared { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{}").unwrap();
        assert!(matches!(file.read(), Err(KeysError::UnknownRevoked { .. })));
    }
}
