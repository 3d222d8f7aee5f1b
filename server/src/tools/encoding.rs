//! Encodings of text: by name, and by what the first bytes of a file look like.

use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use sandbox::Error;

/// The share of control characters past which bytes are no text: one in so
/// many.
const CONTROLS_IN_TEXT: usize = 50;
/// How much text a decoder is asked for at once.
const DECODED_BYTES: usize = 8 << 10;

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
        // UTF-32 begins as UTF-16 does, and no decoder here knows it.
        if start.starts_with(&[0xff, 0xfe, 0, 0]) {
            return Self::Binary;
        }
        if let Some((encoding, _)) = Encoding::for_bom(start)
            && (encoding == UTF_16LE || encoding == UTF_16BE)
        {
            return Self::Marked(encoding);
        }
        if start.contains(&0) {
            return utf_16(start).map_or(Self::Binary, Self::Guessed);
        }
        match std::str::from_utf8(start) {
            Ok(_) => return Self::Utf8,
            // The end of the bytes may cut a character in two.
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

/// UTF-16 without a mark, as far as it holds mostly Latin letters: then every
/// other byte is zero.
fn utf_16(start: &[u8]) -> Option<&'static Encoding> {
    let zeros = |first: usize| start.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), start.len() / 2);
    let is_text = |letters: usize, zeros: usize| half >= 4 && zeros * 10 >= half * 7 && letters * 20 <= half;
    if is_text(even, odd) {
        return Some(UTF_16LE);
    }
    is_text(odd, even).then_some(UTF_16BE)
}

/// The encoding of that name, as the Encoding Standard or Python has it.
///
/// # Errors
///
/// [`Error::InvalidRequest`] with some that there are.
pub(crate) fn named(name: &str) -> Result<&'static Encoding, Error> {
    let dashed = name.trim().replace(['_', ' '], "-");
    let joined = dashed.replace('-', "");
    let plain = joined.to_ascii_lowercase();
    let by_python = match plain.as_str() {
        "utf8sig" | "utf8mb4" | "cp65001" => "utf-8",
        "utf16" => "utf-16",
        "utf16be" => "utf-16be",
        "utf16le" => "utf-16le",
        "cp932" | "shiftjis" | "sjis" => "shift_jis",
        "cp936" => "gbk",
        "cp949" | "euckr" => "euc-kr",
        "cp950" => "big5",
        "eucjp" => "euc-jp",
        "iso2022jp" => "iso-2022-jp",
        "latin9" => "iso-8859-15",
        "macroman" => "macintosh",
        "tis620" | "cp874" => "windows-874",
        _ => match plain.strip_prefix("cp").or(plain.strip_prefix("windows")) {
            Some(page) => &format!("windows-{page}"),
            None => &dashed,
        },
    };
    let label = |name: &str| Encoding::for_label_no_replacement(name.as_bytes());
    let found = label(by_python).or_else(|| label(&dashed)).or_else(|| label(&joined));
    found.ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        let some = "utf-8, utf-16le, latin1, windows-1251, shift_jis, gb18030, big5, euc-kr, koi8-r, macintosh";
        let reason = format!(
            "must be a name of the Encoding Standard, such as {some}, got {shown:?}; Python knows more: run open(path, encoding=\u{2026}).read()"
        );
        Error::invalid("encoding", reason)
    })
}

/// The text of `source`, which is in `encoding` unless it says otherwise in its
/// first bytes, as UTF-8.
pub(crate) fn decoded(source: impl Read, encoding: &'static Encoding) -> impl Read {
    let decoder =
        DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_override(true).strip_bom(true).build(source);
    Roomy { decoder, text: Vec::new(), taken: 0 }
}

/// Asks a decoder for much at once, whatever it is asked for: for one byte or
/// two, `encoding_rs_io` loses the rest of a last character.
struct Roomy<R> {
    decoder: R,
    text: Vec<u8>,
    taken: usize,
}

impl<R: Read> Read for Roomy<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.text.len() {
            self.text.resize(DECODED_BYTES, 0);
            self.taken = DECODED_BYTES;
            let read = self.decoder.read(&mut self.text)?;
            self.text.truncate(read);
            self.taken = 0;
        }
        let count = out.len().min(self.text.len() - self.taken);
        out[..count].copy_from_slice(&self.text[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use encoding_rs::EUC_JP;

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
            ("utf16", "UTF-16LE"),
            ("cp932", "Shift_JIS"),
            ("cp936", "GBK"),
            ("cp950", "Big5"),
            ("euckr", "EUC-KR"),
            ("mac_roman", "macintosh"),
            ("windows1252", "windows-1252"),
            ("iso2022_jp", "ISO-2022-JP"),
            ("latin9", "ISO-8859-15"),
            ("cp65001", "UTF-8"),
        ] {
            assert_eq!(named(name).unwrap().name(), expected, "{name}");
        }
        assert!(named("replacement").is_err() && named("cp437").is_err());
        let error = named("klingon").unwrap_err().to_string();
        assert!(error.contains("encoding must be a name") && error.contains("run open(path, encoding="), "{error}");
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
        assert_eq!(kind(b"h\0e\0l\0l\0o\0 \0"), "guessed UTF-16LE");
        assert_eq!(kind(b"\0h\0e\0l\0l\0o\0 "), "guessed UTF-16BE");
        assert_eq!(kind(b"\xff\xfe\0\0h\0\0\0"), "binary");
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
        // A last character that is half there, whatever room there is for it.
        for before in (0..200).map(|count| "a".repeat(count)) {
            let mut decoded = decoded(Cursor::new([before.as_bytes(), b"\xb0\xa1\xb0"].concat()), EUC_JP);
            let (mut bytes, mut byte) = (Vec::new(), [0]);
            while decoded.read(&mut byte).unwrap() > 0 {
                bytes.push(byte[0]);
                decoded.by_ref().take(before.len() as u64 % 7).read_to_end(&mut bytes).unwrap();
            }
            assert_eq!(String::from_utf8(bytes).unwrap(), format!("{before}亜\u{fffd}"));
        }
    }
}
