//! Pages that differ from a guest image, as bytes.
//!
//! A *part* is a zstd frame of page records in ascending order:
//!
//! ```text
//! page = varint(number - number of the page before - 1), varint(count), run * count
//! run  = varint(words to skip), varint(words), the words
//! ```
//!
//! A word is 8 bytes. A run holds what the page has there; everywhere else it
//! holds what the image has, or zero past the image's end. So a record says
//! all there is to say of its page, and one without runs says that the page is
//! again as in the image.
//!
//! Parts come back from the store sealed, yet nothing in them is trusted here:
//! a record outside memory or a frame that is too large is an error.

use std::cell::RefCell;
use std::io;

use zstd::zstd_safe::CParameter;

use crate::sys::PAGE;

const WORD: usize = 8;
/// How many bytes are compared at once: most of a page is as in the image.
const BLOCK: usize = 64;
/// Equal words between two runs that are cheaper to repeat than to skip.
const BRIDGE: usize = 2;
/// A part is closed once it holds this much, so that neither end needs much
/// memory for it.
const PART_BYTES: usize = 4 << 20;
/// The largest part before compression: the page that closes it comes on top.
const MAX_RAW_BYTES: usize = PART_BYTES + 2 * PAGE;
/// The largest part. What cannot be compressed grows a little.
pub(crate) const MAX_PART_BYTES: usize = MAX_RAW_BYTES + (MAX_RAW_BYTES >> 7);
/// The level of compression: fast, because a reply waits for it, and another when the
/// session comes back. One with a 5,000-entry dict is read in 0.3 ms, and in 0.44 ms at
/// level 1, which makes it 15 % smaller.
const LEVEL: i32 = -1;
/// The size from which on the compressor looks as far back as a part goes, by a table of
/// 2¹⁶ places, 256 KiB: tables of pointers repeat far apart. A session with a 5,000-entry
/// dict is 14 % smaller for it, is written in 0.1 ms more, and read in the same time.
const LARGE_BYTES: usize = 128 << 10;
/// Logarithms of how far the compressor looks back and of the places in its table: for
/// large parts, and those of the level.
const LARGE: (u32, u32) = (23, 16);
const OF_LEVEL: (u32, u32) = (0, 0);
/// The most memory that a thread keeps for parts to come. A session with a
/// 5,000-entry dict needs half of it.
const KEPT_BYTES: usize = 1 << 20;

/// What an image has where memory ends: pages that were never part of it.
pub(in crate::wasm) const ZERO: [u8; PAGE] = [0; PAGE];

/// The page `number` of `memory`; zero past its end.
pub(in crate::wasm) fn page_of(memory: &[u8], number: u32) -> &[u8] {
    let start = number as usize * PAGE;
    memory.get(start..start + PAGE).unwrap_or(&ZERO)
}

/// The memory of an image, which many look at and one at a time may.
pub(in crate::wasm) trait Original {
    /// Looks at it. Others wait meanwhile.
    fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T;
}

impl Original for [u8] {
    fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(self)
    }
}

/// Writes the pages `numbers` of `memory`, which ascend, as parts.
pub(in crate::wasm) fn encode(
    memory: &[u8],
    image: &(impl Original + ?Sized),
    numbers: impl Iterator<Item = u32>,
) -> io::Result<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    let mut raw = Vec::with_capacity(64 << 10);
    let mut runs = Vec::new();
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        raw.clear();
        image.look(|image| {
            let mut next = 0;
            while raw.len() < PART_BYTES
                && let Some(number) = numbers.next()
            {
                put(&mut raw, number - next);
                next = number + 1;
                encode_page(page_of(memory, number), page_of(image, number), &mut runs, &mut raw);
            }
        });
        parts.push(compress(&raw)?);
    }
    Ok(parts)
}

fn compress(raw: &[u8]) -> io::Result<Vec<u8>> {
    thread_local! {
        /// The compressor of this thread: setting one up costs more than a small part.
        static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        let (window, table) = if raw.len() < LARGE_BYTES { OF_LEVEL } else { LARGE };
        compressor.set_parameter(CParameter::WindowLog(window))?;
        compressor.set_parameter(CParameter::HashLog(table))?;
        compressor.compress(raw)
    })
}

