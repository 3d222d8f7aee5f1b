//! The only file of this crate with unsafe code.

#![expect(unsafe_code, reason = "system calls and machine code that no safe interface offers")]
#![expect(clippy::disallowed_methods, reason = "asks the kernel where things are")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::libc;

/// Maps machine code that one of our own compile processes made.
pub(crate) fn deserialize_module(engine: &wasmtime::Engine, file: File) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the file must hold unmodified output of `precompile_module` and
    // must not change while it is mapped. The server opened it read-only from
    // a directory that only its owner can write (mode 0700), verified this
    // descriptor's content against the digest it was stored under, and files
    // there are only ever replaced by rename, which leaves this inode alone.
    unsafe { wasmtime::Module::deserialize_open_file(engine, file) }
}

/// Has the allocator give back memory of [`LARGE_BYTES`] and more as soon as it is
/// freed. glibc keeps more from then on each time that something large is freed,
/// up to 32 MiB for each thread. A process without that keeps it.
pub(crate) fn give_back_large_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator's own, which any number may be.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
}

/// The size from which on memory is given back at once: few things of a run without
/// files are as large.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 1 << 20;

/// The size of a page of memory as the kernel tracks it here.
pub(crate) const PAGE: usize = 4096;

// include/uapi/linux/fs.h, since Linux 6.7.
const PAGE_IS_WRITTEN: u64 = 1 << 1;
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;
/// Protects again what is found.
const PM_SCAN_WP_MATCHING: u64 = 1;
/// Fails where nothing is protected, instead of finding nothing.
const PM_SCAN_CHECK_WPASYNC: u64 = 2;

// include/uapi/linux/userfaultfd.h.
const UFFD_USER_MODE_ONLY: libc::c_int = 1;
const UFFD_API: u64 = 0xaa;
const UFFD_FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const UFFD_FEATURE_WP_ASYNC: u64 = 1 << 15;
const UFFDIO_REGISTER_MODE_WP: u64 = 2;

#[repr(C)]
struct ProtectionApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct ProtectionRange {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

nix::ioctl_readwrite!(uffdio_api, 0xaa, 0x3f, ProtectionApi);
nix::ioctl_readwrite!(uffdio_register, 0xaa, 0x00, ProtectionRange);

#[repr(C)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

nix::ioctl_readwrite!(pagemap_scan, b'f', 16, ScanArgument);

/// How many regions one call of the kernel may report. CPython dirties about
/// 110 in a small run; the loop in `dirty_pages` takes any number.
const REGIONS: usize = 1024;

/// Finds the pages of this process in `start..start + length` that are no
/// longer what the file behind them holds. Offsets are relative to `start`.
///
/// `pagemap` is this process's own `/proc/self/pagemap`.
pub(crate) fn dirty_pages(pagemap: &File, start: usize, length: usize) -> io::Result<Vec<Range<usize>>> {
    scan(pagemap, start, length, 0, 0)
}

/// Finds those among them that were written since the last call, and protects
/// them again. All of `start..start + length` went through [`protect_writes`].
pub(crate) fn written_pages(pagemap: &File, start: usize, length: usize) -> io::Result<Vec<Range<usize>>> {
    scan(pagemap, start, length, PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC, PAGE_IS_WRITTEN)
}

fn scan(pagemap: &File, start: usize, length: usize, flags: u64, mask: u64) -> io::Result<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut regions = vec![Region { start: 0, end: 0, categories: 0 }; REGIONS];
    let end = (start + length) as u64;
    let mut from = start as u64;
    while from < end {
        let mut argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            flags,
            start: from,
            end,
            walk_end: 0,
            regions: regions.as_mut_ptr() as u64,
            regions_len: REGIONS as u64,
            max_pages: 0,
            category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO | mask,
            // A page under migration looks swapped even without swap, and a
            // dirty page that is missed would leak from one run to the next.
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            return_mask: PAGE_IS_PRESENT,
        };
        // SAFETY: the argument is a valid `struct pm_scan_arg` of the size it
        // states; `regions` is writable for `regions_len` elements of the
        // kernel's `struct page_region` and outlives the call. The kernel reads
        // page tables of `start..end` and may protect pages there, which it
        // lifts by itself when they are written; it changes no content.
        let count = unsafe { pagemap_scan(pagemap.as_raw_fd(), &raw mut argument) }?;
        let count = usize::try_from(count).unwrap_or(0).min(REGIONS);
        found.extend(regions[..count].iter().map(|region| {
            let relative = |address: u64| usize::try_from(address).unwrap_or(usize::MAX).saturating_sub(start);
            relative(region.start)..relative(region.end)
        }));
        if argument.walk_end <= from {
            return Err(io::Error::other("the kernel's page scan made no progress"));
        }
        from = argument.walk_end;
    }
    Ok(found)
}

