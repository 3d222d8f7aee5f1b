//! Frames between the server and its workers.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use jailer::frame;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, Interest};

/// The largest frame. Above the largest request plus its framing, and above
/// the largest reply a guest may give.
const MAX_FRAME_BYTES: usize = 40 << 20;

/// The bytes of a frame.
pub(crate) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    frame::encode(message, MAX_FRAME_BYTES)
}

/// Writes one frame with a descriptor attached to its first byte.
pub(crate) fn write_with_descriptor<T: Serialize>(
    stream: &UnixStream,
    message: &T,
    descriptor: BorrowedFd<'_>,
) -> io::Result<()> {
    frame::write(stream, &encode(message)?, &[descriptor])
}

/// Writes the bytes of one frame, with a descriptor attached to the first of
/// them if there is one.
pub(crate) async fn write_async(
    stream: &tokio::net::unix::OwnedWriteHalf,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut rest = bytes;
    let mut descriptor = descriptor.map(|descriptor| descriptor.as_raw_fd());
    while !rest.is_empty() {
        let stream: &tokio::net::UnixStream = stream.as_ref();
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let rights = descriptor.map(|descriptor| [descriptor]);
                let control = rights.as_ref().map(|rights| ControlMessage::ScmRights(rights));
                let parts = [IoSlice::new(rest)];
                Ok(sendmsg::<()>(stream.as_raw_fd(), &parts, control.as_slice(), MsgFlags::MSG_NOSIGNAL, None)?)
            })
            .await?;
        rest = &rest[sent..];
        descriptor = None;
    }
    Ok(())
}

/// Reads one frame and the descriptor that came with it, if any. `None` at
/// the end of the stream.
pub(crate) fn read<T: DeserializeOwned>(stream: &UnixStream) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    let frame = frame::read(stream, MAX_FRAME_BYTES)?;
    Ok(frame.map(|(message, descriptors)| (message, descriptors.into_iter().next())))
}

/// Reads one frame, of at most as many bytes as `most` says when it begins.
/// `None` at the end of the stream.
///
/// # Cancellation
///
/// Not safe: a dropped future loses what it has read.
pub(crate) async fn read_async<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    most: impl FnOnce() -> usize,
) -> io::Result<Option<T>> {
    let mut header = [0; 4];
    match stream.read_exact(&mut header).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = frame::length(header, most().min(MAX_FRAME_BYTES))?;
    let mut bytes = frame::room(length);
    stream.take(length as u64).read_to_end(&mut bytes).await?;
    frame::decode(&bytes, length).map(Some)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use futures_util::FutureExt as _;
    use jailer::frame::TAKEN_BYTES;

    use super::*;
    use crate::sys::allocations::peak_of;

    #[test]
    fn frames_arrive_in_order_with_their_descriptor() {
        let (one, other) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        write_with_descriptor(&one, &"with", std::os::fd::AsFd::as_fd(&file)).unwrap();
        (&one).write_all(&encode(&"without").unwrap()).unwrap();
        drop(one);
        let (text, descriptor) = read::<String>(&other).unwrap().unwrap();
        assert!(text == "with" && descriptor.is_some());
        let (text, descriptor) = read::<String>(&other).unwrap().unwrap();
        assert!(text == "without" && descriptor.is_none());
        assert!(read::<String>(&other).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_frame_is_bounded_by_what_is_expected_when_it_begins() {
        let frame = encode(&"text".repeat(100)).unwrap();
        let length = frame.len() - 4;
        let read = async |most| read_async::<String>(&mut &frame[..], || most).await;
        assert_eq!(read(length).await.unwrap().unwrap().len(), 400);
        let error = read(length - 1).await.unwrap_err().to_string();
        assert!(error.contains("where 401 are the most"), "{error}");
        // Nothing behind the length was needed to know.
        assert!(read_async::<String>(&mut &frame[..4], || 9).await.unwrap_err().to_string().contains("the most"));
    }

    #[test]
    fn an_oversized_or_damaged_frame_is_an_error_and_allocates_nothing() {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(read::<String>(&other).unwrap_err().to_string().contains("are the most"));
        one.write_all(&[1, 0, 0, 0, 0xff]).unwrap();
        assert_eq!(read::<String>(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_frame_takes_room_for_what_came_of_it_and_not_for_what_it_claims() {
        let claimed = u32::try_from(MAX_FRAME_BYTES).unwrap().to_le_bytes();
        let is_cut_off = |error: io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(&[&claimed[..], b"begin"].concat()).unwrap();
        drop(one);
        let (read, peak) = peak_of(|| read::<String>(&other));
        assert!(is_cut_off(read.unwrap_err()) && peak < 2 * TAKEN_BYTES, "{peak} bytes for five");
        let mut begun: &[u8] = &[&claimed[..], b"begin"].concat();
        let (read, peak) = peak_of(|| read_async::<String>(&mut begun, || MAX_FRAME_BYTES).now_or_never().unwrap());
        assert!(is_cut_off(read.unwrap_err()) && peak < 2 * TAKEN_BYTES, "{peak} bytes for five");
        let text = "x".repeat(3 * TAKEN_BYTES);
        let mut bytes: &[u8] = &encode(&text).unwrap();
        assert_eq!(
            read_async::<String>(&mut bytes, || MAX_FRAME_BYTES).now_or_never().unwrap().unwrap().unwrap(),
            text
        );
    }
}
