//! Guest memory at addresses that a guest named: every access is checked.

use wasmtime::{Caller, Memory, Result};

use crate::wasm::host::Host;

/// Splits a caller into its memory and its host.
pub(in crate::wasm) fn split<'a>(caller: &'a mut Caller<'_, Host>) -> Result<(&'a mut [u8], &'a mut Host)> {
    let memory: Memory =
        caller.data().memory.ok_or_else(|| wasmtime::format_err!("a guest called WASI before it was ready"))?;
    Ok(memory.data_and_store_mut(caller))
}

pub(in crate::wasm) fn range(memory: &[u8], address: i32, size: i32) -> Option<std::ops::Range<usize>> {
    let start = address.cast_unsigned() as usize;
    let end = start.checked_add(size.cast_unsigned() as usize)?;
    (end <= memory.len()).then_some(start..end)
}

pub(in crate::wasm) fn read_u32(memory: &[u8], address: i32) -> Option<u32> {
    let bytes = memory.get(range(memory, address, 4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

pub(in crate::wasm) fn write_u32(memory: &mut [u8], address: i32, value: u32) -> Option<()> {
    let range = range(memory, address, 4)?;
    memory[range].copy_from_slice(&value.to_le_bytes());
    Some(())
}

/// The `index`th buffer of a vector of buffers: address and size.
pub(in crate::wasm) fn buffer(memory: &[u8], iovs: i32, index: i32) -> Option<(i32, i32)> {
    let entry = iovs.checked_add(index.checked_mul(8)?)?;
    Some((read_u32(memory, entry)?.cast_signed(), read_u32(memory, entry.checked_add(4)?)?.cast_signed()))
}
