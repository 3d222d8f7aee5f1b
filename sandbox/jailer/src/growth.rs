//! How much the writable mounts may have grown since they were last measured.
//! To learn it takes no time, and to measure them takes the longer the more is
//! there: so they are measured when they may have outgrown a limit.

use crate::disk::{Free, Use};
use crate::processes::Written;

/// The state of things at the last measurement.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    last: Option<Measured>,
    /// What there was at the first measurement, and had been written by then.
    first: (u64, u64),
}

#[derive(Debug)]
struct Measured {
    bytes: u64,
    files: u64,
    free: Free,
    written: u64,
}

impl Growth {
    /// Bytes and files that there may be by now. `None` when nothing was
    /// measured.
    ///
    /// File systems differ in when they show what is taken, and in showing only
    /// this tree's part; the account of what was written misses processes that
    /// came and went unseen. So the larger of the two counts.
    pub(crate) fn bound(&self, free: &Free, written: Written) -> Option<(u64, u64)> {
        let last = self.last.as_ref()?;
        let (bytes, files) = free.taken_since(&last.free);
        let bytes = bytes.max(written.bytes.saturating_sub(last.written));
        Some((last.bytes.saturating_add(bytes), last.files.saturating_add(files)))
    }

    /// Whether nobody has taken or given back anything, so that there is nothing to learn.
    pub(crate) fn is_unchanged(&self, free: &Free, written: Written) -> bool {
        self.last.as_ref().is_some_and(|last| last.free == *free && last.written == written.bytes)
    }

    /// What was written, did not come to nothing, and is not there: at most as
    /// much is in files that are hidden.
    pub(crate) fn hidden(&self, usage: &Use, written: Written) -> u64 {
        if self.last.is_none() {
            return 0;
        }
        let (first, before) = self.first;
        let kept = written.bytes.saturating_sub(written.cancelled).saturating_sub(before);
        kept.saturating_sub(usage.bytes.saturating_sub(first))
    }

    /// Takes a measurement, with what was so when it began.
    pub(crate) fn measured(&mut self, usage: &Use, free: Free, written: Written) {
        if self.last.is_none() {
            self.first = (usage.bytes, written.bytes.saturating_sub(written.cancelled));
        }
        let (bytes, files, written) = (usage.bytes, usage.files, written.bytes);
        self.last = Some(Measured { bytes, files, free, written });
    }
}
