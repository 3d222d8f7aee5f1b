//! From a failure to a refusal: which step it was.

use std::process::ExitCode;

use crate::confinement::{Refusal, Step};
use crate::failure::Failure;

/// Exit codes of refusals begin above those of sysexits.h that programs use.
const FIRST_EXIT_CODE: u8 = 65;

/// Names the step that a failure belongs to.
pub(crate) trait Refuse<T> {
    /// Names the step to which the failure belongs.
    fn at(self, step: Step) -> Result<T, Refusal>;
}

impl<T> Refuse<T> for Result<T, Failure> {
    fn at(self, step: Step) -> Result<T, Refusal> {
        self.map_err(|failure| Refusal { step, errno: failure.errno(), detail: failure.to_string() })
    }
}

/// The exit code of a process that could not take a step: 65 for the first one.
pub(crate) fn exit_code(step: Step) -> ExitCode {
    ExitCode::from(FIRST_EXIT_CODE + step as u8)
}
