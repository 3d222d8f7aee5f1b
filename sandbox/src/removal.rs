//! Removes trees that guests made, however deep they are.

#![expect(clippy::disallowed_methods, reason = "removes what guests left")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::handle::random_name;

/// How deep the usual way may go: it holds a descriptor and a frame for each
/// level. Twice what a session can keep.
const MAX_DEPTH: usize = 64;

/// Removes `path` with all that is in it. What is deeper than [`MAX_DEPTH`] is
/// moved beside it first, piece by piece, so that neither paths nor recursion
/// outgrow their bounds.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let mut pieces = vec![path.to_path_buf()];
    while let Some(piece) = pieces.pop() {
        for deep in find_deep(&piece)? {
            let beside = path.with_file_name(random_name());
            fs::rename(&deep, &beside)?;
            pieces.push(beside);
        }
        fs::remove_dir_all(piece)?;
    }
    Ok(())
}

/// The directories at the greatest depth that is allowed.
fn find_deep(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut open, mut deep) = (vec![(path.to_path_buf(), 0)], Vec::new());
    while let Some((directory, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            deep.push(directory);
            continue;
        }
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push((entry.path(), depth + 1));
            }
        }
    }
    Ok(deep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_deeper_than_any_path_is_removed_and_links_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let beside = parent.path().join("beside");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("kept"), "x").unwrap();
        let top = parent.path().join("top");
        fs::create_dir(&top).unwrap();
        // As a program does it: one level at a time, from within.
        let mut inner = nix::fcntl::open(&top, nix::fcntl::OFlag::O_DIRECTORY, nix::sys::stat::Mode::empty()).unwrap();
        for _ in 0..20_000 {
            nix::sys::stat::mkdirat(&inner, "directory", nix::sys::stat::Mode::S_IRWXU).unwrap();
            inner =
                nix::fcntl::openat(&inner, "directory", nix::fcntl::OFlag::O_DIRECTORY, nix::sys::stat::Mode::empty())
                    .unwrap();
        }
        nix::unistd::symlinkat(&beside, &inner, "link").unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists() && beside.join("kept").exists());
    }
}
