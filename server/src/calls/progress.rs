//! `progress`: a program says how far it is.

use sandbox::{Answer, CallError};
use serde::Deserialize;

use super::{Context, Step, decode, done};

pub(super) const NAME: &str = "progress";

/// How much of a message is shown: a line or two.
const MESSAGE_BYTES: usize = 1024;

/// How far a fraction may be above the whole: sums of fractions may come out a little above.
const ROUNDING: f64 = 1e-6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    #[serde(default)]
    message: String,
    fraction: Option<f64>,
}

pub(super) fn answer(context: &Context, bytes: &[u8]) -> Answer {
    let Progress { mut message, fraction } = decode(NAME, bytes)?;
    if let Some(fraction) = fraction.filter(|fraction| !(0.0..=1.0 + ROUNDING).contains(fraction)) {
        return Err(CallError::Failed(format!("`fraction` of `{NAME}` is from 0 to 1, and this is {fraction}")));
    }
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
    if let Some(audience) = &context.audience {
        audience.step(Step { message, fraction: fraction.map(|fraction| fraction.min(1.0)) });
    }
    Ok(done())
}
