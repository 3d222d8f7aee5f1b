//! What `tests/fuzz` gives to the store: sealed objects and names in listings.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::sync::LazyLock;

use object_store::path::Path;

use super::CloseReason;
use super::layout::{BlobHash, BlobName, Object, base_location, location, parse, parse_sequence};
use super::seal::{Binding, Keys, OVERHEAD};
use crate::fuzzing::{choice, chosen};
use crate::handle::SessionId;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::derive(&[7; 32]));
static SESSION: LazyLock<SessionId> =
    LazyLock::new(|| SessionId::parse("s_0123456789abcdefghjkmnpqrs").expect("it is one"));

/// What an input is taken for.
const SEALED: u8 = 0;
const CONTENT: u8 = 1;
const LOCATION: u8 = 2;

/// A name of a blob, for other seeds.
pub(crate) fn blob_name() -> BlobName {
    BlobName::new(5, BlobHash::new([0xab; 16]))
}

/// Sealed objects, contents to seal, and locations.
pub fn sealed_seeds() -> Vec<Vec<u8>> {
    let sealed = KEYS.seal(&binding(), b"the state of a session").expect("it can be sealed");
    let end = Object::End(KEYS.end_hash("local", &SESSION, CloseReason::Expired));
    let locations = [Object::Commit(5), Object::Blob(blob_name()), Object::Used, end]
        .map(|object| chosen(LOCATION, location("local", &SESSION, &object).as_ref()));
    let mut seeds = vec![chosen(SEALED, sealed), chosen(SEALED, b"belljar"), chosen(CONTENT, b"\x05content")];
    seeds.extend(locations);
    seeds.push(chosen(LOCATION, format!("bases/{}", "0123456789abcdef".repeat(4))));
    seeds
}

fn binding() -> Binding {
    Binding::Commit { principal: "local".into(), session: SESSION.clone(), sequence: 5 }
}

/// An object of the store, before the seal or after, or a name in a listing.
pub fn sealed(data: &[u8]) {
    let (kind, bytes) = choice(data);
    match kind % 3 {
        SEALED => {
            let opened = KEYS.open(&binding(), bytes.to_vec());
            // The only ones that open are those that were sealed here.
            let opened = opened.map(|content| (content.len() + OVERHEAD, content));
            assert!(opened.is_err() || opened.is_ok_and(|(length, _)| length == bytes.len()));
            let elsewhere = Binding::Commit { principal: "other".into(), session: SESSION.clone(), sequence: 5 };
            assert!(KEYS.open(&elsewhere, bytes.to_vec()).is_err(), "it opens in another location");
        }
        CONTENT => {
            let Some((at, content)) = bytes.split_first() else { return };
            let mut sealed = KEYS.seal(&binding(), content).expect("it can be sealed");
            assert_eq!(KEYS.open(&binding(), sealed.clone()).expect("it opens in its location"), content);
            let at = usize::from(*at) % sealed.len();
            sealed[at] ^= 1;
            assert!(KEYS.open(&binding(), sealed).is_err(), "byte {at} can be changed");
        }
        _ => {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(path) = Path::parse(&text)
                && let Some((principal, session, object)) = parse(&path)
            {
                assert_eq!(location(&principal, &session, &object), path, "it is the location of something else");
                // Only who has the key can say that a session is over.
                let is_end = |reason| object == Object::End(KEYS.end_hash(&principal, &session, reason));
                let is_over = is_end(CloseReason::Closed) || is_end(CloseReason::Expired);
                assert!(!is_over || session == *SESSION, "a session was ended by a guess");
            }
            if let Some(sequence) = parse_sequence(&text) {
                let named = location("local", &SESSION, &Object::Commit(sequence));
                assert_eq!(named.filename(), Some(&*text), "it is the name of something else");
            }
            if let Some(base) = base_location(&text) {
                assert_eq!((base.parts().count(), base.filename()), (2, Some(&*text)));
            }
        }
    }
}
