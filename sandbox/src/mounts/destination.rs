//! Where a mount may be seen.

use std::path::{Component, Path};

/// What programs have there already, or the machine's programs and libraries.
const TAKEN: [&str; 17] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/var/cache",
    "/var/run",
    "/workspace",
];

/// The longest path, and the deepest: what `read` takes besides is left to the
/// names below.
const MAX_BYTES: usize = 255;
const MAX_DEPTH: usize = 8;

/// Why a mount cannot be seen at `path`.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let text = path.to_str().ok_or_else(|| format!("must be UTF-8, got {shown}"))?;
    if !path.is_absolute() {
        return Err(format!("must be an absolute path, got {shown}"));
    }
    if text.len() > MAX_BYTES || path.components().count() > MAX_DEPTH + 1 {
        return Err(format!("must be at most {MAX_BYTES} bytes and {MAX_DEPTH} directories deep, got {shown}"));
    }
    if text.chars().any(|char| char.is_control() || matches!(char, '\\' | ':')) {
        return Err(format!("must have neither control characters nor `\\` or `:`, got {text:?}"));
    }
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    // What `components` leaves out counts: one path has one spelling.
    let spelled = path.components().as_path().as_os_str() == path.as_os_str() && !text.contains("//");
    if !plain || !spelled || text.contains("/./") {
        return Err(format!("must have neither `.`, `..`, `//` nor a slash at its end, got {shown}"));
    }
    if path == Path::new("/") {
        return Err("must not be the root itself: name a directory such as /data".to_owned());
    }
    match TAKEN.iter().find(|taken| path.starts_with(taken) || Path::new(taken).starts_with(path)) {
        Some(taken) if path == Path::new(taken) => Err(format!("must not be {taken}, which programs have already")),
        Some(taken) if path.starts_with(taken) => {
            Err(format!("must not lie in {taken}, which programs have already, got {shown}"))
        }
        Some(taken) => Err(format!("must not hold {taken}, which programs have already, got {shown}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_one_plain_path_that_takes_the_place_of_nothing() {
        for path in ["/data", "/mnt/a b/c", "/home/me/project", "/workspaces", "/tmpx", "/var/data", "/é"] {
            assert_eq!(check(Path::new(path)), Ok(()), "{path}");
        }
        for (path, reason) in [
            ("data", "absolute"),
            ("", "absolute"),
            ("/", "the root itself"),
            ("//", "neither `.`"),
            ("/data/", "slash at its end"),
            ("//data", "`//`"),
            ("/a//b", "`//`"),
            ("/a/./b", "`.`"),
            ("/a/../b", "`..`"),
            ("/a/.", "`.`"),
            ("/a\nb", "control"),
            ("/a\\b", "`\\`"),
            ("/data:rx", "`:`"),
            ("/workspace", "must not be /workspace"),
            ("/workspace/data", "must not lie in /workspace"),
            ("/tmp/x", "must not lie in /tmp"),
            ("/usr/lib/python3.13", "must not lie in /usr"),
            ("/proc/self", "must not lie in /proc"),
            ("/var", "must not hold /var/cache"),
            ("/a/b/c/d/e/f/g/h/i", "8 directories deep"),
        ] {
            let error = check(Path::new(path)).unwrap_err();
            assert!(error.contains(reason), "{path:?}: {error}");
        }
        assert!(check(Path::new(&format!("/{}", "x".repeat(255)))).unwrap_err().contains("255 bytes"));
    }
}
