//! Every file, symbolic link and directory of a workspace, in the form in which
//! it is kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::path::MAX_BYTES;
use crate::error::Error;
use crate::session::snapshot::Versioned;
use crate::store::BlobName;
use crate::workspace::entry::FileEntry;
use crate::workspace::link::{Link, MAX_LINKS_BYTES};
use crate::workspace::path_map::PathMap;
use crate::workspace::permissions::Mode;
use crate::workspace::shown;
use crate::workspace::survey::{DirectoryStamp, FileStamp, Survey, Time};

/// Up to here the content of a file is kept in the manifest.
pub(super) const INLINE_BYTES: u64 = 1 << 10;
/// The size of each blob of a file but the last.
pub(super) const BLOB_BYTES: u64 = 8 << 20;

/// Every file, link and directory of a workspace at one moment. To be encoded
/// with postcard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(super) files: PathMap<Record>,
    pub(super) directories: PathMap<DirectoryStamp>,
}

/// One file or link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) size: u64,
    pub(super) modified: Time,
    pub(super) mode: Mode,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Content {
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The blobs of the content in order, each of [`BLOB_BYTES`] but the last.
    Blobs(Vec<BlobName>),
    /// The text of a symbolic link: where it leads to is for programs to find out.
    Link(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// A manifest of format 1.
#[derive(Deserialize)]
struct Modeless {
    files: PathMap<ModelessRecord>,
    directories: PathMap<Time>,
}

#[derive(Deserialize)]
struct ModelessRecord {
    size: u64,
    modified: Time,
    content: Content,
}

impl From<Modeless> for Manifest {
    fn from(Modeless { files, directories }: Modeless) -> Self {
        // Modes as builds of that time gave them to files and directories.
        let (file_mode, directory_mode) = (Mode::of(0o600, false), Mode::of(0o700, true));
        let record = |ModelessRecord { size, modified, content }| Record { size, modified, mode: file_mode, content };
        let directory = |modified| DirectoryStamp { modified, mode: directory_mode };
        Self {
            files: files.into_entries().map(|(path, file)| (path, record(file))).collect(),
            directories: directories.into_entries().map(|(path, modified)| (path, directory(modified))).collect(),
        }
    }
}

impl Versioned for Manifest {
    fn from_format(format: u16, body: &[u8]) -> postcard::Result<Self> {
        if format == 1 { postcard::from_bytes::<Modeless>(body).map(Self::from) } else { postcard::from_bytes(body) }
    }
}

impl Record {
    /// Whether a file of `self` is one of `other` in every bit. Names of
    /// blobs may differ: a copied blob has another.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        let is_same_content = match (&self.content, &other.content) {
            (Content::Inline(one), Content::Inline(other)) | (Content::Link(one), Content::Link(other)) => one == other,
            (Content::Blobs(one), Content::Blobs(other)) => {
                one.iter().map(BlobName::hash).eq(other.iter().map(BlobName::hash))
            }
            (Content::Inline(_) | Content::Blobs(_) | Content::Link(_), _) => false,
        };
        is_same_content && self.size == other.size && self.modified == other.modified && self.mode == other.mode
    }

    /// The blobs of the file and how long each is.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (&BlobName, u64)> {
        let names = match &self.content {
            Content::Inline(_) | Content::Link(_) => &[][..],
            Content::Blobs(names) => names,
        };
        let starts = (0..self.size).step_by(usize::try_from(BLOB_BYTES).unwrap_or(usize::MAX));
        names.iter().zip(starts).map(|(name, start)| (name, BLOB_BYTES.min(self.size - start)))
    }

    /// Whether its size is that of its content, and one that it can have.
    fn has_sound_size(&self) -> bool {
        match &self.content {
            Content::Inline(bytes) => self.size == bytes.len() as u64 && self.size <= INLINE_BYTES,
            Content::Blobs(names) => self.size.div_ceil(BLOB_BYTES) == names.len() as u64,
            Content::Link(text) => self.size == text.len() as u64 && (1..=MAX_BYTES).contains(&text.len()),
        }
    }
}

