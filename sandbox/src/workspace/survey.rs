//! What a workspace holds at one moment, without its contents.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt as _};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::entry::FileEntry;
use super::path_map::PathMap;
use super::permissions::Mode;
use super::{MAX_DEPTH, shown};

/// Seconds and nanoseconds, as the kernel stamps files.
pub(crate) type Time = (i64, i64);

/// The kernel stamps files with a clock that moves in ticks of at most ten
/// milliseconds (`CONFIG_HZ` of 100): changes within one tick look alike.
/// Twice that.
const TICK_NANOSECONDS: i128 = 20_000_000;

/// How close changes look alike on file systems that stamp whole seconds (FAT
/// counts in twos). A stamp of the kernel's with no nanoseconds tells that it is
/// one of those: a guest cannot choose when the kernel stamps.
const WHOLE_NANOSECONDS: i128 = 2_000_000_000 + TICK_NANOSECONDS;

/// A time before any stamp that a file can have.
const LONG_AGO: Time = (i64::MIN, 0);

/// How many changes are told at most. Nobody shows as many.
const MAX_CHANGES: usize = 1024;

/// The most that is looked at. Every limit on files is far below it, and holds
/// for whatever keeps to them.
const MAX_ENTRIES: u64 = 1_000_000;

/// What is used of a workspace, as the quota counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUse {
    /// The sum over all files of the larger of apparent and allocated size.
    pub bytes: u64,
    /// How many files and directories there are.
    pub files: u64,
}

/// What is at a path that is no directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    /// A symbolic link.
    Link,
    /// A FIFO, a socket or a device: counted, and not kept.
    #[default]
    Other,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStamp {
    pub(crate) size: u64,
    /// When the kernel last saw it change; a guest cannot set that.
    pub(crate) changed: Time,
    pub(crate) inode: u64,
    pub(crate) modified: Time,
    pub(crate) mode: Mode,
    pub(crate) kind: FileKind,
}

/// What tells one state of a directory from another, besides what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DirectoryStamp {
    pub(crate) modified: Time,
    pub(crate) mode: Mode,
}

/// All files of a workspace at one moment.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Everything but directories.
    pub(crate) files: PathMap<FileStamp>,
    /// Directories, without the workspace itself.
    pub(crate) directories: PathMap<DirectoryStamp>,
    /// What all files and directories use together.
    pub disk_use: DiskUse,
    began: Time,
}

impl From<&Metadata> for FileStamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            mode: Mode::of(metadata.mode(), false),
            kind: match metadata.file_type() {
                kind if kind.is_file() => FileKind::Regular,
                kind if kind.is_symlink() => FileKind::Link,
                _ => FileKind::Other,
            },
        }
    }
}

