//! Where things are in the store, and what a location says about what is there.

use std::fmt;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::handle::SessionId;

/// Beside the principals. Should one have this name, nothing of it lies where
/// a base does: what it has is in sessions, whose names are no digests.
const BASES: &str = "bases";
const BLOBS: &str = "blobs";
const ENDED: &str = "ended";
const USED: &str = "used";

/// What tells one content from another, for one principal: others get another
/// hash for the same content, so that names say nothing about what others hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct BlobHash([u8; 16]);

/// Names a blob of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct BlobName {
    /// The commit that it was written for.
    sequence: u64,
    hash: BlobHash,
}

impl BlobHash {
    pub(super) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let hash = Self(u128::from_str_radix(text, 16).ok()?.to_be_bytes());
        (hash.to_string() == text).then_some(hash)
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl BlobName {
    pub(super) const fn new(sequence: u64, hash: BlobHash) -> Self {
        Self { sequence, hash }
    }

    /// The commit that it was written for.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What tells its content from others.
    pub(crate) const fn hash(&self) -> BlobHash {
        self.hash
    }

    fn parse(text: &str) -> Option<Self> {
        let (sequence, hash) = text.split_once('-')?;
        Some(Self { sequence: parse_sequence(sequence)?, hash: BlobHash::parse(hash)? })
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}-{}", self.sequence, self.hash)
    }
}

/// What a location in a session is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Commit(u64),
    Blob(BlobName),
    /// That it was used, at the time of this object.
    Used,
    /// That it is over. The hash says why, to whoever has the key.
    End(BlobHash),
}

/// The location of everything that a principal has.
pub(super) fn principal_location(principal: &str) -> Path {
    Path::from(principal)
}

/// The location of a guest image. `None` for what is no SHA-256 in hexadecimal.
pub(super) fn base_location(digest: &str) -> Option<Path> {
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_digest.then(|| Path::from(BASES).join(digest))
}

/// The location of everything of a session.
pub(super) fn session_location(principal: &str, session: &SessionId) -> Path {
    principal_location(principal).join(session.as_str())
}

/// The location of the blobs of a session.
pub(super) fn blobs_location(principal: &str, session: &SessionId) -> Path {
    session_location(principal, session).join(BLOBS)
}

/// The location of what says that sessions of a principal are over.
pub(super) fn ended_location(principal: &str) -> Path {
    principal_location(principal).join(ENDED)
}

/// The location of one object.
pub(super) fn location(principal: &str, session: &SessionId, object: &Object) -> Path {
    match object {
        Object::Commit(sequence) => session_location(principal, session).join(format!("{sequence:016x}")),
        Object::Blob(name) => blobs_location(principal, session).join(name.to_string()),
        Object::Used => session_location(principal, session).join(USED),
        Object::End(hash) => ended_location(principal).join(format!("{session}-{hash}")),
    }
}

/// What `path` is the location of. `None` for what is not ours.
pub(super) fn parse(path: &Path) -> Option<(String, SessionId, Object)> {
    let mut parts = path.parts();
    let principal = parts.next()?.as_ref().to_owned();
    if principal_location(&principal).as_ref() != principal {
        return None;
    }
    let session = parts.next()?;
    let name = parts.next()?;
    if session.as_ref() == ENDED {
        let (session, hash) = name.as_ref().split_once('-')?;
        let end = Object::End(BlobHash::parse(hash)?);
        return parts.next().is_none().then_some((principal, SessionId::parse(session).ok()?, end));
    }
    let session = SessionId::parse(session.as_ref()).ok()?;
    let object = match (name.as_ref(), parts.next()) {
        (BLOBS, Some(blob)) => Object::Blob(BlobName::parse(blob.as_ref())?),
        (USED, None) => Object::Used,
        (name, None) => Object::Commit(parse_sequence(name)?),
        _ => return None,
    };
    parts.next().is_none().then_some((principal, session, object))
}

/// Whether `name` in the location of a session is that of [`Object::Used`].
pub(super) fn is_used(name: &str) -> bool {
    name == USED
}

/// The number of the commit that `name` in the location of a session is for. `None`
/// for what is not ours.
pub(super) fn parse_sequence(text: &str) -> Option<u64> {
    let sequence = u64::from_str_radix(text, 16).ok()?;
    (format!("{sequence:016x}") == text).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_says_what_it_is_for_and_anything_else_is_not_ours() {
        let session = SessionId::random();
        let blob = BlobName::new(u64::MAX, BlobHash::new([0xab; 16]));
        let end = Object::End(BlobHash::new([7; 16]));
        for object in [Object::Commit(0), Object::Commit(u64::MAX), Object::Blob(blob), Object::Used, end] {
            let path = location("local", &session, &object);
            assert_eq!(parse(&path), Some(("local".to_owned(), session.clone(), object)));
        }
        for name in ["+000000000000001", "1", "closed", "blobs/x", "used/x", "000000000000000A", "blobs", "blobs/0-0"] {
            let path = Path::from(format!("local/{session}/{name}"));
            assert_eq!(parse(&path), None, "{path}");
        }
        assert_eq!(parse(&Path::from("local/s_1/0000000000000001")), None);
        let hash = "0".repeat(32);
        for name in [format!("{session}"), format!("{session}-0"), format!("s_1-{hash}"), format!("{session}-{hash}/x")]
        {
            assert_eq!(parse(&Path::from(format!("local/ended/{name}"))), None, "{name}");
        }
        // What is written for a principal of that name lies in another location.
        let foreign = Path::parse(format!("l*cal/{session}/0000000000000001")).unwrap();
        assert_eq!(parse(&foreign), None, "{foreign}");
    }

    #[test]
    fn a_base_has_a_place_of_its_own_and_is_nothing_of_a_principal() {
        let digest = "0123456789abcdef".repeat(4);
        let path = base_location(&digest).unwrap();
        assert_eq!((path.as_ref(), parse(&path)), (format!("bases/{digest}").as_str(), None));
        assert!(SessionId::parse(&digest).is_err());
        for bad in ["", "../../../etc/passwd", &digest[1..], &digest.to_uppercase(), &format!("{}/", &digest[1..])] {
            assert_eq!(base_location(bad), None, "{bad}");
        }
    }
}
