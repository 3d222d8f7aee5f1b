//! The connection between the server and the jailer: a length of four bytes,
//! little-endian, then the message.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::confinement::{Confinement, Report, Stop};
use crate::sys;

/// The largest message. A program, its environment and its arguments are within
/// it, and escapes make of a byte six.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// How much room a message gets before any of it is there: more than most need.
const TAKEN_BYTES: usize = 64 << 10;

/// The most descriptors that come with a confinement.
const MAX_DESCRIPTORS: usize = 16;

/// Sends what is asked, with the descriptors it lists.
///
/// # Errors
///
/// When the jailer is gone, or the message is too large.
pub fn send_confinement(
    stream: &UnixStream,
    confinement: &Confinement,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if descriptors.len() != confinement.descriptors.len() || descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "descriptors that do not match their list"));
    }
    let bytes = encode(confinement)?;
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let sent = sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(&bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    (&mut &*stream).write_all(&bytes[sent..])
}

/// Receives what is asked, and the descriptors that came with it.
pub(crate) fn receive_confinement(stream: &UnixStream) -> io::Result<(Confinement, Vec<OwnedFd>)> {
    let mut header = [0; 4];
    let mut control = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let mut descriptors = Vec::new();
    let received = {
        let mut parts = [IoSliceMut::new(&mut header)];
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(received) = part {
                descriptors.extend(received.into_iter().map(sys::own_received));
            }
        }
        message.bytes
    };
    let mut stream = stream;
    stream.read_exact(&mut header[received..])?;
    let confinement: Confinement = decode(stream, header)?;
    if confinement.descriptors.len() != descriptors.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors that do not match their list"));
    }
    Ok((confinement, descriptors))
}

/// Says how it goes.
pub(crate) fn send_report(stream: &UnixStream, report: &Report) -> io::Result<()> {
    (&mut &*stream).write_all(&encode(report)?)
}

const ASK: u8 = b'a';
const KILL: u8 = b'k';

/// Says what to do about the program.
///
/// # Errors
///
/// When the jailer is gone.
pub fn send_stop(mut stream: &UnixStream, stop: Stop) -> io::Result<()> {
    stream.write_all(&[match stop {
        Stop::Ask => ASK,
        Stop::Kill => KILL,
    }])
}

/// Receives what to do about the program. Everything but a clear word means to
/// kill it.
pub(crate) fn receive_stop(mut stream: &UnixStream) -> Stop {
    let mut word = [0];
    match stream.read_exact(&mut word) {
        Ok(()) if word == [ASK] => Stop::Ask,
        _ => Stop::Kill,
    }
}

/// Waits for the next report. `None` when there will be no more: the jailer is
/// gone.
///
/// # Errors
///
/// When the connection breaks within a report, or one makes no sense.
pub fn read_report(mut stream: &UnixStream) -> io::Result<Option<Report>> {
    let mut header = [0; 4];
    match stream.read(&mut header)? {
        0 => return Ok(None),
        received => stream.read_exact(&mut header[received..])?,
    }
    decode(stream, header).map(Some)
}

fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let length = checked_length(bytes.len() - 4)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(stream: &UnixStream, header: [u8; 4]) -> io::Result<T> {
    let length = checked_length(u32::from_le_bytes(header) as usize)?;
    // Room for what comes, not for what is claimed.
    let mut bytes = Vec::with_capacity((length as usize).min(TAKEN_BYTES));
    if stream.take(length.into()).read_to_end(&mut bytes)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn checked_length(length: usize) -> io::Result<u32> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes is too large"));
    u32::try_from(length).ok().filter(|_| length <= MAX_MESSAGE_BYTES).ok_or_else(too_large)
}
