//! What the server and the jailer say to each other.

use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::confinement::{Confinement, Report, Stop};
use crate::frame;
use crate::frame::MAX_DESCRIPTORS;

/// The largest message. A program, its environment and its arguments are within
/// it, and escapes make of a byte six.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Sends the confinement that is asked for, with the descriptors it lists.
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
    frame::write(stream, &frame::encode(confinement, MAX_MESSAGE_BYTES)?, descriptors)
}

/// Receives the confinement that is asked for, and the descriptors that came with it.
pub(crate) fn receive_confinement(stream: &UnixStream) -> io::Result<(Confinement, Vec<OwnedFd>)> {
    let (confinement, descriptors): (Confinement, _) =
        frame::read(stream, MAX_MESSAGE_BYTES)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if confinement.descriptors.len() != descriptors.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors that do not match their list"));
    }
    Ok((confinement, descriptors))
}

/// Sends a report of how it goes.
pub(crate) fn send_report(stream: &UnixStream, report: &Report) -> io::Result<()> {
    (&mut &*stream).write_all(&frame::encode(report, MAX_MESSAGE_BYTES)?)
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
pub fn read_report(stream: &UnixStream) -> io::Result<Option<Report>> {
    Ok(frame::read(stream, MAX_MESSAGE_BYTES)?.map(|(report, _)| report))
}