/// Why a workspace cannot be looked over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SurveyError {
    /// Nothing that counts may be left out, so there is no survey of it.
    #[error("its directories nest deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("there are more than {MAX_ENTRIES} of them")]
    TooMany,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Survey {
    /// Looks at everything beneath `dir`.
    pub(crate) fn of(dir: &Dir) -> Result<Self, SurveyError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let began = (i64::try_from(now.as_secs()).unwrap_or(0), i64::from(now.subsec_nanos()));
        let mut survey = Self { began, ..Self::default() };
        survey.add(dir, Path::new(""), 0)?;
        survey.files.shrink();
        survey.directories.shrink();
        Ok(survey)
    }

    fn add(&mut self, dir: &Dir, prefix: &Path, depth: usize) -> Result<(), SurveyError> {
        let mut entries = Vec::new();
        for entry in dir.entries()? {
            match entry {
                // The directory itself was removed while it was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                entry => entries.push(entry.map(|entry| (entry.file_name(), entry))?),
            }
            if self.disk_use.files + entries.len() as u64 > MAX_ENTRIES {
                return Err(SurveyError::TooMany);
            }
        }
        // Entries are sorted, so that all paths come in order.
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (name, entry) in entries {
            // Removed between the listing and the look: not there.
            let Ok(metadata) = entry.metadata() else { continue };
            self.disk_use.files += 1;
            self.disk_use.bytes += metadata.len().max(jailer::taken_bytes(metadata.len(), metadata.blocks()));
            let path = prefix.join(name);
            if metadata.is_dir() {
                if depth >= MAX_DEPTH {
                    return Err(SurveyError::TooDeep);
                }
                let modified = (metadata.mtime(), metadata.mtime_nsec());
                self.directories.insert(&path, DirectoryStamp { modified, mode: Mode::of(metadata.mode(), true) });
                if let Ok(child) = DirEntry::open_dir(&entry) {
                    self.add(&child, &path, depth + 1)?;
                }
                continue;
            }
            self.files.insert(&path, FileStamp::from(&metadata));
        }
        Ok(())
    }

    /// The first files of `self` that are new or different since `before`.
    pub fn changes_since(&self, before: &Self) -> Vec<FileEntry> {
        let mut before = before.files.cursor();
        self.entries(|path, stamp| before.seek(path) != Some(stamp))
    }

    /// The files of `self` whose content is new or different since `before`.
    /// The change of their owner and back does not count, although the kernel
    /// stamps it. `given` and `left` were taken right before and right after the
    /// program, so they differ for a file that it wrote to and dated back.
    pub(crate) fn changes_of_content_since(&self, before: &Self, (given, left): (&Self, &Self)) -> Vec<FileEntry> {
        let content = |stamp: &FileStamp| (stamp.size, stamp.inode, stamp.modified, stamp.mode, stamp.kind);
        let (mut before, mut given, mut left) = (before.files.cursor(), given.files.cursor(), left.files.cursor());
        self.entries(|path, stamp| {
            let is_rewritten = given.seek(path) != left.seek(path);
            before.seek(path).map(content) != Some(content(stamp)) || is_rewritten
        })
    }

    fn entries(&self, mut is_wanted: impl FnMut(&Path, &FileStamp) -> bool) -> Vec<FileEntry> {
        self.files.iter().filter(|(path, stamp)| is_wanted(path, stamp)).map(entry).take(MAX_CHANGES).collect()
    }

    /// Every file, in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = FileEntry> + '_ {
        self.files.iter().map(entry)
    }

    /// Every file that can be read, in order of their paths.
    pub fn regular_files(&self) -> impl Iterator<Item = FileEntry> + '_ {
        self.files.iter().filter(|(_, stamp)| stamp.kind == FileKind::Regular).map(entry)
    }

    /// Whether there is nothing but the workspace itself.
    pub const fn is_empty(&self) -> bool {
        self.disk_use.files == 0
    }

    /// Whether everything is certain to be as it was at this survey if it is
    /// as `later` says now.
    pub(crate) fn is_all_unchanged(&self, later: &Self) -> bool {
        self.files == later.files
            && self.directories == later.directories
            && self.files.values().all(|stamp| self.is_settled(stamp))
    }

    /// Says that nothing has written to the files since, until now.
    pub(crate) fn rest(&mut self) {
        // The time is that of the very clock that stamps files, so there is no margin.
        let (seconds, nanoseconds) = now_of_files();
        let nanoseconds = nanoseconds + i64::try_from(TICK_NANOSECONDS).unwrap_or(0);
        self.began = self.began.max((seconds + nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000));
    }

    /// Says that no stamp tells whether its file was written to since.
    pub(crate) const fn distrust(&mut self) {
        self.began = LONG_AGO;
    }

    /// Whether a file of this survey with `stamp` is as it was as long as it
    /// has that stamp. One that had just changed could change again and keep it.
    pub(crate) fn is_settled(&self, stamp: &FileStamp) -> bool {
        is_before(stamp.changed, self.began, TICK_NANOSECONDS)
    }
}

/// Whether what was stamped with `changed` gets another stamp if it changes
/// once more, `ticks` before `at` or later.
pub(crate) fn is_before(changed: Time, at: Time, ticks: i128) -> bool {
    // Some file systems keep whole seconds, or every other one.
    let margin = if changed.1 == 0 { WHOLE_NANOSECONDS } else { ticks };
    nanoseconds(changed) + margin < nanoseconds(at)
}

/// What the kernel stamps files with that change now, or somewhat later.
pub(crate) fn now_of_files() -> Time {
    // Without that clock nothing is known to be at rest.
    clock_gettime(ClockId::CLOCK_REALTIME_COARSE).map_or((0, 0), |now| (now.tv_sec(), now.tv_nsec()))
}

fn entry((path, stamp): (PathBuf, &FileStamp)) -> FileEntry {
    FileEntry { path: shown(&path), size_bytes: stamp.size, is_link: stamp.kind == FileKind::Link }
}

fn nanoseconds((seconds, nanoseconds): Time) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_whole_seconds_tells_less_than_one_of_nanoseconds() {
        let at = |nanoseconds| (1_800_000_000, nanoseconds);
        assert!(is_before(at(1), at(20_000_002), TICK_NANOSECONDS));
        assert!(!is_before(at(1), at(20_000_001), TICK_NANOSECONDS));
        assert!(is_before(at(1), at(2), 0) && !is_before(at(2), at(2), 0));
        // What changes in the second after it may look the same.
        let later = |seconds: i64, nanoseconds: i64| (1_800_000_000 + seconds, nanoseconds);
        assert!(!is_before(at(0), later(1, 999_999_999), TICK_NANOSECONDS) && !is_before(at(0), later(2, 0), 0));
        assert!(is_before(at(0), later(2, 20_000_001), TICK_NANOSECONDS));
    }

    #[test]
    fn no_stamp_counts_where_none_is_trusted() {
        let stamp = FileStamp { changed: (-1, 5), ..FileStamp::default() };
        let mut survey = Survey { began: (1_800_000_000, 1), ..Survey::default() };
        assert!(survey.is_settled(&stamp));
        survey.distrust();
        assert!(!survey.is_settled(&stamp));
    }
}
