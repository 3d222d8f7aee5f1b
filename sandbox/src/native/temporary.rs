//! `/tmp` of native runs. All languages of a session share one, a folder of its
//! workspace. For as long as a native program runs that folder lies outside of
//! the workspace, so that the program sees it as `/tmp` and nowhere else.
//!
//! A program may have put anything in the folder's place. It is never followed:
//! what is moved here is moved by its name in an open directory, and a directory
//! only ever takes the place of a directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::iter;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, readlink, readlinkat, renameat};
use nix::libc;
use nix::sys::stat::fstatat;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::inbox::TEMPORARY as OUTSIDE;
use crate::filesystem::directories;
use crate::workspace::{TEMPORARY, TEMPORARY_PATH, Workspace};

/// How many names are tried for what a program had in the folder's place.
const NAMES: u32 = 100;

/// Moves the folder from the workspace into the directory of a run, in the place
/// of the empty one there. Without one, the empty one is what the program gets.
pub(super) fn take_out(workspace: &Workspace, run: &File) -> io::Result<()> {
    match renameat(workspace, TEMPORARY, run, OUTSIDE) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        // What is in the folder's place is not a directory.
        Err(Errno::EISDIR | Errno::ENOTDIR) => set_aside(workspace, run),
        Err(errno) => Err(errno.into()),
    }
}

/// Moves the folder back, if there is something in it. Workspace and directory of the
/// run were taken back before. `mounted` is where in the folder something of the
/// machine was shown: that leaves directories, empty files and links.
pub(super) fn put_back<'a>(
    workspace: &Workspace,
    run: &File,
    mounted: impl Iterator<Item = &'a Path>,
) -> io::Result<()> {
    for path in mounted {
        let on_host = Path::new(TEMPORARY_PATH).join(path);
        remove_place(run, &mut iter::once(OsStr::new(OUTSIDE)).chain(path.iter()), &on_host, true);
    }
    let in_its_place = match fstatat(workspace, TEMPORARY, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => Some(found.st_mode & libc::S_IFMT == libc::S_IFDIR),
        Err(Errno::ENOENT) => None,
        Err(errno) => return Err(errno.into()),
    };
    if in_its_place != Some(false) {
        match unlinkat(run, OUTSIDE, UnlinkatFlags::RemoveDir) {
            Ok(()) => return Ok(()),
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    if in_its_place.is_some() {
        set_aside(workspace, run)?;
    }
    Ok(renameat(run, OUTSIDE, workspace, TEMPORARY)?)
}

/// Removes what was made to show something at a path, and its directories that
/// are empty, the innermost first and never the outermost.
fn remove_place(parent: &File, names: &mut dyn Iterator<Item = &OsStr>, on_host: &Path, is_outermost: bool) {
    let Some(name) = names.next() else { return };
    let Ok(child) = directories::open_in(parent, name) else {
        if names.next().is_none() && !is_outermost && is_place(parent, name, on_host) {
            // A file that is gone already is as good as removed.
            let _ = unlinkat(parent, name, UnlinkatFlags::NoRemoveDir);
        }
        return;
    };
    remove_place(&child, names, on_host, false);
    if !is_outermost {
        // The kernel refuses to remove a directory that is not empty.
        let _ = unlinkat(parent, name, UnlinkatFlags::RemoveDir);
    }
}

/// Whether a file is one that something was mounted on, or a link as the host
/// has it there.
fn is_place(parent: &File, name: &OsStr, on_host: &Path) -> bool {
    let Ok(found) = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) else { return false };
    match found.st_mode & libc::S_IFMT {
        libc::S_IFREG => found.st_size == 0,
        libc::S_IFLNK => match (readlinkat(parent, name), readlink(on_host)) {
            (Ok(there), Ok(host)) => there == host,
            _ => false,
        },
        _ => false,
    }
}

/// Moves what a program had in the place of the folder into the folder.
fn set_aside(workspace: &Workspace, run: &File) -> io::Result<()> {
    let folder = directories::open_in(run, OUTSIDE)?;
    for number in 1..=NAMES {
        let name = if number == 1 { TEMPORARY.to_owned() } else { format!("{TEMPORARY}.{number}") };
        if fstatat(&folder, OsStr::new(&name), AtFlags::AT_SYMLINK_NOFOLLOW) == Err(Errno::ENOENT) {
            return Ok(renameat(workspace, TEMPORARY, &folder, OsStr::new(&name))?);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "acts as a program in a workspace")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_folder_goes_out_and_back_and_whatever_takes_its_place_leads_nowhere() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path().join("w")).unwrap();
        let (inside, run) = (parent.path().join("w/.tmp"), parent.path().join("run"));
        let (out, outside) = (run.join("tmp"), parent.path().join("outside"));
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        fs::create_dir(&run).unwrap();
        let open = File::open(&run).unwrap();
        let begin = || {
            fs::create_dir(&out).unwrap();
            take_out(&workspace, &open).unwrap();
            assert!(fs::symlink_metadata(&out).unwrap().is_dir() && fs::symlink_metadata(&inside).is_err());
        };
        let end = || {
            let shown = ["mounted/on", "mounted/file", "mounted/kept"];
            put_back(&workspace, &open, shown.into_iter().map(Path::new)).unwrap();
            assert!(fs::symlink_metadata(&out).is_err());
        };
        // Nothing before, and nothing left but where something was mounted.
        begin();
        fs::create_dir_all(out.join("mounted/on")).unwrap();
        fs::write(out.join("mounted/file"), "").unwrap();
        end();
        assert!(!inside.exists());
        // Something is left, and found again.
        begin();
        fs::create_dir_all(out.join("mounted")).unwrap();
        fs::write(out.join("mounted/kept"), "a").unwrap();
        end();
        assert_eq!(fs::read(inside.join("mounted/kept")).unwrap(), b"a");
        fs::remove_dir_all(&inside).unwrap();
        begin();
        fs::write(out.join("a"), "a").unwrap();
        end();
        begin();
        assert_eq!(fs::read(out.join("a")).unwrap(), b"a");
        // The program puts a link in the folder's place meanwhile, then a directory, then a file.
        symlink(&outside, &inside).unwrap();
        end();
        assert_eq!(fs::read_link(inside.join(".tmp")).unwrap(), outside);
        begin();
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("b"), "b").unwrap();
        end();
        assert_eq!(fs::read(inside.join(".tmp.2/b")).unwrap(), b"b");
        fs::remove_dir_all(&inside).unwrap();
        // The link is in the folder's place before the run.
        symlink(&outside, &inside).unwrap();
        begin();
        assert_eq!(fs::read_link(out.join(".tmp")).unwrap(), outside);
        end();
        fs::remove_dir_all(&inside).unwrap();
        fs::write(&inside, "c").unwrap();
        begin();
        end();
        assert_eq!(fs::read(inside.join(".tmp")).unwrap(), b"c");
        // A directory where nothing was left is the folder.
        fs::remove_dir_all(&inside).unwrap();
        begin();
        fs::create_dir(&inside).unwrap();
        end();
        assert!(inside.is_dir() && fs::read(outside.join("kept")).unwrap() == b"x");
    }
}
