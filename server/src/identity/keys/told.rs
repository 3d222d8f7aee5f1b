//! What servers over one store tell each other of keys that were revoked: one note for all of
//! them, which each reads and, where it lacks something, writes anew. Keys that were revoked
//! only get more, so it does not matter who writes last: whoever misses something of its own
//! there writes again.
//!
//! Whoever holds what servers share may hide the note, or bring back an earlier one, and so
//! keep a server from hearing of a key; what it heard it knows. It cannot make one up.

use std::sync::Arc;
use std::time::Duration;

use sandbox::{Executor, Note};
use tokio::time::MissedTickBehavior;

use super::Keys;
use super::revoked::RevokedKeys;

/// How often the note is looked at: within twice that, and what Redis takes, a key is
/// refused everywhere.
const LOOK: Duration = Duration::from_secs(1);
/// How often that is by a server which lets nobody in before it was answered.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const NOTE: &str = "revoked-keys";
const MAX_NOTE_BYTES: usize = 1 << 20;

/// Tells other servers which keys were revoked here, and hears of theirs, for as long as
/// this is waited for.
pub(crate) async fn tell_revoked(keys: &Keys, executor: &Executor) {
    if !executor.shares_notes() {
        return std::future::pending().await;
    }
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_wrong = false;
    loop {
        interval.tick().await;
        let is_wrong = matches!(round(keys, executor).await, Heard::Wrong);
        if is_wrong && !was_wrong {
            tracing::warn!("what servers share has something else in place of the keys that were revoked");
        }
        was_wrong = is_wrong;
    }
}

/// Hears which keys were revoked elsewhere, as soon as anybody says. What is wrong there is
/// found again, and logged, by whoever goes on listening.
pub(crate) async fn hear_revoked(keys: &Keys, executor: &Executor) {
    let mut interval = tokio::time::interval(FIRST_LOOK);
    while executor.shares_notes() {
        interval.tick().await;
        if !matches!(round(keys, executor).await, Heard::Nothing) {
            return;
        }
    }
}

/// What came of a look at the note.
enum Heard {
    /// Nobody answered.
    Nothing,
    /// What servers share is no list of revoked keys.
    Wrong,
    /// The list, which may be empty.
    List,
}

/// Hears of other servers once, and tells them what they lack.
async fn round(keys: &Keys, executor: &Executor) -> Heard {
    let note = executor.notes(&[NOTE.to_owned()], MAX_NOTE_BYTES).await.and_then(|mut notes| notes.pop());
    let told = match note {
        None => return Heard::Nothing,
        Some(Note::None) => Some(RevokedKeys::default()),
        Some(Note::Wrong) => None,
        Some(Note::Content(bytes)) => RevokedKeys::told(&bytes).ok(),
    };
    let heard = if told.is_some() { Heard::List } else { Heard::Wrong };
    let known = told.unwrap_or_default();
    if let Some(note) = keys.hear(known).await
        && let Err(error) = executor.leave_note(NOTE, note).await
    {
        tracing::warn!(error = ?anyhow::Error::from(error), "other servers are not told of keys that were revoked");
    }
    heard
}

impl Keys {
    /// Takes over what other servers told of keys that were revoked. Returns what they are to
    /// be told, if they lack anything.
    async fn hear(&self, told: RevokedKeys) -> Option<Vec<u8>> {
        // A file that cannot be used lets nobody in; what was known of revoked keys is told still.
        let _ = self.look().await;
        let new = told.without(&self.revoked());
        let is_new = !new.is_empty();
        if is_new || !self.shared.file.unsaved().is_empty() {
            let shared = Arc::clone(&self.shared);
            let saved = tokio::task::spawn_blocking(move || shared.file.learn(&new)).await;
            let failed = saved.map_err(anyhow::Error::from).and_then(|saved| saved.map_err(anyhow::Error::from)).err();
            match failed {
                Some(error) if is_new => {
                    tracing::error!(error = ?error, "keys that were revoked elsewhere are known until this server ends");
                }
                None if is_new => tracing::info!("keys were revoked at another server"),
                _ => {}
            }
            let _ = self.look().await;
        }
        self.revoked().untold(&told)
    }

    /// All that is known of keys that were revoked.
    fn revoked(&self) -> Arc<RevokedKeys> {
        let saved = Arc::clone(&self.shared.state.lock().revoked);
        let unsaved = self.shared.file.unsaved();
        if unsaved.is_empty() {
            return saved;
        }
        let mut all = Arc::unwrap_or_clone(saved);
        all.merge(&unsaved);
        Arc::new(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ClientKeys;
    use super::*;
    use crate::identity::keys::NewKey;
    use crate::identity::{Roster, Scopes, Unauthenticated};

    #[tokio::test]
    async fn a_key_that_was_revoked_elsewhere_ends_here_and_stays_ended() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let new = NewKey {
            tenant: None,
            scopes: Scopes::among("sandbox:execute"),
            name: None,
            lifetime: None,
            ceilings: sandbox::RequestedLimits::default(),
        };
        let files = [one.path(), two.path()].map(ClientKeys::of);
        let ((key, text), (_, kept)) = (files[0].add(new.clone()).unwrap(), files[0].add(new).unwrap());
        std::fs::copy(one.path().join("client-keys.json"), two.path().join("client-keys.json")).unwrap();
        let open = |file: &ClientKeys| Keys::open(file.clone(), Roster::One).unwrap();
        let servers = [open(&files[0]), open(&files[1])];
        let goes_on = servers[1].find(text.as_bytes()).await.unwrap();
        assert!(servers[0].hear(RevokedKeys::default()).await.is_none(), "nothing was revoked");
        files[0].revoke(&key.id).unwrap();
        let note = servers[0].hear(RevokedKeys::default()).await.unwrap();
        let told = || RevokedKeys::told(&note).unwrap();
        assert!(servers[0].hear(told()).await.is_none() && !goes_on.revoked.is_cancelled());
        assert!(servers[1].hear(told()).await.is_none());
        assert!(goes_on.revoked.is_cancelled());
        // What is heard later takes nothing back, and is told what it lacks.
        assert_eq!(servers[1].hear(RevokedKeys::default()).await.unwrap(), note);
        for server in [&servers[1], &open(&files[1])] {
            assert_eq!(server.find(text.as_bytes()).await.map(drop), Err(Unauthenticated::WrongKey));
            server.find(kept.as_bytes()).await.unwrap();
        }
        assert_eq!(files[1].list().unwrap().len(), 1);
    }
}
