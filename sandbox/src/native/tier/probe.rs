//! What was found out about this machine, and is found out again after a while
//! if it came to nothing because the machine was short of something.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use parking_lot::Mutex;

/// How long until something is tried again at first, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What runs out for a moment, and may be there again soon.
const SHORTAGES: [Errno; 6] =
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::EAGAIN, Errno::ENOSPC, Errno::EDQUOT];

/// Other words for a shortage, and what a program ends with that was short of something
/// and did not come to say so.
const UNTOLD: [&str; 6] =
    ["left at this moment", "the disk is full", "disk quota", "it ended as", "ended before", "the connection to"];

/// Whether what failed for this reason may succeed soon. Reasons come as texts, some
/// from another process.
pub(in crate::native) fn passes(reason: &str) -> bool {
    let names = |errno: &Errno| {
        // A shortage is told by its name, or as the standard library tells it.
        let code = format!("(os error {})", *errno as i32);
        reason.contains(&format!("{errno:?}")) || reason.contains(&code)
    };
    SHORTAGES.iter().any(names) || UNTOLD.iter().any(|text| reason.contains(text))
}

/// Something to be found out.
#[derive(Debug)]
pub(in crate::native) struct Found<T> {
    known: Mutex<Option<Known<T>>>,
    finding: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known<T> {
    value: Arc<T>,
    /// When to try again, and how long to wait then.
    again: Option<(Instant, Duration)>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { known: Mutex::default(), finding: tokio::sync::Mutex::default() }
    }
}

impl<T> Found<T> {
    /// What is known without asking anyone.
    pub(in crate::native) fn known(&self) -> Option<Arc<T>> {
        self.known.lock().as_ref().map(|known| Arc::clone(&known.value))
    }

    /// What is known at `now`, unless it is time to try again.
    fn current(&self, now: Instant) -> Option<Arc<T>> {
        let known = self.known.lock();
        let known = known.as_ref().filter(|known| known.again.is_none_or(|(at, _)| now < at))?;
        Some(Arc::clone(&known.value))
    }

    /// Answers what is known, or finds it out with `find`. That gets what was known
    /// before, and says whether it may find something else soon.
    pub(in crate::native) async fn get<F: Future<Output = (Arc<T>, bool)>>(
        &self,
        find: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Arc<T> {
        if let Some(known) = self.current(Instant::now()) {
            return known;
        }
        let _finding = self.finding.lock().await;
        if let Some(known) = self.current(Instant::now()) {
            return known;
        }
        let (value, passes) = find(self.known()).await;
        let mut known = self.known.lock();
        let wait = known.as_ref().and_then(|known| known.again).map_or(FIRST_WAIT, |(_, wait)| wait);
        let again = passes.then(|| (Instant::now() + wait, LONGEST_WAIT.min(2 * wait)));
        *known = Some(Known { value: Arc::clone(&value), again });
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_out_for_a_moment_is_told_from_what_is_not_there() {
        for reason in [
            "failed to make a pipe: Too many open files (os error 24)",
            "its confinement cannot be applied: clone: EAGAIN: Try again",
            "mmap: ENOMEM: Out of memory",
            "failed to start it: the machine has no open files left at this moment; try again",
            "it ended as LimitExceeded(WallTimeMs)",
            "the process ended before it became the program: Some(Exited(Pid(2), 67))",
        ] {
            assert!(passes(reason), "{reason}");
        }
        for reason in [
            "unshare: EPERM: Operation not permitted",
            "Landlock: ABI 6 is needed, this kernel has 1",
            "it could do what it must not: connect",
            "there is no `bash` on the path",
        ] {
            assert!(!passes(reason), "{reason}");
        }
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_later_and_later_and_the_rest_never() {
        let found = Found::default();
        let find = |value, passes| move |_| async move { (Arc::new(value), passes) };
        assert_eq!(*found.get(find(1, true)).await, 1);
        assert_eq!(*found.get(find(2, true)).await, 1, "not at once");
        for (number, wait) in [1_u64, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            let (at, _) = found.known.lock().as_ref().unwrap().again.unwrap();
            assert!(at <= Instant::now() + Duration::from_secs(wait), "{number}");
            assert!(at > Instant::now() + Duration::from_secs(wait / 2), "{number}");
            found.known.lock().as_mut().unwrap().again.as_mut().unwrap().0 = Instant::now();
            assert_eq!(*found.get(find(number, true)).await, number);
        }
        found.known.lock().as_mut().unwrap().again.as_mut().unwrap().0 = Instant::now();
        assert_eq!(*found.get(find(100, false)).await, 100);
        assert_eq!((*found.get(find(101, true)).await, found.known()), (100, Some(Arc::new(100))));
    }
}
