//! What is known of the pages of a session's memory: which differ from the
//! image, and in which saved segment each was last written down.
//!
//! A saved memory is a chain of *segments*, oldest first, and a *tail*. Each
//! holds the pages that changed after the one before it. The tail is small and
//! goes with every capture. Once it has grown it becomes a segment, and takes
//! with it those before it that are not much larger: so segments shrink from
//! the oldest to the newest, a chain stays as short as the logarithm of its
//! size, and a page is written down again only as often.
//!
//! The tail is a chain of parts in the same way, so that a capture encodes
//! little more than what changed since the last one.

use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::delta;
use super::delta::{Original, page_of};
use crate::sys::PAGE;

/// Up to here a tail goes with every commit: a few times what a small run
/// changes, in 15 KB, so that what changes with every run is a part of its own.
const TAIL_BYTES: u64 = 48 << 10;
/// The most parts of a tail.
const MAX_TAIL_PARTS: usize = 8;
/// A segment goes into the next one unless it is this many times larger.
const MERGE_RATIO: u64 = 2;
/// The longest chain that is taken back. Far above what merging leaves.
const MAX_SEGMENTS: usize = 64;

/// One page that is not, or was not always, as in the image.
#[derive(Clone, Copy, Debug)]
struct Mark {
    page: u32,
    /// The link of the chain that holds it as it is now: the segments, and
    /// after them the parts of the tail.
    link: u32,
    /// The hash of the page's content when that was last written down. Only ever
    /// compared with pages of the same guest, which fools nobody but itself.
    hash: u64,
}

/// One link of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// How many parts it consists of.
    parts: u32,
    /// How many bytes the parts have together.
    bytes: u64,
}

/// The pages of one guest instance.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Pages {
    /// Marks in the order of their pages.
    marks: Vec<Mark>,
    segments: Vec<Segment>,
    tail: Vec<Vec<u8>>,
}

/// What a capture adds to what is saved already.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    /// How many of the saved parts still count; the others do not any more.
    pub(crate) keep: usize,
    /// Parts to save after them.
    pub(crate) parts: Vec<Vec<u8>>,
    /// Parts that replace the tail.
    pub(crate) tail: Vec<Vec<u8>>,
}

impl Pages {
    /// The chain as it is saved next to the parts.
    pub(in crate::wasm) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How many bytes of memory are the guest's own.
    pub(in crate::wasm) fn own_bytes(&self) -> u64 {
        (self.marks.len() * PAGE) as u64
    }

    /// Writes down what changed since the last capture, looking only at
    /// `candidates`: ranges of bytes, ascending, on page borders.
    pub(in crate::wasm) fn capture(
        &mut self,
        memory: &[u8],
        image: &(impl Original + ?Sized),
        candidates: &[Range<usize>],
    ) -> io::Result<Delta> {
        let changed = image.look(|image| self.mark_changes(memory, image, candidates));
        if changed > 0 {
            let from = self.tail_to_encode(changed);
            let mut new = self.encode_from(from, memory, image)?;
            self.cut_tail(from);
            let fits = |tail: &[Vec<u8>], new: &[Vec<u8>]| new.len() == 1 && size_of(tail) + size_of(new) <= TAIL_BYTES;
            if !fits(&self.tail, &new) && !self.tail.is_empty() {
                // The tail may still be small enough without what is outdated.
                new = self.encode_from(self.segments.len(), memory, image)?;
                self.cut_tail(self.segments.len());
            }
            if !fits(&self.tail, &new) {
                return self.make_segment(new, memory, image);
            }
            self.tail.append(&mut new);
        }
        Ok(Delta { keep: self.saved_parts(), parts: Vec::new(), tail: self.tail.clone() })
    }

