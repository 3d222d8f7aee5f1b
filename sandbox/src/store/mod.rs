//! Sessions at rest, in an object store that servers may share.
//!
//! # Layout
//!
//! ```text
//! <principal>/<session>/<sequence>                commits; the highest is the session
//! <principal>/<session>/blobs/<sequence>-<hash>   what commits refer to
//! <principal>/<session>/used                      when it was used without a commit: an empty object,
//!                                                 only where the time of a commit cannot be set
//! <principal>/ended/<session>-<hash>              the session is over, and why
//! bases/<digest>                                  guest images that sessions differ from
//! keys                                            which keys servers seal with; not in a directory
//! clock                                           written to learn what time it is where
//!                                                 objects get their times; not in a directory
//! ```
//!
//! # Rules
//!
//! - A commit is made by create-if-absent and never changed. Whoever loses, or
//!   comes late, is fenced. Clocks decide about nothing but expiry, and only
//!   while they are steady.
//! - Everything but bases is sealed and bound to its location, so that nobody who can write
//!   to the store can swap, move or bring back anything unnoticed, except for
//!   hiding what is there.
//! - A backend offers create-if-absent, get, list, copy and delete, which a
//!   directory and S3 have in common. What one of them does better is behind
//!   the same trait (`backend.rs`), and nothing above asks which it is.

mod backend;
mod bases;
mod blobs;
mod cache;
mod clock;
mod collect;
mod commits;
mod ends;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod key_file;
mod key_list;
mod key_ring;
mod layout;
mod listing;
mod local;
mod notes;
mod objects;
mod remote;
mod runs;
mod seal;
mod secret;
mod sweep;
mod usage;

pub use cache::{Note, SharedCache};
pub(crate) use clock::Moment;
pub(crate) use commits::{Committed, Head};
pub(crate) use ends::CloseReason;
pub use key_file::KeyFile;
pub(crate) use layout::{BlobHash, BlobName};
pub(crate) use listing::StoredSession;
pub use objects::{Durability, StoreBackend};
pub(crate) use objects::{Store, StoreSettings, blocking};
pub use seal::KeyId;

#[cfg(test)]
pub(crate) mod tests;
