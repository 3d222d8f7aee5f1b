//! A path that a caller gave, checked before anything is done with it.

use std::path::{Path, PathBuf};

use super::GUEST_PATH;
use crate::error::Error;

/// The longest path of a workspace, in bytes.
pub(crate) const MAX_PATH_BYTES: usize = 1024;
/// The longest name in a path: file systems take no more (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;
/// How deep directories may nest. Recursion over a workspace is bounded by it.
pub(crate) const MAX_DEPTH: usize = 32;
/// A checked path, relative to a workspace. It may name the workspace itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkspacePath(PathBuf);

impl WorkspacePath {
    /// Checks `text`, which is relative or starts with `/workspace`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] for `field` when the path is empty, absolute
    /// elsewhere, too long or too deep, leads upwards, or holds a control
    /// character.
    pub fn new(field: &str, text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| {
            let shown: String = text.chars().take(80).collect();
            Err(Error::invalid(field, format!("{reason}, got {shown:?}")))
        };
        if text.len() > MAX_PATH_BYTES {
            return refuse(&format!("must be at most {MAX_PATH_BYTES} bytes of path"));
        }
        if text.chars().any(char::is_control) {
            return refuse("must be a path without control characters");
        }
        let relative = match text.strip_prefix(GUEST_PATH) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
            _ if text.starts_with('/') => return refuse("must be relative to the workspace"),
            _ if text.is_empty() => return refuse("must not be empty; `.` is the workspace itself"),
            _ => text,
        };
        let mut path = PathBuf::new();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => return refuse("must not lead upwards"),
                name if name.len() > MAX_NAME_BYTES => {
                    return refuse(&format!("must have names of at most {MAX_NAME_BYTES} bytes"));
                }
                name => path.push(name),
            }
        }
        if path.iter().count() > MAX_DEPTH {
            return refuse(&format!("must be at most {MAX_DEPTH} directories deep"));
        }
        Ok(Self(path))
    }

    /// The path as given to cap-std; the workspace itself is `.`.
    pub(super) fn as_path(&self) -> &Path {
        if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 }
    }

    /// Whether this is the workspace itself.
    pub fn is_root(&self) -> bool {
        self.0.as_os_str().is_empty()
    }
}

impl std::fmt::Display for WorkspacePath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_path().display().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> WorkspacePath {
        WorkspacePath::new("path", text).unwrap()
    }

    #[test]
    fn paths_that_leave_the_workspace_are_refused_with_the_reason() {
        for (text, reason) in [
            ("../x", "upwards"),
            ("a/../../x", "upwards"),
            ("/etc/passwd", "relative"),
            ("/workspacex/y", "relative"),
            ("", "empty"),
            ("a\nb", "control"),
            ("a\0b", "control"),
            (&"x/".repeat(40), "deep"),
            (&"x".repeat(2000), "bytes of path"),
            (&"x".repeat(256), "names of at most 255 bytes"),
            (&format!("a/{}/b", "é".repeat(128)), "names of at most 255 bytes"),
        ] {
            let error = WorkspacePath::new("path", text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        assert_eq!(path("/workspace/a//./b"), path("a/b"));
        assert!(path("/workspace").is_root());
    }
}
