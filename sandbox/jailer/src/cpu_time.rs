//! Processor time that nobody waited for.
//!
//! The kernel adds the time of a child to its parent's when the parent waits
//! for it. A parent that ignores `SIGCHLD` does not, and the time is lost. So
//! what a process had used when it was last seen is expected to come up at
//! another one, and is counted as lost when it does not.

use std::collections::HashMap;

/// A process: its number, and when it started. Numbers are used again.
pub(crate) type Identity = (i32, u64);

/// Processor time of a process, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    /// The process's own time.
    pub(crate) own: u64,
    /// The time of the children that the process waited for.
    pub(crate) waited: u64,
}

/// How much too low a sum may be that a parent shows: it is of two numbers, each rounded down.
const ROUNDING: u64 = 2;

/// Keeps account of a tree.
#[derive(Debug, Default)]
pub(crate) struct Account {
    seen: HashMap<Identity, Ticks>,
    reaped: u64,
    /// Time of processes that were gone at the last look, and that has not come up
    /// since: a parent may have waited between our looks at it and at the child.
    open: u64,
    lost: u64,
}

impl Account {
    /// Takes what the processes used at a moment, and what this process itself
    /// has waited for. Returns all that is lost so far.
    pub(crate) fn update(&mut self, now: HashMap<Identity, Ticks>, reaped: u64) -> u64 {
        let gone = self.seen.iter().filter(|(process, _)| !now.contains_key(process));
        let gone: u64 = gone.map(|(_, ticks)| (ticks.own + ticks.waited).saturating_sub(ROUNDING)).sum();
        let before = |process| self.seen.get(process).map_or(0, |ticks| ticks.waited);
        let came: u64 = now.iter().map(|(process, ticks)| ticks.waited.saturating_sub(before(process))).sum();
        let came = came + reaped.saturating_sub(self.reaped);
        self.lost += self.open.saturating_sub(came);
        self.open = gone.saturating_sub(came.saturating_sub(self.open));
        self.seen = now;
        self.reaped = reaped;
        self.lost
    }

    /// All that is lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: Identity = (2, 10);
    const CHILD: Identity = (3, 20);

    fn ticks(own: u64, waited: u64) -> Ticks {
        Ticks { own, waited }
    }

    #[test]
    fn what_was_waited_for_is_not_lost() {
        let mut account = Account::default();
        account.update(HashMap::from([(PARENT, ticks(1, 0)), (CHILD, ticks(50, 0))]), 0);
        // The parent waited between the look at it and the one at the child.
        account.update(HashMap::from([(PARENT, ticks(1, 0))]), 0);
        assert_eq!(account.update(HashMap::from([(PARENT, ticks(1, 52))]), 0), 0);
        account.update(HashMap::new(), 53);
        assert_eq!(account.update(HashMap::new(), 53), 0);
    }

    #[test]
    fn what_nobody_waited_for_is_lost() {
        let mut account = Account::default();
        for child in 0..3 {
            let number = (CHILD.0 + child, CHILD.1);
            account.update(HashMap::from([(PARENT, ticks(1, 0)), (number, ticks(50, 0))]), 0);
        }
        account.update(HashMap::from([(PARENT, ticks(1, 0))]), 0);
        assert_eq!(account.update(HashMap::from([(PARENT, ticks(1, 0))]), 0), 3 * (50 - ROUNDING));
        // A process that started at another time is another one, although it has the same number.
        account.update(HashMap::from([((PARENT.0, 11), ticks(0, 0))]), 0);
        assert_eq!(account.update(HashMap::new(), 0), 3 * (50 - ROUNDING));
    }
}
