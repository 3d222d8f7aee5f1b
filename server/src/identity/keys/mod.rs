//! The keys of clients, as a running server knows them: what is added counts for the next
//! request, and what is revoked ends at once. Each request asks the kernel whether the
//! file is the one that was read, which takes a microsecond; one that is not is read by
//! the first that finds out, beside everything else.
//!
//! - `file`: the keys that there are; `revoked`: those that were taken back, here or elsewhere.
//! - `own_file`: how either is read and replaced; `error`: why not.
//! - `told`: what servers tell each other of keys that were revoked.

mod error;
mod file;
mod own_file;
mod revoked;
mod told;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) use self::error::KeysError;
pub(crate) use self::file::{ClientKeys, Key, NewKey, PREFIX};
use self::file::{KeysStamp, Read};
use self::revoked::RevokedKeys;
pub(super) use self::told::{hear_revoked, tell_revoked};
use super::{Identity, Roster, Unauthenticated};

/// The keys of all clients.
pub(crate) struct Keys {
    shared: Arc<Shared>,
    /// Held by whoever reads the file: the others wait for what comes of it.
    reading: Arc<tokio::sync::Mutex<()>>,
}

struct Shared {
    file: ClientKeys,
    roster: Roster,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stamp: KeysStamp,
    known: Arc<KnownKeys>,
    revoked: Arc<RevokedKeys>,
    /// Whether what is there now cannot be used. What was known is kept, to be
    /// compared with what comes, and lets nobody in.
    is_unusable: bool,
}

/// Keys by their hashes.
type KnownKeys = HashMap<[u8; 32], Known>;

#[derive(Clone)]
struct Known {
    key: Key,
    /// Whose the key is; `None` for a key of a tenant that there is not.
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
                subject: None,
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
    /// The keys in `file`, of these tenants.
    ///
    /// # Errors
    ///
    /// When it cannot be used as it is.
    pub(crate) fn open(file: ClientKeys, roster: Roster) -> Result<Self, KeysError> {
        file.list()?;
        let shared = Arc::new(Shared { file, roster, state: Mutex::default() });
        shared.take_over();
        Ok(Self { shared, reading: Arc::default() })
    }

    /// How many keys there are.
    pub(crate) fn count(&self) -> usize {
        self.shared.state.lock().known.len()
    }

    /// Whoever has the key `given`.
    pub(super) async fn find(&self, given: &[u8]) -> Result<Arc<Identity>, Unauthenticated> {
        let hash = blake3::hash(given);
        self.look().await?;
        let state = self.shared.state.lock();
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

    /// Takes over what the file has become. A long one takes a second, in which the
    /// requests of whoever has no key go on.
    ///
    /// # Errors
    ///
    /// When it could not be looked at.
    pub(super) async fn look(&self) -> Result<(), Unauthenticated> {
        if self.shared.is_up_to_date() {
            return Ok(());
        }
        let reading = Arc::clone(&self.reading).lock_owned().await;
        // The one who read the file meanwhile may have begun before the last change.
        if self.shared.is_up_to_date() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        // Reading goes on without whoever waits for it, and nobody else reads until then.
        let looked = tokio::task::spawn_blocking(move || {
            let _reading = reading;
            shared.take_over();
        });
        looked.await.map_err(|_| Unauthenticated::UnusableKeys)
    }
}

impl Shared {
    fn is_up_to_date(&self) -> bool {
        let stamp = self.file.stamp();
        stamp == self.state.lock().stamp
    }

