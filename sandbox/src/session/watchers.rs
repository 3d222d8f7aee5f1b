//! Who wants to know when files of sessions change.
//!
//! A watcher is told of each thing that it watches once until it has taken note,
//! however often that changes: what it has not heard yet is bounded by what it
//! watches, and nobody waits for it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::files::Manifest;
use crate::handle::{Principal, SessionId, SessionKey};
use crate::workspace::WorkspacePath;

/// The watchers of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<HashMap<SessionKey, Of>>);

/// The watchers of one session.
#[derive(Debug, Default)]
struct Of {
    watched: Vec<Watched>,
    /// The commit that the session was at when it was last here, while it is not here.
    left_at: Option<u64>,
}

/// One thing that somebody watches.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    name: Arc<str>,
    news: Arc<News>,
}

/// Changes that a watcher has not heard of yet, by its own names.
#[derive(Debug, Default)]
struct News {
    names: Mutex<BTreeSet<Arc<str>>>,
    came: Notify,
}

/// Watches files of the sessions of one principal, until it is dropped. What another
/// server does to a session is seen when it is next used here.
#[derive(Debug)]
pub struct FileWatch {
    watchers: Arc<Watchers>,
    owner: Principal,
    news: Arc<News>,
    /// The sessions in which something is watched, by the names that are given to it here.
    sessions: Mutex<HashMap<Arc<str>, SessionId>>,
}

impl FileWatch {
    pub(crate) fn new(watchers: &Arc<Watchers>, owner: &Principal) -> Self {
        let watchers = Arc::clone(watchers);
        Self { watchers, owner: owner.clone(), news: Arc::default(), sessions: Mutex::default() }
    }

    /// Watches what is at `path` of a session, and beneath it, under a `name` that
    /// nothing else has here. There need be no such session: then nothing ever changes.
    pub fn add(&self, session: &SessionId, path: &WorkspacePath, name: &str) {
        let (name, path) = (Arc::<str>::from(name), if path.is_root() { Path::new("") } else { path.as_path() });
        self.sessions.lock().insert(Arc::clone(&name), session.clone());
        let watched = Watched { path: path.to_path_buf(), name, news: Arc::clone(&self.news) };
        self.watchers.0.lock().entry(self.key(session.clone())).or_default().watched.push(watched);
    }

    /// Watches what has this name no longer.
    pub fn remove(&self, name: &str) {
        let Some(session) = self.sessions.lock().remove(name) else { return };
        let is_it = |watched: &Watched| Arc::ptr_eq(&watched.news, &self.news) && *watched.name == *name;
        self.watchers.remove(self.key(session), is_it);
        self.news.names.lock().retain(|known| **known != *name);
    }

    fn key(&self, session: SessionId) -> SessionKey {
        SessionKey { owner: self.owner.clone(), id: session }
    }

    /// Has a change which nobody came to hear of be the next once more, unless what has
    /// this name is watched no longer.
    pub fn put_back(&self, name: &str) {
        let sessions = self.sessions.lock();
        if let Some((name, _)) = sessions.get_key_value(name) {
            self.news.names.lock().insert(Arc::clone(name));
            self.news.came.notify_one();
        }
    }

    /// Waits for the next change, and gives the name of what changed.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&self) -> Arc<str> {
        loop {
            if let Some(name) = self.news.names.lock().pop_first() {
                return name;
            }
            self.news.came.notified().await;
        }
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        let sessions: HashSet<_> = self.sessions.get_mut().drain().map(|(_, session)| session).collect();
        for session in sessions {
            self.watchers.remove(self.key(session), |watched| Arc::ptr_eq(&watched.news, &self.news));
        }
    }
}