    /// The first part of the tail that is worth encoding again, as a link, when
    /// `changed` pages have to be anyway: the parts before hold more pages than
    /// all that comes after them.
    fn tail_to_encode(&self, changed: usize) -> usize {
        let first = self.segments.len();
        if self.tail.len() >= MAX_TAIL_PARTS {
            return first;
        }
        let mut current = vec![0; self.tail.len()];
        for mark in &self.marks {
            if let Some(pages) = (mark.link as usize).checked_sub(first).and_then(|part| current.get_mut(part)) {
                *pages += 1;
            }
        }
        let (mut from, mut pages) = (self.tail.len(), changed);
        while from > 0 && current[from - 1] <= pages {
            from -= 1;
            pages += current[from];
        }
        first + from
    }

    /// Takes off the parts of the tail from link `from` on; what is current in
    /// them will be in the one that comes in their place.
    fn cut_tail(&mut self, from: usize) {
        self.tail.truncate(from - self.segments.len());
        self.move_marks(from);
    }

    fn move_marks(&mut self, to: usize) {
        let to = u32::try_from(to).unwrap_or(u32::MAX);
        for mark in &mut self.marks {
            mark.link = mark.link.min(to);
        }
    }

    /// Makes `parts`, which hold all that the tail did, a segment, together with
    /// those before it that are not much larger.
    fn make_segment(
        &mut self,
        mut parts: Vec<Vec<u8>>,
        memory: &[u8],
        image: &(impl Original + ?Sized),
    ) -> io::Result<Delta> {
        let mut bytes = size_of(&parts);
        let mut from = self.segments.len();
        while from > 0 && self.segments[from - 1].bytes <= bytes.saturating_mul(MERGE_RATIO) {
            from -= 1;
            bytes += self.segments[from].bytes;
        }
        if from < self.segments.len() {
            parts = self.encode_from(from, memory, image)?;
        }
        self.tail.clear();
        self.segments.truncate(from);
        self.move_marks(from);
        let keep = self.saved_parts();
        self.segments.push(Segment { parts: u32::try_from(parts.len()).unwrap_or(u32::MAX), bytes: size_of(&parts) });
        Ok(Delta { keep, parts, tail: Vec::new() })
    }

    fn saved_parts(&self) -> usize {
        self.segments.iter().map(|segment| segment.parts as usize).sum()
    }

    /// Marks the pages that changed, and returns how many.
    fn mark_changes(&mut self, memory: &[u8], image: &[u8], candidates: &[Range<usize>]) -> usize {
        let new = u32::try_from(self.segments.len() + self.tail.len()).unwrap_or(u32::MAX);
        let old = std::mem::take(&mut self.marks);
        let mut marks = Vec::with_capacity(old.len() + candidates.len());
        let mut old = old.into_iter().peekable();
        let mut changed = 0;
        for start in candidates.iter().cloned().flat_map(|range| range.step_by(PAGE)) {
            let page = u32::try_from(start / PAGE).unwrap_or(u32::MAX);
            while let Some(mark) = old.next_if(|mark| mark.page < page) {
                marks.push(mark);
            }
            let content = page_of(memory, page);
            let known = old.next_if(|mark| mark.page == page);
            if known.is_none() && content == page_of(image, page) {
                continue;
            }
            let hash = hash_of(content);
            match known.filter(|mark| mark.hash == hash) {
                Some(mark) => marks.push(mark),
                None => {
                    changed += 1;
                    marks.push(Mark { page, link: new, hash });
                }
            }
        }
        marks.extend(old);
        self.marks = marks;
        changed
    }

    /// Encodes the pages of link `from` and later.
    fn encode_from(&self, from: usize, memory: &[u8], image: &(impl Original + ?Sized)) -> io::Result<Vec<Vec<u8>>> {
        let pages = self.marks.iter().filter(|mark| mark.link as usize >= from).map(|mark| mark.page);
        delta::encode(memory, image, pages)
    }

