//! Encodings of text: by name, and by what the first bytes of a file look like.

use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use sandbox::Error;

/// The share of control characters past which bytes are no text: one in so
/// many.
const CONTROLS_IN_TEXT: usize = 50;

/// What the first bytes of a file look like.
pub(crate) enum Content {
    Utf8,
    /// Text in an encoding that the file names itself.
    Marked(&'static Encoding),
    /// Text in what is most likely this encoding.
    Guessed(&'static Encoding),
    Binary,
}

impl Content {
    /// Judges by `start`, the first bytes.
    pub(crate) fn of(start: &[u8]) -> Self {
        if let Some((encoding, _)) = Encoding::for_bom(start)
            && (encoding == UTF_16LE || encoding == UTF_16BE)
        {
            return Self::Marked(encoding);
        }
        if start.contains(&0) {
            return Self::Binary;
        }
        match std::str::from_utf8(start) {
            Ok(_) => return Self::Utf8,
            // A character that the end cuts in two.
            Err(error) if error.error_len().is_none() => return Self::Utf8,
            Err(_) => {}
        }
        let is_control = |byte: &&u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        if start.iter().filter(is_control).count() * CONTROLS_IN_TEXT > start.len() {
            return Self::Binary;
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(start, false);
        Self::Guessed(detector.guess(None, Utf8Detection::Deny))
    }
}

/// The encoding of that name, as the Encoding Standard or Python has it.
///
/// # Errors
///
/// [`Error::InvalidRequest`] with some that there are.
pub(crate) fn named(name: &str) -> Result<&'static Encoding, Error> {
    let dashed = name.trim().replace(['_', ' '], "-");
    let joined = dashed.replace('-', "");
    let by_python = match joined.to_ascii_lowercase().as_str() {
        "utf8sig" => Some(UTF_8),
        "utf16be" => Some(UTF_16BE),
        "utf16le" => Some(UTF_16LE),
        _ => None,
    };
    let found =
        by_python.or_else(|| Encoding::for_label(dashed.as_bytes())).or_else(|| Encoding::for_label(joined.as_bytes()));
    found.ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        let some = "utf-8, utf-16le, latin1, windows-1251, shift_jis, gb18030, big5, euc-kr, koi8-r, macintosh";
        Error::invalid("encoding", format!("must be a name of the Encoding Standard, such as {some}, got {shown:?}"))
    })
}

/// The text of `source`, which is in `encoding` unless it says otherwise in its
/// first bytes, as UTF-8.
pub(crate) fn decoded(source: impl Read, encoding: &'static Encoding) -> impl Read {
    DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_override(true).strip_bom(true).build(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_have_the_names_that_people_use() {
        for (name, expected) in [
            ("utf-8", "UTF-8"),
            ("UTF8", "UTF-8"),
            ("utf_8_sig", "UTF-8"),
            ("latin-1", "windows-1252"),
            ("latin1", "windows-1252"),
            ("ISO-8859-1", "windows-1252"),
            ("iso8859_15", "ISO-8859-15"),
            ("cp1252", "windows-1252"),
            ("cp1251", "windows-1251"),
            ("utf-16", "UTF-16LE"),
            ("utf_16_le", "UTF-16LE"),
            ("utf-16-be", "UTF-16BE"),
            ("shift_jis", "Shift_JIS"),
            ("euc_jp", "EUC-JP"),
            ("gbk", "GBK"),
            ("koi8_r", "KOI8-R"),
        ] {
            assert_eq!(named(name).unwrap().name(), expected, "{name}");
        }
        assert!(named("klingon").unwrap_err().to_string().contains("encoding must be a name"));
    }

    #[test]
    fn text_is_told_from_what_is_none() {
        let kind = |bytes: &[u8]| match Content::of(bytes) {
            Content::Utf8 => "utf-8".to_owned(),
            Content::Marked(encoding) => format!("marked {}", encoding.name()),
            Content::Guessed(encoding) => format!("guessed {}", encoding.name()),
            Content::Binary => "binary".to_owned(),
        };
        assert_eq!(kind("grüße".as_bytes()), "utf-8");
        assert_eq!(kind(&"grüße".as_bytes()[..3]), "utf-8");
        assert_eq!(kind(b"\xff\xfeh\0i\0"), "marked UTF-16LE");
        assert_eq!(kind(b"Gr\xfc\xdfe aus M\xfcnchen, sch\xf6ne Stra\xdfe"), "guessed windows-1252");
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\0\0"), "binary");
        assert_eq!(kind(b"\xff\x01\x02\x03\x04"), "binary");
    }

    #[test]
    fn what_is_decoded_is_utf_8() {
        let text = |bytes: &'static [u8], name| {
            let mut text = String::new();
            decoded(bytes, named(name).unwrap()).read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(text(b"Gr\xfc\xdfe", "latin1"), "Grüße");
        assert_eq!(text(b"\xff\xfeh\0i\0", "utf-16"), "hi");
        assert_eq!(text(b"\xfe\xff\0h\0i", "utf-16"), "hi");
        assert_eq!(text(b"h\0i\0", "utf-16le"), "hi");
        assert_eq!(text(b"\xef\xbb\xbfhi", "latin1"), "hi");
    }
}