    /// Reads the file and takes over what is in it. Only one at a time does, and nobody
    /// waits for the lock of the state meanwhile.
    fn take_over(&self) {
        let stamp = self.file.stamp();
        let Read { keys, revoked, stamp } = match self.file.read() {
            Ok(read) => read,
            Err(error) => {
                let mut state = self.state.lock();
                // A file that cannot be read for a moment may come back just as it was.
                let is_passing = matches!(error, KeysError::Failed { .. });
                state.stamp = if is_passing { KeysStamp { keys: None, ..stamp } } else { stamp };
                if !std::mem::replace(&mut state.is_unusable, true) {
                    tracing::error!(error = ?error, "no key lets anybody in: {error}");
                }
                return;
            }
        };
        let before = Arc::clone(&self.state.lock().known);
        let mut known = KnownKeys::with_capacity(keys.len());
        for key in keys {
            let Some(hash) = key.digest() else { continue };
            let same = before.get(hash.as_bytes()).filter(|known| known.key == key).cloned();
            known.insert(*hash.as_bytes(), same.unwrap_or_else(|| Known::of(key, &self.roster)));
        }
        // A key that was changed goes on as something else, so what goes on for it ends as well.
        let is_kept = |(hash, known): &(&[u8; 32], &Known), now: &KnownKeys| {
            now.get(*hash).is_some_and(|now| now.key == known.key)
        };
        let gone: Vec<_> = before.iter().filter(|entry| !is_kept(entry, &known)).map(|(_, known)| known).collect();
        {
            let mut state = self.state.lock();
            (state.stamp, state.is_unusable) = (stamp, false);
            (state.known, state.revoked) = (Arc::new(known), Arc::new(revoked));
        }
        for identity in gone.into_iter().filter_map(|known| known.identity.as_ref()) {
            identity.revoked.cancel();
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

    #[tokio::test]
    async fn a_change_of_the_file_counts_at_once_and_what_is_revoked_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = ClientKeys::of(directory.path());
        let keys = Keys::open(file.clone(), Roster::One).unwrap();
        let said = async |text: &str| keys.find(text.as_bytes()).await.map(|identity| identity.credential.to_string());
        assert_eq!(said("belljar_key_0_0").await, Err(Unauthenticated::WrongKey));
        let ((one, text), (other, other_text)) =
            (file.add(new(None, None)).unwrap(), file.add(new(None, None)).unwrap());
        assert_eq!(said(&text).await, Ok(format!("key {}", one.id)));
        let (first, second) =
            (keys.find(text.as_bytes()).await.unwrap(), keys.find(other_text.as_bytes()).await.unwrap());
        assert!(
            first.scopes.allow(crate::identity::Scope::Execute) && !first.scopes.allow(crate::identity::Scope::Admin)
        );
        file.revoke(&one.id).unwrap();
        assert_eq!(said(&text).await, Err(Unauthenticated::WrongKey));
        assert!(first.revoked.is_cancelled() && !second.revoked.is_cancelled());
        assert!(Arc::ptr_eq(&keys.find(other_text.as_bytes()).await.unwrap(), &second));
        // A key of a tenant that there is not, or one that has run out, lets nobody in.
        assert_eq!(said(&file.add(new(Some("a"), None)).unwrap().1).await, Err(Unauthenticated::NoTenant));
        assert_eq!(said(&file.add(new(None, Some(0))).unwrap().1).await, Err(Unauthenticated::Expired));
        // Closed while nobody can tell, and open again with the same.
        let path = directory.path().join("client-keys.json");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(said(&other_text).await, Err(Unauthenticated::UnusableKeys));
        assert!(!second.revoked.is_cancelled());
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(said(&other_text).await, Ok(format!("key {}", other.id)));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(said(&other_text).await, Err(Unauthenticated::WrongKey));
        assert!(second.revoked.is_cancelled());
    }

    #[tokio::test]
    async fn a_file_that_changed_is_read_once_elsewhere_and_nobody_is_let_in_by_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = ClientKeys::of(directory.path());
        let ((one, text), (_, other)) = (file.add(new(None, None)).unwrap(), file.add(new(None, None)).unwrap());
        let keys = Keys::open(file.clone(), Roster::One).unwrap();
        let mut known = Box::pin(keys.find(text.as_bytes()));
        assert!(matches!(futures_util::poll!(&mut known), std::task::Poll::Ready(Ok(_))), "nothing has changed");
        file.revoke(&one.id).unwrap();
        let mut revoked = Box::pin(keys.find(text.as_bytes()));
        let mut kept = Box::pin(keys.find(other.as_bytes()));
        assert!(futures_util::poll!(&mut revoked).is_pending() && futures_util::poll!(&mut kept).is_pending());
        // Whoever began to read is gone.
        drop(revoked);
        kept.await.unwrap();
        assert_eq!(keys.find(text.as_bytes()).await.map(|_| ()), Err(Unauthenticated::WrongKey));
        assert_eq!(keys.count(), 1);
    }

    #[tokio::test]
    async fn a_file_that_was_out_of_reach_counts_again_when_it_is_back_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = ClientKeys::of(directory.path());
        let (_, text) = file.add(new(None, None)).unwrap();
        let link = directory.path().join("link");
        let lead = || std::os::unix::fs::symlink(directory.path().join("client-keys.json"), &link).unwrap();
        lead();
        let keys = Keys::open(ClientKeys::given(link.clone(), directory.path()), Roster::One).unwrap();
        for _ in 0..2 {
            assert_eq!(keys.find(text.as_bytes()).await.map(|_| ()), Ok(()));
            std::fs::remove_file(&link).unwrap();
            assert_eq!(keys.find(text.as_bytes()).await.map(|_| ()), Err(Unauthenticated::UnusableKeys));
            lead();
        }
        assert_eq!(keys.find(text.as_bytes()).await.map(|_| ()), Ok(()));
    }
}
