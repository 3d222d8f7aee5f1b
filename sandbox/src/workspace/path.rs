//! A path that a caller gave, checked before anything is done with it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{GUEST_PATH, TEMPORARY, TEMPORARY_PATH};
use crate::error::Error;
use crate::text::{escaped, unescaped};

/// The longest path of a workspace, in bytes.
pub(crate) const MAX_PATH_BYTES: usize = 1024;
/// The longest name in a path: file systems take no more (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;
/// How much of a path a refusal repeats.
const SHOWN_CHARS: usize = 120;
/// How deep directories may nest. Recursion over a workspace is bounded by it.
pub(crate) const MAX_DEPTH: usize = 32;
/// A checked path, relative to a workspace. It may name the workspace itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkspacePath(PathBuf);

impl WorkspacePath {
    /// Checks `text`, which is relative or starts with `/workspace` or `/tmp`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] for `field` when the path is empty, absolute
    /// elsewhere, too long or too deep, leads upwards, or holds a control
    /// character that is not escaped (`text.rs`).
    pub fn new(field: &str, text: &str) -> Result<Self, Error> {
        Self::checked(field, text, char::is_control)
    }

    /// Checks the path of something that is there already, whose name a program
    /// chose: it may hold any character that a name can.
    ///
    /// # Errors
    ///
    /// As for [`WorkspacePath::new`], control characters aside.
    pub fn of_any_name(field: &str, text: &str) -> Result<Self, Error> {
        Self::checked(field, text, |char| char == '\0')
    }

    /// The path of a file of that name.
    ///
    /// # Errors
    ///
    /// As for [`WorkspacePath::of_any_name`].
    pub fn of_name(field: &str, name: &OsStr) -> Result<Self, Error> {
        Self::of_any_name(field, &escaped(name.as_bytes()))
    }

    fn checked(field: &str, text: &str, is_refused: impl Fn(char) -> bool) -> Result<Self, Error> {
        let refuse = |reason: &str| {
            // An invisible character is ten that tell which.
            let fits = |taken: &mut usize, char: char| {
                *taken += char.escape_debug().count();
                (*taken <= SHOWN_CHARS).then_some(char)
            };
            let shown: String = text.chars().scan(0, fits).collect();
            Err(Error::invalid(field, format!("{reason}, got {shown:?}")))
        };
        // A path may be longer as text.
        if unescaped(text.get(..text.floor_char_boundary(8 * MAX_PATH_BYTES)).unwrap_or(text)).len() > MAX_PATH_BYTES {
            return refuse(&format!("must be at most {MAX_PATH_BYTES} bytes of path"));
        }
        if text.chars().any(is_refused) {
            return refuse("must be a path without control characters (one in a name is written as \\x0a is)");
        }
        let within = |folder| text.strip_prefix(folder).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let (mut path, relative) = match (within(GUEST_PATH), within(TEMPORARY_PATH)) {
            (Some(rest), _) => (PathBuf::new(), rest),
            (_, Some(rest)) => (PathBuf::from(TEMPORARY), rest),
            _ if text.starts_with('/') => return refuse("must be relative to the workspace, or in /tmp"),
            _ if text.is_empty() => return refuse("must not be empty; `.` is the workspace itself"),
            _ => (PathBuf::new(), text),
        };
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => return refuse("must not lead upwards"),
                name => {
                    let name = unescaped(name);
                    if name.len() > MAX_NAME_BYTES {
                        return refuse(&format!("must have names of at most {MAX_NAME_BYTES} bytes"));
                    }
                    path.push(OsStr::from_bytes(&name));
                }
            }
        }
        if path.iter().count() > MAX_DEPTH {
            return refuse(&format!("must be at most {MAX_DEPTH} directories deep"));
        }
        Ok(Self(path))
    }

    /// The path as given to cap-std; the workspace itself is `.`.
    pub(crate) fn as_path(&self) -> &Path {
        if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 }
    }

    /// Whether this is the workspace itself.
    pub fn is_root(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    /// Whether this is `/tmp`.
    pub(super) fn is_temporary(&self) -> bool {
        self.0 == Path::new(TEMPORARY)
    }
}

impl std::fmt::Display for WorkspacePath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        shown(self.as_path()).fmt(formatter)
    }
}

/// A path of a workspace as a guest knows it, `/tmp` by its own name, as text.
pub(crate) fn shown(path: &Path) -> String {
    let escaped = |path: &Path| escaped(path.as_os_str().as_bytes());
    match path.strip_prefix(TEMPORARY) {
        Ok(rest) => escaped(&Path::new(TEMPORARY_PATH).join(rest)).trim_end_matches('/').to_owned(),
        Err(_) => escaped(path),
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
            ("/tmpx/y", "relative"),
            ("/tmp/../x", "upwards"),
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
        assert_eq!((path("/tmp/a//b"), path("/tmp")), (path(".tmp/a/b"), path(".tmp")));
        for text in ["/tmp/a/b", "/tmp", "a/.tmp", ".tmpx", "."] {
            assert_eq!(path(text).to_string(), text);
        }
    }
}
