//! The interrupt block of the guest ABI: how a running guest is asked to stop.

use super::control::Reason;

const MAX_INTERRUPT_STORES: u32 = 8;

/// Carries out the stores of the interrupt block at `block`.
pub(super) fn write(memory: &mut [u8], block: usize, reason: Reason) -> Option<()> {
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