impl Manifest {
    /// The blobs that it refers to, some perhaps twice.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &BlobName> {
        self.files.values().flat_map(Record::blobs).map(|(name, _)| name)
    }

    /// The memory that it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let content = |record: &Record| match &record.content {
            Content::Inline(bytes) | Content::Link(bytes) => bytes.capacity(),
            Content::Blobs(names) => names.capacity() * size_of::<BlobName>(),
        };
        self.files.heap_bytes() + self.directories.heap_bytes() + self.files.values().map(content).sum::<usize>()
    }

    /// The memory that it takes with the stamps of its files.
    pub(crate) fn heap_bytes_laid_out(&self) -> usize {
        self.heap_bytes() + self.files.heap_bytes_of::<FileStamp>() + self.directories.heap_bytes()
    }

    /// Whether there is neither a file nor a directory.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty()
    }

    /// What the contents of all files take in the store, where each content is once.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.files.values().flat_map(Record::blobs).collect::<HashMap<_, _>>().into_values().sum()
    }

    /// Files that are others than in `before`, with the size and time of those.
    pub(crate) fn doubles(&self, before: &Self) -> Vec<(PathBuf, Time)> {
        let mut before = before.files.cursor();
        let mut is_double = |path: &Path, record: &Record| {
            let old = before.seek(path).filter(|old| (old.size, old.modified) == (record.size, record.modified));
            old.is_some_and(|old| old.content != record.content)
        };
        let doubles = self.files.iter().filter(|(path, record)| is_double(path, record));
        doubles.map(|(path, record)| (path, record.modified)).collect()
    }

    /// Files that hold something else than in `before`.
    pub(crate) fn rewritten_since(&self, before: &Self) -> impl Iterator<Item = FileEntry> {
        let mut before = before.files.cursor();
        self.files.iter().filter_map(move |(path, record)| {
            let is_other = before.seek(&path)?.content != record.content;
            let is_link = matches!(record.content, Content::Link(_));
            is_other.then(|| FileEntry { path: shown(&path), size_bytes: record.size, is_link })
        })
    }

    /// Files, links and directories that are in one of the two alone, or not the same
    /// in both.
    pub(crate) fn differing_from(&self, before: &Self) -> Vec<PathBuf> {
        let mut paths = differing(&self.files, &before.files, |one, other| one != other);
        paths.extend(differing(&self.directories, &before.directories, |one, other| one != other));
        paths
    }

    /// Symbolic links of the manifest, as many as may be told of.
    pub(crate) fn links(&self) -> Vec<Link> {
        // A session without links, as most are, need not have its paths put together one by one.
        if !self.files.values().any(|record| matches!(record.content, Content::Link(_))) {
            return Vec::new();
        }
        let mut left = MAX_LINKS_BYTES;
        let links = self.files.iter().filter_map(|(path, record)| {
            let Content::Link(target) = &record.content else { return None };
            let (path, target) = (path.into_os_string().into_encoded_bytes(), target.clone());
            left = left.checked_sub(path.len() + target.len())?;
            Some(Link { path, target })
        });
        links.collect()
    }

    /// The sizes of all files together.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.files.values().map(|record| record.size).sum()
    }

    /// Whether its directories are those of `survey`, with times and modes.
    pub(super) fn has_directories_of(&self, survey: &Survey) -> bool {
        self.directories == survey.directories
    }

    /// Checks that a workspace can be made of it. Each path was checked when
    /// it was made.
    pub(super) fn check(&self) -> Result<(), Error> {
        let damaged = |path: &Path, reason: &str| {
            let reason = format!("{} {reason}", path.display());
            Err(Error::host("restore the files of a session", reason))
        };
        for path in self.files.keys().chain(self.directories.keys()) {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            if parent.is_some_and(|parent| !self.directories.contains_key(parent)) {
                return damaged(&path, "is in no directory");
            }
        }
        for (path, record) in self.files.iter() {
            let path = path.as_path();
            if self.directories.contains_key(path) {
                return damaged(path, "is a file and a directory");
            }
            if !record.has_sound_size() {
                return damaged(path, "has not the size that it should have");
            }
            if matches!(&record.content, Content::Link(text) if text.contains(&0)) {
                return damaged(path, "is a link that cannot be made");
            }
            if !record.mode.is_sound(false) {
                return damaged(path, "has a mode that is never kept");
            }
        }
        if let Some((path, _)) = self.directories.iter().find(|(_, stamp)| !stamp.mode.is_sound(true)) {
            return damaged(&path, "has a mode that is never kept");
        }
        Ok(())
    }
}

