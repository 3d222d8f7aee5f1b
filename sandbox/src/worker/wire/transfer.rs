//! The memory file in which the saved state of an interpreter crosses between
//! server and worker: to the worker before a run, back after it. It never
//! touches a disk, and no frame has to be large enough for it.
//!
//! Either end reads it by copying, never by mapping: the other end may write
//! to it, or cut it short, at any time.
//!
//! A file that a run came back with serves another of the same principal: the
//! kernel has its pages ready, and finding them takes longer than filling them.
//! A worker that broke out could read or spoil there what is on its way to
//! another session of its principal, as it could in their workspaces.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use parking_lot::Mutex;

use crate::handle::Principal;
use crate::wasm::MAX_PART_BYTES;

/// The most that a file keeps which is to be reused: several times the state
/// of a small session.
const KEPT_BYTES: u64 = 1 << 20;
/// The most files of one principal that wait for a run.
const MAX_WAITING: usize = 4;

/// Parts of a saved memory, one after the other.
#[derive(Debug)]
pub(crate) struct Transfer {
    file: File,
    end: AtomicU64,
    /// Whether it was made here, for the other end.
    is_ours: bool,
}

impl Transfer {
    /// A transfer with nothing in it.
    pub(crate) fn new() -> io::Result<Self> {
        let made = memfd_create("session", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        Ok(Self { file: File::from(made), end: AtomicU64::new(0), is_ours: true })
    }

    /// The transfer that came with an order.
    pub(crate) fn received(descriptor: OwnedFd) -> Self {
        Self { file: File::from(descriptor), end: AtomicU64::new(0), is_ours: false }
    }

    /// Forgets everything in it.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let end = self.end.swap(0, Ordering::Relaxed);
        if end > KEPT_BYTES { self.file.set_len(0) } else { Ok(()) }
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
    /// When the file is shorter, or a part is larger than any can be.
    pub(crate) fn parts(&self, lengths: Vec<u32>) -> impl Iterator<Item = io::Result<Vec<u8>>> + use<'_> {
        let mut at = 0;
        self.end.store(lengths.iter().map(|length| u64::from(*length)).sum(), Ordering::Relaxed);
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

/// Files that wait for a run, each of one principal and never of another.
#[derive(Debug, Default)]
pub(crate) struct Transfers(Mutex<HashMap<Principal, Vec<Transfer>>>);

impl Transfers {
    /// A transfer with nothing in it, for a run of `principal`.
    pub(crate) fn take(&self, principal: &Principal) -> io::Result<Transfer> {
        let waiting = self.0.lock().get_mut(principal).and_then(Vec::pop);
        waiting.map_or_else(Transfer::new, Ok)
    }

    /// Forgets the transfers of `principal`.
    pub(crate) fn forget(&self, principal: &Principal) {
        self.0.lock().remove(principal);
    }

    /// Takes back a transfer whose run has ended: its worker is done with it.
    pub(crate) fn give_back(&self, principal: &Principal, transfer: Arc<Transfer>) {
        let Some(transfer) = Arc::into_inner(transfer) else { return };
        let is_small = transfer.file.metadata().is_ok_and(|metadata| metadata.len() <= KEPT_BYTES);
        let mut all = self.0.lock();
        let waiting = all.entry(principal.clone()).or_default();
        if is_small && waiting.len() < MAX_WAITING {
            transfer.end.store(0, Ordering::Relaxed);
            waiting.push(transfer);
        }
    }
}

impl Drop for Transfer {
    /// A worker that was broken into keeps its end, and would have memory there
    /// that nobody counts.
    fn drop(&mut self) {
        if self.is_ours {
            let seals = SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
            let emptied = self.file.set_len(0).and_then(|()| Ok(fcntl(&self.file, FcntlArg::F_ADD_SEALS(seals))?));
            if let Err(error) = emptied {
                tracing::warn!(%error, "the memory of a transfer could not be taken back");
            }
        }
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
        assert_eq!(transfer.parts(vec![1]).collect::<io::Result<Vec<_>>>().unwrap(), [b"x"]);
        assert!(transfer.parts(vec![1, 8]).collect::<io::Result<Vec<_>>>().is_err());
        assert!(
            transfer.parts(vec![u32::MAX]).collect::<io::Result<Vec<_>>>().unwrap_err().to_string().contains("large")
        );
    }

    #[test]
    fn a_file_serves_its_principal_again_unless_it_is_large_or_in_use() {
        let (me, other, transfers) = (Principal::local(), Principal::named("other"), Transfers::default());
        let count = |principal| transfers.0.lock().get(principal).map_or(0, Vec::len);
        let used = |bytes: usize| {
            let transfer = Arc::new(transfers.take(&me).unwrap());
            transfer.append(&vec![7; bytes]).unwrap();
            transfer
        };
        transfers.give_back(&me, used(KEPT_BYTES as usize));
        assert_eq!(count(&me), 1);
        transfers.take(&other).unwrap();
        assert_eq!(count(&me), 1, "it is not theirs");
        let again = transfers.take(&me).unwrap();
        assert_eq!((count(&me), again.append(b"x").unwrap(), again.end.load(Ordering::Relaxed)), (0, 1, 1));
        transfers.give_back(&me, used(KEPT_BYTES as usize + 1));
        let in_use = used(1);
        transfers.give_back(&me, Arc::clone(&in_use));
        assert_eq!(count(&me), 0);
        let many: Vec<_> = (0..=MAX_WAITING).map(|_| used(1)).collect();
        many.into_iter().for_each(|transfer| transfers.give_back(&me, transfer));
        assert_eq!(count(&me), MAX_WAITING);
        transfers.forget(&other);
        assert_eq!(count(&me), MAX_WAITING);
        transfers.forget(&me);
        assert!(transfers.0.lock().is_empty());
    }

    #[test]
    fn the_other_end_keeps_nothing_and_can_put_nothing_there_any_more() {
        let transfer = Transfer::new().unwrap();
        let other_end = Transfer::received(transfer.as_fd().try_clone_to_owned().unwrap());
        other_end.append(&[7; 9000]).unwrap();
        drop(transfer);
        assert_eq!(other_end.file.metadata().unwrap().len(), 0);
        assert_eq!(other_end.append(b"x").unwrap_err().raw_os_error(), Some(nix::libc::EPERM));
        other_end.file.set_len(1 << 40).unwrap_err();
    }

    #[test]
    fn a_large_state_leaves_no_memory_behind_when_it_is_cleared() {
        let transfer = Transfer::new().unwrap();
        let size = || transfer.file.metadata().unwrap().len();
        transfer.append(&vec![7; KEPT_BYTES as usize]).unwrap();
        transfer.clear().unwrap();
        assert_eq!(size(), KEPT_BYTES);
        transfer.append(&vec![7; KEPT_BYTES as usize + 1]).unwrap();
        transfer.clear().unwrap();
        assert_eq!(size(), 0);
    }
}
