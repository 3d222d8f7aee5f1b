//! What clients read without a tool: files of sessions, outputs of runs, and what
//! is to be known of this server.
//!
//! - `address`: what they are called. `templates`: the shapes of that.
//! - `read`, `content`: what is there. `facts`, `guide`: what the server says of itself.
//! - `list`, `cursor`: what there is, page by page.
//! - `subscriptions`: who is told of changes. `refusal`: why not.

mod address;
mod content;
mod cursor;
mod facts;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod guide;
mod list;
mod read;
mod refusal;
mod subscriptions;
mod templates;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::address::{Address, STREAMS, for_template, of_template};
pub(crate) use self::cursor::refuse as refuse_cursor;
pub(crate) use self::list::list;
pub(crate) use self::read::read;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::subscriptions::{Listeners, Subscriptions};
pub(crate) use self::templates::{has_template, templates};

/// How long clients may cache what is the same for as long as the server runs.
pub(crate) const LASTING_TTL_MS: u64 = 3_600_000;
