//! Why keys of clients cannot be used or changed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::file::MAX_NAME_CHARS;

/// Why keys cannot be used or changed.
#[derive(Debug, Error)]
pub(crate) enum KeysError {
    #[error("failed to {doing} the keys of clients in {}", path.display())]
    Failed { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "others can read the keys of clients in {}, which has mode {mode:04o} and belongs to user {owner}: it must belong \
         to the user of the server, user {user}, with mode 0600 (chmod 600)",
        path.display()
    )]
    Shared { path: PathBuf, mode: u32, owner: u32, user: u32 },
    #[error(
        "the keys of clients in {} cannot be understood, and none of them lets anybody in: {reason}. Bring back a copy, or \
         remove the file and add keys anew",
        path.display()
    )]
    Garbage { path: PathBuf, reason: String },
    #[error(
        "the list of revoked keys in {} cannot be understood, and no key lets anybody in: {reason}. Bring back a copy; or \
         remove the file, after what must stay revoked was taken out of the file of keys",
        path.display()
    )]
    UnknownRevoked { path: PathBuf, reason: String },
    #[error(
        "others than its owner and group can read the keys of clients in {}, or others than its owner can change them, as \
         it has mode {mode:04o}: it may have 0640 (chmod 640)",
        path.display()
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "the keys of clients are those in {}, which client_keys names and nobody changes here: leave client_keys out to \
         change those of the state directory, and put its client-keys.json there",
        path.display()
    )]
    Given { path: PathBuf },
    #[error("there is no key `{0}`; `belljar keys list` shows those that there are")]
    Unknown(String),
    #[error("the name of a key must be at most {MAX_NAME_CHARS} characters on one line, got {0:?}")]
    Name(String),
    #[error("failed to make a key: {0}")]
    Random(getrandom::Error),
}
