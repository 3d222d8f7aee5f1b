//! The secret of a key: 32 random bytes, and what is none.

use crate::error::Error;

pub(super) const SECRET_BYTES: usize = 32;
/// Among 32 random bytes about 30 differ; fewer than this are never seen.
const MIN_DIFFERENT: usize = 16;

/// The secret of one key.
pub(super) type Secret = [u8; SECRET_BYTES];

/// A new secret.
pub(super) fn random_secret() -> Result<Secret, Error> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|source| Error::host("make a key", source))?;
    Ok(secret)
}

/// Why somebody may guess a secret: what no random number generator makes, and people
/// and their mistakes do. Nothing of it is said but that.
pub(super) fn weakness(secret: &Secret) -> Option<&'static str> {
    let mut seen = [false; 256];
    secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    let step = secret[1].wrapping_sub(secret[0]);
    if different == 1 {
        Some("all of its bytes are the same")
    } else if secret.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
        Some("its bytes are counted up or down")
    } else if is_text(secret) {
        Some(
            "it is text: words, or random bytes that were written as letters, of which 32 are no longer 32 random bytes",
        )
    } else if different < MIN_DIFFERENT {
        Some("few of its bytes differ")
    } else {
        None
    }
}

/// Whether it is a piece of text, whose first and last letters may be cut.
fn is_text(secret: &Secret) -> bool {
    let cut = secret.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
    let text = match std::str::from_utf8(&secret[cut..]) {
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&secret[cut..cut + error.valid_up_to()]),
        other => other,
    };
    text.is_ok_and(|text| !text.contains(|letter: char| letter.is_control() && !letter.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_make_is_no_secret_and_what_is_random_is() {
        for _ in 0..10_000 {
            assert_eq!(weakness(&random_secret().unwrap()), None);
        }
        let of = |bytes: &[u8]| {
            let mut secret = [0; SECRET_BYTES];
            secret.iter_mut().zip(bytes.iter().cycle()).for_each(|(to, from)| *to = *from);
            weakness(&secret).unwrap_or_else(|| panic!("{bytes:?} is weak"))
        };
        for byte in [0, 7, b'a', 0xff] {
            assert_eq!(of(&[byte]), "all of its bytes are the same");
        }
        let counted: Vec<u8> = (0..32).collect();
        let down: Vec<u8> = (0..32).map(|number| 250 - 7 * number).collect();
        assert_eq!([of(&counted), of(&down)], ["its bytes are counted up or down"; 2]);
        for text in [
            "correct horse battery staple 123",
            "0123456789abcdef0123456789abcdef",
            "b3N0IHNlY3JldCBidXQgaW4gYmFzZTY0",
            "[default]\naws_access_key_id = one\n",
            "ключ ключей от замка ",
            "line\r\nline\t2\n",
        ] {
            assert!(of(text.as_bytes()).starts_with("it is text"), "{text}");
        }
        for few in [&[0xde, 0xad, 0xbe, 0xef][..], &[1, 0, 0, 0xfe], &[0x80, 0x81, 0xf7, 3, 5, 0, 9, 8, 7]] {
            assert_eq!(of(few), "few of its bytes differ");
        }
    }
}
