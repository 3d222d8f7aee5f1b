//! A session at one moment, as it is stored.
//!
//! # Format
//!
//! Two bytes of [`FORMAT`], little-endian, then a [`Commit`], a [`Saved`] or a
//! manifest of files (`files/manifest.rs`) in postcard; the store seals them and
//! binds them to principal, session and sequence number. What is large lies in
//! blobs, which are named in them.
//!
//! A state holds, for each language that the session used, the memory of its
//! interpreter as what differs from the guest image (see `wasm/memory/pages.rs` and
//! `wasm/memory/delta.rs`), open files by name and offset, and the monotonic clock;
//! and every file, directory and symbolic link of the workspace with its time of
//! change. Files and directories have their permissions, without those that give
//! rights (`workspace/permissions.rs`). A link is its text, wherever it leads to, of at most 4095
//! bytes; nobody follows it but a program within its walls.
//!
//! It does not hold: the guest image itself, only its digest; the output of
//! finished runs; files that are open and have no name any more; which names
//! belong to the same file (they come back as files of their own); owners,
//! extended attributes, FIFOs, sockets and devices; random state of the host (a
//! guest re-seeds after it came back); limits, environment, arguments and
//! standard input, which every run brings along.
//!
//! # Compatibility
//!
//! An interpreter opens if the guest image of that digest is at hand, not
//! revoked, and speaks the ABI version it was saved under. The version of the
//! engine is for people. Files open always.
//!
//! Format 1 is read as well: there, a manifest has no links and no permissions,
//! and its files get those of any that the server makes. A session is written
//! in the newest format with its next change, piece by piece, so each piece
//! says its own.

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::Error;
use crate::handle::SnapshotId;
use crate::store::BlobName;

/// The version of everything here. Another number is another format.
pub(crate) const FORMAT: u16 = 2;
/// The first format, and the oldest that is read.
const OLDEST: u16 = 1;

/// What is stored, as this format and older ones have it.
pub(crate) trait Versioned: DeserializeOwned {
    /// Reads `body`, which is of `format`, from [`OLDEST`] to [`FORMAT`].
    fn from_format(_format: u16, body: &[u8]) -> postcard::Result<Self> {
        postcard::from_bytes(body)
    }
}

impl Versioned for Commit {}
impl Versioned for Saved {}

/// One state of a session and where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// The sequence number that it grew from.
    pub(crate) parent: u64,
    pub(crate) saved: Saved,
    /// Earlier states that were asked to be remembered, oldest first.
    pub(crate) snapshots: Vec<SnapshotRecord>,
}

/// A session's interpreters and files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// Interpreters by language id.
    pub(crate) interpreters: BTreeMap<String, SavedInterpreter>,
    pub(crate) files: SavedFiles,
}

/// An interpreter between two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedInterpreter {
    /// SHA-256 of the guest image that it differs from.
    pub(crate) image: String,
    /// The guest ABI it was saved under.
    pub(crate) abi: u32,
    /// The version of the engine that saved it.
    pub(crate) engine: String,
    /// Parts of its memory, oldest first.
    pub(crate) parts: Vec<SavedPart>,
    /// The newest parts, small enough to be here.
    pub(crate) tail: Vec<ByteBuf>,
    /// What the worker needs besides.
    pub(crate) state: Vec<u8>,
}

/// A part of a memory in a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedPart {
    pub(crate) blob: BlobName,
    pub(crate) bytes: u32,
}

/// The manifest of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SavedFiles {
    Inline(Vec<u8>),
    Blob(BlobName),
}

/// A state that was asked to be remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    pub(crate) id: SnapshotId,
    pub(crate) sequence: u64,
    pub(crate) created: SystemTime,
    pub(crate) size_bytes: u64,
    /// The blob that holds the [`Saved`].
    pub(crate) blob: BlobName,
}

impl Default for SavedFiles {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}

impl SavedInterpreter {
    /// What this interpreter takes in the store.
    pub(crate) fn size_bytes(&self) -> u64 {
        let parts = self.parts.iter().map(|part| u64::from(part.bytes)).sum::<u64>();
        parts + self.tail.iter().map(|part| part.len() as u64).sum::<u64>()
    }
}

impl Saved {
    /// What the interpreters of this state take in the store.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.interpreters.values().map(SavedInterpreter::size_bytes).sum()
    }

    /// Whether `next` does without a blob that an interpreter of this needs.
    pub(super) fn stops_referring_to_any(&self, next: &Self) -> bool {
        self.interpreters.iter().any(|(runtime, old)| {
            let kept = next.interpreters.get(runtime).map_or(&[][..], |new| &new.parts);
            // Parts are only ever cut off, and others put in their place.
            !old.parts.iter().zip(kept).all(|(old, new)| old.blob == new.blob) || kept.len() < old.parts.len()
        })
    }

    /// The blobs that it names itself. Those of files are named in the
    /// manifest.
    pub(crate) fn add_blobs(&self, blobs: &mut HashSet<BlobName>) {
        let parts = self.interpreters.values().flat_map(|interpreter| &interpreter.parts);
        blobs.extend(parts.map(|part| part.blob.clone()));
        if let SavedFiles::Blob(blob) = &self.files {
            blobs.insert(blob.clone());
        }
    }
}

