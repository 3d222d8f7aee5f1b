//! Takes in the body of a request: so much, for so long, and no more of it together
//! than there is room for.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::EXPECT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::bounds::{ALL_REQUEST_BYTES, BODY_TIME, DISCARDED_BYTES, REQUEST_BYTES, SMALL_REQUEST_BYTES};
use super::refusal::Refusal;
use crate::transport::message::MAX_MESSAGE_BYTES;

/// Room for bodies is given out in pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 10;

/// The room that the bodies of all principals have together.
#[derive(Clone, Debug)]
pub(super) struct WholeRoom(Arc<Semaphore>);

impl Default for WholeRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_REQUEST_BYTES / PIECE_BYTES)))
    }
}

impl WholeRoom {
    /// The part of one principal.
    pub(super) fn for_one(&self) -> Room {
        Room { own: Arc::new(Semaphore::new(REQUEST_BYTES / PIECE_BYTES)), whole: self.clone() }
    }
}

/// The room that the bodies of one principal have together.
#[derive(Debug)]
pub(super) struct Room {
    own: Arc<Semaphore>,
    whole: WholeRoom,
}

/// What a body has of both.
pub(super) struct Taken {
    own: OwnedSemaphorePermit,
    /// None of a small one.
    whole: Option<OwnedSemaphorePermit>,
}

impl Taken {
    /// Gives back all but so much.
    fn shrink(&mut self, bytes: usize) {
        let pieces = bytes / PIECE_BYTES + 1;
        for permit in std::iter::once(&mut self.own).chain(&mut self.whole) {
            let surplus = permit.num_permits().saturating_sub(pieces);
            drop(permit.split(surplus));
        }
    }
}

impl Room {
    /// Room for so many bytes: small bodies do not wait for the large ones of others.
    async fn take(&self, bytes: usize, until: Instant) -> Result<Taken, Refusal> {
        let pieces = u32::try_from(bytes / PIECE_BYTES + 1).unwrap_or(u32::MAX);
        let acquire = async |room: &Arc<Semaphore>| {
            let acquired = timeout_at(until, Arc::clone(room).acquire_many_owned(pieces)).await;
            acquired.ok().and_then(Result::ok).ok_or(Refusal::NoMemory)
        };
        let own = acquire(&self.own).await?;
        let whole = if bytes <= SMALL_REQUEST_BYTES { None } else { Some(acquire(&self.whole.0).await?) };
        Ok(Taken { own, whole })
    }

    /// The body, and the room that it takes.
    pub(super) async fn take_in(&self, headers: &HeaderMap, mut body: Incoming) -> Result<(Bytes, Taken), Refusal> {
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
        let mut room = self.take(bytes, until).await?;
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
        room.shrink(whole.len());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn large_bodies_of_some_take_no_room_for_the_small_ones_of_another() {
        let (whole, soon) = (WholeRoom::default(), || Instant::now() + Duration::from_millis(20));
        let largest = REQUEST_BYTES / 2 - PIECE_BYTES;
        let mut taken = Vec::new();
        for _ in 0..ALL_REQUEST_BYTES / REQUEST_BYTES {
            let room = whole.for_one();
            for _ in 0..2 {
                taken.push(room.take(largest, soon()).await.ok().unwrap());
            }
            assert!(matches!(room.take(largest, soon()).await, Err(Refusal::NoMemory)), "one has so much");
        }
        let another = whole.for_one();
        assert!(another.take(SMALL_REQUEST_BYTES, soon()).await.is_ok());
        assert!(matches!(another.take(largest, soon()).await, Err(Refusal::NoMemory)), "all have so much");
        // What was smaller than it might have been gives back the rest of both.
        taken[0].shrink(PIECE_BYTES);
        assert!(another.take(largest - 4 * PIECE_BYTES, soon()).await.is_ok());
    }
}
