//! Which pages of a guest's memory may have changed, in the best way that the
//! kernel offers.
//!
//! A small memory is scanned for pages that are not the image's any more. That
//! takes time for every page that a session ever changed, so a large one is
//! write-protected as well, which the kernel lifts page by page as the guest
//! writes: then only what was written since the last look is found. Without
//! either, every page counts.
//!
//! Before either, the kernel's count of page faults is asked. A page of the image
//! becomes the guest's own in a page fault of the thread that writes, so where a
//! run had no page fault, no page became its own, and the list of the last scan
//! still holds. After a session's first few runs that is the rule, and saves a
//! tenth of a millisecond each. (Huge pages would be put in without a fault for
//! each page; workers have them turned off.)

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use nix::sys::resource::{UsageWho, getrusage};

use crate::sys;

/// The size of memory from which on its pages are protected. Looking at a page that did
/// not change takes a third of a microsecond, so a session below it loses less than a
/// millisecond, and pays for no page fault.
const LARGE_BYTES: u64 = 8 << 20;

/// What a worker process has for finding changed pages of its guests.
#[derive(Debug, Default)]
pub(in crate::wasm) struct DirtyPages {
    /// This process's own page map, if it can be scanned.
    pagemap: Option<File>,
    /// Protects pages without anybody having to answer for it.
    protection: Option<OwnedFd>,
}

/// What is known of the pages of one memory.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Known {
    /// How much of it is protected.
    protected_bytes: usize,
    /// Pages that may not be the image's, as long as what the last scan found holds.
    found: Option<Vec<Range<usize>>>,
}

impl Known {
    /// Whether any page is protected.
    pub(in crate::wasm) const fn is_protected(&self) -> bool {
        self.protected_bytes > 0
    }

    /// Takes note of writes to the memory, all by this thread and all after
    /// `faults` were counted.
    pub(in crate::wasm) fn written(&mut self, faults: PageFaults) {
        if !faults.were_all() {
            self.found = None;
        }
    }

    /// Whether the next scan is spared.
    #[cfg(test)]
    pub(in crate::wasm) const fn is_complete(&self) -> bool {
        self.found.is_some()
    }
}

/// The page faults of this thread until now.
#[derive(Clone, Copy, Debug)]
pub(in crate::wasm) struct PageFaults(Option<(i64, i64)>);

impl PageFaults {
    /// Counts the page faults of this thread.
    pub(in crate::wasm) fn count() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).ok();
        Self(usage.map(|usage| (usage.minor_page_faults(), usage.major_page_faults())))
    }

    /// Whether this thread had no page fault since these were counted.
    fn were_all(self) -> bool {
        self.0.is_some() && self.0 == Self::count().0
    }
}

impl DirtyPages {
    /// Finds out on `memory`, which is as in an image, by which means changed pages can be told.
    #[expect(clippy::disallowed_methods, reason = "opens the page map of this process")]
    pub(in crate::wasm) fn probe(memory: &[u8]) -> Self {
        let pagemap = File::open("/proc/self/pagemap")
            .ok()
            .filter(|pagemap| sys::dirty_pages(pagemap, memory.as_ptr().addr(), memory.len().min(sys::PAGE)).is_ok());
        let protection = pagemap.as_ref().and_then(|_| sys::write_protection().ok());
        Self { pagemap, protection }
    }

    /// Whether changed pages can be told at all.
    pub(in crate::wasm) const fn can_tell(&self) -> bool {
        self.pagemap.is_some()
    }

    /// The pages of `memory` that are not what the image holds, perhaps.
    pub(in crate::wasm) fn since_image<'a>(
        &self,
        memory: &[u8],
        known: &'a mut Known,
    ) -> io::Result<&'a [Range<usize>]> {
        let found = match known.found.take() {
            Some(found) => found,
            None => match &self.pagemap {
                Some(pagemap) => sys::dirty_pages(pagemap, memory.as_ptr().addr(), memory.len())?,
                None => std::iter::once(0..memory.len()).collect(),
            },
        };
        Ok(known.found.insert(found))
    }

    /// The pages of `memory` that may have changed since the last call.
    /// `own_bytes` is how much of it differs from the image.
    pub(in crate::wasm) fn since_last<'a>(
        &self,
        memory: &[u8],
        own_bytes: u64,
        known: &'a mut Known,
    ) -> io::Result<Cow<'a, [Range<usize>]>> {
        let (Some(pagemap), Some(protection)) = (&self.pagemap, &self.protection) else {
            return self.since_image(memory, known).map(Cow::Borrowed);
        };
        if !known.is_protected() && own_bytes < LARGE_BYTES {
            return self.since_image(memory, known).map(Cow::Borrowed);
        }
        let start = memory.as_ptr().addr();
        if known.protected_bytes < memory.len() {
            sys::protect_writes(protection, start, memory.len())?;
            known.protected_bytes = memory.len();
        }
        sys::written_pages(pagemap, start, memory.len()).map(Cow::Owned)
    }
}