/// The bytes of `value` as they are stored.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    encode_in(value, 0)
}

/// The bytes of `value` as they are stored, made in room for as many as [`encoded_bytes`] says.
pub(crate) fn encode_in<T: Serialize>(value: &T, bytes: usize) -> Result<Vec<u8>, Error> {
    let mut start = Vec::with_capacity(bytes);
    start.extend_from_slice(&FORMAT.to_le_bytes());
    postcard::to_extend(value, start).map_err(|source| Error::host("write down a session", source))
}

/// How many bytes [`encode`] makes of `value`.
pub(crate) fn encoded_bytes<T: Serialize>(value: &T) -> Result<usize, Error> {
    struct Count(usize);
    impl Extend<u8> for Count {
        fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
            self.0 += bytes.into_iter().count();
        }
    }
    let counted = postcard::to_extend(value, Count(FORMAT.to_le_bytes().len()));
    counted.map(|count| count.0).map_err(|source| Error::host("write down a session", source))
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: Versioned>(bytes: &[u8]) -> Result<T, Error> {
    let doing = "read a stored session";
    let (format, body) = bytes.split_first_chunk().ok_or_else(|| Error::host(doing, "it is too short"))?;
    let format = u16::from_le_bytes(*format);
    if !(OLDEST..=FORMAT).contains(&format) {
        return Err(Error::Denied {
            action: "opening this session".into(),
            reason: format!("it has format {format}, this server reads formats {OLDEST} to {FORMAT}"),
        });
    }
    T::from_format(format, body).map_err(|source| Error::host(doing, source))
}

impl SavedInterpreter {
    fn heap_bytes(&self) -> usize {
        let tail = self.tail.iter().map(|part| part.capacity() + size_of::<Vec<u8>>()).sum::<usize>();
        // A blob's name has its hash and number in text beside it.
        tail + self.state.capacity() + self.parts.len() * 128 + size_of::<Self>()
    }
}

/// The memory that a session takes beside what its files are known by.
pub(super) fn beside_files(saved: &Saved, snapshots: &[SnapshotRecord]) -> usize {
    let Saved { interpreters, files } = saved;
    let files = match files {
        SavedFiles::Inline(bytes) => bytes.capacity(),
        SavedFiles::Blob(_) => 0,
    };
    let interpreters = interpreters.values().map(SavedInterpreter::heap_bytes).sum::<usize>();
    files + interpreters + snapshots.len() * (size_of::<SnapshotRecord>() + 128)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::codec::damage::try_damaged;
    use crate::handle::{Principal, SessionId};
    use crate::store::tests::{Kind, store};

    #[tokio::test]
    async fn a_damaged_commit_is_an_error_or_another_commit() {
        let (_parent, store) = store(Kind::Memory);
        let (owner, session) = (Principal::local(), SessionId::random());
        let blob = store.put_blob(&owner, &session, 1 << 40, b"content".to_vec()).await.unwrap();
        let interpreter = SavedInterpreter {
            image: "0123456789abcdef".repeat(4),
            abi: 1,
            engine: "48.0.8".into(),
            parts: vec![SavedPart { blob: blob.clone(), bytes: 4 << 20 }; 9],
            tail: vec![ByteBuf::from(vec![3; 500]), ByteBuf::new(), ByteBuf::from(vec![4; 20])],
            state: vec![5; 100],
        };
        let saved = |files| Saved {
            interpreters: [("python".to_owned(), interpreter.clone()), ("lua".to_owned(), interpreter.clone())].into(),
            files,
        };
        let record = SnapshotRecord {
            id: SnapshotId::random(),
            sequence: 7,
            created: UNIX_EPOCH + Duration::new(1_800_000_000, 999_999_999),
            size_bytes: 1 << 33,
            blob: blob.clone(),
        };
        let commit = |files| Commit { parent: 6, saved: saved(files), snapshots: vec![record.clone(); 3] };
        let (inline, in_blob) = (SavedFiles::Inline(vec![9; 400]), SavedFiles::Blob(blob.clone()));

        let commits = [commit(inline.clone()), commit(in_blob.clone()), Commit::default()];
        assert_eq!(decode::<Commit>(&encode(&commits[0]).unwrap()).unwrap(), commits[0]);
        try_damaged(&commits.map(|commit| encode(&commit).unwrap()), decode::<Commit>);
        let states = [saved(inline), saved(in_blob), Saved::default()];
        try_damaged(&states.map(|saved| encode(&saved).unwrap()), decode::<Saved>);
    }

    #[test]
    fn another_format_is_refused_by_its_number() {
        let mut bytes = encode(&Saved::default()).unwrap();
        for format in [0, FORMAT as u8 + 1, 200] {
            bytes[0] = format;
            let error = decode::<Saved>(&bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("it has format {format}, this server reads formats 1 to 2")), "{error}");
        }
        bytes[0] = 1;
        assert_eq!(decode::<Saved>(&bytes).unwrap(), Saved::default());
        assert!(decode::<Saved>(&[1]).is_err());
    }
}