/// The paths of what is in one of two maps alone, or differs between them.
fn differing<V>(now: &PathMap<V>, before: &PathMap<V>, differ: impl Fn(&V, &V) -> bool) -> Vec<PathBuf> {
    let (mut old, mut new) = (before.cursor(), now.cursor());
    let mut is_other = |path: &Path, value: &V| old.seek(path).is_none_or(|old| differ(value, old));
    let mut paths: Vec<_> = now.iter().filter(|(path, value)| is_other(path, value)).map(|(path, _)| path).collect();
    paths.extend(before.keys().filter(|path| new.seek(path).is_none()));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::{Principal, SessionId};
    use crate::session::snapshot;

    #[tokio::test]
    async fn a_damaged_manifest_is_an_error_or_one_that_is_checked() {
        let (_parent, store) = crate::store::tests::store(crate::store::tests::Kind::Memory);
        let (owner, session) = (Principal::local(), SessionId::random());
        let blob = store.put_blob(&owner, &session, 5, b"content".to_vec()).await.unwrap();
        let mut manifest = Manifest::default();
        for number in 0..12_u64 {
            let directory = PathBuf::from(format!("directory-{number}"));
            let file = directory.join("file");
            let (modified, mode) = ((1_800_000_000, 999_999_999), Mode::of(0o755, true));
            manifest.directories.insert(&directory, DirectoryStamp { modified, mode });
            let (size, content) = match number % 3 {
                0 => (number, Content::Inline(vec![7; usize::try_from(number).unwrap()])),
                1 => (number * BLOB_BYTES, Content::Blobs(vec![blob.clone(); usize::try_from(number).unwrap()])),
                _ => (number * 9, Content::Link(b"../target".repeat(usize::try_from(number).unwrap()))),
            };
            let mode = Mode::of(0o755, false);
            manifest.files.insert(&file, Record { size, modified: (-1, 0), mode, content });
        }
        manifest.check().unwrap();
        let mut valid =
            [manifest, Manifest::default(), Manifest::default()].map(|manifest| snapshot::encode(&manifest).unwrap());
        valid[2] = OF_FORMAT_1.to_vec();
        crate::codec::damage::try_damaged(&valid, |bytes| {
            let manifest = snapshot::decode::<Manifest>(bytes)?;
            // Whatever it says, asking must not panic.
            Ok::<_, Error>((manifest.check().is_ok(), manifest.blobs().count()))
        });
    }

    #[test]
    fn a_manifest_that_no_workspace_can_have_is_refused() {
        let path = |text: &str| PathBuf::from(text);
        let record = |size, content| Record { size, modified: (0, 0), mode: Mode::NEW_FILE, content };
        let empty = || record(0, Content::Inline(Vec::new()));
        let with = |name: &str, record| {
            let mut manifest = Manifest::default();
            manifest.directories.insert(&path("d"), DirectoryStamp { modified: (0, 0), mode: Mode::of(0o755, true) });
            manifest.files.insert(&path(name), record);
            manifest.check().map_err(|error| std::error::Error::source(&error).unwrap().to_string())
        };
        with("d/x", empty()).unwrap();
        with("x", record(3, Content::Inline(b"abc".to_vec()))).unwrap();
        assert!(with("e/x", empty()).unwrap_err().contains("in no directory"));
        assert!(with("d", empty()).unwrap_err().contains("a file and a directory"));
        assert!(with("x", record(2, Content::Inline(b"abc".to_vec()))).unwrap_err().contains("size"));
        assert!(with("x", record(BLOB_BYTES, Content::Blobs(Vec::new()))).unwrap_err().contains("size"));
        let link = |text: &[u8]| with("x", record(text.len() as u64, Content::Link(text.to_vec())));
        link(b"/etc/passwd").unwrap();
        link(&[b'x'; MAX_BYTES]).unwrap();
        assert!(link(b"").unwrap_err().contains("size") && link(&[b'x'; MAX_BYTES + 1]).unwrap_err().contains("size"));
        assert!(link(b"a\0b").unwrap_err().contains("cannot be made"));
        let shut = Record { mode: Mode::default(), ..empty() };
        assert!(with("x", shut).unwrap_err().contains("never kept"));
    }

    /// A manifest with a file in a directory, as the build before format 2 wrote it.
    const OF_FORMAT_1: &[u8] = b"\x01\x00\x01\x03d/f\x02\xac\x02\x0a\x00\x02hi\x01\x01d\x90\x03\x00";

    #[test]
    fn a_manifest_of_format_1_has_the_modes_that_the_server_gives() {
        let manifest: Manifest = snapshot::decode(OF_FORMAT_1).unwrap();
        let path = |text: &str| PathBuf::from(text);
        let content = Content::Inline(b"hi".to_vec());
        let file = Record { size: 2, modified: (150, 5), mode: Mode::of(0o600, false), content };
        let directory = DirectoryStamp { modified: (200, 0), mode: Mode::of(0o700, true) };
        let expected = Manifest { files: [(path("d/f"), file)].into(), directories: [(path("d"), directory)].into() };
        assert_eq!(manifest, expected);
        manifest.check().unwrap();
    }
}
