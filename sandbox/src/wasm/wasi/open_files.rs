//! Which descriptors of an instance are open, and under which names they were
//! opened: what brings them back in another instance.
//!
//! A descriptor that could not be brought back is poisoned: its number stays
//! taken, so that no other file is ever met under it, and it answers to
//! nothing but being closed.

use std::collections::{BTreeMap, BTreeSet};

use super::devices::Device;

/// The first descriptor above the standard streams and the workspace.
pub(in crate::wasm) const FIRST: u32 = 4;

/// The most files an instance may have open, whatever its limit says: what is
/// saved of them must be bounded.
pub(in crate::wasm) const MAX_OPEN_FILES: u32 = 4096;

/// The longest path that can be opened in one step. A guest can make longer ones
/// out of renames, and what lies there cannot be brought back.
pub(in crate::wasm) const MAX_PATH_BYTES: usize = 4095;

/// Open files of an instance, apart from standard streams and the workspace.
#[derive(Debug, Default)]
pub(in crate::wasm) struct OpenFiles {
    /// The paths of open files by their numbers: relative to the workspace, or absolute
    /// for what lies elsewhere. That of a file which was deleted or replaced since
    /// leads nowhere, or to another file.
    paths: BTreeMap<u32, Option<Vec<u8>>>,
    /// Entries of open files in Wasmtime's table, as far as they are known.
    resources: BTreeMap<u32, u32>,
    /// Devices by the numbers that stand for them.
    devices: BTreeMap<u32, Device>,
    /// Numbers of directories that are nowhere on the host.
    folders: BTreeSet<u32>,
    /// The mount in which a file lies, by the numbers of files that lie in one.
    mounts: BTreeMap<u32, usize>,
    poisoned: BTreeSet<u32>,
    /// A number above all numbers there ever were.
    end: u32,
    /// How many were open at most since the run began.
    pub(in crate::wasm) peak: u64,
    limit: u64,
    /// Whether the run was refused a file for its limit.
    pub(in crate::wasm) denied: bool,
}

impl OpenFiles {
    /// Begins a run in which at most `limit` files may be open.
    pub(in crate::wasm) fn begin(&mut self, limit: u64) {
        self.limit = limit.min(u64::from(MAX_OPEN_FILES));
        self.peak = self.count();
        self.denied = false;
    }

