//! The messages of the guest ABI, version 1, as `guest-runtimes/README.md`
//! describes them: request, reply, and the interrupt block. What comes from a
//! guest is untrusted and bounded here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::control::Reason;
use crate::outcome::{MAX_RICH_OUTPUTS, RichOutput};

/// The largest reply that is taken from a guest. Above the bounds that the
/// request gives it, below what would hurt.
pub(super) const MAX_REPLY_BYTES: usize = 16 << 20;

/// A request to a guest, in the form that its ABI wants.
#[derive(Serialize)]
pub(crate) struct GuestRequest<'a> {
    pub(crate) code: &'a str,
    pub(crate) args: &'a [String],
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) fresh: bool,
    pub(crate) result_bytes: u64,
    pub(crate) output_bytes: u64,
}

/// A guest's reply, as its ABI gives it. Untrusted.
#[derive(Deserialize)]
pub(super) struct GuestReply {
    pub(super) exit_code: i32,
    pub(super) result: Option<String>,
    pub(super) error: Option<GuestReplyError>,
    #[serde(default)]
    pub(super) outputs: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
pub(super) struct GuestReplyError {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) traceback: String,
    pub(super) cause: Option<Cause>,
}

/// Which kind of limit a guest's error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cause {
    Memory,
    Storage,
    Descriptors,
    Interrupt,
    #[serde(other)]
    Unknown,
}

/// What the host takes of a reply, whatever the guest did with the bounds in
/// its request: a program may have replaced the part of the guest that obeys.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) text: usize,
    pub(super) outputs: usize,
}

/// Room for the marks that a guest puts where it cut something.
const MARK_BYTES: u64 = 512;

impl Bounds {
    pub(super) fn of(request: &GuestRequest<'_>) -> Self {
        let size = |bytes: u64| usize::try_from(bytes.saturating_add(MARK_BYTES)).unwrap_or(usize::MAX);
        Self { text: size(request.result_bytes), outputs: size(request.output_bytes) }
    }
}

pub(super) fn cut(mut text: String, bound: usize) -> String {
    if text.len() > bound {
        text.truncate(text.floor_char_boundary(bound));
    }
    text
}

pub(super) fn take_outputs(outputs: Vec<BTreeMap<String, String>>, mut room: usize) -> Vec<RichOutput> {
    let mut fits = |(mime, data): &(String, String)| {
        let size = mime.len() + data.len();
        let fits = size <= room;
        room -= if fits { size } else { 0 };
        fits
    };
    outputs
        .into_iter()
        .take(MAX_RICH_OUTPUTS)
        .map(|bundle| RichOutput(bundle.into_iter().take(MAX_RICH_OUTPUTS).filter(&mut fits).collect()))
        .collect()
}

const MAX_INTERRUPT_STORES: u32 = 8;

/// Carries out the stores of the interrupt block at `block`.
pub(super) fn write_interrupt(memory: &mut [u8], block: usize, reason: Reason) -> Option<()> {
    fn word(memory: &mut [u8], at: usize) -> Option<&mut [u8; 4]> {
        memory.get_mut(at..at.checked_add(4)?)?.try_into().ok()
    }
    fn read(memory: &mut [u8], at: usize) -> Option<u32> {
        word(memory, at).map(|bytes| u32::from_le_bytes(*bytes))
    }
    *word(memory, block)? = u32::from(reason as u8).to_le_bytes();
    let count = read(memory, block + 4)?.min(MAX_INTERRUPT_STORES);
    for index in 0..count as usize {
        let entry = block + 8 + 12 * index;
        let (address, clear, set) = (read(memory, entry)?, read(memory, entry + 4)?, read(memory, entry + 8)?);
        let old = read(memory, address as usize)?;
        *word(memory, address as usize)? = ((old & !clear) | set).to_le_bytes();
    }
    Some(())
}
