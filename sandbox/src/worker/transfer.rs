//! The memory file in which the saved state of an interpreter crosses between
//! server and worker: to the worker before a run, back after it. It never
//! touches a disk, and no frame has to be large enough for it.
//!
//! Either end reads it by copying, never by mapping: the other end may write
//! to it, or cut it short, at any time.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::wasm::MAX_PART_BYTES;

/// Parts of a saved memory, one after the other.
#[derive(Debug)]
pub(crate) struct Transfer {
    file: File,
    end: AtomicU64,
}

impl Transfer {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::received(memfd_create("session", MFdFlags::MFD_CLOEXEC)?))
    }

    /// The one that came with an order.
    pub(super) fn received(descriptor: OwnedFd) -> Self {
        Self { file: File::from(descriptor), end: AtomicU64::new(0) }
    }

    /// Removes everything in it.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.end.store(0, Ordering::Relaxed);
        self.file.set_len(0)
    }

    /// Adds a part, and returns its length.
    pub(crate) fn append(&self, part: &[u8]) -> io::Result<u32> {
        let at = self.end.fetch_add(part.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(part, at)?;
        u32::try_from(part.len()).map_err(io::Error::other)
    }

    /// Takes out parts of these lengths, in order.
    ///
    /// # Errors
    ///
    /// When there is less in it, or a part is larger than any can be.
    pub(crate) fn parts(&self, lengths: Vec<u32>) -> impl Iterator<Item = io::Result<Vec<u8>>> + use<'_> {
        let mut at = 0;
        lengths.into_iter().map(move |length| {
            if length as usize > MAX_PART_BYTES {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a part of {length} bytes is too large"),
                ));
            }
            let mut part = vec![0; length as usize];
            self.file.read_exact_at(&mut part, at)?;
            at += u64::from(length);
            Ok(part)
        })
    }
}

impl AsFd for Transfer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_out_as_they_went_in_and_what_is_not_there_is_an_error() {
        let transfer = Transfer::new().unwrap();
        let other_end = Transfer::received(transfer.as_fd().try_clone_to_owned().unwrap());
        let lengths = [&b"one"[..], b"", b"three"].map(|part| transfer.append(part).unwrap()).to_vec();
        let parts: Vec<_> = other_end.parts(lengths).collect::<io::Result<_>>().unwrap();
        assert_eq!(parts, [&b"one"[..], b"", b"three"]);
        other_end.clear().unwrap();
        other_end.append(b"x").unwrap();
        assert!(transfer.parts(vec![1, 1]).collect::<io::Result<Vec<_>>>().is_err());
        assert!(
            transfer.parts(vec![u32::MAX]).collect::<io::Result<Vec<_>>>().unwrap_err().to_string().contains("large")
        );
    }
}