    /// Every open descriptor, in ascending order.
    pub(in crate::wasm) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.paths.keys().copied()
    }

    /// Where the file `number` should be.
    pub(in crate::wasm) fn path(&self, number: u32) -> Option<&[u8]> {
        self.paths.get(&number)?.as_deref()
    }

    /// The entry of the file `number` in Wasmtime's table.
    pub(in crate::wasm) fn resource(&self, number: u32) -> Option<u32> {
        self.resources.get(&number).copied()
    }

    /// The device that `number` stands for.
    pub(in crate::wasm) fn device(&self, number: u32) -> Option<Device> {
        self.devices.get(&number).copied()
    }

    /// The mount in which the file `number` lies.
    pub(in crate::wasm) fn mount(&self, number: u32) -> Option<usize> {
        self.mounts.get(&number).copied()
    }

    /// Whether `number` is a directory that is nowhere on the host.
    pub(in crate::wasm) fn is_folder(&self, number: u32) -> bool {
        self.folders.contains(&number)
    }

    /// A number above all numbers there ever were.
    pub(in crate::wasm) fn end(&self) -> u32 {
        self.end.max(FIRST)
    }

    /// Whether another file may be opened.
    pub(in crate::wasm) fn admit(&mut self) -> bool {
        let admitted = self.count() < self.limit;
        self.denied |= !admitted;
        admitted
    }

    /// Whether `number` is taken and must not be used.
    pub(in crate::wasm) fn is_poisoned(&self, number: u32) -> bool {
        self.poisoned.contains(&number)
    }

    /// Notes that `path`, relative to the descriptor `base`, was opened, and which
    /// entry of Wasmtime's table it is.
    pub(in crate::wasm) fn opened(&mut self, number: u32, resource: Option<u32>, base: u32, path: &[u8]) {
        let base = if self.paths.contains_key(&base) { self.path(base) } else { Some(&b""[..]) };
        let path = base.and_then(|base| join(base, path));
        self.taken(number, path);
        self.resources.extend(resource.map(|resource| (number, resource)));
    }

    /// Notes that `number` stands for a device.
    pub(in crate::wasm) fn opened_device(&mut self, number: u32, device: Device) {
        self.taken(number, None);
        self.devices.insert(number, device);
    }

    /// Notes that `number` stands for a directory that is nowhere on the host.
    pub(in crate::wasm) fn opened_folder(&mut self, number: u32, path: Vec<u8>) {
        self.taken(number, Some(path));
        self.folders.insert(number);
    }

    /// Notes that something in a mount was opened, at an absolute path.
    pub(in crate::wasm) fn opened_in(
        &mut self,
        number: u32,
        resource: Option<u32>,
        mount: usize,
        path: Option<Vec<u8>>,
    ) {
        self.taken(number, path);
        self.resources.extend(resource.map(|resource| (number, resource)));
        self.mounts.insert(number, mount);
    }

    /// Notes that `number` is taken by what could not be brought back.
    pub(in crate::wasm) fn poison(&mut self, number: u32) {
        self.taken(number, None);
        self.poisoned.insert(number);
    }

    fn taken(&mut self, number: u32, path: Option<Vec<u8>>) {
        self.paths.insert(number, path);
        self.end = self.end.max(number.saturating_add(1));
        self.peak = self.peak.max(self.count());
    }

    /// Notes that there was `number`, which is closed.
    pub(in crate::wasm) fn closed(&mut self, number: u32) {
        self.paths.remove(&number);
        self.resources.remove(&number);
        self.devices.remove(&number);
        self.folders.remove(&number);
        self.mounts.remove(&number);
        self.poisoned.remove(&number);
        self.end = self.end.max(number.saturating_add(1));
    }

    /// Notes that `from` became `to`, in the place of what `to` was.
    pub(in crate::wasm) fn renumbered(&mut self, from: u32, to: u32) {
        if from != to
            && let Some(path) = self.paths.remove(&from)
        {
            self.poisoned.remove(&to);
            self.paths.insert(to, path);
            self.resources.remove(&to);
            self.devices.remove(&to);
            let (resource, device) = (self.resources.remove(&from), self.devices.remove(&from));
            self.resources.extend(resource.map(|resource| (to, resource)));
            self.devices.extend(device.map(|device| (to, device)));
            self.folders.remove(&to);
            if self.folders.remove(&from) {
                self.folders.insert(to);
            }
            self.mounts.remove(&to);
            let mount = self.mounts.remove(&from);
            self.mounts.extend(mount.map(|mount| (to, mount)));
        }
    }

    /// Notes that what lay at `from` lies at `to`, with all that is beneath.
    pub(in crate::wasm) fn renamed(&mut self, from: &[u8], to: &[u8]) {
        let Some(from) = join(b"", from) else { return };
        for path in self.paths.values_mut() {
            let beneath = path.as_deref().and_then(|path| path.strip_prefix(&from[..]));
            if let Some(rest) = beneath.filter(|rest| rest.is_empty() || rest.starts_with(b"/")) {
                *path = join(to, rest.strip_prefix(b"/").unwrap_or(rest));
            }
        }
    }

    fn count(&self) -> u64 {
        self.paths.len() as u64
    }
}

