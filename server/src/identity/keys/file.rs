//! The file of the keys of clients, in the state directory. It holds no key, only what
//! tells one from every other text.
//!
//! A key has 256 random bits, so that one round of a fast hash is as good as the slow
//! ones that passwords need: nobody finds by trying what there are 2²⁵⁶ of.
//!
//! A file is never changed, only replaced: who reads it has one state of it. One that is
//! not whole, says something unknown or can be read by others is refused, and no key of
//! it lets anybody in.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nix::fcntl::Flock;
use sandbox::RequestedLimits;
use serde::{Deserialize, Serialize};

use super::error::KeysError;
use super::own_file::{OwnFile, failed};
use super::revoked::{Revocation, RevokedFile, RevokedKeys, RevokedStamp, now};
use crate::given_file::{GivenFile, Stamp};
use crate::identity::{Scope, Scopes};

const FILE: &str = "client-keys.json";
/// The version of the form of the file.
const VERSION: u32 = 1;
/// How keys begin, by which people and scanners know one that lies where none should.
pub(crate) const PREFIX: &str = "belljar_key_";
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 5;
/// The longest file: a hundred thousand keys, and then some.
const MAX_FILE_BYTES: u64 = 64 << 20;
pub(super) const MAX_NAME_CHARS: usize = 100;
/// The end of the year 9999, in seconds since 1970: a time past it has no date.
const LAST_SECOND: u64 = 253_402_300_799;

/// A key, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// The identifier by which people name the key. It is a part of the key, too.
    pub(crate) id: String,
    /// BLAKE3 of the whole key, in hexadecimal digits.
    hash: String,
    /// Absent on a server without tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// What its maker called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Seconds since 1970.
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default)]
    pub(crate) ceilings: RequestedLimits,
}

/// What a new key is to be.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub(crate) tenant: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) name: Option<String>,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) ceilings: RequestedLimits,
}

impl Key {
    /// The hash that tells this key from every other text.
    pub(super) fn digest(&self) -> Option<blake3::Hash> {
        blake3::Hash::from_hex(&self.hash).ok()
    }

    pub(super) fn scopes(&self) -> Result<Scopes, String> {
        let scopes: Scopes = self.scopes.iter().map(|scope| scope.parse::<Scope>()).collect::<Result<_, _>>()?;
        if scopes.is_empty() { Err("a key must have a scope".into()) } else { Ok(scopes) }
    }

    pub(crate) fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.created)
    }

    /// The time from when on this key lets nobody in.
    pub(crate) fn expires(&self) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_secs(self.expires?))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    keys: Vec<Key>,
}

/// The file of the keys of clients, and that of those which were revoked, wherever it was.
#[derive(Clone, Debug)]
pub(crate) struct ClientKeys {
    place: Place,
    revoked: RevokedFile,
}

#[derive(Clone, Debug)]
enum Place {
    /// The state directory.
    State(OwnFile),
    /// Somebody else keeps the file, and replaces it by what a link leads to: a secret that
    /// is mounted.
    Given(PathBuf),
}

/// What tells one state of the files from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeysStamp {
    /// None where there is no file.
    pub(super) keys: Option<Stamp>,
    pub(super) revoked: RevokedStamp,
}

/// What the files say.
pub(super) struct Read {
    /// The keys that let somebody in, or would if they had not ended.
    pub(super) keys: Vec<Key>,
    pub(super) revoked: RevokedKeys,
    /// What both were read from.
    pub(super) stamp: KeysStamp,
}

impl ClientKeys {
    /// The keys of the server with this state directory, which the first key makes.
    pub(crate) fn of(state_directory: &Path) -> Self {
        let place = Place::State(OwnFile::at(state_directory.join(FILE)));
        Self { place, revoked: RevokedFile::of(state_directory) }
    }

    /// The keys in a file that is there, and stays as it is.
    pub(crate) fn given(path: PathBuf, state_directory: &Path) -> Self {
        Self { place: Place::Given(path), revoked: RevokedFile::of(state_directory) }
    }