/// A descriptor through which the kernel notes writes by itself.
///
/// # Errors
///
/// Where the kernel is older than 6.7 or the system call is not allowed.
pub(crate) fn write_protection() -> io::Result<OwnedFd> {
    // SAFETY: the system call takes flags alone and makes a new descriptor.
    let descriptor = unsafe { libc::syscall(libc::SYS_userfaultfd, UFFD_USER_MODE_ONLY | libc::O_CLOEXEC) };
    let descriptor = RawFd::try_from(nix::errno::Errno::result(descriptor)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else
    // knows it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED;
    let mut api = ProtectionApi { api: UFFD_API, features, ioctls: 0 };
    // SAFETY: the argument is a valid `struct uffdio_api`.
    unsafe { uffdio_api(descriptor.as_raw_fd(), &raw mut api) }?;
    Ok(descriptor)
}

/// Has the kernel note writes to pages of this process.
pub(crate) fn protect_writes(protection: &OwnedFd, start: usize, length: usize) -> io::Result<()> {
    let (start, length) = (start as u64, length as u64);
    let mut range = ProtectionRange { start, length, mode: UFFDIO_REGISTER_MODE_WP, ioctls: 0 };
    // SAFETY: the argument is a valid `struct uffdio_register`. With
    // asynchronous write protection no access ever waits for an answer, and no
    // content changes; the range belongs to a memory that the caller holds.
    unsafe { uffdio_register(protection.as_raw_fd(), &raw mut range) }?;
    Ok(())
}

/// Gives back the memory of a constant that is not needed any more. Whoever
/// reads it after all reads it from this program's file again.
pub(crate) fn give_back(constant: &'static [u8]) {
    let start = constant.as_ptr().addr().next_multiple_of(PAGE);
    let end = (constant.as_ptr().addr() + constant.len()) / PAGE * PAGE;
    if start < end {
        let skipped = start - constant.as_ptr().addr();
        let address = constant[skipped..].as_ptr().cast_mut().cast();
        // SAFETY: whole pages of a constant, which lies in the read-only part of
        // this program and was never written: they still are what the file behind
        // them holds, and stay mapped.
        let _ = unsafe { libc::madvise(address, end - start, libc::MADV_DONTNEED) };
    }
}

/// Looks at the first page of a file through a shared mapping, then changes a
/// byte of it. A file system that lets writes to what was looked at pass unseen
/// sees nothing of that.
pub(crate) fn write_through_mapping(file: &File) -> io::Result<()> {
    let (null, access) = (std::ptr::null_mut(), libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let address = unsafe { libc::mmap(null, PAGE, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // The kernel reads and writes, which fails where an access of ours would end
    // the process by a signal: on a disk that has no room for the page.
    // SAFETY: the mapping is writable, as long as a page, and nobody else's.
    let written = unsafe {
        libc::madvise(address, PAGE, libc::MADV_POPULATE_READ) == 0
            && libc::syscall(libc::SYS_getrandom, address, 1, 0) == 1
    };
    let written = if written { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: the mapping made here, which nothing refers to.
    unsafe { libc::munmap(address, PAGE) };
    written
}

/// Whether a file has an extended attribute of this name.
pub(crate) fn has_attribute(path: &Path, name: &CStr) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: both are strings with an end, and room of no size is not written.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) >= 0 }
}

/// Owns a descriptor that a test has just received in a message.
#[cfg(test)]
pub(crate) fn own_received(descriptor: RawFd) -> OwnedFd {
    // SAFETY: `recvmsg` has just made this descriptor for its receiver, who passes
    // it on to nobody else.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Takes the worker's end of its socket, which is standard input.
pub(crate) fn own_standard_input() -> OwnedFd {
    // SAFETY: called once, at the start of the worker process, before
    // anything else could have used or closed descriptor 0; the worker never
    // touches `std::io::stdin` afterwards.
    unsafe { OwnedFd::from_raw_fd(libc::STDIN_FILENO) }
}

/// Removes every environment variable but those to `keep`, and overwrites the
/// memory in which all of them came.
pub(crate) fn scrub_environment(keep: impl Fn(&std::ffi::OsStr) -> bool) -> io::Result<()> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("the environment cannot be changed beside {threads} threads")));
    }
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may hold anything. After it the third field is
    // the first; 50 and 51 are where the environment begins and ends.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let address = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<usize>().ok());
    let (Some(start), Some(end)) = (address(50), address(51)) else {
        return Err(io::Error::other("the kernel does not say where the environment is"));
    };
    let variables: Vec<_> = std::env::vars_os().collect();
    for (name, value) in variables {
        // SAFETY: there is one thread, so nobody reads the environment
        // meanwhile. A variable that stays is copied to memory of its own.
        unsafe {
            std::env::remove_var(&name);
            if keep(&name) {
                std::env::set_var(&name, &value);
            }
        }
    }
    if start < end {
        // SAFETY: the kernel put the environment there when this program
        // began, writable and at the end of the stack of the only thread. No
        // variable refers to it any more: those that were not kept are gone,
        // those that were have been copied.
        unsafe { std::ptr::write_bytes(start as *mut u8, 0, end - start) };
    }
    Ok(())
}

/// How much memory a piece of a test takes.
#[cfg(test)]
pub(crate) mod allocations {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    struct Counting;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    thread_local! {
        /// What this thread has allocated and not freed, and the most of that.
        static BYTES: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
    }

    /// Runs `work`, and says how many bytes it held at most.
    pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
        BYTES.set((0, 0));
        let value = work();
        (value, usize::try_from(BYTES.get().1).unwrap())
    }

    fn count(bytes: isize) {
        // Where it is gone already, nobody asks.
        let _ = BYTES.try_with(|counted| {
            let (live, peak) = counted.get();
            counted.set((live + bytes, peak.max(live + bytes)));
        });
    }

    // SAFETY: every call is passed on to the system's allocator as it came.
    // Counting neither allocates nor panics: the counter is a constant-made
    // cell that needs no destructor, and sizes are at most `isize::MAX`.
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
}
