//! The keys of clients, as a running server knows them: what is added counts for the next
//! request, and what is revoked ends at once. Each request asks the kernel whether the
//! file is the one that was read, which takes a microsecond.

mod file;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::file::Stamp;
pub(crate) use self::file::{ClientKeys, Key, KeysError, NewKey, PREFIX};
use super::{Identity, Roster, Unauthenticated};

/// All of them.
pub(crate) struct Keys {
    file: ClientKeys,
    roster: Roster,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stamp: Option<Stamp>,
    /// By the hash of each.
    known: HashMap<[u8; 32], Known>,
    /// Whether what is there now cannot be used. What was known is kept, to be
    /// compared with what comes, and lets nobody in.
    is_unusable: bool,
}

struct Known {
    key: Key,
    /// `None` for one of a tenant that there is not.
    identity: Option<Arc<Identity>>,
}

impl Known {
    fn of(key: Key, roster: &Roster) -> Self {
        let identity = roster.find(key.tenant.as_deref()).map(|principal| {
            Arc::new(Identity {
                principal,
                // A key without scopes was refused with its file.
                scopes: key.scopes().unwrap_or_default(),
                credential: format!("key {}", key.id).into(),
                expires: key.expires(),
                ceilings: key.ceilings,
                revoked: CancellationToken::new(),
            })
        });
        let identity = identity.inspect_err(|error| tracing::warn!(key = key.id, %error, "a key lets nobody in")).ok();
        Self { key, identity }
    }
}

impl Keys {
    /// Those in `file`, of these tenants.
    ///
    /// # Errors
    ///
    /// When it cannot be used as it is.
    pub(crate) fn open(file: ClientKeys, roster: Roster) -> Result<Self, KeysError> {
        file.list()?;
        let keys = Self { file, roster, state: Mutex::default() };
        keys.look();
        Ok(keys)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().known.len()
    }

    /// Whoever has the key `given`.
    pub(super) fn find(&self, given: &[u8]) -> Result<Arc<Identity>, Unauthenticated> {
        let hash = blake3::hash(given);
        self.look();
        let state = self.state.lock();
        if state.is_unusable {
            return Err(Unauthenticated::UnusableKeys);
        }
        let known = state.known.get(hash.as_bytes()).ok_or(Unauthenticated::WrongKey)?;
        let identity = known.identity.as_ref().ok_or(Unauthenticated::NoTenant)?;
        match identity.expires {
            Some(expires) if expires <= SystemTime::now() => Err(Unauthenticated::Expired),
            _ => Ok(Arc::clone(identity)),
        }
    }

    /// Takes over what the file has become.
    pub(super) fn look(&self) {
        let mut state = self.state.lock();
        let stamp = self.file.stamp();
        if stamp == state.stamp {
            return;
        }
        match self.file.read() {
            Ok((keys, read)) => {
                state.stamp = read;
                state.is_unusable = false;
                let mut before = std::mem::take(&mut state.known);
                for key in keys {
                    let Some(hash) = key.digest() else { continue };
                    let same = before.remove(hash.as_bytes()).filter(|known| known.key == key);
                    let known = same.unwrap_or_else(|| Known::of(key, &self.roster));
                    state.known.insert(*hash.as_bytes(), known);
                }
                // What was changed goes on as something else, so it ends as well.
                for identity in before.into_values().filter_map(|known| known.identity) {
                    identity.revoked.cancel();
                }
            }
            Err(error) => {
                // What is short of descriptors may be read the next time.
                if !matches!(error, KeysError::Failed { .. }) {
                    state.stamp = stamp;
                }
                if !std::mem::replace(&mut state.is_unusable, true) {
                    tracing::error!(error = ?error, "no key lets anybody in: {error}");
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that are read here")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::Scopes;

    fn new(tenant: Option<&str>, lifetime: Option<u64>) -> NewKey {
        NewKey {
            tenant: tenant.map(str::to_owned),
            scopes: Scopes::among("sandbox:execute"),
            name: None,
            lifetime: lifetime.map(Duration::from_secs),
            ceilings: sandbox::RequestedLimits::default(),
        }
    }

    #[test]
    fn a_change_of_the_file_counts_at_once_and_what_is_revoked_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = ClientKeys::of(directory.path());
        let keys = Keys::open(file.clone(), Roster::One).unwrap();
        let said = |text: &str| keys.find(text.as_bytes()).map(|identity| identity.credential.to_string());
        assert_eq!(said("belljar_key_0_0"), Err(Unauthenticated::WrongKey));
        let ((one, text), (other, other_text)) =
            (file.add(new(None, None)).unwrap(), file.add(new(None, None)).unwrap());
        assert_eq!(said(&text), Ok(format!("key {}", one.id)));
        let (first, second) = (keys.find(text.as_bytes()).unwrap(), keys.find(other_text.as_bytes()).unwrap());
        assert!(
            first.scopes.allow(crate::identity::Scope::Execute) && !first.scopes.allow(crate::identity::Scope::Admin)
        );
        file.revoke(&one.id).unwrap();
        assert_eq!(said(&text), Err(Unauthenticated::WrongKey));
        assert!(first.revoked.is_cancelled() && !second.revoked.is_cancelled());
        assert!(Arc::ptr_eq(&keys.find(other_text.as_bytes()).unwrap(), &second));
        // As if it were another's, or had run out.
        assert_eq!(said(&file.add(new(Some("a"), None)).unwrap().1), Err(Unauthenticated::NoTenant));
        assert_eq!(said(&file.add(new(None, Some(0))).unwrap().1), Err(Unauthenticated::Expired));
        // Closed while nobody can tell, and open again with the same.
        let path = directory.path().join("client-keys.json");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(said(&other_text), Err(Unauthenticated::UnusableKeys));
        assert!(!second.revoked.is_cancelled());
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(said(&other_text), Ok(format!("key {}", other.id)));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(said(&other_text), Err(Unauthenticated::WrongKey));
        assert!(second.revoked.is_cancelled());
    }
}
