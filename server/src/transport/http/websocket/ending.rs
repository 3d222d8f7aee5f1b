//! How a WebSocket ends, and what its client is told of it.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::super::bounds::DISCARDED_BYTES;
use super::meter::Cut;
use crate::transport::message::MAX_MESSAGE_BYTES;

/// The longest reason that a frame has room for.
const REASON_BYTES: usize = 123;

/// How a WebSocket ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client said goodbye.
    Left,
    /// The connection broke, or its client is not there any more.
    Gone,
    /// We end the connection, for this reason.
    Ours(CloseCode, String),
}

impl End {
    /// The end of a connection when the server ends.
    pub(super) fn of_server() -> Self {
        Self::Ours(CloseCode::Away, "the server ends".to_owned())
    }

    /// The end of a connection from which something could not be read.
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::Utf8(_) => Self::Ours(CloseCode::Invalid, "a text must be UTF-8".to_owned()),
            Error::Capacity(_) => Self::Ours(
                CloseCode::Size,
                format!("a message must be at most {MAX_MESSAGE_BYTES} bytes; `write` large files in several calls"),
            ),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Gone,
            Error::Protocol(error) => Self::Ours(CloseCode::Protocol, error.to_string()),
            Error::Io(error) => match error.get_ref().and_then(|error| error.downcast_ref::<Cut>()) {
                Some(cut @ Cut::Slow) => Self::Ours(CloseCode::Policy, cut.to_string()),
                Some(cut @ Cut::NoMemory) => Self::Ours(CloseCode::Again, cut.to_string()),
                Some(Cut::Silent) | None => Self::Gone,
            },
            _ => Self::Gone,
        }
    }

    /// The frame that tells the client, if it is told anything.
    pub(super) fn frame(self) -> Option<CloseFrame> {
        let Self::Ours(code, mut reason) = self else { return None };
        reason.truncate(reason.floor_char_boundary(REASON_BYTES));
        Some(CloseFrame { code, reason: reason.into() })
    }
}

/// Closes our half, and takes what a client is still writing for as long as `patience`,
/// so that it comes to read why.
pub(super) async fn linger(mut stream: TokioIo<Upgraded>, patience: std::time::Duration) {
    let discard = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(DISCARDED_BYTES), &mut tokio::io::sink()).await
    };
    // The connection is over, whatever comes of this.
    let _ = timeout(patience, discard).await;
}
