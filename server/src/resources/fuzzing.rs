//! What `tests/fuzz` gives to addresses and cursors.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sandbox::{SessionId, WorkspacePath};

use super::address::{Address, Part, encoded};
use super::{Refusal, cursor};
use crate::fuzzing::chosen;

/// What an input is: an address, or a cursor.
const ADDRESS: u8 = 0;
const CURSOR: u8 = 1;
/// The longest refusal.
const ERROR_BYTES: usize = 1100;

/// Addresses and cursors as clients send them.
pub fn address_seeds() -> Vec<Vec<u8>> {
    let session = SessionId::random();
    let run = format!("r_{}", &session.as_str()[2..]);
    let addresses = [
        "belljar://guide".to_owned(),
        Address::of_session(&session, "data dir/é?.csv"),
        Address::of_session(&session, "caf\\xe9"),
        format!("belljar://session/{session}//tmp/%2e%2e/%00"),
        format!("belljar://session/{session}"),
        format!("belljar://run/{run}/stdout"),
        format!("belljar://run/{run}/output/12"),
        format!("belljar://run/{run}/files/a%2Fb?x#y"),
    ];
    let cursor = URL_SAFE_NO_PAD.encode([&[7; 32][..], addresses[1].as_bytes()].concat());
    let addresses = addresses.into_iter().map(|address| chosen(ADDRESS, address));
    addresses.chain([chosen(CURSOR, cursor)]).collect()
}

/// What a client sends in place of an address or a cursor. One that is taken is the same
/// again when it is made of what it names, and names nothing outside of the workspace.
pub fn address(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    if choice % 2 == CURSOR {
        if let Some((signature, position)) = cursor::split(&text) {
            let again = URL_SAFE_NO_PAD.encode([&signature[..], &position].concat());
            assert_eq!(again, text, "two texts are one cursor");
        }
        return;
    }
    let (id, path) = match Address::parse(&text) {
        Ok(Address::Session { id, path }) => (Some(id), path),
        Ok(Address::Run { part: Part::File(path), .. }) => (None, path),
        Ok(Address::Guide | Address::Languages | Address::Limits | Address::Run { .. }) => return,
        Err(error) => {
            let error = Refusal::from(error).error(Some(&text));
            assert!(error.message.len() <= ERROR_BYTES, "an error of {} bytes", error.message.len());
            return;
        }
    };
    assert!(!path.is_empty() && !path.contains('\0'));
    assert!(encoded(&path).is_ascii());
    if let Some(id) = id {
        let again = Address::parse(&Address::of_session(&id, &path)).map_err(|error| error.to_string());
        // An address that is written out may be longer than an address may be.
        let is_long = encoded(&path).len() > text.len();
        match again {
            Ok(again) => assert_eq!(again, Address::Session { id, path: path.clone() }),
            Err(error) => assert!(is_long && error.contains("at most"), "{error}"),
        }
    }
    if let Ok(taken) = WorkspacePath::of_any_name("uri", &path) {
        assert!(!taken.to_string().split('/').any(|name| name == ".."), "{taken} leads upwards");
        let shown = WorkspacePath::of_any_name("uri", &taken.to_string()).expect("what is shown names it again");
        assert_eq!(shown, taken);
    }
}
