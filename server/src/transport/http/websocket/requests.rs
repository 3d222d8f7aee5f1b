//! Requests of one connection that are being answered, with what each holds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::RequestId;

use crate::caller::Held;

/// All requests of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests(Arc<Mutex<HashMap<RequestId, Arc<Held>>>>);

/// What a request held, until this is dropped.
#[derive(Debug)]
pub(super) struct Answered(Arc<Held>);

impl Requests {
    /// Begins another request. False when there is one with its id: rmcp knows requests
    /// by their ids, and would take the one for the other.
    pub(super) fn begin(&self, id: &RequestId, held: &Arc<Held>) -> bool {
        match self.0.lock().entry(id.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Arc::clone(held));
                true
            }
        }
    }

    /// Ends a request that is answered, or will never be.
    pub(super) fn end(&self, id: &RequestId) -> Option<Answered> {
        self.0.lock().remove(id).map(Answered)
    }

    /// Ends all requests, of which none will be answered.
    pub(super) fn end_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        drop(all.into_values().map(Answered).collect::<Vec<_>>());
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.release();
    }
}
