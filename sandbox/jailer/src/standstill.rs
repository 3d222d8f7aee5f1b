//! A tree that stands still while it is measured: what many processes do
//! meanwhile could be more than what is measured, and they would keep whoever
//! measures them waiting.

use std::collections::HashSet;

use crate::processes::Snapshot;
use crate::tree::Tree;

/// Makes a tree stand still and go on.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    /// Who is stopped twice looks like who had stopped by itself.
    is_begun: bool,
    /// The processes that were seen since the first one ended, and had gone on. One that
    /// was being started comes to stand still later than all others: the kernel gives it
    /// the signal to stop with its life, and the one to go on to its parent only.
    known: Option<HashSet<i32>>,
}

impl Standstill {
    /// Keeps all processes from going on, but for what is under way in the
    /// kernel.
    pub(crate) fn begin(&mut self, tree: &Tree) {
        if !self.is_begun {
            tree.pause();
        }
        self.is_begun = true;
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Lets them go on as they are `now`, but for those that had stopped by themselves.
    pub(crate) fn end(&mut self, tree: &Tree, now: &Snapshot, mut by_themselves: HashSet<i32>) {
        self.is_begun = false;
        if let Some(known) = self.known.take() {
            by_themselves.retain(|pid| known.contains(pid));
        }
        let known: HashSet<i32> = now.pids().into_iter().chain(by_themselves.iter().copied()).collect();
        if by_themselves.is_empty() {
            tree.go_on();
        } else {
            known.iter().filter(|pid| !by_themselves.contains(pid)).for_each(|pid| tree.let_go_on(*pid));
        }
        self.known = Some(known);
    }

    /// Lets those go on that came to stand still later than all others, or are about to.
    pub(crate) fn look(&mut self, tree: &Tree, now: &Snapshot, mut is_to_stop: impl FnMut(i32) -> bool) {
        if self.is_begun {
            return;
        }
        if let Some(known) = &mut self.known {
            let pids = now.pids();
            let new = pids.iter().filter(|pid| !known.contains(pid));
            new.filter(|pid| now.stopped.contains(pid) || is_to_stop(**pid)).for_each(|pid| tree.let_go_on(*pid));
            *known = pids.into_iter().chain(now.stopped.iter().copied()).collect();
        }
    }
}