    fn path(&self) -> &Path {
        match &self.place {
            Place::State(own) => own.path(),
            Place::Given(path) => path,
        }
    }

    /// The file, to be changed by nobody else meanwhile.
    fn lock(&self) -> Result<(&OwnFile, Flock<File>), KeysError> {
        match &self.place {
            Place::State(own) => Ok((own, own.lock()?)),
            Place::Given(path) => Err(KeysError::Given { path: path.clone() }),
        }
    }

    /// The stamp of the files as they are now.
    pub(super) fn stamp(&self) -> KeysStamp {
        let keys = match &self.place {
            Place::State(own) => own.stamp(),
            Place::Given(path) => fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata)),
        };
        KeysStamp { keys, revoked: self.revoked.stamp() }
    }

    /// Adds keys to those that were revoked. From here on none of them lets anybody in.
    ///
    /// # Errors
    ///
    /// When that could not be written, and is known to this process alone.
    pub(super) fn learn(&self, revoked: &RevokedKeys) -> Result<(), KeysError> {
        self.revoked.add(revoked)
    }

    /// Keys that are known as revoked, which could not be written down yet.
    pub(super) fn unsaved(&self) -> RevokedKeys {
        self.revoked.unsaved()
    }

    /// The keys that there are, and those that were revoked.
    ///
    /// # Errors
    ///
    /// When a file is there and is not as it must be.
    pub(super) fn read(&self) -> Result<Read, KeysError> {
        let (revoked, of_revoked) = self.revoked.read()?;
        let (keys, stamp) = self.written()?;
        let is_good = |key: &Key| key.digest().is_none_or(|hash| !revoked.has(hash.as_bytes()));
        let keys = keys.into_iter().filter(is_good).collect();
        Ok(Read { keys, revoked, stamp: KeysStamp { keys: stamp, revoked: of_revoked } })
    }

    /// What is in the file of keys.
    fn written(&self) -> Result<(Vec<Key>, Option<Stamp>), KeysError> {
        let path = self.path().to_path_buf();
        let garbage = |reason: String| KeysError::Garbage { path: path.clone(), reason };
        let file = match &self.place {
            Place::State(own) => match own.open()? {
                Some(file) => file,
                None => return Ok((Vec::new(), None)),
            },
            Place::Given(_) => {
                let file = GivenFile::open(&path, 0).map_err(failed(&path, "read"))?;
                if !file.is_file() {
                    return Err(garbage("it is no file".into()));
                }
                // A file that is mounted may belong to anybody, as nobody chooses who mounts it.
                let mode = file.mode();
                if mode & 0o027 != 0 {
                    return Err(KeysError::Open { path, mode });
                }
                file
            }
        };
        let stamp = file.stamp();
        let bytes = file.read(MAX_FILE_BYTES).map_err(failed(&path, "read"))?;
        let bytes = bytes.ok_or_else(|| garbage(format!("it has more than {MAX_FILE_BYTES} bytes")))?;
        let Contents { version, keys } =
            serde_json::from_slice(&bytes).map_err(|error| garbage(format!("it is torn or was changed ({error})")))?;
        if version != VERSION {
            return Err(garbage(format!("it has version {version}, and this server knows {VERSION}")));
        }
        let (mut ids, mut hashes) = (HashSet::new(), HashSet::new());
        for key in &keys {
            let hash = key.digest().ok_or_else(|| garbage(format!("key `{}` has no hash", key.id)))?;
            key.scopes().map_err(|reason| garbage(format!("key `{}`: {reason}", key.id)))?;
            if key.created.max(key.expires.unwrap_or_default()) > LAST_SECOND {
                return Err(garbage(format!("key `{}` has a time past the year 9999", key.id)));
            }
            // Two keys of one identifier are refused: the one that is revoked could be
            // the one that is not used.
            if !ids.insert(&key.id) || !hashes.insert(*hash.as_bytes()) {
                return Err(garbage(format!("key `{}` is there twice", key.id)));
            }
        }
        Ok((keys, Some(stamp)))
    }

    /// The keys that there are.
    ///
    /// # Errors
    ///
    /// As [`ClientKeys::add`].
    pub(crate) fn list(&self) -> Result<Vec<Key>, KeysError> {
        self.read().map(|read| read.keys)
    }

    /// Adds a key, and returns it with its text, which is nowhere else.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or replaced, or is not as it must be.
    pub(crate) fn add(&self, new: NewKey) -> Result<(Key, String), KeysError> {
        if let Some(name) = &new.name
            && (name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control))
        {
            return Err(KeysError::Name(name.chars().take(MAX_NAME_CHARS).collect()));
        }
        let (file, _lock) = self.lock()?;
        let mut keys = self.list()?;
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut secret).map_err(KeysError::Random)?;
        let id = loop {
            getrandom::fill(&mut id).map_err(KeysError::Random)?;
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            if keys.iter().all(|key| key.id != id) {
                break id;
            }
        };
        let text = format!("{PREFIX}{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
        let now = now();
        let key = Key {
            id,
            hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
            tenant: new.tenant,
            scopes: new.scopes.to_string().split(' ').map(str::to_owned).collect(),
            name: new.name,
            created: now,
            expires: new.lifetime.map(|lifetime| now.saturating_add(lifetime.as_secs()).min(LAST_SECOND)),
            ceilings: new.ceilings,
        };
        keys.push(key.clone());
        file.replace(&Contents { version: VERSION, keys })?;
        Ok((key, text))
    }

    /// Removes the key with this identifier: from here on it lets nobody in, and a copy of
    /// the file from before does not bring it back.
    ///
    /// # Errors
    ///
    /// As [`ClientKeys::add`], and when there is none.
    pub(crate) fn revoke(&self, id: &str) -> Result<Key, KeysError> {
        let (file, _lock) = self.lock()?;
        let mut keys = self.list()?;
        let at = keys.iter().position(|key| key.id == id);
        let key = keys.remove(at.ok_or_else(|| KeysError::Unknown(id.chars().take(40).collect()))?);
        if let Some(hash) = key.digest() {
            let revocation = Revocation { at: now(), expires: key.expires };
            self.revoked.add_locked(&RevokedKeys::one(*hash.as_bytes(), revocation))?;
        }
        file.replace(&Contents { version: VERSION, keys })?;
        Ok(key)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that are read here")]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    fn new(tenant: &str) -> NewKey {
        NewKey {
            tenant: Some(tenant.into()),
            scopes: Scopes::among("sandbox:read"),
            name: Some("ci".into()),
            lifetime: Some(Duration::from_secs(60)),
            ceilings: RequestedLimits::default(),
        }
    }

    #[test]
    fn a_key_is_told_once_and_kept_as_a_hash_in_a_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let keys = ClientKeys::of(directory.path());
        assert!(keys.list().unwrap().is_empty());
        let (key, text) = keys.add(new("a")).unwrap();
        assert!(text.starts_with(&format!("{PREFIX}{}_", key.id)) && text.len() > PREFIX.len() + 43);
        assert_eq!(key.digest().unwrap(), blake3::hash(text.as_bytes()));
        assert_eq!(keys.list().unwrap(), std::slice::from_ref(&key));
        let written = fs::read_to_string(keys.path()).unwrap();
        assert!(!written.contains(text.rsplit('_').next().unwrap()) && written.contains(&key.id));
        let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().mode() & 0o777;
        assert_eq!((mode(FILE), mode("client-keys.lock")), (0o600, 0o600));
        let (other, _) = keys.add(new("b")).unwrap();
        assert_eq!(keys.revoke(&key.id).unwrap(), key);
        assert_eq!(keys.list().unwrap(), std::slice::from_ref(&other));
        assert!(matches!(keys.revoke(&key.id), Err(KeysError::Unknown(_))));
        // A copy from before brings nothing back, and the next change leaves it out.
        fs::write(keys.path(), written).unwrap();
        assert!(keys.list().unwrap().is_empty());
        let (third, _) = keys.add(new("c")).unwrap();
        assert_eq!(keys.list().unwrap(), [third]);
        assert!(!fs::read_to_string(keys.path()).unwrap().contains(&key.id));
        assert!(matches!(keys.add(NewKey { name: Some("a\nb".into()), ..new("a") }), Err(KeysError::Name(_))));
    }

    #[test]
    fn what_is_not_as_it_must_be_is_refused_with_the_reason_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let keys = ClientKeys::of(directory.path());
        keys.add(new("a")).unwrap();
        let whole = fs::read_to_string(keys.path()).unwrap();
        let refused = |text: &str| {
            fs::write(keys.path(), text).unwrap();
            let refused = keys.list().unwrap_err().to_string();
            keys.add(new("b")).unwrap_err();
            assert_eq!(fs::read_to_string(keys.path()).unwrap(), text, "it was replaced");
            refused
        };
        for (text, reason) in [
            ("", "torn"),
            (&whole[..whole.len() / 2], "torn"),
            (&whole.replacen("\"tenant\"", "\"tennant\"", 1), "unknown field `tennant`"),
            (&whole.replacen("\"version\": 1", "\"version\": 2", 1), "version 2"),
            (&whole.replacen("sandbox:read", "sandbox:write", 1), "a scope must be one of"),
            (&whole.replacen("\"sandbox:read\"", "", 1), "a key must have a scope"),
            (&whole.replacen("\"hash\": \"", "\"hash\": \"x", 1), "has no hash"),
            (&whole.replacen("\"expires\": ", "\"expires\": 999", 1), "a time past the year 9999"),
            (&whole.replacen("\"created\": ", "\"created\": 999", 1), "a time past the year 9999"),
        ] {
            let said = refused(text);
            assert!(said.contains(reason), "{said}");
        }
        let mut twice: serde_json::Value = serde_json::from_str(&whole).unwrap();
        let again = twice["keys"][0].clone();
        twice["keys"].as_array_mut().unwrap().push(again);
        assert!(refused(&twice.to_string()).contains("is there twice"));
        fs::write(keys.path(), &whole).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(keys.path(), fs::Permissions::from_mode(mode)).unwrap();
            let said = keys.list().unwrap_err().to_string();
            assert!(said.contains(&format!("mode {mode:04o}")) && said.contains("chmod 600"), "{said}");
        }
        fs::remove_file(keys.path()).unwrap();
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), keys.path()).unwrap();
        assert!(matches!(keys.list(), Err(KeysError::Failed { .. })));
    }

    #[test]
    fn a_file_that_is_given_is_read_wherever_a_link_leads_to_and_never_changed() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [one, two] = [&first, &second].map(|directory| ClientKeys::of(directory.path()));
        one.add(new("acme")).unwrap();
        two.add(new("acme")).unwrap();
        two.add(new("other")).unwrap();
        let link = first.path().join("mounted");
        std::os::unix::fs::symlink(one.path(), &link).unwrap();
        let given = ClientKeys::given(link.clone(), second.path());
        for mode in [0o644, 0o604, 0o660, 0o642] {
            fs::set_permissions(one.path(), fs::Permissions::from_mode(mode)).unwrap();
            let refused = given.list().unwrap_err();
            assert!(matches!(refused, KeysError::Open { mode: found, .. } if found == mode), "{mode:o}: {refused}");
        }
        fs::set_permissions(one.path(), fs::Permissions::from_mode(0o440)).unwrap();
        assert_eq!(given.list().unwrap().len(), 1);
        let id = given.list().unwrap().remove(0).id;
        assert!(matches!(given.add(new("acme")), Err(KeysError::Given { .. })));
        assert!(matches!(given.revoke(&id), Err(KeysError::Given { .. })));
        // The file changes as a mounted secret does: the link is another, and what is there stays.
        let before = given.stamp();
        let next = first.path().join("next");
        std::os::unix::fs::symlink(two.path(), &next).unwrap();
        fs::rename(next, &link).unwrap();
        assert_ne!(given.stamp(), before);
        assert_eq!(given.list().unwrap().len(), 2);
        fs::remove_file(&link).unwrap();
        assert!(matches!(given.list(), Err(KeysError::Failed { .. })), "none is not the same as no keys");
    }
}
