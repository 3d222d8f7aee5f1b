//! What `tests/fuzz` gives to the borders of this crate. Each target takes bytes
//! as they may come, and panics where a promise is broken; its seeds are what
//! comes as a rule.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::path::{Component, Path};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::handle::{RunId, SessionId, SnapshotId};
use crate::native::calls;
use crate::run::abi;
use crate::run::abi::{Bounds, GuestReply, GuestRequest};
use crate::run::limits::Limits;
use crate::run::outcome::MAX_RICH_OUTPUTS;
use crate::run::program::Program;
pub use crate::session::files::fuzzing::{manifest, manifest_seeds};
use crate::session::snapshot;
use crate::session::snapshot::{Commit, Saved, SavedFiles, SavedInterpreter, SavedPart, SnapshotRecord, Versioned};
pub use crate::store::fuzzing::{sealed, sealed_seeds};
pub use crate::wasm::fuzzing::{memory, memory_seeds};
pub use crate::worker::fuzzing::{server_says, server_seeds, worker_says, worker_seeds};
use crate::workspace::{MAX_DEPTH, WorkspacePath};

/// The first byte of an input, which chooses among what a target can do with it.
pub(crate) fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(choice, rest)| (*choice, rest))
}

/// An input that chooses.
pub(crate) fn chosen(choice: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [&[choice], bytes.as_ref()].concat()
}

/// Encodes what was decoded, and decodes it again: it must be the same.
pub(crate) fn same_again<T: Serialize + DeserializeOwned>(value: &T) {
    let bytes = postcard::to_stdvec(value).expect("what was decoded can be encoded");
    let again: T = postcard::from_bytes(&bytes).expect("what was encoded can be decoded");
    assert_eq!(postcard::to_stdvec(&again).expect("as before"), bytes, "it is another value");
}

/// Calls of native programs.
pub fn call_seeds() -> Vec<Vec<u8>> {
    calls::seeds()
}

/// What a native program writes to the socket by which it calls its host.
pub fn call(data: &[u8]) {
    calls::datagram(data);
}

/// Sessions as they are stored.
pub fn snapshot_seeds() -> Vec<Vec<u8>> {
    let blob = crate::store::fuzzing::blob_name();
    let interpreter = SavedInterpreter {
        image: "0123456789abcdef".repeat(4),
        abi: 1,
        engine: "48.0.8".into(),
        parts: vec![SavedPart { blob: blob.clone(), bytes: 4 << 20 }; 2],
        tail: vec![vec![3; 40].into(), Vec::new().into()],
        state: vec![5; 30],
    };
    let saved =
        Saved { interpreters: [("python".to_owned(), interpreter)].into(), files: SavedFiles::Inline(vec![9; 40]) };
    let in_blob = Saved { files: SavedFiles::Blob(blob.clone()), ..Saved::default() };
    let record = SnapshotRecord {
        id: SnapshotId::random(),
        sequence: 7,
        created: UNIX_EPOCH + Duration::new(1_800_000_000, 999_999_999),
        size_bytes: 1 << 33,
        blob,
    };
    let commit = Commit { parent: 6, saved: saved.clone(), snapshots: vec![record] };
    let encoded = [snapshot::encode(&commit), snapshot::encode(&Commit::default())];
    let states = [snapshot::encode(&saved), snapshot::encode(&in_blob)];
    let seeds = encoded.into_iter().map(|bytes| (0, bytes)).chain(states.into_iter().map(|bytes| (1, bytes)));
    seeds.map(|(choice, bytes)| chosen(choice, bytes.expect("it can be encoded"))).collect()
}

/// A stored session, once it was unsealed.
pub fn snapshot(data: &[u8]) {
    fn decoded<T: Versioned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
        let Ok(value) = snapshot::decode::<T>(bytes) else { return };
        let again = snapshot::encode(&value).expect("what was decoded can be encoded");
        assert_eq!(snapshot::decode::<T>(&again).expect("what was encoded can be decoded"), value);
    }
    let (choice, bytes) = choice(data);
    if choice & 1 == 0 {
        decoded::<Commit>(bytes)
    } else {
        decoded::<Saved>(bytes)
    }
    if let Ok(commit) = snapshot::decode::<Commit>(bytes) {
        // Whatever it says, asking must not panic.
        let size = commit.saved.size_bytes();
        let mut blobs = std::collections::HashSet::new();
        commit.saved.add_blobs(&mut blobs);
        assert!(size <= u64::from(u32::MAX) * bytes.len() as u64 && blobs.len() <= bytes.len());
    }
}

