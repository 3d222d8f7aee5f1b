//! Commits that nobody needs any longer and whose files are there still: each
//! takes in another commit of the same principal.

use std::collections::HashMap;

use object_store::path::Path;
use parking_lot::Mutex;

/// How many a principal may have: as many as sessions that come back one after
/// the other leave behind before the first of them leaves.
const MAX_FILES: usize = 64;
/// The largest that waits. Above what a session with small files commits.
const MAX_BYTES: u64 = 256 << 10;

/// Those that this server knows of. Another that shares the store may use or
/// remove them first.
#[derive(Debug, Default)]
pub(super) struct Reusable(Mutex<HashMap<String, Vec<Path>>>);

impl Reusable {
    /// Adds one of `bytes`. False when it is too large, or there are enough:
    /// then it is to be removed.
    pub(super) fn add(&self, principal: &str, commit: Path, bytes: u64) -> bool {
        if bytes > MAX_BYTES {
            return false;
        }
        let mut all = self.0.lock();
        let mine = all.entry(principal.to_owned()).or_default();
        if mine.contains(&commit) {
            return true;
        }
        if mine.len() >= MAX_FILES {
            return false;
        }
        mine.push(commit);
        true
    }

    /// Forgets those of `principal`. They stay until their session is collected.
    pub(super) fn forget(&self, principal: &str) {
        self.0.lock().remove(principal);
    }

    /// Takes one of the session that was used last, whose pages are in memory
    /// most likely: its oldest, so that a number which is free again has none
    /// below it.
    pub(super) fn take(&self, principal: &str) -> Option<Path> {
        let mut all = self.0.lock();
        let mine = all.get_mut(principal)?;
        let session = session_of(mine.last()?).to_owned();
        let oldest = (0..mine.len()).filter(|at| session_of(&mine[*at]) == session).min_by_key(|at| &mine[*at])?;
        let commit = mine.remove(oldest);
        if mine.is_empty() {
            all.remove(principal);
        }
        Some(commit)
    }
}

fn session_of(commit: &Path) -> &str {
    commit.as_ref().rsplit_once('/').map_or("", |(session, _)| session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_session_that_was_used_last_goes_first() {
        let reusable = Reusable::default();
        for commit in ["s/2", "t/1", "s/3", "t/5", "s/1"] {
            reusable.add("one", commit.into(), 1);
        }
        let taken: Vec<_> = std::iter::from_fn(|| reusable.take("one")).map(String::from).collect();
        assert_eq!(taken, ["s/1", "t/1", "t/5", "s/2", "s/3"][..]);
    }

    #[test]
    fn each_is_taken_once_and_by_its_principal() {
        let reusable = Reusable::default();
        assert!(reusable.add("one", "a".into(), 1) && reusable.add("one", "b".into(), MAX_BYTES));
        assert!(reusable.add("one", "a".into(), 1), "it is there already");
        assert_eq!(reusable.take("other"), None);
        assert_eq!([(); 3].map(|()| reusable.take("one")), [Some("a".into()), Some("b".into()), None]);
        reusable.add("one", "c".into(), 1);
        reusable.forget("one");
        assert!(reusable.0.lock().is_empty());
    }

    #[test]
    fn what_is_large_or_too_much_is_to_be_removed() {
        let reusable = Reusable::default();
        assert!(!reusable.add("one", "large".into(), MAX_BYTES + 1));
        for number in 0..MAX_FILES {
            assert!(reusable.add("one", number.to_string().into(), 1));
        }
        assert!(!reusable.add("one", "more".into(), 1) && reusable.add("other", "more".into(), 1));
        assert!(reusable.add("one", "0".into(), 1));
    }
}
