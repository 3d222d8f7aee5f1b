//! What makes stored bytes unreadable to others and unusable anywhere but in
//! their location.
//!
//! A sealed object is magic and format, key id, nonce, then the ciphertext of
//! XChaCha20-Poly1305 with its tag. Its nonce is random, which 24 bytes allow
//! for any number of objects.

use std::fmt;

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

use super::ends::CloseReason;
use super::layout::BlobHash;
use crate::error::{Error, IoContext as _};
use crate::handle::{RunId, SessionId};

const MAGIC: &[u8; 7] = b"belljar";
const FORMAT: u8 = 1;
const KEY_ID: std::ops::Range<usize> = 8..16;
const NONCE: std::ops::Range<usize> = 16..40;
const TAG_BYTES: usize = 16;

/// How much longer than its content a sealed object is.
pub(super) const OVERHEAD: usize = NONCE.end + TAG_BYTES;

/// What a sealed object is bound to. A blob is not bound to its session, so
/// that a fork can copy it as it is; its hash stands for its content.
#[derive(Clone, Debug)]
pub(super) enum Binding {
    Commit {
        principal: String,
        session: SessionId,
        sequence: u64,
    },
    Blob {
        principal: String,
        hash: BlobHash,
    },
    /// The list of keys, which all principals share.
    KeyList,
    Run {
        principal: String,
        run: RunId,
    },
    /// What servers tell each other.
    Note {
        name: String,
    },
}