/// Replies as guests give them.
pub fn guest_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"exit_code":0,"result":"42","error":null,"outputs":[]}"#,
        r#"{"exit_code":1,"result":null,"error":{"name":"ValueError","value":"é","traceback":"T\n","cause":"memory"}}"#,
        r#"{"exit_code":-3,"outputs":[{"text/plain":"<F>","image/png":"iVBORw0KGgo="},{"a/b":"\u00e9"}],"more":[{}]}"#,
        r#"{"exit_code":0,"error":{"name":"E","value":"","traceback":"","cause":"other"},"outputs":[{},{},{}]}"#,
    ]
    .into_iter()
    .flat_map(|reply| [0, 40, 255].map(|bound| chosen(bound, reply)))
    .collect()
}

/// A guest's reply under bounds that the first byte chooses: nothing that is
/// taken of it is past them.
pub fn guest(data: &[u8]) {
    let (choice, bytes) = choice(data);
    let program = Program::default();
    let request = GuestRequest {
        result_bytes: choice.into(),
        output_bytes: u64::from(choice) * 4,
        ..GuestRequest::new(&program, &Limits::defaults())
    };
    let bounds = Bounds::of(&request);
    let Ok(reply) = serde_json::from_slice::<GuestReply>(bytes) else { return };
    let result = reply.result.map(|result| abi::cut(result, bounds.text));
    let error = reply.error.map(|error| error.bounded(bounds));
    let texts = error.iter().flat_map(|error| [&error.name, &error.value, &error.traceback]).chain(&result);
    assert!(texts.into_iter().all(|text| text.len() <= bounds.text), "a text is past its bound");
    let outputs = abi::take_outputs(reply.outputs, bounds.outputs);
    let size = outputs.iter().flat_map(|output| &output.0).map(|(mime, data)| mime.len() + data.len()).sum::<usize>();
    assert!(size <= bounds.outputs && outputs.len() <= MAX_RICH_OUTPUTS, "{size} bytes in {}", outputs.len());
    for output in outputs {
        assert!(output.0.len() <= MAX_RICH_OUTPUTS);
        let plain = output.with_plain_types();
        assert!(plain.0.iter().all(|(mime, _)| mime.len() < 128 && !mime.contains(|char: char| char.is_control())));
    }
}

/// Paths and handles as callers write them.
pub fn path_seeds() -> Vec<Vec<u8>> {
    let handle = SessionId::random();
    let texts = [
        "data/in.csv",
        "/workspace/a//./b",
        "/tmp/a",
        "/tmp",
        "../x",
        "a/../../x",
        ".",
        "/etc/passwd",
        "a\u{7f}b",
        "naïve/файл.txt",
        "/workspace",
        "/workspacex/y",
        "a/.tmp/b",
        ".tmp/c",
        "x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x",
        handle.as_str(),
    ];
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A path that a caller gave: what is taken leads down from the workspace, and
/// is the same path again when it is read as it is shown. A handle that is taken
/// is one component of a path.
pub fn path(data: &[u8]) {
    crate::session::files::fuzzing::path(data);
    crate::wasm::fuzzing::open_files(data);
    let text = String::from_utf8_lossy(data);
    for taken in
        [SessionId::parse(&text).ok().map(|id| id.to_string()), RunId::parse(&text).ok().map(|id| id.to_string())]
    {
        assert!(taken.is_none_or(|id| id.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())));
    }
    let strict = WorkspacePath::new("path", &text);
    let loose = WorkspacePath::of_any_name("path", &text);
    if let Err(error) = &loose {
        assert!(strict.is_err(), "a name that no file can have is one that a caller may give");
        assert!(error.to_string().len() < 600, "a refusal repeats too much of what was sent");
    }
    if let Ok(path) = &strict {
        assert!(!text.contains(char::is_control) && loose.as_ref().is_ok_and(|loose| loose == path));
    }
    let Ok(path) = loose else { return };
    let inside = path.as_path();
    leads_down(inside);
    assert!(inside.iter().count() <= MAX_DEPTH && inside.as_os_str().len() <= text.len().max(1) + ".tmp".len());
    let shown = WorkspacePath::of_any_name("path", &path.to_string()).expect("what is shown can be read");
    assert!(shown == path, "{path} is shown as {shown}");
}

/// Panics unless `path` stays beneath whatever it is joined to.
pub(crate) fn leads_down(path: &Path) {
    let is_inner = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    assert!(path.components().all(is_inner), "{} leads elsewhere", path.display());
    assert!(Path::new("/root").join(path).starts_with("/root"), "{} leads elsewhere", path.display());
}
