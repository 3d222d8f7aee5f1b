//! Devices that every program expects: `/dev/null` and its like. The host has
//! none of them open: what they do, it does itself.
//!
//! A guest names them by their absolute paths, beneath its one directory, where
//! no file has such a name: part of the guest ABI.

use serde::{Deserialize, Serialize};
use wasmtime::{Caller, Result};

use super::errno::{BADF, EXIST, FAULT, INVAL, MFILE, NOSPC, NOTDIR, SPIPE, SUCCESS};
use super::files;
use super::files::{CHARACTER_DEVICE, FILESTAT_BYTES};
use super::fill_random;
use super::guest_memory::{buffer, range, split, write_u32};
use super::saved_files::open_directory;
use crate::run::stream::Stream;
use crate::wasm::host::Host;

/// What a descriptor stands for that is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wasm) enum Device {
    /// Nothing to read, and nothing becomes of what is written.
    Null,
    /// Zeros.
    Zero,
    /// Zeros, and there is never room.
    Full,
    /// Random bytes.
    Random,
    /// Standard input.
    Input,
    /// Standard output or error.
    Output(Stream),
}

/// `oflags` of WASI preview 1.
const OFLAGS_DIRECTORY: i32 = 2;
const OFLAGS_EXCL: i32 = 4;

pub(super) const FDSTAT_BYTES: i32 = 24;

impl Device {
    /// The device that an absolute path names.
    pub(in crate::wasm) fn named(path: &[u8]) -> Option<Self> {
        Some(match std::str::from_utf8(path).ok()?.strip_prefix('/')? {
            "dev/null" => Self::Null,
            "dev/zero" => Self::Zero,
            "dev/full" => Self::Full,
            "dev/random" | "dev/urandom" => Self::Random,
            "dev/stdin" | "dev/fd/0" | "proc/self/fd/0" => Self::Input,
            "dev/stdout" | "dev/fd/1" | "proc/self/fd/1" => Self::Output(Stream::Stdout),
            "dev/stderr" | "dev/fd/2" | "proc/self/fd/2" => Self::Output(Stream::Stderr),
            _ => return None,
        })
    }

    /// The number of its file: its minor number on Linux, where it has one.
    const fn inode(self) -> u64 {
        match self {
            Self::Null => 3,
            Self::Zero => 5,
            Self::Full => 7,
            Self::Random => 9,
            Self::Input => 10,
            Self::Output(Stream::Stdout) => 11,
            Self::Output(Stream::Stderr) => 12,
        }
    }

    pub(in crate::wasm) fn stat(self) -> [u8; FILESTAT_BYTES] {
        files::device_stat(self.inode())
    }

    /// The position of a program in this device: zero, or it cannot be said.
    pub(in crate::wasm) const fn position(self) -> Result<u64, i32> {
        match self {
            Self::Null | Self::Zero | Self::Full | Self::Random => Ok(0),
            Self::Input | Self::Output(_) => Err(SPIPE),
        }
    }
}

/// Opens a device. Its number is taken with a descriptor that nothing uses.
pub(in crate::wasm) async fn open(caller: &mut Caller<'_, Host>, device: Device, oflags: i32, out: i32) -> Result<i32> {
    if oflags & OFLAGS_DIRECTORY != 0 {
        return Ok(NOTDIR);
    }
    if oflags & OFLAGS_EXCL != 0 {
        return Ok(EXIST);
    }
    let (memory, host) = split(caller)?;
    if !host.open_files.admit() {
        return Ok(MFILE);
    }
    let Some((number, _)) = open_directory(host.wasi(), b".").await else { return Ok(MFILE) };
    host.open_files.opened_device(number, device);
    Ok(write_u32(memory, out, number).map_or(FAULT, |()| SUCCESS))
}

/// Answers that this is a character device that can be read, written and, unlike a
/// terminal, sought in.
pub(in crate::wasm) fn fdstat(caller: &mut Caller<'_, Host>, out: i32) -> Result<i32> {
    let (memory, _) = split(caller)?;
    let Some(out) = range(memory, out, FDSTAT_BYTES) else { return Ok(FAULT) };
    let stat = &mut memory[out];
    stat.fill(0);
    stat[0] = CHARACTER_DEVICE;
    stat[8..].fill(0xff);
    Ok(SUCCESS)
}

/// Reads into every buffer.
pub(in crate::wasm) fn read(
    caller: &mut Caller<'_, Host>,
    device: Device,
    iovs: i32,
    count: i32,
    out: i32,
) -> Result<i32> {
    if matches!(device, Device::Output(_)) {
        return Ok(BADF);
    }
    let mut total = 0_u32;
    for index in 0..count {
        let (memory, host) = split(caller)?;
        let Some((address, size)) = buffer(memory, iovs, index) else { return Ok(FAULT) };
        let Some(room) = range(memory, address, size) else { return Ok(FAULT) };
        let filled = match device {
            Device::Null | Device::Output(_) => 0,
            Device::Zero | Device::Full => {
                memory[room.clone()].fill(0);
                room.len()
            }
            Device::Random => {
                let errno = fill_random(caller, address, size)?;
                if errno != SUCCESS {
                    return Ok(errno);
                }
                room.len()
            }
            Device::Input => {
                let Some(run) = &mut host.run else { return Ok(BADF) };
                let bytes = run.stdio.read(room.len());
                memory[room.start..room.start + bytes.len()].copy_from_slice(bytes);
                bytes.len()
            }
        };
        total = total.saturating_add(u32::try_from(filled).unwrap_or(u32::MAX));
    }
    let (memory, _) = split(caller)?;
    Ok(write_u32(memory, out, total).map_or(FAULT, |()| SUCCESS))
}

/// Writes every buffer.
pub(in crate::wasm) fn write(
    caller: &mut Caller<'_, Host>,
    device: Device,
    iovs: i32,
    count: i32,
    out: i32,
) -> Result<i32> {
    let (memory, host) = split(caller)?;
    match device {
        Device::Input => return Ok(BADF),
        Device::Full => return Ok(NOSPC),
        Device::Null | Device::Zero | Device::Random | Device::Output(_) => {}
    }
    let mut written = 0_u32;
    for index in 0..count {
        let Some(bytes) = buffer(memory, iovs, index).and_then(|(address, size)| range(memory, address, size)) else {
            return Ok(FAULT);
        };
        if let Device::Output(stream) = device {
            let Some(run) = &mut host.run else { return Ok(BADF) };
            run.stdio.write(stream, &memory[bytes.clone()]);
        }
        written = written.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    }
    Ok(write_u32(memory, out, written).map_or(FAULT, |()| SUCCESS))
}

/// Answers where the next byte would be read or written.
pub(in crate::wasm) fn tell(caller: &mut Caller<'_, Host>, device: Device, out: i32) -> Result<i32> {
    let (memory, _) = split(caller)?;
    let position = match device.position() {
        Ok(position) => position,
        Err(errno) => return Ok(errno),
    };
    let Some(out) = range(memory, out, 8) else { return Ok(FAULT) };
    memory[out].copy_from_slice(&position.to_le_bytes());
    Ok(SUCCESS)
}

/// What a device answers to all that makes no sense for it.
pub(in crate::wasm) const SENSELESS: i32 = INVAL;
