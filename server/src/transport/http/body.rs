//! Takes in the body of a request: so much, for so long, and no more of it together
//! than there is room for.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::EXPECT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::bounds::{
    ALL_REQUEST_BYTES, BODY_TIME, DISCARDED_BYTES, LEAST_REQUEST_BYTES, REQUEST_BYTES, SMALL_REQUEST_BYTES,
};
use super::refusal::Refusal;
use crate::transport::message::MAX_MESSAGE_BYTES;

/// Room for bodies is given out in pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 10;

/// The room that the bodies of all principals have together.
#[derive(Clone, Debug)]
pub(super) struct WholeRoom(Arc<Semaphore>);

impl Default for WholeRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(pieces(ALL_REQUEST_BYTES))))
    }
}

impl WholeRoom {
    /// The room of one principal, which is a part of this.
    pub(super) fn for_one(&self) -> Room {
        let of = |bytes| Arc::new(Semaphore::new(pieces(bytes)));
        Room { own: of(REQUEST_BYTES), least: of(LEAST_REQUEST_BYTES), whole: self.clone() }
    }
}

/// How many pieces so many bytes are.
const fn pieces(bytes: usize) -> usize {
    bytes / PIECE_BYTES + 1
}

/// The room that the bodies of one principal have together.
#[derive(Clone, Debug)]
pub(super) struct Room {
    own: Arc<Semaphore>,
    /// The room of a principal when others have all of the whole.
    least: Arc<Semaphore>,
    whole: WholeRoom,
}

/// The room that a body has.
#[derive(Debug)]
pub(super) struct Taken {
    own: OwnedSemaphorePermit,
    /// Pieces of the whole, or of the least. None for a small body.
    of_all: Vec<OwnedSemaphorePermit>,
}

impl Taken {
    /// Whether this room is enough for so many bytes.
    pub(super) fn holds(&self, bytes: usize) -> bool {
        pieces(bytes) <= self.of_all.iter().map(OwnedSemaphorePermit::num_permits).sum()
    }

    /// Gives back all but so much.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let mut needed = pieces(bytes);
        drop(self.own.split(self.own.num_permits().saturating_sub(needed)));
        for permit in &mut self.of_all {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
            needed -= permit.num_permits();
        }
    }
}

impl Room {
    /// Room of its own for a body of so many bytes.
    async fn take(&self, bytes: usize, until: Instant) -> Result<Taken, Refusal> {
        let own = acquire(&self.own, pieces(bytes), until).await?;
        Ok(Taken { own, of_all: Vec::new() })
    }

    /// Room among all for `bytes` of a body, which have come, of which there may be `most`.
    /// What somebody only says that it will send takes none from others, and small bodies
    /// do not wait for large ones.
    async fn grow(&self, taken: &mut Taken, bytes: usize, most: usize, until: Instant) -> Result<(), Refusal> {
        let has: usize = taken.of_all.iter().map(OwnedSemaphorePermit::num_permits).sum();
        if bytes <= SMALL_REQUEST_BYTES || pieces(bytes) <= has {
            return Ok(());
        }
        // Twice as much is taken as has come, so that the room grows in few steps.
        let lacks = pieces(most.min(2 * bytes)) - has;
        let more = tokio::select! {
            biased;
            more = acquire(&self.whole.0, lacks, until) => more,
            more = acquire(&self.least, lacks, until), if lacks <= pieces(LEAST_REQUEST_BYTES) => more,
        };
        taken.of_all.push(more?);
        Ok(())
    }