/// Where `path` leads from `base`, if that can be said in one path. There are
/// no links, so names alone tell.
pub(in crate::wasm) fn join(base: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let is_absolute = base.starts_with(b"/") || path.starts_with(b"/");
    let mut parts = Vec::new();
    for part in [base, path].into_iter().flat_map(|path| path.split(|byte| *byte == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    let mut path = parts.join(&b'/');
    if is_absolute {
        path.insert(0, b'/');
    }
    (path.len() <= MAX_PATH_BYTES).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(files: &OpenFiles) -> Vec<(u32, &str)> {
        files.numbers().filter_map(|number| Some((number, std::str::from_utf8(files.path(number)?).ok()?))).collect()
    }

    #[test]
    fn paths_follow_renames_of_files_and_of_the_directories_above() {
        let mut files = OpenFiles::default();
        files.opened(4, None, 3, b"a/./b//c");
        files.opened(5, None, 3, b"ab");
        files.opened(6, None, 3, b"a");
        files.opened(7, None, 6, b"d/../e");
        files.renamed(b"./a/", b"z/y");
        assert_eq!(paths(&files), [(4, "z/y/b/c"), (5, "ab"), (6, "z/y"), (7, "z/y/e")]);
        files.renamed(b"ab", b"cd");
        assert_eq!(paths(&files)[1], (5, "cd"));
    }

    #[test]
    fn what_lies_elsewhere_has_an_absolute_path_and_renames_here_do_not_touch_it() {
        let mut files = OpenFiles::default();
        files.opened(4, None, 3, b"data/f");
        files.opened_in(5, None, 1, join(b"", b"/data//sub/../d"));
        files.opened_in(6, None, 1, files.path(5).and_then(|base| join(base, b"./f")));
        files.opened_folder(7, b"/".to_vec());
        files.renamed(b"data", b"moved");
        assert_eq!(paths(&files), [(4, "moved/f"), (5, "/data/d"), (6, "/data/d/f"), (7, "/")]);
        files.renamed(b"/data/d", b"/data/e");
        assert_eq!(paths(&files), [(4, "moved/f"), (5, "/data/e"), (6, "/data/e/f"), (7, "/")]);
        assert_eq!(
            (files.mount(4), files.mount(5), files.is_folder(7), files.is_folder(5)),
            (None, Some(1), true, false)
        );
        files.renumbered(5, 4);
        files.renumbered(7, 6);
        assert_eq!((files.mount(4), files.mount(5), files.is_folder(6), files.mount(6)), (Some(1), None, true, None));
        files.closed(4);
        files.closed(6);
        assert_eq!((files.mount(4), files.is_folder(6)), (None, false));
    }

    #[test]
    fn renames_cannot_make_a_path_grow_without_bound() {
        let mut files = OpenFiles::default();
        files.opened(4, None, 3, b"a/deleted");
        let long = vec!["a"; 500].join("/");
        for _ in 0..4 {
            files.renamed(b"a", long.as_bytes());
        }
        assert_eq!(files.path(4).map(<[u8]>::len), Some("a/deleted".len() + 4 * (long.len() - 1)));
        files.renamed(b"a", long.as_bytes());
        assert_eq!(files.path(4), None);
        files.opened(5, None, 4, b"x");
        assert_eq!(files.path(5), None, "what is beneath it has no path either");
    }

    #[test]
    fn what_takes_a_number_ends_what_was_there() {
        let mut files = OpenFiles::default();
        files.opened(4, None, 3, b"kept");
        files.poison(5);
        files.poison(6);
        assert!(files.is_poisoned(5) && !files.is_poisoned(4));
        files.renumbered(4, 5);
        assert!(!files.is_poisoned(5));
        files.closed(6);
        assert!(!files.is_poisoned(6));
        assert_eq!(paths(&files), [(5, "kept")]);
        assert_eq!(files.end(), 7);
    }

    #[test]
    fn poisoned_descriptors_count_towards_the_limit() {
        let mut files = OpenFiles::default();
        files.poison(4);
        files.opened(5, None, 3, b"x");
        files.begin(2);
        assert!(!files.admit() && files.denied);
        files.closed(4);
        files.begin(2);
        assert!(files.admit() && !files.denied);
        assert_eq!(files.peak, 1);
    }
}
