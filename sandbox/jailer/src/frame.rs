//! Frames over a socket between our own processes: a length of four bytes,
//! little-endian, then the message. Descriptors come with the first byte.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys;

/// How much room a frame gets before any of it is there: more than most need.
pub const TAKEN_BYTES: usize = 64 << 10;

/// The most descriptors that come with a frame.
pub(crate) const MAX_DESCRIPTORS: usize = 64;

/// The bytes of a frame whose message has at most `most`.
///
/// # Errors
///
/// When it has more.
pub fn encode<T: Serialize>(message: &T, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let length = bytes.len() - 4;
    let header = u32::try_from(length).ok().filter(|_| length <= most).ok_or_else(|| too_large(length, most))?;
    bytes[..4].copy_from_slice(&header.to_le_bytes());
    Ok(bytes)
}

/// How long the message after `header` is.
///
/// # Errors
///
/// When that is more than `most`.
pub fn length(header: [u8; 4], most: usize) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length <= most { Ok(length) } else { Err(too_large(length, most)) }
}

/// Room for a message: for what comes, not for what is claimed.
pub fn room(length: usize) -> Vec<u8> {
    Vec::with_capacity(length.min(TAKEN_BYTES))
}

/// The message in `bytes`, which should be `length` of them.
///
/// # Errors
///
/// When some are missing, or they make no sense.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], length: usize) -> io::Result<T> {
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes the bytes of one frame with descriptors attached to the first of them.
///
/// # Errors
///
/// When nobody reads any more.
pub fn write(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let sent = sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    (&mut &*stream).write_all(&bytes[sent..])
}

/// Reads one frame, of a message of at most `most` bytes, and the descriptors
/// that came with it. `None` at the end of the stream.
///
/// # Errors
///
/// When the connection breaks within a frame, or one makes no sense.
pub fn read<T: DeserializeOwned>(mut stream: &UnixStream, most: usize) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut header = [0; 4];
    let mut control = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let mut descriptors = Vec::new();
    let received = {
        let mut parts = [IoSliceMut::new(&mut header)];
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(received) = part {
                descriptors.extend(received.into_iter().map(sys::own_new));
            }
        }
        message.bytes
    };
    if received == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[received..])?;
    let length = length(header, most)?;
    let mut bytes = room(length);
    stream.take(length as u64).read_to_end(&mut bytes)?;
    Ok(Some((decode(&bytes, length)?, descriptors)))
}

fn too_large(length: usize, most: usize) -> io::Error {
    let reason = format!("a frame of {length} bytes, where {most} are the most");
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
