//! What went wrong in a step, with the kernel's error number where there is
//! one.

use std::error::Error;
use std::io;
use std::path::Path;

use nix::errno::Errno;

/// Something that could not be done.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct Failure {
    doing: String,
    source: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure that no call reported.
    pub(crate) fn new(doing: impl Into<String>, reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), source: reason.into() }
    }

    /// The kernel's error number, when it was the kernel that refused.
    pub fn errno(&self) -> Option<i32> {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self.source.as_ref());
        while let Some(error) = cause {
            if let Some(errno) = error.downcast_ref::<Errno>() {
                return Some(*errno as i32);
            }
            if let Some(errno) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
                return Some(errno);
            }
            cause = error.source();
        }
        None
    }
}

/// Says what was being done when a call failed.
pub(crate) trait Doing<T> {
    /// Names what was being done.
    fn doing(self, what: &str) -> Result<T, Failure>;

    /// Names what was being done, and to which file.
    fn doing_at(self, what: &str, path: &Path) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(what, error))
    }

    fn doing_at(self, what: &str, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{what} {}", path.display()), error))
    }
}
