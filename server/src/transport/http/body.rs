//! Takes in the body of a request: so much, for so long, and no more of it together
//! than there is room for.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::EXPECT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::bounds::{BODY_TIME, DISCARDED_BYTES, REQUEST_BYTES};
use super::refusal::Refusal;
use crate::transport::message::MAX_MESSAGE_BYTES;

/// Room for bodies is given out in pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 10;

/// The room that the bodies of one principal have together.
#[derive(Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(REQUEST_BYTES / PIECE_BYTES)))
    }

    /// The body, and the room that it takes.
    pub(super) async fn take_in(
        &self,
        headers: &HeaderMap,
        mut body: Incoming,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
        let until = Instant::now() + BODY_TIME;
        let declared = body.size_hint().exact();
        if declared.is_some_and(|bytes| bytes > MAX_MESSAGE_BYTES as u64) {
            // Who asks first has not sent anything yet, and will not.
            if !headers.contains_key(EXPECT) && declared.is_some_and(|bytes| bytes <= DISCARDED_BYTES) {
                discard(body, until).await;
            }
            return Err(Refusal::TooLong);
        }
        let bytes = declared.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(MAX_MESSAGE_BYTES);
        let pieces = u32::try_from(bytes / PIECE_BYTES + 1).unwrap_or(u32::MAX);
        let room = timeout_at(until, Arc::clone(&self.0).acquire_many_owned(pieces)).await;
        let mut room = room.ok().and_then(Result::ok).ok_or(Refusal::NoMemory)?;
        let mut whole = Vec::new();
        loop {
            let frame = timeout_at(until, body.frame()).await.map_err(|_| Refusal::TooSlow)?;
            let data = match frame {
                None => break,
                Some(Err(_)) => return Err(Refusal::Broken),
                // Trailers say nothing to us.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            if whole.is_empty() && body.is_end_stream() {
                return Ok((data, room));
            }
            if whole.len() + data.len() > MAX_MESSAGE_BYTES {
                drop((whole, room));
                discard(body, until).await;
                return Err(Refusal::TooLong);
            }
            whole.extend_from_slice(&data);
        }
        let surplus = room.num_permits().saturating_sub(whole.len() / PIECE_BYTES + 1);
        drop(room.split(surplus));
        Ok((whole.into(), room))
    }
}

/// Throws away what a client is still writing, so that it comes to read the answer.
async fn discard(mut body: Incoming, until: Instant) {
    let mut left = DISCARDED_BYTES;
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(bytes) else { return };
        left = rest;
    }
}
