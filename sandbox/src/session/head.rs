//! What a session is now, as far as this server knows.

use std::sync::Arc;
use std::time::SystemTime;

use super::files::{Manifest, Tree};
use super::ledger::Held;
use super::snapshot::{Commit, Saved, SavedInterpreter, SnapshotRecord, beside_files};
use crate::workspace::link::Link;
use crate::workspace::untouched::Untouched;

/// What nothing refers to any more is removed from the store every so many commits,
/// and after one that failed.
const COLLECT_INTERVAL: u64 = 8;

/// What a session is now.
#[derive(Debug)]
pub(crate) struct Head {
    life: Life,
    /// The last commit; 0 before the first.
    sequence: u64,
    /// When it was made.
    modified: SystemTime,
    saved: Saved,
    tree: Tree,
    /// Pays for the memory that the server holds it in.
    held: Option<Held>,
    /// The files as interpreters last saw them, as far as this server knows.
    seen: Arc<Manifest>,
    snapshots: Vec<SnapshotRecord>,
    /// Whether interpreters and files may have gone on past the last commit.
    is_ahead: bool,
    garbage: Garbage,
}

/// Whether a [`Head`] can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// It must be loaded first.
    Unknown,
    /// It is what the store holds, as far as this server knows.
    Loaded,
    /// The session is not here any more: look it up again.
    Gone,
}

/// Blobs in the store that no commit refers to.
#[derive(Clone, Copy, Debug, Default)]
struct Garbage {
    /// The commit as of which they were last collected, as far as is known.
    collected: u64,
    /// Whether a commit stopped referring to some since then.
    is_there: bool,
    /// Whether something failed that may have written some.
    may_be_there: bool,
}

/// A state that was read from the store and laid out.
pub(super) struct LoadedState {
    pub(super) sequence: u64,
    pub(super) modified: SystemTime,
    pub(super) saved: Saved,
    pub(super) snapshots: Vec<SnapshotRecord>,
    pub(super) tree: Tree,
    pub(super) has_garbage: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            life: Life::Unknown,
            sequence: 0,
            modified: SystemTime::now(),
            saved: Saved::default(),
            tree: Tree::empty(),
            held: None,
            seen: Arc::default(),
            snapshots: Vec::new(),
            is_ahead: false,
            garbage: Garbage::default(),
        }
    }
}

impl Head {
    /// The last commit; 0 before the first.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether nothing of it was committed yet.
    pub(crate) const fn is_new(&self) -> bool {
        self.sequence == 0
    }

    /// When the last commit was made, or the session was used last.
    pub(crate) const fn modified(&self) -> SystemTime {
        self.modified
    }

    /// The state that it has.
    pub(super) const fn saved(&self) -> &Saved {
        &self.saved
    }

    /// The interpreter of that runtime.
    pub(crate) fn interpreter(&self, runtime: &str) -> Option<&SavedInterpreter> {
        self.saved.interpreters.get(runtime)
    }

    /// The states that it remembers, the oldest first.
    pub(crate) fn snapshots(&self) -> &[SnapshotRecord] {
        &self.snapshots
    }

    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The files of the last commit.
    pub(crate) const fn manifest(&self) -> &Arc<Manifest> {
        self.tree.manifest()
    }

    /// The symbolic links among them.
    pub(crate) fn links(&self) -> Vec<Link> {
        self.manifest().links()
    }

    /// The files as interpreters last saw them.
    pub(super) const fn seen(&self) -> &Arc<Manifest> {
        &self.seen
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.life == Life::Loaded
    }

    pub(super) fn is_gone(&self) -> bool {
        self.life == Life::Gone
    }

    /// Whether interpreters and files may have gone on past the last commit.
    pub(super) const fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    /// Whether it can be taken back to the last commit, and must be before it is used.
    pub(super) fn must_be_taken_back(&self) -> bool {
        self.is_ahead && self.is_loaded()
    }

