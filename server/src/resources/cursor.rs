//! Where a list goes on: after which address. Signed for whoever it is given to, so
//! that nobody makes one, and with the keys of the store, so that every server over
//! it goes on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::model::PaginatedRequestParams;
use sandbox::{Executor, Principal};

use super::refusal::Refusal;

const SIGNATURE_BYTES: usize = 32;
/// The longest cursor: of the longest address.
const MAX_BYTES: usize = 32 << 10;

/// A cursor that goes on after `position` in `list`.
pub(super) fn after(executor: &Executor, principal: &Principal, list: &str, position: &str) -> String {
    let signature = executor.sign(principal, &signed(list, position.as_bytes()));
    URL_SAFE_NO_PAD.encode([&signature[..], position.as_bytes()].concat())
}

/// Where a list goes on, by the cursor of a request.
pub(super) fn position(
    executor: &Executor,
    principal: &Principal,
    list: &str,
    request: Option<&PaginatedRequestParams>,
) -> Result<Option<String>, Refusal> {
    let Some(cursor) = request.and_then(|request| request.cursor.as_deref()) else { return Ok(None) };
    let Some((signature, position)) = split(cursor) else { return Err(Refusal::Cursor) };
    if !executor.has_signed(principal, &signed(list, &position), signature) {
        return Err(Refusal::Cursor);
    }
    String::from_utf8(position).map(Some).map_err(|_| Refusal::Cursor)
}

/// The signature of a cursor, and what it signs.
pub(super) fn split(cursor: &str) -> Option<([u8; SIGNATURE_BYTES], Vec<u8>)> {
    // A cursor has one text: what is left over of its last letter is zero.
    let bytes = URL_SAFE_NO_PAD.decode(Some(cursor).filter(|cursor| cursor.len() <= MAX_BYTES)?).ok()?;
    let (signature, position) = bytes.split_first_chunk()?;
    Some((*signature, position.to_vec()))
}

/// Refuses any cursor, for a list that has one page.
pub(crate) fn refuse(request: Option<&PaginatedRequestParams>) -> Result<(), Refusal> {
    match request.and_then(|request| request.cursor.as_ref()) {
        None => Ok(()),
        Some(_) => Err(Refusal::Cursor),
    }
}

fn signed(list: &str, position: &[u8]) -> Vec<u8> {
    [b"cursor\0", list.as_bytes(), b"\0", position].concat()
}