fn encode_page(page: &[u8], image: &[u8], runs: &mut Vec<(usize, usize)>, out: &mut Vec<u8>) {
    runs.clear();
    let blocks = page.as_chunks::<BLOCK>().0.iter().zip(image.as_chunks::<BLOCK>().0);
    for (block, (one, other)) in blocks.enumerate().filter(|(_, (one, other))| one != other) {
        let words = one.as_chunks::<WORD>().0.iter().zip(other.as_chunks::<WORD>().0);
        for (word, _) in words.enumerate().filter(|(_, (one, other))| one != other) {
            let word = block * (BLOCK / WORD) + word;
            match runs.last_mut() {
                Some((_, end)) if word <= *end + BRIDGE => *end = word + 1,
                _ => runs.push((word, word + 1)),
            }
        }
    }
    put(out, u32::try_from(runs.len()).unwrap_or(u32::MAX));
    let mut at = 0;
    for (start, end) in runs {
        put(out, u32::try_from(*start - at).unwrap_or(u32::MAX));
        put(out, u32::try_from(*end - *start).unwrap_or(u32::MAX));
        out.extend_from_slice(&page[*start * WORD..*end * WORD]);
        at = *end;
    }
}

/// Writes every page of a part into `memory`, whose pages still are those of
/// the image, except those that `wanted` declines. `written` is shown each.
pub(in crate::wasm) fn apply(
    part: &[u8],
    memory: &mut [u8],
    wanted: impl FnMut(u32) -> bool,
    written: impl FnMut(u32, &[u8]),
) -> io::Result<()> {
    thread_local! {
        /// The decompressor and the room of this thread, which are both dear: one to
        /// set up, the other because the kernel has to find every page of it.
        static REUSED: RefCell<(Option<zstd::bulk::Decompressor<'static>>, Vec<u8>)> =
            const { RefCell::new((None, Vec::new())) };
    }
    // The frame says how much it holds; it is held to that.
    let size = zstd::zstd_safe::get_frame_content_size(part).ok().flatten().ok_or_else(damaged)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_RAW_BYTES).ok_or_else(damaged)?;
    REUSED.with_borrow_mut(|(decompressor, raw)| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(zstd::bulk::Decompressor::new()?),
        };
        raw.clear();
        raw.reserve(size);
        decompressor.decompress_to_buffer(part, raw)?;
        let applied = apply_records(raw, memory, wanted, written);
        if raw.capacity() > KEPT_BYTES {
            *raw = Vec::new();
        }
        applied
    })
}

pub(in crate::wasm) fn apply_records(
    raw: &[u8],
    memory: &mut [u8],
    mut wanted: impl FnMut(u32) -> bool,
    mut written: impl FnMut(u32, &[u8]),
) -> io::Result<()> {
    let mut records = Records(raw);
    let mut next = 0_u32;
    while !records.0.is_empty() {
        let number = next.checked_add(records.number()?).ok_or_else(damaged)?;
        next = number.checked_add(1).ok_or_else(damaged)?;
        let start = number as usize * PAGE;
        let page = memory.get_mut(start..start + PAGE).ok_or_else(damaged)?;
        if wanted(number) {
            records.apply_to(Some(&mut *page))?;
            written(number, page);
        } else {
            records.apply_to(None)?;
        }
    }
    Ok(())
}

/// What is left of the records.
struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    fn number(&mut self) -> io::Result<u32> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or_else(damaged)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| damaged());
            }
        }
        Err(damaged())
    }

    fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn apply_to(&mut self, mut page: Option<&mut [u8]>) -> io::Result<()> {
        let mut at = 0_usize;
        for _ in 0..self.number()? {
            let start = at.saturating_add(self.number()? as usize);
            let end = start.saturating_add(self.number()? as usize);
            if end > PAGE / WORD || end == start {
                return Err(damaged());
            }
            let words = self.bytes((end - start) * WORD)?;
            if let Some(page) = &mut page {
                page[start * WORD..end * WORD].copy_from_slice(words);
            }
            at = end;
        }
        Ok(())
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a part of a saved memory is damaged")
}

