//! Commits that nobody needs any longer and whose files are there still: each
//! takes in another commit of the same principal.

use std::collections::HashMap;
use std::sync::Mutex;

use object_store::path::Path;

use crate::lock::lock;

/// How many a principal may have: as many as sessions that come back one after
/// the other leave behind before the first of them leaves.
const MAX_FILES: usize = 64;
/// The largest that waits. Above what a session with small files commits.
const MAX_BYTES: u64 = 256 << 10;

/// Those that this server knows of. Another that shares the store may use or
/// remove them first.
#[derive(Debug, Default)]
pub(super) struct Unneeded(Mutex<HashMap<String, Vec<Path>>>);

impl Unneeded {
    /// Adds one of `bytes`. False when it is too large, or there are enough:
    /// then it is to be removed.
    pub(super) fn add(&self, principal: &str, commit: Path, bytes: u64) -> bool {
        if bytes > MAX_BYTES {
            return false;
        }
        let mut all = lock(&self.0);
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

    /// Takes the one that was added last: its pages are in memory most likely.
    pub(super) fn take(&self, principal: &str) -> Option<Path> {
        let mut all = lock(&self.0);
        let mine = all.get_mut(principal)?;
        let commit = mine.pop();
        if mine.is_empty() {
            all.remove(principal);
        }
        commit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_the_last_first_and_by_its_principal() {
        let unneeded = Unneeded::default();
        assert!(unneeded.add("one", "a".into(), 1) && unneeded.add("one", "b".into(), MAX_BYTES));
        assert!(unneeded.add("one", "a".into(), 1), "it is there already");
        assert_eq!(unneeded.take("other"), None);
        assert_eq!([(); 3].map(|()| unneeded.take("one")), [Some("b".into()), Some("a".into()), None]);
    }

    #[test]
    fn what_is_large_or_too_much_is_to_be_removed() {
        let unneeded = Unneeded::default();
        assert!(!unneeded.add("one", "large".into(), MAX_BYTES + 1));
        for number in 0..MAX_FILES {
            assert!(unneeded.add("one", number.to_string().into(), 1));
        }
        assert!(!unneeded.add("one", "more".into(), 1) && unneeded.add("other", "more".into(), 1));
        assert!(unneeded.add("one", "0".into(), 1));
    }
}