    /// Writes saved parts, oldest first and the tail last, into `memory`, which
    /// is as in the image.
    pub(in crate::wasm) fn restore<'a>(
        segments: Vec<Segment>,
        parts: impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator,
        memory: &mut [u8],
    ) -> io::Result<Self> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the list of saved segments is damaged");
        if segments.len() > MAX_SEGMENTS {
            return Err(damaged());
        }
        // The link of each part; what no segment claims is the tail.
        let mut homes = Vec::with_capacity(parts.len());
        for (index, segment) in segments.iter().enumerate() {
            if homes.len() + segment.parts as usize > parts.len() {
                return Err(damaged());
            }
            homes.extend(std::iter::repeat_n(index, segment.parts as usize));
        }
        homes.extend(segments.len()..segments.len() + (parts.len() - homes.len()));
        // The newest first: a page that has been written holds its last state.
        let mut written = vec![false; memory.len() / PAGE];
        let mut marks = Vec::new();
        let mut tail = Vec::new();
        for (part, home) in parts.zip(homes).rev() {
            let link = u32::try_from(home).unwrap_or(u32::MAX);
            let is_first =
                |page| written.get_mut(page as usize).is_some_and(|written| !std::mem::replace(written, true));
            // A page is hashed while it is still in the nearest cache.
            delta::apply(part, memory, is_first, |page, content| {
                marks.push(Mark { page, link, hash: hash_of(content) });
            })?;
            if home >= segments.len() {
                tail.push(part.to_vec());
            }
        }
        tail.reverse();
        marks.sort_unstable_by_key(|mark| mark.page);
        Ok(Self { marks, segments, tail })
    }
}

fn hash_of(page: &[u8]) -> u64 {
    XxHash3_64::oneshot(page)
}

