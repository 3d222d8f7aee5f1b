//! What a guest may still put into its workspace.
//!
//! Every byte and every name is charged before the host writes it. Charging
//! never counts too little: overwriting and deleting are only credited when
//! the budget has run out and the workspace is counted again.

use std::sync::Arc;

use crate::run::limits::{Limits, Resource};
use crate::workspace::survey::DiskUse;
use crate::workspace::{MAX_DEPTH, MAX_PATH_BYTES, Workspace};

/// The disk limits of one run.
#[derive(Debug)]
pub(crate) struct DiskQuota {
    workspace: Arc<Workspace>,
    limit: DiskUse,
    left: DiskUse,
    /// What was written and made elsewhere than in the workspace, where nothing
    /// counts it again.
    elsewhere: DiskUse,
    denied: Option<Resource>,
}

impl DiskQuota {
    pub(crate) fn new(workspace: Arc<Workspace>, limits: &Limits, used: DiskUse) -> Self {
        let limit = DiskUse { bytes: limits.get(Resource::DiskBytes), files: limits.get(Resource::DiskFiles) };
        Self { workspace, limit, left: remaining(limit, used), elsewhere: DiskUse::default(), denied: None }
    }

    /// The workspace that this quota is about.
    pub(in crate::wasm) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Which limit the guest ran into.
    pub(in crate::wasm) const fn denied(&self) -> Option<Resource> {
        self.denied
    }

    /// Whether `bytes` can be taken without counting again.
    pub(in crate::wasm) const fn has_bytes(&self, bytes: u64) -> bool {
        self.left.bytes >= bytes
    }

    /// Takes `bytes` that are about to be written so that the file ends at
    /// `end` or beyond. False when the quota has no room for them.
    pub(in crate::wasm) const fn charge_bytes(&mut self, bytes: u64, end: u64) -> bool {
        // A file that ends past the quota is over it, holes or not.
        if end > self.limit.bytes || !self.has_bytes(bytes) {
            self.denied = Some(Resource::DiskBytes);
            return false;
        }
        self.left.bytes -= bytes;
        true
    }

    /// Gives back bytes that were charged and not written.
    pub(in crate::wasm) const fn credit_bytes(&mut self, bytes: u64) {
        self.left.bytes += bytes;
    }

    /// Takes one name that is about to be made.
    pub(in crate::wasm) fn charge_file(&mut self) -> bool {
        if self.left.files == 0
            && let Ok(survey) = self.workspace.survey()
        {
            self.left.files = self.remaining(survey.disk_use).files;
        }
        if self.left.files == 0 {
            self.denied = Some(Resource::DiskFiles);
            return false;
        }
        self.left.files -= 1;
        true
    }

    /// Takes one name that is about to be made elsewhere than in the workspace.
    pub(in crate::wasm) fn charge_file_elsewhere(&mut self) -> bool {
        let is_charged = self.charge_file();
        self.elsewhere.files += u64::from(is_charged);
        is_charged
    }

    /// Takes `bytes` that are about to be written elsewhere than in the workspace:
    /// how long the file is already is nobody's doing here.
    pub(in crate::wasm) const fn charge_bytes_elsewhere(&mut self, bytes: u64) -> bool {
        let is_charged = self.charge_bytes(bytes, bytes);
        if is_charged {
            self.elsewhere.bytes += bytes;
        }
        is_charged
    }

    /// Gives back bytes that were charged elsewhere than in the workspace, and not written.
    pub(in crate::wasm) const fn credit_bytes_elsewhere(&mut self, bytes: u64) {
        self.elsewhere.bytes -= bytes;
        self.credit_bytes(bytes);
    }

    /// Whether a new name at `path` keeps the tree within its depth and names
    /// within their length.
    pub(in crate::wasm) fn allows_path(path: &[u8]) -> bool {
        path.len() <= MAX_PATH_BYTES && depth(path) <= MAX_DEPTH
    }

    /// Whether moving `from` to `to` keeps the tree within its depth: a
    /// directory, which may hold others, may only move up or sideways.
    pub(in crate::wasm) fn allows_rename(&self, from: &[u8], to: &[u8]) -> bool {
        Self::allows_path(to) && (depth(to) <= depth(from) || !self.workspace.is_directory(from))
    }

    /// Counts the workspace again. `nameless` is what files hold that are
    /// open but have no name any more. Without a count nothing is credited,
    /// which is the safe side.
    pub(in crate::wasm) fn recount(&mut self, nameless: u64) {
        if let Ok(survey) = self.workspace.survey() {
            self.left.bytes = self.remaining(survey.disk_use).bytes.saturating_sub(nameless);
        }
    }

    fn remaining(&self, used: DiskUse) -> DiskUse {
        let DiskUse { bytes, files } = self.elsewhere;
        let used = DiskUse { bytes: used.bytes.saturating_add(bytes), files: used.files.saturating_add(files) };
        remaining(self.limit, used)
    }

    /// Takes what files hold that an earlier run left open without a name.
    pub(in crate::wasm) const fn charge_nameless(&mut self, nameless: u64) {
        self.left.bytes = self.left.bytes.saturating_sub(nameless);
    }
}

const fn remaining(limit: DiskUse, used: DiskUse) -> DiskUse {
    DiskUse { bytes: limit.bytes.saturating_sub(used.bytes), files: limit.files.saturating_sub(used.files) }
}

/// How deep a path leads as far as names tell. Links of native programs may lead
/// deeper: what a guest makes there is not kept, and it is told so.
fn depth(path: &[u8]) -> usize {
    path.split(|byte| *byte == b'/').fold(0, |depth: usize, part| match part {
        b"" | b"." => depth,
        b".." => depth.saturating_sub(1),
        _ => depth + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_elsewhere_is_not_forgotten_when_the_workspace_is_counted_again() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Arc::new(Workspace::create(parent.path().join("w")).unwrap());
        let mut limits = Limits::defaults();
        limits.set(Resource::DiskBytes, 1000);
        limits.set(Resource::DiskFiles, 2);
        let mut quota = DiskQuota::new(workspace, &limits, DiskUse::default());
        assert!(quota.charge_bytes_elsewhere(700) && quota.charge_file_elsewhere() && quota.charge_file());
        quota.recount(0);
        assert!(!quota.charge_bytes(301, 301) && quota.charge_bytes(300, 300));
        quota.credit_bytes_elsewhere(200);
        quota.recount(0);
        assert!(!quota.charge_bytes_elsewhere(501) && quota.charge_bytes_elsewhere(500));
        // Of two names one was made in the workspace, where it is not.
        assert!(quota.charge_file_elsewhere() && !quota.charge_file());
        assert_eq!(quota.denied(), Some(Resource::DiskFiles));
    }

    #[test]
    fn the_depth_of_a_path_is_where_it_leads() {
        for (path, expected) in [("a/b", 2), ("/a//./b/", 2), ("a/../b", 1), ("../../a", 1), ("d/../d/../d", 1)] {
            assert_eq!(depth(path.as_bytes()), expected, "{path}");
        }
    }
}
