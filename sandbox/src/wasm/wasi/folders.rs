//! Directories that are nowhere on the host: the root of what a guest sees, and
//! what lies between it and a mount. They can be listed and looked at.

use std::collections::BTreeMap;

use rustix::fs::FileType;

use super::files::dirent;
use super::saved_files::{Opened, open_directory};
use crate::mounts::HeldMount;
use crate::wasm::host::Host;

/// Files and directories that are there without a mount, by the names that lead to them.
const ALWAYS: [(&[&[u8]], FileType); 10] = [
    (&[b"tmp"], FileType::Directory),
    (&[b"workspace"], FileType::Directory),
    (&[b"dev", b"full"], FileType::CharacterDevice),
    (&[b"dev", b"null"], FileType::CharacterDevice),
    (&[b"dev", b"random"], FileType::CharacterDevice),
    (&[b"dev", b"stderr"], FileType::CharacterDevice),
    (&[b"dev", b"stdin"], FileType::CharacterDevice),
    (&[b"dev", b"stdout"], FileType::CharacterDevice),
    (&[b"dev", b"urandom"], FileType::CharacterDevice),
    (&[b"dev", b"zero"], FileType::CharacterDevice),
];

/// The first number of files in these directories, which no other file in there has.
const FIRST_INODE: u64 = 16;

/// Whether `names` lead to a directory that is nowhere on the host.
pub(super) fn is_one(mounts: &[HeldMount], names: &[&[u8]]) -> bool {
    names.is_empty() || !entries(mounts, names).is_empty()
}

/// What is in the directory that `names` lead to.
fn entries(mounts: &[HeldMount], names: &[&[u8]]) -> BTreeMap<Vec<u8>, FileType> {
    let mut entries = BTreeMap::new();
    let mut add = |whole: &[&[u8]], kind| {
        if let Some([name, deeper @ ..]) = whole.strip_prefix(names) {
            entries.insert(name.to_vec(), if deeper.is_empty() { kind } else { FileType::Directory });
        }
    };
    ALWAYS.iter().for_each(|(whole, kind)| add(whole, *kind));
    for mount in mounts {
        add(&mount.names().collect::<Vec<_>>(), FileType::Directory);
    }
    entries
}

/// Opens a directory that is nowhere on the host. Its number is taken with a descriptor
/// that nothing uses.
pub(super) async fn open(host: &mut Host, path: Vec<u8>) -> Option<Opened> {
    let opened = open_directory(host.wasi(), b".").await?;
    host.open_files.opened_folder(opened.0, path);
    Some(opened)
}

/// Lists a directory that is nowhere on the host, as `fd_readdir` does. `None` when `fd` is none.
pub(super) fn list(host: &Host, fd: i32, cookie: u64, mut room: impl FnMut(usize, &[u8]) -> usize) -> Option<usize> {
    let number = fd.cast_unsigned();
    let path = host.open_files.path(number).filter(|_| host.open_files.is_folder(number))?;
    let names: Vec<_> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let mut filled = 0;
    let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
    for ((name, kind), next) in entries(&host.mounts, &names).into_iter().zip(1_u64..).skip(skipped) {
        let head = dirent(next, FIRST_INODE + next, &name, kind);
        for part in [head.as_slice(), &name] {
            let written = room(filled, part);
            filled += written;
            if written < part.len() {
                return Some(filled);
            }
        }
    }
    Some(filled)
}
