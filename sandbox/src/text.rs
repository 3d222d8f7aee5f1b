//! Names as text. A name is any bytes but `/` and zero; what shows it must stay
//! on its line, and what names it again must mean the same file.
//!
//! Bytes that are not UTF-8, control characters and what readers do not see are
//! written `\xHH`, byte for byte. A backslash of the name itself is, too, where
//! it would be taken for the beginning of that; anywhere else it is itself.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// A name or path as text.
pub fn escaped(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    let mut at = 0;
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            let bytes = &name[at..at + char.len_utf8()];
            if is_odd(char) || escape(&name[at..]).is_some() {
                push_escaped(&mut text, bytes);
            } else {
                text.push(char);
            }
            at += bytes.len();
        }
        push_escaped(&mut text, chunk.invalid());
        at += chunk.invalid().len();
    }
    text
}

/// The path that such a text stands for.
pub fn path_of(text: &str) -> PathBuf {
    OsString::from_vec(unescaped(text)).into()
}

/// The bytes that it stands for. Every text stands for some.
pub(crate) fn unescaped(text: &str) -> Vec<u8> {
    let (bytes, mut name, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let (byte, size) = escape(&bytes[at..]).map_or((bytes[at], 1), |byte| (byte, ESCAPE_BYTES));
        name.push(byte);
        at += size;
    }
    name
}

/// A text of somebody else's within a line of ours: with nothing in it that is
/// not seen, and otherwise as it is.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if is_odd(char) {
            push_escaped(&mut line, char.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            line.push(char);
        }
    }
    line
}

/// Whether a name holds bytes that are written so.
pub fn has_escapes(text: &str) -> bool {
    text.bytes().enumerate().any(|(at, byte)| byte == b'\\' && escape(&text.as_bytes()[at..]).is_some())
}

/// The size of `\xHH`.
const ESCAPE_BYTES: usize = 4;

/// The byte that the beginning of `text` stands for, if it stands for one. A
/// letter of a path, and what divides it, is only ever itself.
fn escape(text: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = *text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    matches!(byte, 0x01..0x20 | b'\\' | 0x7f..).then_some(byte)
}

fn push_escaped(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// Beside control characters, what ends a line for some readers, turns its
/// direction, or is not seen.
fn is_odd(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_on_one_line_and_its_text_names_it_again() {
        for (name, text) in [
            (&b"plain.txt"[..], "plain.txt"),
            ("caf\u{e9} \u{1f600}".as_bytes(), "caf\u{e9} \u{1f600}"),
            (b"caf\xe9", "caf\\xe9"),
            (b"\xff\xfe/\xc3(", "\\xff\\xfe/\\xc3("),
            (b"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"),
            ("a\u{202e}b\u{85}".as_bytes(), "a\\xe2\\x80\\xaeb\\xc2\\x85"),
            // A name that looks like the text of another.
            (b"caf\\xe9", "caf\\x5cxe9"),
            (b"\\x5c", "\\x5cx5c"),
            (b"\\\\xE9", "\\\\x5cxE9"),
            (b"\\\xe9", "\\\\xe9"),
            (b"\\x\xe9", "\\x\\xe9"),
            // What stands for nothing is itself.
            (b"C:\\dir\\x41\\x2f\\x00\\xg0\\x", "C:\\dir\\x41\\x2f\\x00\\xg0\\x"),
        ] {
            assert_eq!(escaped(name), text);
            assert_eq!(unescaped(text), name, "{text}");
            assert_eq!(one_line(text), text);
        }
        assert!(has_escapes("d/caf\\xe9") && has_escapes("caf\\x5cxe9") && !has_escapes("C:\\x41\\x"));
    }

    #[test]
    fn no_two_names_have_one_text() {
        // Of all that can come together at the beginning of an escape.
        let pieces: [&[u8]; 8] = [b"\\", b"x", b"5c", b"e", b"9", b"\xe9", b"\n", b"\\x5c"];
        let mut texts = std::collections::HashMap::new();
        for number in 0..8_usize.pow(5) {
            let name: Vec<u8> =
                (0..5).flat_map(|place| pieces[number / 8_usize.pow(place) % 8].iter().copied()).collect();
            let text = escaped(&name);
            assert_eq!(unescaped(&text), name, "{text}");
            let known = texts.entry(text).or_insert_with(|| name.clone());
            assert_eq!(*known, name);
        }
    }
}
