//! How much memory an input takes.
#![expect(unsafe_code, reason = "an allocator has no safe interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// What this thread has allocated and not freed, and the most of that.
    static BYTES: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// Runs `work`, and says how many bytes more it held at most.
pub(crate) fn peak_of(work: impl FnOnce()) -> usize {
    BYTES.set((0, 0));
    work();
    usize::try_from(BYTES.get().1).unwrap_or(0)
}

fn count(bytes: isize) {
    // Nobody asks for the count of a thread whose counter is gone already.
    let _ = BYTES.try_with(|counted| {
        let (live, peak) = counted.get();
        counted.set((live + bytes, peak.max(live + bytes)));
    });
}

// SAFETY: every call is passed on to the system's allocator as it came.
// Counting neither allocates nor panics: the counter is a constant-made cell
// that needs no destructor, and sizes are at most `isize::MAX`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The allocator may hold both for a moment.
        count(size.cast_signed());
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
