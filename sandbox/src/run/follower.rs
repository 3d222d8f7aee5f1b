//! Who follows a run while it goes on.

use std::sync::Arc;

use super::calls::{CallHandler, Calls};
use super::event::Origin;
use super::stream::LiveOutput;

/// Hears what a program writes, and answers what it calls, as far as anyone
/// does.
#[derive(Default)]
pub struct Follower {
    /// Takes output as it comes.
    pub live: Option<LiveOutput>,
    /// Answers calls. Without one there are none for the program.
    pub handler: Option<Arc<dyn CallHandler>>,
    /// Where the call comes from, for observers.
    pub origin: Option<Origin>,
}

/// Who follows a run, as a runtime has it: held to what is granted. Nobody by default.
#[derive(Default)]
pub(crate) struct Following {
    pub(crate) live: Option<LiveOutput>,
    pub(crate) calls: Calls,
}

impl Following {
    /// Whether anyone sees what a program displays while it goes on.
    pub(crate) fn sees_displays(&self) -> bool {
        self.live.is_some() && self.calls.grants(DISPLAY)
    }
}

/// The call by which programs show what they display at once.
pub const DISPLAY: &str = "display";
