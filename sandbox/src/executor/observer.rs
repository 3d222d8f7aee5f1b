//! Who watches what happens to runs, and misses nothing of it.

use std::sync::{Arc, OnceLock};

use crate::error::Error;
use crate::run::event::{RunCall, RunEvent};
use crate::run::limits::Limits;
use crate::run::request::ExecuteRequest;

/// A watcher of runs. It is told of everything, in order and before whoever called has an
/// answer, and holds up the server for as long as it takes to hear it.
pub trait Observer: Send + Sync {
    /// Whether a call that is in order may go on, which is asked before anything is done
    /// for it.
    ///
    /// # Errors
    ///
    /// What whoever called is told, if it may not.
    fn admits(&self, call: &RunCall, request: &ExecuteRequest, limits: &Limits) -> Result<(), Error> {
        let _ = (call, request, limits);
        Ok(())
    }

    /// Hears what happened.
    fn told(&self, event: &RunEvent);
}

/// All observers. They are there from the first call on, or never.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<OnceLock<Box<[Arc<dyn Observer>]>>>);

impl Observers {
    /// Has `observers` watch from here on. The first stay.
    pub(crate) fn set(&self, observers: Vec<Arc<dyn Observer>>) {
        let _ = self.0.set(observers.into());
    }

    pub(super) fn admit(&self, call: &RunCall, request: &ExecuteRequest, limits: &Limits) -> Result<(), Error> {
        self.all().try_for_each(|observer| observer.admits(call, request, limits))
    }

    pub(super) fn tell(&self, event: &RunEvent) {
        self.all().for_each(|observer| observer.told(event));
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Observer>> {
        self.0.get().into_iter().flatten()
    }
}
