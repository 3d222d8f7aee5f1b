//! Which pages of a guest's memory may have changed, in the best way that the
//! kernel offers.
//!
//! A small memory is scanned for pages that are not the image's any more. That
//! takes time for every page that a session ever changed, so a large one is
//! write-protected as well, which the kernel lifts page by page as the guest
//! writes: then only what was written since the last look is found. Without
//! either, every page counts.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use crate::sys;

/// From here on pages are protected. Looking at a page that did not change
/// takes a third of a microsecond, so a session below it loses less than a
/// millisecond, and pays for no page fault.
const LARGE_BYTES: u64 = 8 << 20;

/// What a worker process has for finding changed pages of its guests.
#[derive(Debug, Default)]
pub(super) struct DirtyPages {
    /// This process's own page map, if it can be scanned.
    pagemap: Option<File>,
    /// Protects pages without anybody having to answer for it.
    protection: Option<OwnedFd>,
}

/// How much of one memory is protected when written pages are looked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Protected {
    bytes: usize,
}

impl Protected {
    /// Whether anything is.
    pub(super) const fn is_any(self) -> bool {
        self.bytes > 0
    }
}

impl DirtyPages {
    /// Tries what there is on `memory`, which is as in an image.
    #[expect(clippy::disallowed_methods, reason = "opens the page map of this process")]
    pub(super) fn probe(memory: &[u8]) -> Self {
        let pagemap = File::open("/proc/self/pagemap")
            .ok()
            .filter(|pagemap| sys::dirty_pages(pagemap, memory.as_ptr().addr(), memory.len().min(sys::PAGE)).is_ok());
        let protection = pagemap.as_ref().and_then(|_| sys::write_protection().ok());
        Self { pagemap, protection }
    }

    /// Whether it can tell at all.
    pub(super) const fn can_tell(&self) -> bool {
        self.pagemap.is_some()
    }

    /// The pages of `memory` that are not what the image holds, perhaps.
    pub(super) fn since_image(&self, memory: &[u8]) -> io::Result<Vec<Range<usize>>> {
        match &self.pagemap {
            Some(pagemap) => sys::dirty_pages(pagemap, memory.as_ptr().addr(), memory.len()),
            None => Ok(std::iter::once(0..memory.len()).collect()),
        }
    }

    /// The pages of `memory` that may have changed since the last call, which
    /// left `protected`. `own_bytes` is how much of it differs from the image.
    pub(super) fn since_last(
        &self,
        memory: &[u8],
        own_bytes: u64,
        protected: &mut Protected,
    ) -> io::Result<Vec<Range<usize>>> {
        let (Some(pagemap), Some(protection)) = (&self.pagemap, &self.protection) else {
            return self.since_image(memory);
        };
        if protected.bytes == 0 && own_bytes < LARGE_BYTES {
            return self.since_image(memory);
        }
        let start = memory.as_ptr().addr();
        if protected.bytes < memory.len() {
            sys::protect_writes(protection, start, memory.len())?;
            protected.bytes = memory.len();
        }
        sys::written_pages(pagemap, start, memory.len())
    }
}
