//! The token that calls must carry: made for one run of the server, or the
//! operator's, in a file that nobody else may read. Only a hash of it is kept once it
//! was shown.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nix::unistd::geteuid;
use thiserror::Error;

use crate::given_file::GivenFile;

/// Random bytes of a token that is made: as many bits as nobody guesses.
const RANDOM_BYTES: usize = 32;
/// The shortest token that a file may hold: 128 bits in hexadecimal digits.
const LEAST_BYTES: usize = 32;
/// The longest token, so that the head of a request has room for it.
const MOST_BYTES: usize = 1024;

/// Why a token file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TokenFileError {
    #[error("failed to read the token file {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the token file {} is not a file", .0.display())]
    NoFile(PathBuf),
    #[error(
        "others can read the token file {}, which has mode {mode:04o} and belongs to user {owner}: it must belong to the \
         user of the server, user {user}, or to root, with mode 0600 (chmod 600)",
        path.display()
    )]
    Shared { path: PathBuf, mode: u32, owner: u32, user: u32 },
    #[error(
        "the token file {} must hold one line with {LEAST_BYTES} to {MOST_BYTES} letters, digits and -._~+/=, such as \
         `openssl rand -hex 32` makes",
        .0.display()
    )]
    NoToken(PathBuf),
}

/// What tells the token from every other text.
pub(crate) struct Token(blake3::Hash);

impl Token {
    /// A new token, and its text, which is nowhere else.
    pub(crate) fn random() -> anyhow::Result<(Self, String)> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("failed to make a token: {error}"))?;
        let text = format!("belljar_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        Ok((Self::of(text.as_bytes()), text))
    }

    /// The token in a file.
    ///
    /// # Errors
    ///
    /// When others can read the file as well, or it holds no token.
    pub(crate) fn read(path: &Path) -> Result<Self, TokenFileError> {
        let unreadable = |source| TokenFileError::Unreadable { path: path.to_owned(), source };
        let file = GivenFile::open(path, 0).map_err(unreadable)?;
        if !file.is_file() {
            return Err(TokenFileError::NoFile(path.to_owned()));
        }
        let (mode, owner, user) = (file.mode(), file.owner(), geteuid().as_raw());
        if mode & 0o077 != 0 || ![0, user].contains(&owner) {
            return Err(TokenFileError::Shared { path: path.to_owned(), mode, owner, user });
        }
        let text = file.read(2 * MOST_BYTES as u64).map_err(unreadable)?.unwrap_or_default();
        let text = text.trim_ascii();
        // RFC 6750, section 2.1.
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        if !(LEAST_BYTES..=MOST_BYTES).contains(&text.len()) || !text.iter().all(fits) {
            return Err(TokenFileError::NoToken(path.to_owned()));
        }
        Ok(Self::of(text))
    }

    fn of(text: &[u8]) -> Self {
        Self(blake3::hash(text))
    }

    /// Whether `given` is this token. Hashes compare in constant time, and what was
    /// hashed cannot be told from how long that took.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        Self::of(given).0 == self.0
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that are read here")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_told_from_every_other_text() {
        let (token, text) = Token::random().unwrap();
        assert_ne!(Token::random().unwrap().1, text);
        assert!(token.is(text.as_bytes()));
        for other in ["", "x", &text[..text.len() - 1], &format!("{text}A"), &text.to_uppercase()] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_token_file_is_private_and_holds_one_token() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let read = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path).map_err(|error| error.to_string())
        };
        let text = "0123456789abcdef0123456789abcdef";
        for mode in [0o600, 0o400] {
            let token = read(&format!("{text}\n"), mode).ok().unwrap();
            assert!(token.is(text.as_bytes()));
            std::fs::remove_file(&path).unwrap();
        }
        for mode in [0o640, 0o604, 0o644, 0o620] {
            let error = read(text, mode).err().unwrap();
            assert!(error.contains(&format!("mode {mode:04o}")) && error.contains("chmod 600"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        for wrong in ["", "short", &format!("{text} {text}"), &format!("{text}\n{text}"), &"x".repeat(1025)] {
            let error = read(wrong, 0o600).err().unwrap();
            assert!(error.contains("must hold one line"), "{error}");
            assert!(wrong.len() < 6 || !error.contains(wrong), "it says what it holds: {error}");
        }
        assert!(matches!(Token::read(directory.path()), Err(TokenFileError::NoFile(_))));
        assert!(matches!(Token::read(&directory.path().join("none")), Err(TokenFileError::Unreadable { .. })));
    }
}
