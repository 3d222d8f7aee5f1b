//! Where the symbolic links of a workspace lead. A worker may ask the kernel that of
//! no link, since it would be answered of every link of the machine. Its server knows
//! those of a session, and no guest makes any, so a guest is told what the server says.
//!
//! The kernel follows links that stay in the workspace and do not begin at its own root.
//! One that begins at the guest's root is taken out of a path here; what comes of it is
//! resolved beneath the workspace as any path is.

use std::collections::{HashMap, VecDeque};
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags, RawMode};

use super::files::{beneath, look};
use crate::workspace::link::Link;
use crate::workspace::{GUEST_PATH, TEMPORARY, TEMPORARY_PATH};

/// How many links a path may go through, as for the kernel.
const MAX_FOLLOWED: u32 = 40;

/// The length from which on no path is one, as for the kernel (`PATH_MAX`).
const MAX_PATH_BYTES: usize = 4096;

/// The links of one run.
#[derive(Debug, Default)]
pub(crate) struct Links {
    said: Vec<Link>,
    /// The texts of links by the numbers of their files, which stay when they are moved.
    found: Option<HashMap<u64, Vec<u8>>>,
    /// Whether a link begins at the root.
    has_absolute: bool,
}

impl Links {
    pub(crate) fn new(said: Vec<Link>) -> Self {
        let has_absolute = said.iter().any(|link| link.target.starts_with(b"/"));
        Self { said, found: None, has_absolute }
    }

    /// The path without the links that are in it, if one of them begins at the root.
    /// It is absolute where it leads out of the workspace.
    pub(super) fn resolved(&mut self, workspace: BorrowedFd<'_>, path: &[u8], follow: bool) -> Option<Vec<u8>> {
        // The kernel refuses what is longer, and here each name would take its time.
        if !self.has_absolute || path.len() >= MAX_PATH_BYTES {
            return None;
        }
        let is_name = |name: &&[u8]| !matches!(*name, b"" | b".");
        let mut names: VecDeque<Vec<u8>> =
            path.split(|byte| *byte == b'/').filter(is_name).map(<[u8]>::to_vec).collect();
        let (mut done, mut followed, mut is_other, mut at_root) = (Vec::new(), 0, false, false);
        while let Some(name) = names.pop_front() {
            if name == b".." {
                // Above the workspace and the folder behind /tmp there is the root.
                let left: Option<Vec<u8>> = done.pop();
                if left.is_none_or(|left| left == TEMPORARY.as_bytes() && done.is_empty()) {
                    (at_root, is_other) = (true, true);
                }
                continue;
            }
            if at_root {
                at_root = false;
                if name == GUEST_PATH.as_bytes()[1..] {
                    continue;
                } else if name == TEMPORARY_PATH.as_bytes()[1..] {
                    done.push(TEMPORARY.as_bytes().to_vec());
                    continue;
                }
                names.push_front(name);
                return Some(names.iter().fold(Vec::new(), |path, name| [&path[..], b"/", name].concat()));
            }
            done.push(name);
            if names.is_empty() && !follow {
                break;
            }
            let here = done.join(&b'/');
            // What is not there is for whoever wanted it to find out.
            let Ok(found) = beneath(workspace, &here, false, OFlags::PATH).and_then(look) else {
                done.extend(names.drain(..));
                break;
            };
            if FileType::from_raw_mode(RawMode::from(found.stx_mode)) != FileType::Symlink {
                continue;
            }
            let target = self.target(workspace, found.stx_ino)?;
            followed += 1;
            if followed > MAX_FOLLOWED {
                return None;
            }
            done.pop();
            if target.starts_with(b"/") {
                (done, at_root, is_other) = (Vec::new(), true, true);
            }
            for name in target.rsplit(|byte| *byte == b'/').filter(is_name) {
                names.push_front(name.to_vec());
            }
        }
        if at_root {
            return Some(b"/".to_vec());
        }
        let slash: &[u8] = if path.ends_with(b"/") { b"/" } else { b"" };
        let whole = if done.is_empty() { b".".to_vec() } else { done.join(&b'/') };
        is_other.then(|| [&whole, slash].concat())
    }

    /// Looks where the links lie. To be called before anything in `workspace` is moved.
    pub(super) fn settle(&mut self, workspace: BorrowedFd<'_>) {
        if self.found.is_some() {
            return;
        }
        let found = std::mem::take(&mut self.said).into_iter().filter_map(|Link { path, target }| {
            let found = look(beneath(workspace, &path, false, OFlags::PATH).ok()?).ok()?;
            let is_it = FileType::from_raw_mode(RawMode::from(found.stx_mode)) == FileType::Symlink
                && found.stx_size == target.len() as u64;
            is_it.then_some((found.stx_ino, target))
        });
        self.found = Some(found.collect());
    }

    /// The text of the link with this number, which lies in `workspace`.
    pub(super) fn target(&mut self, workspace: BorrowedFd<'_>, number: u64) -> Option<&[u8]> {
        self.settle(workspace);
        self.found.as_ref()?.get(&number).map(Vec::as_slice)
    }
}