/// What a key is called: said by each object that was sealed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl KeyId {
    pub(super) const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl From<[u8; 8]> for KeyId {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// What one secret is good for.
pub(super) struct Keys {
    id: KeyId,
    cipher: XChaCha20Poly1305,
    blob_names: [u8; 32],
    ends: [u8; 32],
    signatures: [u8; 32],
}

impl Binding {
    /// Fields with their lengths, so that no two bindings read alike.
    fn associated(&self, header: &[u8]) -> Vec<u8> {
        let (kind, principal, rest): (u8, &str, [&[u8]; 2]) = match self {
            Self::Commit { principal, session, sequence } => {
                (1, principal, [session.as_str().as_bytes(), &sequence.to_le_bytes()])
            }
            // 2 was what said that a session is over.
            Self::Blob { principal, hash } => (3, principal, [hash.as_bytes(), &[]]),
            Self::KeyList => (4, "", [&[], &[]]),
            Self::Run { principal, run } => (5, principal, [run.as_str().as_bytes(), &[]]),
            Self::Note { name } => (6, "", [name.as_bytes(), &[]]),
        };
        let mut bytes = vec![kind];
        for field in [header, principal.as_bytes(), rest[0], rest[1]] {
            bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit { session, sequence, .. } => write!(formatter, "commit {sequence} of session {session}"),
            Self::Blob { principal, hash } => write!(formatter, "blob {hash} of {principal}"),
            Self::KeyList => formatter.write_str("the list of keys in the store"),
            Self::Run { principal, run } => write!(formatter, "run {run} of {principal}"),
            Self::Note { name } => write!(formatter, "note {name} of the servers"),
        }
    }
}

/// Another for each principal.
fn hash_for(key: &[u8; 32], principal: &str, content: &[u8]) -> BlobHash {
    let own = blake3::keyed_hash(key, principal.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::keyed_hash(own.as_bytes(), content).as_bytes()[..16]);
    BlobHash::new(hash)
}

impl Keys {
    /// Derives every key. The texts are part of the format.
    pub(super) fn derive(secret: &[u8; 32]) -> Self {
        let key = |purpose| blake3::derive_key(purpose, secret);
        let mut id = [0; 8];
        id.copy_from_slice(&key("belljar 2026-12 store key id")[..8]);
        Self {
            id: KeyId(id),
            cipher: XChaCha20Poly1305::new(&key("belljar 2026-12 store sealing").into()),
            blob_names: key("belljar 2026-12 store blob names"),
            ends: key("belljar 2026-12 store ends"),
            signatures: key("belljar 2026-12 signatures"),
        }
    }

    /// What it is called.
    pub(super) const fn id(&self) -> KeyId {
        self.id
    }

    /// What tells `content` from other contents of `principal`.
    pub(super) fn blob_hash(&self, principal: &str, content: &[u8]) -> BlobHash {
        hash_for(&self.blob_names, principal, content)
    }

    /// What says that a session of `principal` ended so.
    pub(super) fn end_hash(&self, principal: &str, session: &SessionId, reason: CloseReason) -> BlobHash {
        hash_for(&self.ends, principal, format!("{session} {}", reason.name()).as_bytes())
    }

    /// What only servers over this store can make of `content`, another for each
    /// principal.
    pub(super) fn signature(&self, principal: &str, content: &[u8]) -> blake3::Hash {
        let own = blake3::keyed_hash(&self.signatures, principal.as_bytes());
        blake3::keyed_hash(own.as_bytes(), content)
    }

    /// Seals `content` for one location.
    pub(super) fn seal(&self, binding: &Binding, content: &[u8]) -> Result<Vec<u8>, Error> {
        let doing = || format!("seal {binding}");
        let mut nonce = [0; NONCE.end - NONCE.start];
        getrandom::fill(&mut nonce).map_err(|source| Error::host(doing(), source))?;
        let mut sealed = Vec::with_capacity(content.len() + OVERHEAD);
        sealed.extend_from_slice(MAGIC);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.id.0);
        let associated = binding.associated(&sealed);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(content);
        let tag = self
            .cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &associated, (&mut sealed[NONCE.end..]).into())
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::FileTooLarge))
            .doing(doing)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// The content of what was sealed for one location.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when it was sealed with another key or in another
    /// format, [`Error::Host`] when it is damaged or was sealed for another
    /// location.
    pub(super) fn open(&self, binding: &Binding, mut sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
        let damaged = |reason: &str| Error::host(format!("open {binding}"), reason);
        let id = header_id(binding, &sealed)?;
        if id != self.id {
            return Err(Error::Denied {
                action: format!("opening {binding}"),
                reason: format!("it was sealed with key {id}, and not with {}", self.id),
            });
        }
        let associated = binding.associated(&sealed[..KEY_ID.end]);
        let nonce = <[u8; NONCE.end - NONCE.start]>::try_from(&sealed[NONCE]).map_err(|_| damaged("it is cut off"))?;
        let end = sealed.len() - TAG_BYTES;
        let (head, tag) = sealed.split_at_mut(end);
        let tag = Tag::try_from(&*tag).map_err(|_| damaged("it is cut off"))?;
        self.cipher
            .decrypt_inout_detached(&XNonce::from(nonce), &associated, (&mut head[NONCE.end..]).into(), &tag)
            .map_err(|_| damaged("it is damaged, or was sealed for another location"))?;
        sealed.truncate(end);
        sealed.drain(..NONCE.end);
        Ok(sealed)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The key that something was sealed with, as its header says; none of what has
/// no such header.
pub(super) fn id_of(sealed: &[u8]) -> Option<KeyId> {
    let header = sealed.get(..KEY_ID.end).filter(|header| header.starts_with(MAGIC))?;
    Some(KeyId(header[KEY_ID].try_into().ok()?))
}

/// The key that the content of a location was sealed with.
///
/// # Errors
///
/// [`Error::Denied`] when it is of another format, [`Error::Host`] when it was
/// not sealed.
pub(super) fn header_id(binding: &Binding, sealed: &[u8]) -> Result<KeyId, Error> {
    let id = id_of(sealed).filter(|_| sealed.len() >= OVERHEAD);
    let id = id.ok_or_else(|| Error::host(format!("open {binding}"), "it is cut off, or not from here"))?;
    let format = sealed[MAGIC.len()];
    if format != FORMAT {
        return Err(Error::Denied {
            action: format!("opening {binding}"),
            reason: format!("it has format {format}, and this server reads format {FORMAT}"),
        });
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(principal: &str, session: &SessionId, sequence: u64) -> Binding {
        Binding::Commit { principal: principal.into(), session: session.clone(), sequence }
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let keys = Keys::derive(&[1; 32]);
        let session = SessionId::random();
        let here = commit("one", &session, 5);
        let sealed = keys.seal(&here, b"secret").unwrap();
        assert_eq!(keys.open(&here, sealed.clone()).unwrap(), b"secret");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        for location in [
            commit("two", &session, 5),
            commit("one", &SessionId::random(), 5),
            commit("one", &session, 6),
            Binding::Blob { principal: "one".into(), hash: keys.blob_hash("one", b"secret") },
        ] {
            let error = keys.open(&location, sealed.clone()).unwrap_err();
            assert_eq!(error.to_string(), format!("failed to open {location}"));
        }
    }

    #[test]
    fn no_byte_can_be_changed_or_cut_off() {
        let keys = Keys::derive(&[1; 32]);
        let here = commit("one", &SessionId::random(), 5);
        let sealed = keys.seal(&here, b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(keys.open(&here, damaged).is_err(), "byte {at}");
            assert!(keys.open(&here, sealed[..at].to_vec()).is_err(), "cut at {at}");
        }
        assert_eq!(keys.open(&here, sealed).unwrap(), b"secret");
    }

    #[test]
    fn another_key_is_denied_by_its_id() {
        let here = commit("one", &SessionId::random(), 5);
        let (keys, other) = (Keys::derive(&[1; 32]), Keys::derive(&[2; 32]));
        let sealed = keys.seal(&here, b"secret").unwrap();
        let error = other.open(&here, sealed).unwrap_err().to_string();
        assert!(error.contains(&keys.id.to_string()) && error.contains(&other.id.to_string()), "{error}");
        assert_ne!(keys.blob_hash("one", b""), other.blob_hash("one", b""));
        assert_ne!(keys.blob_hash("one", b""), keys.blob_hash("two", b""));
    }
}
