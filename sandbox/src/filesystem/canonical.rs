//! Paths as the kernel resolves them: absolute, without links. Unlike
//! `fs::canonicalize` this also says where what is not there yet would be made.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What the kernel follows at most (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// Where `path` leads, be it there or not. A link that leads nowhere is
/// followed, too.
///
/// # Errors
///
/// When links lead in a circle, or a directory on the way cannot be searched.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    follow(path, &mut |_| {})
}

/// Where `path` leads, as [`canonical`] finds it. `link_at` is told the real
/// path of each link on the way.
pub(crate) fn follow(path: &Path, link_at: &mut dyn FnMut(&Path)) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let names = |path: &Path| -> Vec<OsString> {
        path.components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some("..".into()),
                _ => None,
            })
            .collect()
    };
    let mut left: VecDeque<_> = names(&path).into();
    let (mut place, mut links) = (PathBuf::from("/"), 0);
    while let Some(name) = left.pop_front() {
        if name == ".." {
            place.pop();
            continue;
        }
        place.push(name);
        let target = match std::fs::read_link(&place) {
            Ok(target) => target,
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
            Err(error) => return Err(error),
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(io::Error::other(format!("{} has more than {MOST_LINKS} links in it", path.display())));
        }
        link_at(&place);
        place.pop();
        if target.is_absolute() {
            place = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            left.push_front(name);
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_whether_or_not_they_lead_to_something() {
        let parent = tempfile::tempdir().unwrap();
        let top = parent.path().canonicalize().unwrap();
        let at = |path: &str| canonical(&top.join(path)).unwrap();
        std::fs::create_dir_all(top.join("real/inner")).unwrap();
        symlink("real/inner", top.join("link")).unwrap();
        symlink(top.join("link/not-yet"), top.join("dangling")).unwrap();
        symlink("circle", top.join("circle")).unwrap();
        assert_eq!(at("link"), top.join("real/inner"));
        assert_eq!(at("link/../x/./y"), top.join("real/x/y"));
        assert_eq!(at("dangling/deeper"), top.join("real/inner/not-yet/deeper"));
        assert!(canonical(&top.join("circle/x")).unwrap_err().to_string().contains("40 links"));
        assert!(canonical(Path::new("relative")).unwrap().is_absolute());
    }
}
