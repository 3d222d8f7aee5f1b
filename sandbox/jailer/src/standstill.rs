//! A tree that stands still while it is measured: what many processes do
//! meanwhile could be more than what is measured, and they would keep whoever
//! measures them waiting.

use std::collections::HashSet;

use crate::processes::Snapshot;
use crate::tree::Tree;

/// Makes a tree stand still and go on.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    /// The processes that there were when the last standstill ended, if some of them
    /// had stopped by themselves before it.
    known: Option<HashSet<i32>>,
}

impl Standstill {
    /// Keeps all processes from going on, but for what is under way in the
    /// kernel.
    pub(crate) fn begin(&self, tree: &Tree) {
        tree.pause();
    }

    /// Lets processes go on as they are `now`, but for those that had stopped by themselves.
    pub(crate) fn end(&mut self, tree: &Tree, now: &Snapshot, by_themselves: &HashSet<i32>) {
        if by_themselves.is_empty() {
            tree.go_on();
            return;
        }
        let known: HashSet<i32> = now.pids().into_iter().chain(by_themselves.iter().copied()).collect();
        known.iter().filter(|pid| !by_themselves.contains(pid)).for_each(|pid| tree.let_go_on(*pid));
        self.known = Some(known);
    }

    /// Lets those go on that were being started, and so came to stand still
    /// later than all others.
    pub(crate) fn look(&mut self, tree: &Tree, now: &Snapshot) {
        if let Some(known) = self.known.take() {
            now.stopped.iter().filter(|pid| !known.contains(pid)).for_each(|pid| tree.let_go_on(*pid));
        }
    }
}