fn size_of(parts: &[Vec<u8>]) -> u64 {
    parts.iter().map(|part| part.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: usize = 600;

    /// What a store holds after some captures.
    #[derive(Default)]
    struct Saved {
        parts: Vec<Vec<u8>>,
        tail: Vec<Vec<u8>>,
    }

    impl Saved {
        fn add(&mut self, delta: Delta) {
            self.parts.truncate(delta.keep);
            self.parts.extend(delta.parts);
            self.tail = delta.tail;
        }

        fn restore(&self, pages: &Pages, image: &[u8]) -> (Vec<u8>, Pages) {
            let mut memory = image.to_vec();
            let all: Vec<&[u8]> = self.parts.iter().chain(&self.tail).map(Vec::as_slice).collect();
            let pages = Pages::restore(pages.segments().to_vec(), all.into_iter(), &mut memory).unwrap();
            (memory, pages)
        }
    }

    fn noise(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    fn all() -> Vec<Range<usize>> {
        std::iter::once(0..PAGES * PAGE).collect()
    }

    #[test]
    fn every_capture_restores_to_the_memory_it_was_taken_of() {
        let mut seed = 42;
        let image: Vec<u8> = (0..PAGES * PAGE).map(|at| (at / 1000) as u8).collect();
        let (mut memory, mut pages, mut saved) = (image.clone(), Pages::default(), Saved::default());
        for turn in 0..120 {
            for _ in 0..noise(&mut seed) % 60 {
                let page = noise(&mut seed) as usize % PAGES;
                // Some pages go back to what they were in the image.
                if noise(&mut seed).is_multiple_of(5) {
                    memory[page * PAGE..][..PAGE].copy_from_slice(&image[page * PAGE..][..PAGE]);
                } else {
                    memory[page * PAGE..][..PAGE].fill_with(|| noise(&mut seed) as u8);
                }
            }
            saved.add(pages.capture(&memory, image.as_slice(), &all()).unwrap());
            assert!(pages.segments().len() <= 12, "{}", pages.segments().len());
            let (restored, again) = saved.restore(&pages, &image);
            assert!(restored == memory, "turn {turn}");
            if turn % 7 == 0 {
                // Going on after a restore must be the same as going on.
                pages = again;
            }
        }
    }

    #[test]
    fn a_capture_after_a_small_change_is_small_whatever_the_session_holds() {
        let mut seed = 1;
        let image = vec![0; PAGES * PAGE];
        let mut memory: Vec<u8> = (0..PAGES * PAGE).map(|_| noise(&mut seed) as u8).collect();
        let mut pages = Pages::default();
        let first = pages.capture(&memory, image.as_slice(), &all()).unwrap();
        assert!(size_of(&first.parts) > (PAGES * PAGE) as u64 / 2 && first.tail.is_empty());
        for turn in 1..50_u8 {
            memory[5 * PAGE] = turn;
            let delta = pages.capture(&memory, image.as_slice(), &all()).unwrap();
            assert_eq!((delta.keep, delta.parts.len()), (first.parts.len(), 0));
            assert!(size_of(&delta.tail) < 5000);
        }
        let unchanged = pages.capture(&memory, image.as_slice(), &[]).unwrap();
        assert!(size_of(&unchanged.tail) > 0, "the tail is what changed since the last segment, not the last capture");
    }

    #[test]
    fn a_tail_stays_short_and_what_did_not_change_is_not_encoded_again() {
        let mut seed = 9;
        let image = vec![0; PAGES * PAGE];
        let (mut memory, mut pages) = (image.clone(), Pages::default());
        for page in 0..200 {
            memory[page * PAGE] = 1;
        }
        let first = pages.capture(&memory, image.as_slice(), &all()).unwrap().tail;
        for turn in 2..40 {
            for page in 0..20 {
                memory[page * PAGE] = turn;
            }
            let tail = pages.capture(&memory, image.as_slice(), &all()).unwrap().tail;
            assert!(tail.len() == 2 && tail[0] == first[0]);
        }
        for _ in 0..200 {
            memory[noise(&mut seed) as usize % (PAGES * PAGE)] = 7;
            let delta = pages.capture(&memory, image.as_slice(), &all()).unwrap();
            assert!(delta.tail.len() <= MAX_TAIL_PARTS && size_of(&delta.tail) <= TAIL_BYTES);
        }
    }

    #[test]
    fn what_needs_several_parts_is_a_segment_however_small_they_are() {
        let image = vec![0; 3000 * PAGE];
        let mut memory = vec![7; image.len()];
        let whole: Vec<Range<usize>> = std::iter::once(0..memory.len()).collect();
        let (mut pages, mut saved) = (Pages::default(), Saved::default());
        for turn in 1..5 {
            saved.add(pages.capture(&memory, image.as_slice(), &whole).unwrap());
            assert!(saved.parts.len() > 1 && size_of(&saved.parts) < TAIL_BYTES);
            assert!(saved.restore(&pages, &image).0 == memory, "turn {turn}");
            memory[2900 * PAGE] = turn;
        }
        memory.fill(9);
        saved.add(pages.capture(&memory, image.as_slice(), &whole).unwrap());
        assert!(saved.tail.is_empty() && saved.restore(&pages, &image).0 == memory);
    }

    #[test]
    fn a_chain_that_does_not_fit_its_parts_is_refused() {
        let image = vec![0; 4 * PAGE];
        let memory = vec![1; 4 * PAGE];
        let delta = Pages::default().capture(&memory, image.as_slice(), &all()[..]).unwrap();
        let part = delta.tail[0].as_slice();
        assert!(Pages::restore(Vec::new(), [part].into_iter(), &mut image.clone()).is_ok());
        let claims_more = vec![Segment { parts: 2, bytes: 1 }];
        assert!(Pages::restore(claims_more, [part].into_iter(), &mut image.clone()).is_err());
        let long = vec![Segment { parts: 0, bytes: 0 }; MAX_SEGMENTS + 1];
        assert!(Pages::restore(long, [part].into_iter(), &mut image.clone()).is_err());
    }
}
