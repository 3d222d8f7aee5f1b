//! What a caller asks for.

use super::limits::RequestedLimits;
use super::program::Program;
use crate::error::Error;
use crate::handle::SessionId;
use crate::workspace::WorkspacePath;

/// The longest program, in bytes. Larger inputs belong into files.
pub(crate) const MAX_CODE_BYTES: usize = 4 << 20;
/// The longest standard input, in bytes.
pub(crate) const MAX_STDIN_BYTES: usize = 4 << 20;
/// The most bytes of input files together. More goes in over several calls.
pub(crate) const MAX_INPUT_BYTES: usize = 8 << 20;
/// The most arguments and environment variables together.
pub(crate) const MAX_WORDS: usize = 1024;
/// The most bytes of arguments and environment variables together.
pub(crate) const MAX_WORD_BYTES: usize = 256 << 10;
/// The longest argument or environment entry that a program of the machine can
/// be started with, in bytes: `MAX_ARG_STRLEN` of Linux without the final NUL.
const MAX_NATIVE_WORD_BYTES: usize = (128 << 10) - 1;
/// The most input files.
pub(crate) const MAX_INPUT_FILES: usize = 256;

/// A program and what it is to run with.
#[derive(Clone, Debug, Default)]
pub struct ExecuteRequest {
    /// The language id of the catalogue.
    pub language: String,
    /// What runs.
    pub program: Program,
    /// Where it runs.
    pub session: SessionChoice,
    /// The sequence number that the session must have.
    pub if_sequence: Option<u64>,
    /// Files to put into the workspace first.
    pub files: Vec<InputFile>,
    /// Limits other than the defaults.
    pub limits: RequestedLimits,
}

/// Which state a program runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SessionChoice {
    /// A fresh instance and an empty workspace, thrown away afterwards.
    #[default]
    None,
    /// A new session.
    New,
    /// An existing session.
    Existing(SessionId),
}

/// A file that comes with a request.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Where it goes.
    pub path: WorkspacePath,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl ExecuteRequest {
    /// Checks every bound that does not depend on a session.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] naming the field, the bound and the value.
    pub fn validate(&self) -> Result<(), Error> {
        if self.if_sequence.is_some() && !matches!(self.session, SessionChoice::Existing(_)) {
            return Err(Error::invalid("if_sequence", "needs `session` with the handle of a session"));
        }
        at_most("code", self.program.code.len(), MAX_CODE_BYTES, "bytes; put large data into `files`")?;
        at_most("stdin", self.program.stdin.len(), MAX_STDIN_BYTES, "bytes")?;
        at_most("files", self.files.len(), MAX_INPUT_FILES, "files")?;
        let input_bytes = self.files.iter().map(|file| file.bytes.len()).sum();
        at_most("files", input_bytes, MAX_INPUT_BYTES, "bytes together; `write` puts larger ones into a session")?;
        at_most("args and env", self.program.args.len() + self.program.env.len(), MAX_WORDS, "entries")?;
        let word_bytes = self.program.args.iter().map(String::len).sum::<usize>()
            + self.program.env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        at_most("args and env", word_bytes, MAX_WORD_BYTES, "bytes together")?;
        if let Some(arg) = self.program.args.iter().find(|arg| arg.contains('\0')) {
            return Err(Error::invalid("args", format!("must not contain NUL, got {:?}", excerpt(arg))));
        }
        for (name, value) in &self.program.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(Error::invalid(
                    "env",
                    format!(
                        "names must be non-empty without `=`, and nothing may contain NUL, got {:?}",
                        excerpt(name)
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl ExecuteRequest {
    /// Checks what only programs of the machine are bound by.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] naming the field, the bound and the value.
    pub(crate) fn validate_native(&self) -> Result<(), Error> {
        let unit = "bytes each for this language; put large data into `stdin` or `files`";
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
        let args = longest(&mut self.program.args.iter().map(String::len));
        let env = longest(&mut self.program.env.iter().map(|(name, value)| name.len() + 1 + value.len()));
        at_most("args", args, MAX_NATIVE_WORD_BYTES, unit)?;
        at_most("env", env, MAX_NATIVE_WORD_BYTES, unit)
    }
}

fn at_most(field: &str, value: usize, bound: usize, unit: &str) -> Result<(), Error> {
    if value > bound {
        return Err(Error::invalid(field, format!("must be at most {bound} {unit}, got {value}")));
    }
    Ok(())
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