    /// Room for `bytes` of a message that have come, of which nobody said how many there
    /// will be.
    pub(super) async fn meet(self, taken: Option<Taken>, bytes: usize) -> Result<Taken, Refusal> {
        let until = Instant::now() + BODY_TIME;
        let mut taken = match taken {
            Some(taken) => taken,
            None => self.take(MAX_MESSAGE_BYTES, until).await?,
        };
        self.grow(&mut taken, bytes, MAX_MESSAGE_BYTES, until).await?;
        Ok(taken)
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
        let most = declared.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(MAX_MESSAGE_BYTES);
        let mut room = self.take(most, until).await?;
        let mut whole = Vec::new();
        loop {
            let frame = timeout_at(until, body.frame()).await.map_err(|_| Refusal::TooSlow)?;
            let data = match frame {
                None => break,
                Some(Err(_)) => return Err(Refusal::Broken),
                // Trailers say nothing to us.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let bytes = whole.len() + data.len();
            if bytes > MAX_MESSAGE_BYTES {
                drop((whole, room));
                discard(body, until).await;
                return Err(Refusal::TooLong);
            }
            self.grow(&mut room, bytes, most, until).await?;
            if whole.is_empty() && body.is_end_stream() {
                room.shrink(bytes);
                return Ok((data, room));
            }
            whole.extend_from_slice(&data);
        }
        room.shrink(whole.len());
        Ok((whole.into(), room))
    }
}

async fn acquire(room: &Arc<Semaphore>, pieces: usize, until: Instant) -> Result<OwnedSemaphorePermit, Refusal> {
    let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
    let acquired = timeout_at(until, Arc::clone(room).acquire_many_owned(pieces)).await;
    acquired.ok().and_then(Result::ok).ok_or(Refusal::NoMemory)
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

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    /// Room for a body that is there.
    async fn take(room: &Room, bytes: usize) -> Result<Taken, Refusal> {
        let mut taken = room.take(bytes, soon()).await?;
        room.grow(&mut taken, bytes, bytes, soon()).await?;
        Ok(taken)
    }

    #[tokio::test]
    async fn large_bodies_of_some_take_no_room_for_the_smaller_ones_of_another() {
        let whole = WholeRoom::default();
        let largest = REQUEST_BYTES / 2 - PIECE_BYTES;
        let mut taken = Vec::new();
        for _ in 0..ALL_REQUEST_BYTES / REQUEST_BYTES {
            let room = whole.for_one();
            for _ in 0..2 {
                taken.push(take(&room, largest).await.ok().unwrap());
            }
            assert!(matches!(take(&room, largest).await, Err(Refusal::NoMemory)), "one has so much");
        }
        let another = whole.for_one();
        assert!(take(&another, SMALL_REQUEST_BYTES).await.is_ok());
        let one = take(&another, LEAST_REQUEST_BYTES).await.ok().unwrap();
        assert!(matches!(take(&another, LEAST_REQUEST_BYTES).await, Err(Refusal::NoMemory)), "it has the least");
        drop(one);
        assert!(take(&another, LEAST_REQUEST_BYTES).await.is_ok());
        assert!(matches!(take(&another, largest).await, Err(Refusal::NoMemory)), "all have so much");
        // What was smaller than it might have been gives back the rest of both.
        taken[0].shrink(PIECE_BYTES);
        assert!(take(&another, largest - 4 * PIECE_BYTES).await.is_ok());
    }

    #[tokio::test]
    async fn what_may_come_takes_nothing_from_others_and_what_has_come_twice_as_much_at_most() {
        let whole = WholeRoom::default();
        let room = whole.for_one();
        let before = whole.0.available_permits();
        let mut taken = room.take(MAX_MESSAGE_BYTES, soon()).await.ok().unwrap();
        for bytes in [1, SMALL_REQUEST_BYTES, SMALL_REQUEST_BYTES + 1, 1 << 20, 3 << 20, MAX_MESSAGE_BYTES] {
            room.grow(&mut taken, bytes, MAX_MESSAGE_BYTES, soon()).await.ok().unwrap();
            let has = before - whole.0.available_permits();
            let needs = if bytes <= SMALL_REQUEST_BYTES { 0..=0 } else { pieces(bytes)..=pieces(2 * bytes) };
            assert!(needs.contains(&has), "{bytes}: {has}");
        }
        taken.shrink(5 << 20);
        assert_eq!(before - whole.0.available_permits(), pieces(5 << 20));
        drop(taken);
        assert_eq!(before, whole.0.available_permits());
    }
}