impl Watchers {
    /// Removes what is watched of one session: all tenants have thousands together.
    fn remove(&self, key: SessionKey, is_removed: impl Fn(&Watched) -> bool) {
        if let Entry::Occupied(mut of_session) = self.0.lock().entry(key) {
            of_session.get_mut().watched.retain(|watched| !is_removed(watched));
            if of_session.get().watched.is_empty() {
                of_session.remove();
            }
        }
    }

    /// Tells whoever watches something that differs between `before` and `now`.
    /// Where nobody watches the session it costs nothing.
    pub(super) fn changed(self: &Arc<Self>, key: SessionKey, before: &Arc<Manifest>, now: &Arc<Manifest>) {
        if Arc::ptr_eq(before, now) || !self.0.lock().contains_key(&key) {
            return;
        }
        let (watchers, before, now) = (Arc::clone(self), Arc::clone(before), Arc::clone(now));
        // Of 10,000 files it takes milliseconds, which are not for others to wait.
        tokio::task::spawn_blocking(move || {
            let paths = now.differing_from(&before);
            let with_parents: HashSet<_> = paths.iter().flat_map(|path| path.ancestors()).collect();
            watchers.tell(&key, |path| with_parents.contains(path));
        });
    }

    /// Tells everybody who watches a session that it is no more.
    pub(super) fn gone(&self, key: &SessionKey) {
        self.tell(key, |_| true);
    }

    /// Tells everybody who watches one of these sessions that it is no more, by the
    /// names of their owners.
    pub(super) fn all_gone(&self, ended: &HashSet<(String, SessionId)>) {
        if ended.is_empty() {
            return;
        }
        let is_over = |key: &&SessionKey| ended.contains(&(key.owner.directory_name().to_owned(), key.id.clone()));
        let watched: Vec<_> = self.0.lock().keys().filter(is_over).cloned().collect();
        watched.iter().for_each(|key| self.gone(key));
    }

    /// Takes note that a session leaves this server at that commit.
    pub(super) fn left(&self, key: &SessionKey, sequence: u64) {
        if let Some(of) = self.0.lock().get_mut(key) {
            of.left_at = Some(sequence);
        }
    }

    /// Tells everybody who watches a session that comes back at that commit, if another
    /// server went on with it: what it was like is not known here any more.
    pub(super) fn came(&self, key: &SessionKey, sequence: u64) {
        let left_at = self.0.lock().get_mut(key).and_then(|of| of.left_at.take());
        if left_at.is_some_and(|left_at| left_at < sequence) {
            self.tell(key, |_| true);
        }
    }

    fn tell(&self, key: &SessionKey, is_meant: impl Fn(&Path) -> bool) {
        let all = self.0.lock();
        for Watched { path, name, news } in all.get(key).into_iter().flat_map(|of| &of.watched) {
            if is_meant(path) {
                news.names.lock().insert(Arc::clone(name));
                news.came.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_told_once_of_what_it_watches_and_of_nothing_of_others() {
        let watchers = Arc::<Watchers>::default();
        let (one, other) = (Principal::named("one"), Principal::named("other"));
        let session = SessionId::random();
        let path = |text: &str| WorkspacePath::new("path", text).unwrap();
        let (mine, theirs) = (FileWatch::new(&watchers, &one), FileWatch::new(&watchers, &other));
        mine.add(&session, &path("."), "all");
        mine.add(&session, &path("a"), "a");
        theirs.add(&session, &path("."), "theirs");
        let key = SessionKey { owner: one, id: session };
        for _ in 0..3 {
            watchers.tell(&key, |path| path == Path::new(""));
        }
        assert_eq!(&*mine.next().await, "all");
        assert!(futures_util::poll!(Box::pin(mine.next())).is_pending(), "it was told of one thing twice");
        watchers.gone(&key);
        mine.remove("all");
        assert_eq!(&*mine.next().await, "a");
        assert!(futures_util::poll!(Box::pin(theirs.next())).is_pending(), "a session of another was told of");
        drop((mine, theirs));
        assert!(watchers.0.lock().is_empty());
    }
}
