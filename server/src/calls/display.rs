//! `display`: a program shows something while it runs. The reply to the call
//! that ran it has all of it in the end, in its richest form.

use sandbox::{Answer, DISPLAY};
use serde::Deserialize;

use super::{Context, decode, done};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Display {
    text: String,
}

pub(super) fn answer(context: &Context, bytes: &[u8]) -> Answer {
    let Display { text } = decode(DISPLAY, bytes)?;
    if let Some(audience) = &context.audience {
        audience.displayed(&text);
    }
    Ok(done())
}