/// Appends a LEB128 number.
fn put(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::damage::Numbers;
    use crate::sys::allocations::peak_of;

    fn changed_memory(numbers: &mut Numbers, image: &[u8], pages: usize) -> Vec<u8> {
        let mut memory = image.to_vec();
        memory.resize(pages * PAGE, 0);
        for _ in 0..numbers.below(40) {
            let (start, length) = (numbers.below(memory.len()), numbers.below(3 * PAGE));
            let end = memory.len().min(start + length);
            let value = numbers.below(256) as u8;
            memory[start..end].fill(value);
        }
        memory
    }

    #[test]
    fn what_was_encoded_is_what_is_applied() {
        let mut numbers = Numbers(7);
        let image: Vec<u8> = (0..12 * PAGE).map(|at| (at / 100) as u8).collect();
        for _ in 0..200 {
            let memory = changed_memory(&mut numbers, &image, 16);
            let parts = encode(&memory, image.as_slice(), 0..16).unwrap();
            let mut restored = image.clone();
            restored.resize(memory.len(), 0);
            for part in &parts {
                apply(part, &mut restored, |_| true, |_, _| {}).unwrap();
            }
            assert!(restored == memory);
        }
    }

    #[test]
    fn a_declined_page_stays_and_the_others_do_not() {
        let image = vec![0; 4 * PAGE];
        let memory = vec![9; 4 * PAGE];
        let parts = encode(&memory, image.as_slice(), 0..4).unwrap();
        let mut restored = image.clone();
        apply(&parts[0], &mut restored, |number| number != 2, |_, _| {}).unwrap();
        assert!(restored[2 * PAGE..3 * PAGE] == image[..PAGE]);
        assert!(restored[3 * PAGE..] == memory[..PAGE]);
    }

    #[test]
    fn many_pages_are_spread_over_parts_of_bounded_size() {
        let image = vec![0; 3000 * PAGE];
        let mut numbers = Numbers(3);
        let memory: Vec<u8> = (0..image.len()).map(|_| numbers.below(256) as u8).collect();
        let parts = encode(&memory, image.as_slice(), 0..3000).unwrap();
        assert_eq!(parts.len(), 3);
        let mut restored = image;
        for part in &parts {
            assert!(part.len() <= MAX_PART_BYTES);
            apply(part, &mut restored, |_| true, |_, _| {}).unwrap();
        }
        assert!(restored == memory);
    }

    #[test]
    fn damaged_parts_are_errors_and_write_nothing_outside_memory() {
        let image = vec![0; 8 * PAGE];
        let mut numbers = Numbers(99);
        let memory = changed_memory(&mut numbers, &image, 8);
        let raw = zstd::bulk::decompress(&encode(&memory, image.as_slice(), 0..8).unwrap()[0], MAX_RAW_BYTES).unwrap();
        apply_records(&raw, &mut image.clone(), |_| true, |_, _| {}).unwrap();
        assert!(
            apply_records(&raw, &mut image[..4 * PAGE].to_vec(), |_| true, |_, _| {}).is_err(),
            "past the end of memory"
        );
        assert!(apply_records(&raw[..raw.len() - 1], &mut image.clone(), |_| true, |_, _| {}).is_err(), "cut short");
        for _ in 0..20_000 {
            let mut bytes = raw.clone();
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(bytes.len());
                bytes[at] = numbers.below(256) as u8;
            }
            bytes.truncate(1 + numbers.below(bytes.len()));
            // Whatever it says, it must not panic; a panic fails the test.
            let _ = apply_records(&bytes, &mut image.clone(), |_| true, |_, _| {});
        }
    }

    #[test]
    fn a_frame_that_would_inflate_past_its_bound_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; MAX_RAW_BYTES + 1], 1).unwrap();
        let refused = |part: &[u8]| apply(part, &mut [], |_| true, |_, _| {}).unwrap_err().to_string();
        assert!(bomb.len() < 10_000 && peak_of(|| refused(&bomb)).1 < 1 << 20);
        // One that fits is looked into. Zeros are pages without a change, of which memory has none.
        let largest = zstd::bulk::compress(&vec![0; MAX_RAW_BYTES], 1).unwrap();
        assert!(peak_of(|| refused(&largest)).1 >= MAX_RAW_BYTES);
    }
}
