//! The moment in which a workspace changes hands, from the server to the user of
//! a run.

use std::time::Duration;

use crate::error::Error;
use crate::workspace::Workspace;
use crate::workspace::survey::{Survey, Time, now_of_files};

/// How many files are read sooner than a tick of the clock is over.
const FEW_FILES: usize = 64;
/// The longest tick of the clock that files are stamped with (`CONFIG_HZ` of
/// 100), and some.
const TICK_MS: u32 = 12;

/// A workspace that has just been handed to the user of a run, which will not
/// begin before `at`.
pub(super) struct Handed {
    pub(super) survey: Survey,
    pub(super) at: Time,
}

impl Handed {
    pub(super) fn over(workspace: &Workspace) -> Result<Self, Error> {
        let survey = workspace.survey()?;
        let last = survey.files.values().map(|stamp| stamp.changed).max().unwrap_or_default();
        let mut at = now_of_files();
        // What a program changes within the same tick of the clock looks as if
        // it had not. That costs reading a file again, so few may be in doubt.
        for _ in 0..TICK_MS {
            if at > last || survey.files.len() < FEW_FILES {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "a tick of the clock is no event")]
            std::thread::sleep(Duration::from_millis(1));
            at = now_of_files();
        }
        Ok(Self { survey, at })
    }
}