    /// The memory that it is held in.
    pub(super) fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes_with(&self.seen) + beside_files(&self.saved, &self.snapshots)
    }

    /// What pays for that.
    pub(super) const fn held(&mut self) -> &mut Option<Held> {
        &mut self.held
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, Held::bytes)
    }

    /// A run or a call is about to change it. Returns its files as they are before.
    pub(crate) fn begin_change(&mut self) -> Arc<Manifest> {
        self.tree.rest();
        self.is_ahead = true;
        Arc::clone(self.manifest())
    }

    /// What programs write may not be seen by the stamps of files from here on.
    pub(crate) fn distrust_stamps(&mut self) {
        self.tree.distrust_stamps();
    }

    /// These files are as they were, although their stamps differ.
    pub(super) fn set_untouched(&mut self, untouched: Untouched) {
        self.tree.set_untouched(untouched);
    }

    /// It is what the store holds.
    pub(super) const fn trust(&mut self) {
        self.life = Life::Loaded;
    }

    /// It must be loaded before it is used again.
    pub(super) const fn doubt(&mut self) {
        self.life = Life::Unknown;
    }

    /// It is not here any more. Returns whether there may be files of it.
    pub(super) fn end(&mut self) -> bool {
        let has_files = !self.is_loaded() || self.is_ahead || !self.manifest().is_empty();
        self.life = Life::Gone;
        self.held = None;
        has_files
    }

    /// It was used at that time, which the store has been told.
    pub(super) const fn used(&mut self, now: SystemTime) {
        self.modified = now;
    }

    /// Its directory is empty.
    pub(super) fn has_no_files_yet(&mut self) {
        self.tree = Tree::empty();
    }

    /// It was read from the store.
    pub(super) fn load(&mut self, state: LoadedState) {
        let LoadedState { sequence, modified, saved, snapshots, tree, has_garbage } = state;
        let Garbage { is_there, may_be_there, .. } = self.garbage;
        let garbage = Garbage { collected: sequence, is_there: is_there || has_garbage, may_be_there };
        *self = Self {
            life: Life::Loaded,
            sequence,
            modified,
            saved,
            seen: Arc::clone(tree.manifest()),
            tree,
            held: self.held.take(),
            snapshots,
            is_ahead: false,
            garbage,
        };
    }

    /// It is about to be taken back to the last commit.
    pub(super) const fn begin_roll_back(&mut self) {
        self.is_ahead = true;
        self.garbage.may_be_there = true;
    }

    /// It is as the last commit has it.
    pub(super) fn rolled_back(&mut self, tree: Tree) {
        self.tree = tree;
        self.is_ahead = false;
    }

    /// The last commit went on from a remembered state, whose files are yet to be laid
    /// out. If they cannot be now, they will be when it is loaded.
    pub(super) const fn begin_rewind(&mut self) {
        self.garbage.is_there = true;
        self.doubt();
    }

    /// They are laid out.
    pub(super) fn rewound(&mut self, tree: Tree) {
        self.tree = tree;
        self.seen_by_interpreters();
    }

    /// Interpreters have seen the files as they are.
    pub(super) fn seen_by_interpreters(&mut self) {
        self.seen = Arc::clone(self.tree.manifest());
    }

    /// `commit` is the session now, with the files `tree` if they are others.
    pub(super) fn committed(&mut self, commit: Commit, tree: Option<Tree>, now: SystemTime) {
        self.garbage.is_there |= tree.is_some()
            || commit.snapshots.len() < self.snapshots.len()
            || self.saved.stops_referring_to_any(&commit.saved);
        self.sequence += 1;
        self.modified = now;
        self.saved = commit.saved;
        self.snapshots = commit.snapshots;
        self.tree = tree.unwrap_or_else(|| std::mem::replace(&mut self.tree, Tree::empty()));
        self.is_ahead = false;
    }

    /// It is not known whether a commit became the session.
    pub(super) const fn commit_failed(&mut self) {
        self.is_ahead = true;
        if self.sequence > 0 {
            self.doubt();
        }
    }

    /// Whether something may lie in the store that nothing refers to.
    pub(super) const fn may_have_garbage(&self) -> bool {
        self.garbage.is_there || self.garbage.may_be_there
    }

    /// Whether it is time to collect that.
    pub(super) const fn is_collection_due(&self) -> bool {
        let Garbage { collected, is_there, may_be_there } = self.garbage;
        may_be_there || (is_there && self.sequence - collected >= COLLECT_INTERVAL)
    }

    /// It is collected as of the last commit.
    pub(super) const fn collected(&mut self) {
        self.garbage = Garbage { collected: self.sequence, is_there: false, may_be_there: false };
    }
}
