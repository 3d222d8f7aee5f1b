//! Who watches what happens to runs and sessions, and misses nothing of it.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Error;
use crate::run::event::{RunCall, RunEvent};
use crate::run::limits::Limits;
use crate::run::request::ExecuteRequest;

/// A watcher of runs and sessions. It is told of everything, in order and before whoever called has an
/// answer, and holds up the server for as long as it takes to hear it. Nothing is lost on
/// the way, as what [`RunEvents`](crate::RunEvents) tell may be.
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

    /// Whether a run may begin, which has its place.
    ///
    /// # Errors
    ///
    /// What whoever called is told, if it may not.
    fn begins(&self, call: &RunCall) -> Result<(), Error> {
        let _ = call;
        Ok(())
    }

    /// Counts what a run used, before the next one has its place.
    fn used(&self, call: &RunCall, cpu_time_ms: u64) {
        let _ = (call, cpu_time_ms);
    }

    /// Hears what happened to a run.
    fn told(&self, event: &RunEvent);

    /// Hears what happened to a session, in a run or without one.
    fn session(&self, event: &SessionEvent) {
        let _ = event;
    }
}

/// Something that happened to a session on its way to or from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// An interpreter was captured.
    Captured {
        /// How many bytes of its memory are new.
        bytes: u64,
    },
    /// A state was to be committed.
    Committed {
        /// `done`, `fenced`, or the kind of an error.
        result: &'static str,
        /// What was handed to the store for the commit itself.
        bytes: u64,
        /// How long it took until the result was known.
        took: Duration,
    },
    /// A session came back from the store.
    Resumed {
        /// How long it took until the session was here.
        took: Duration,
    },
}

/// All observers. They are there from the first call on, or never.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<OnceLock<All>>);

type All = Box<[Arc<dyn Observer>]>;

impl fmt::Debug for Observers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Observers").finish_non_exhaustive()
    }
}

impl Observers {
    /// Has `observers` watch from here on. Observers that were set before stay.
    pub(crate) fn set(&self, observers: Vec<Arc<dyn Observer>>) {
        let _ = self.0.set(observers.into());
    }

    pub(crate) fn admit(&self, call: &RunCall, request: &ExecuteRequest, limits: &Limits) -> Result<(), Error> {
        self.all().try_for_each(|observer| observer.admits(call, request, limits))
    }

    pub(crate) fn begin(&self, call: &RunCall) -> Result<(), Error> {
        self.all().try_for_each(|observer| observer.begins(call))
    }

    pub(crate) fn count(&self, call: &RunCall, cpu_time_ms: u64) {
        self.all().for_each(|observer| observer.used(call, cpu_time_ms));
    }

    pub(crate) fn tell(&self, event: &RunEvent) {
        self.all().for_each(|observer| observer.told(event));
    }

    pub(crate) fn session(&self, event: SessionEvent) {
        self.all().for_each(|observer| observer.session(&event));
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Observer>> {
        self.0.get().into_iter().flatten()
    }
}
