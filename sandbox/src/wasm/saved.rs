//! A session's interpreter as data: capture between two runs, restore into a
//! slot that is as in the image.
//!
//! What is saved is all of the guest's state: linear memory, its size, and
//! what the host holds for the guest (open files, clock). Not saved are
//! `__stack_pointer`, which is the same between any two runs, tables and code,
//! which never change, and fuel, limits and standard streams, which every run
//! gets anew.

use serde::{Deserialize, Serialize};

use super::image::Image;
use super::memory::dirty::PageFaults;
use super::memory::pages::{Delta, Pages, Segment};
use super::slot::{Slot, ready};
use super::wasi::saved_files::HostState;
use crate::error::{Error, IoContext as _};

/// A page of WebAssembly.
const WASM_PAGE: u64 = 64 << 10;

/// What goes with the parts of a saved memory. Only workers read it.
#[derive(Serialize, Deserialize)]
pub(super) struct SlotState {
    memory_bytes: u64,
    segments: Vec<Segment>,
    host: HostState,
}

impl Slot {
    /// Saves what changed since the last capture. The state that comes with it
    /// is all of what is not memory.
    pub(crate) fn capture(&mut self, image: &Image) -> Result<(Delta, Vec<u8>), Error> {
        let doing = || "save the state of a session".to_owned();
        let memory = self.memory.data(&self.store);
        let memory_bytes = memory.len() as u64;
        let candidates = image.dirty().since_last(memory, self.pages.own_bytes(), &mut self.known).doing(doing)?;
        image.learn_hot(&candidates);
        let delta = self.pages.capture(memory, image, &candidates).doing(doing)?;
        let host = ready(async { Ok(self.store.data_mut().capture().await) })
            .map_err(|source| Error::host(doing(), source))?;
        let state = SlotState { memory_bytes, segments: self.pages.segments().to_vec(), host };
        let state = postcard::to_stdvec(&state).map_err(|source| Error::host(doing(), source))?;
        Ok((delta, state))
    }

    /// Takes over a saved state. The slot is as in the image, and open.
    pub(crate) fn restore(&mut self, state: &[u8], parts: &[Vec<u8>]) -> Result<(), Error> {
        let failed = |source: wasmtime::Error| Error::host("take over a saved session", source);
        let doing = || "take over a saved session".to_owned();
        let state: SlotState = postcard::from_bytes(state).map_err(|source| Error::host(doing(), source))?;
        let faults = PageFaults::count();
        let size = self.memory.data_size(&self.store) as u64;
        let more = state.memory_bytes.saturating_sub(size) / WASM_PAGE;
        if more > 0 {
            self.store.data_mut().memory_limit.allow(state.memory_bytes);
            self.memory.grow(&mut self.store, more).map_err(|_| Error::Busy {
                what: "there is not enough free memory for this session, in MiB",
                active: usize::try_from(size >> 20).unwrap_or(usize::MAX),
                limit: usize::try_from(state.memory_bytes >> 20).unwrap_or(usize::MAX),
            })?;
        }
        let parts = parts.iter().map(Vec::as_slice);
        self.pages = Pages::restore(state.segments, parts, self.memory.data_mut(&mut self.store)).doing(doing)?;
        self.known.written(faults);
        let host = self.store.data_mut();
        // What must be repeatable must not draw new entropy either.
        self.fresh = host.entropy.is_none();
        ready(async { host.restore(&state.host).await.map_err(wasmtime::Error::from) }).map_err(failed)
    }

    /// How much of memory is not as in the image, as of the last capture.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.pages.own_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::damage::try_damaged;

    /// An open file as it is written down.
    #[derive(Clone, Copy, Serialize)]
    enum OpenFile {
        File(&'static str, (u64, u64), [bool; 4], u64),
        Directory(&'static str),
        Stale,
    }

    #[test]
    fn a_damaged_state_is_an_error_or_another_state() {
        let kinds = [
            OpenFile::File("directory/file", (300, 1 << 60), [true, false, true, false], 1 << 40),
            OpenFile::Directory(""),
            OpenFile::Stale,
        ];
        let state = |count: u32| {
            let segments: Vec<(u32, u64)> = (1..=count).map(|parts| (parts, 1 << 40)).collect();
            let files: Vec<(u32, OpenFile)> = (4..4 + count).zip(kinds.into_iter().cycle()).collect();
            postcard::to_stdvec(&(64_u64 << 20, segments, (1_u64 << 50, 9_u64, files, 200_u32))).unwrap()
        };
        try_damaged(&[state(0), state(3), state(30)], |bytes| postcard::from_bytes::<SlotState>(bytes));
    }
}
