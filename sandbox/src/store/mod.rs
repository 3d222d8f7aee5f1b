//! Sessions at rest, in an object store that servers may share.
//!
//! # Layout
//!
//! ```text
//! <principal>/<session>/<sequence>                commits; the highest is the session
//! <principal>/<session>/blobs/<sequence>-<hash>   what commits refer to
//! <principal>/<session>/closed                    the session is over, and why
//! bases/<digest>                                  guest images that sessions differ from
//! ```
//!
//! # Rules
//!
//! - A commit is made by create-if-absent and never changed. Whoever loses, or
//!   comes late, is fenced. Clocks decide about nothing but expiry.
//! - Everything but bases is sealed and bound to its place, so that nobody who can write
//!   to the store can swap, move or bring back anything unnoticed, except for
//!   hiding what is there.
//! - Only create-if-absent, get, list, copy and delete are used: what a
//!   directory and S3 have in common.

mod bases;
mod blobs;
mod collect;
mod commits;
mod directory;
mod layout;
mod listing;
mod local;
mod objects;
mod seal;
mod sweep;
mod threads;
mod unneeded;
mod usage;

pub(crate) use commits::{CloseReason, Committed, Head};
pub(crate) use layout::{BlobHash, BlobName};
pub(crate) use listing::StoredSession;
pub use objects::Durability;
pub(crate) use objects::{Store, StoreSettings, blocking};

#[cfg(test)]
pub(crate) mod tests;
