//! What `tests/fuzz` gives to the manifest of a workspace and the paths in it.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::manifest::{BLOB_BYTES, Content, INLINE_BYTES, Manifest, Record};
use super::path::{MAX_BYTES, TreePath};
use crate::fuzzing::leads_down;
use crate::session::snapshot;
use crate::workspace::MAX_DEPTH;
use crate::workspace::permissions::Mode;
use crate::workspace::survey::DirectoryStamp;

/// Manifests with everything that there is, of both formats.
pub fn manifest_seeds() -> Vec<Vec<u8>> {
    let path = |text: &str| PathBuf::from(text);
    let modified = (1_800_000_000, 999_999_999);
    let record = |size, content| Record { size, modified, mode: Mode::NEW_FILE, content };
    let files = [
        ("d/inline", record(3, Content::Inline(b"abc".to_vec()))),
        ("d/blobs", record(BLOB_BYTES + 1, Content::Blobs(vec![crate::store::fuzzing::blob_name(); 2]))),
        ("link", record(9, Content::Link(b"../target".to_vec()))),
    ];
    let directory = DirectoryStamp { modified, mode: Mode::of(0o755, true) };
    let manifest = Manifest {
        files: files.into_iter().map(|(name, record)| (path(name), record)).collect(),
        directories: [(path("d"), directory), (path("d/empty"), directory)].into(),
    };
    let encoded = [manifest, Manifest::default()].map(|manifest| snapshot::encode(&manifest));
    let mut seeds: Vec<_> = encoded.into_iter().map(|bytes| bytes.expect("it can be encoded")).collect();
    seeds.push(b"\x01\x00\x01\x03d/f\x02\xac\x02\x0a\x00\x02hi\x01\x01d\x90\x03\x00".to_vec());
    seeds
}

/// A stored manifest: what passes its check is one that a workspace can have.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = snapshot::decode::<Manifest>(data) else { return };
    let encoded = snapshot::encode(&manifest).expect("what was decoded can be encoded");
    let again = snapshot::decode::<Manifest>(&encoded).expect("what was encoded can be decoded");
    assert!(again == manifest, "it is another manifest");
    for path in manifest.files.keys().chain(manifest.directories.keys()) {
        leads_down(&path);
    }
    // Whatever it says, asking must not panic.
    let blobs = manifest.blobs().count();
    assert!(blobs <= data.len() && manifest.doubles(&manifest).is_empty());
    if manifest.check().is_err() {
        return;
    }
    let bound = (INLINE_BYTES + MAX_BYTES as u64 + BLOB_BYTES) * data.len() as u64;
    assert!(manifest.size_bytes() <= bound && manifest.stored_bytes() <= bound, "it says that it is larger");
    for path in manifest.files.keys().chain(manifest.directories.keys()) {
        let parents = path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
        assert!(parents.into_iter().all(|parent| manifest.directories.contains_key(parent)), "it is in no directory");
    }
}

/// A path of a manifest.
pub(crate) fn path(data: &[u8]) {
    let path = PathBuf::from(OsString::from_vec(data.to_vec()));
    let Ok(checked) = TreePath::new(path.clone()) else { return };
    leads_down(&path);
    assert!(path.components().count() <= MAX_DEPTH && data.len() <= MAX_BYTES && !data.contains(&0));
    let encoded = postcard::to_stdvec(&checked).expect("it can be encoded");
    assert!(postcard::from_bytes::<TreePath>(&encoded).is_ok_and(|again| again == checked), "it is another path");
}
