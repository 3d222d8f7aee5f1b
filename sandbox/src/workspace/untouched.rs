//! Files that a program left as they were, although they changed hands before
//! it began and after it had ended: for the kernel that is a change each time.

use std::path::Path;

use super::path_map::PathMap;
use super::survey::{FileStamp, Survey, Time, is_before};

/// What files were stamped with before they were handed to a program that did
/// nothing to them, and are since they were taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untouched(PathMap<(FileStamp, FileStamp)>);

impl Untouched {
    /// `given` and `ended` were taken between, before the program began and after
    /// it had ended; `began` is a moment in between when it had done nothing.
    pub(crate) fn new(before: &Survey, given: &Survey, began: Time, ended: &Survey, after: &Survey) -> Self {
        let (mut given, mut ended, mut after) = (given.files.cursor(), ended.files.cursor(), after.files.cursor());
        let stamps = before.files.iter().filter_map(|(path, before)| {
            let (given, ended, after) = (given.seek(&path)?, ended.seek(&path)?, after.seek(&path)?);
            // A file that changed hands within the tick in which the program began
            // could change once more and not show it.
            let is_untouched = given == ended && is_before(given.changed, began, 0) && is_same_file(before, given);
            (is_untouched && is_same_file(ended, after)).then_some((path, (*before, *after)))
        });
        Self(stamps.collect())
    }

    /// The memory that it takes.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// Whether the file at `path` is as it was when its stamp was `before`.
    pub(crate) fn is(&self, path: &Path, before: &FileStamp, now: &FileStamp) -> bool {
        self.0.get(path).is_some_and(|stamps| *stamps == (*before, *now))
    }
}

/// Whether two stamps are of the same file, apart from when it last changed hands.
fn is_same_file(one: &FileStamp, other: &FileStamp) -> bool {
    FileStamp { changed: other.changed, ..*one } == *other
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "acts as a program in a workspace")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::workspace::Workspace;
    use crate::workspace::survey::now_of_files;

    #[test]
    fn only_what_a_program_did_nothing_to_is_untouched() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path().join("w")).unwrap();
        let at = |name: &str| parent.path().join("w").join(name);
        for name in ["same", "written", "moved", "mode", "gone", "timed"] {
            fs::write(at(name), "text").unwrap();
        }
        // Files change as when they change hands, which also shows in nothing but that time.
        let hand_over = || {
            std::thread::sleep(Duration::from_millis(15));
            for name in ["same", "written", "moved", "mode", "gone", "timed"].map(at) {
                if let Ok(found) = fs::metadata(&name) {
                    fs::set_permissions(&name, found.permissions()).unwrap();
                }
            }
            workspace.survey().unwrap()
        };
        let before = workspace.survey().unwrap();
        let given = hand_over();
        std::thread::sleep(Duration::from_millis(15));
        let began = now_of_files();
        fs::write(at("written"), "TEXT").unwrap();
        fs::copy(at("moved"), at("copy")).unwrap();
        fs::rename(at("copy"), at("moved")).unwrap();
        fs::set_permissions(at("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(at("gone")).unwrap();
        let modified = fs::metadata(at("timed")).unwrap().modified().unwrap();
        fs::write(at("timed"), "TEXT").unwrap();
        fs::File::options().write(true).open(at("timed")).unwrap().set_modified(modified).unwrap();
        fs::write(at("new"), "text").unwrap();
        let ended = workspace.survey().unwrap();
        let after = hand_over();
        let untouched = Untouched::new(&before, &given, began, &ended, &after);
        assert_eq!(untouched.0.keys().collect::<Vec<_>>(), [Path::new("same")]);
        let stamps = |survey: &Survey| *survey.files.get(Path::new("same")).unwrap();
        assert!(
            stamps(&before) != stamps(&after) && untouched.is(Path::new("same"), &stamps(&before), &stamps(&after))
        );
        // A program that begins within the tick of being handed over may have done anything.
        let began = stamps(&given).changed;
        assert_eq!(Untouched::new(&before, &given, began, &ended, &after), Untouched::default());
    }
}
