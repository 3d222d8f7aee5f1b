//! What `tests/fuzz` gives to the saved memory of an interpreter, and to the
//! names of its open files.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::memory::delta;
use super::memory::pages::{Pages, Segment};
use super::saved::SlotState;
use super::wasi::open_files::{FIRST, MAX_PATH_BYTES, OpenFiles};
use crate::fuzzing::{choice, chosen, leads_down, same_again};
use crate::sys::PAGE;

/// How much memory the guest has, and its image.
const PAGES: usize = 12;
const IMAGE_PAGES: usize = 8;

/// What an input is taken for.
const PART: u8 = 0;
const RECORDS: u8 = 1;
const CHANGES: u8 = 2;
const STATE: u8 = 3;
const CHAIN: u8 = 4;

fn image() -> Vec<u8> {
    (0..IMAGE_PAGES * PAGE).map(|at| (at / 100) as u8).collect()
}

/// Memory as it is when an instance begins.
fn fresh() -> Vec<u8> {
    let mut memory = image();
    memory.resize(PAGES * PAGE, 0);
    memory
}

/// A memory in which some is other than in the image: each four bytes of `edits`
/// say where, how much and what.
fn changed(edits: &[u8]) -> Vec<u8> {
    let mut memory = fresh();
    for [high, low, length, value] in edits.as_chunks::<4>().0 {
        let start = (usize::from(*high) << 8 | usize::from(*low)) % memory.len();
        let end = memory.len().min(start + 1 + usize::from(*length) * 20);
        memory[start..end].fill(*value);
    }
    memory
}

/// Parts, records, changes and states as there are.
pub fn memory_seeds() -> Vec<Vec<u8>> {
    let edits = [1, 2, 3, 4, 0xb0, 0, 255, 9, 0, 16, 1, 0];
    let memory = changed(&edits);
    let pages = 0..u32::try_from(PAGES).unwrap_or(0);
    let parts = delta::encode(&memory, image().as_slice(), pages).expect("it can be encoded");
    let raw = zstd::bulk::decompress(&parts[0], PAGES * PAGE * 2).expect("it is what was compressed");
    let state = |files: &[(u32, u8)]| {
        postcard::to_stdvec(&(64_u64 << 20, [(1_u32, 1_u64 << 40)], (1_u64 << 50, 9_u64, files, 200_u32)))
            .unwrap_or_default()
    };
    let mut captured = Pages::default();
    let range = 0..PAGES * PAGE;
    let chain = captured.capture(&memory, image().as_slice(), std::slice::from_ref(&range));
    let chain = chain.map(|delta| (captured.segments().to_vec(), [delta.parts, delta.tail].concat()));
    vec![
        chosen(PART, &parts[0]),
        chosen(RECORDS, raw),
        chosen(CHANGES, edits),
        chosen(STATE, state(&[])),
        // 2 is a file that has no name any more.
        chosen(STATE, state(&[(4, 2), (9, 2)])),
        chosen(CHAIN, postcard::to_stdvec(&chain.unwrap_or_default()).unwrap_or_default()),
    ]
}

/// What is saved of an interpreter, as it comes back.
pub fn memory(data: &[u8]) {
    thread_local! {
        /// Filling it anew takes longer than most inputs.
        static MEMORY: RefCell<Vec<u8>> = RefCell::new(fresh());
    }
    let (kind, bytes) = choice(data);
    match kind % 5 {
        kind @ (PART | RECORDS) => MEMORY.with_borrow_mut(|memory| {
            let before = memory.clone();
            let mut written = 0_usize;
            let is_wanted = |number: u32| number % 3 != 2;
            let look = |number: u32, page: &[u8]| {
                written += 1;
                assert!(is_wanted(number) && page.len() == PAGE);
            };
            let _ = if kind == PART {
                delta::apply(bytes, memory, is_wanted, look)
            } else {
                delta::apply_records(bytes, memory, is_wanted, look)
            };
            // A page that was not wanted is as it was.
            let unwanted = (0..PAGES).filter(|number| number % 3 == 2).map(|number| number * PAGE..(number + 1) * PAGE);
            for page in unwanted {
                assert!(memory[page.clone()] == before[page], "a page that nobody wanted was written");
            }
            assert!(written <= PAGES, "a page was written twice");
            *memory = before;
        }),
        CHANGES => {
            let memory = changed(bytes);
            let pages = 0..u32::try_from(PAGES).unwrap_or(0);
            let parts = delta::encode(&memory, image().as_slice(), pages).expect("it can be encoded");
            let mut restored = fresh();
            for part in &parts {
                delta::apply(part, &mut restored, |_| true, |_, _| ()).expect("what was encoded can be applied");
            }
            assert!(restored == memory, "it is another memory");
            captured_in_steps(bytes);
        }
        STATE => {
            if let Ok(state) = postcard::from_bytes::<SlotState>(bytes) {
                same_again(&state);
            }
        }
        _ => {
            let Ok((segments, parts)) = postcard::from_bytes::<(Vec<Segment>, Vec<Vec<u8>>)>(bytes) else { return };
            let mut memory = fresh();
            let restored = Pages::restore(segments, parts.iter().map(Vec::as_slice), &mut memory);
            assert_eq!(memory.len(), PAGES * PAGE);
            let Ok(mut pages) = restored else { return };
            assert!(pages.own_bytes() <= memory.len() as u64, "it holds more pages than there are");
            // Whoever goes on from it must be able to save it.
            memory[0] ^= 1;
            let all = 0..memory.len();
            pages.capture(&memory, image().as_slice(), std::slice::from_ref(&all)).expect("it can be saved");
        }
    }
}

/// Captures after each few changes: the chain of all restores the last memory.
fn captured_in_steps(edits: &[u8]) {
    let (image, all) = (image(), 0..PAGES * PAGE);
    let (mut pages, mut saved) = (Pages::default(), Vec::new());
    for step in 1..=(edits.len() / 8).min(12) {
        let memory = changed(&edits[..step * 8]);
        let delta = pages.capture(&memory, image.as_slice(), std::slice::from_ref(&all)).expect("it can be saved");
        saved.truncate(delta.keep);
        saved.extend(delta.parts);
        let chain = saved.iter().chain(&delta.tail).map(Vec::as_slice).collect::<Vec<_>>();
        let mut restored = fresh();
        Pages::restore(pages.segments().to_vec(), chain.into_iter(), &mut restored).expect("it comes back");
        assert!(restored == memory, "it comes back as another");
    }
}

/// Files that a guest opens, renames and closes: the name that is kept of each
/// leads down from the workspace. An input is steps, one a line.
pub(crate) fn open_files(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut files = OpenFiles::default();
    files.begin(8);
    for (step, line) in (0_u32..).zip(text.lines().take(40)) {
        let number = FIRST + step % 7;
        match step % 4 {
            0 | 1 => files.opened(number, None, FIRST + step % 3, line.as_bytes()),
            2 => {
                let (from, to) = line.split_once(' ').unwrap_or((line, "a"));
                files.renamed(from.as_bytes(), to.as_bytes());
            }
            _ if line.is_empty() => files.closed(number),
            _ => files.renumbered(number, FIRST),
        }
    }
    for path in files.numbers().filter_map(|number| files.path(number)) {
        assert!(path.len() <= MAX_PATH_BYTES);
        // One that does not lie in the workspace is absolute, and looked for in mounts.
        leads_down(Path::new(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path))));
    }
}
