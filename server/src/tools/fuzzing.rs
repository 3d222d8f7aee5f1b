//! What `tests/fuzz` gives to the tools: arguments of every one, files in every
//! encoding, patterns, and what a program displays.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use guest_runtimes::Catalogue;
use std::io::{Cursor, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::JsonObject;
use sandbox::{Error, RichOutput};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::arguments::{decode, decode_base64};
use super::displayed::{Image, Shown, image_type, is_bare, is_image};
use super::encoding::{self, Content};
use super::page::{self, Lines, MAX_TEXT_BYTES};
use super::{content, execute, read, session, write};
use crate::fuzzing::chosen;
use crate::source;

/// The longest error, which says no more than it should of what was sent. Replies cut
/// one that is longer.
const ERROR_BYTES: usize = 2000;

/// What an input of `arguments` is for: a tool, or something in an argument.
const EXECUTE: u8 = 0;
const READ: u8 = 1;
const SESSION: u8 = 2;
const WRITE: u8 = 3;
const BASE64: u8 = 4;

/// Arguments as clients write them.
pub fn arguments_seeds() -> Vec<Vec<u8>> {
    let session = "s_0123456789abcdefghjkmnpqrs";
    let calls = [
        (EXECUTE, r#"{"language":"python","code":"print('hi')"}"#.to_owned()),
        (
            EXECUTE,
            format!(
                r#"{{"language":"bash","code":"```sh\nls\n```","session":"{session}","if_sequence":3,"stdin":"x",
                "args":["a"],"env":{{"A":"b"}},"files":[{{"path":"a/b","text":"t"}},{{"path":"c","base64":"AAAA"}}],
                "limits":{{"wall_time_ms":5000,"memory_bytes":1e8}}}}"#
            ),
        ),
        (EXECUTE, r#"{"language":"py","code":["a","b"],"timeout":"5","limits":{"time":-1.5}}"#.to_owned()),
        (READ, format!(r#"{{"session":"{session}","path":"a","pattern":"x+","limit":5,"offset":2}}"#)),
        (
            READ,
            r#"{"run":"r_0123456789abcdefghjkmnpqrs","stream":"stdout","byte_offset":7,"encoding":"latin1"}"#.into(),
        ),
        (SESSION, format!(r#"{{"action":"fork","session":"{session}","snapshot":null}}"#)),
        (SESSION, r#"{"action":"delete"}"#.to_owned()),
        (WRITE, r#"{"session":"new","path":"/workspace/a","text":"é"}"#.to_owned()),
        (BASE64, "data:text/plain;base64,aGVsbG8=".to_owned()),
        (BASE64, "-----BEGIN X-----\naGVs\nbG8\n-----END X-----".to_owned()),
        (BASE64, "b'aGVsbG8_-'".to_owned()),
    ];
    calls.into_iter().map(|(tool, text)| chosen(tool, text)).collect()
}

/// Arguments of a tool: understood, or refused in few words.
pub fn arguments(data: &[u8]) {
    let Some((tool, bytes)) = data.split_first() else { return };
    if tool % 5 == BASE64 {
        let text = String::from_utf8_lossy(bytes);
        match decode_base64("base64", &text) {
            Ok(decoded) => {
                let encoded = STANDARD.encode(&decoded);
                assert_eq!(decode_base64("base64", &encoded).expect("what was encoded can be decoded"), decoded);
                assert!(decoded.len() <= text.len());
            }
            Err(error) => in_few_words(&error),
        }
        let (code, notes) = source::plain(&Catalogue::built_in(), text.clone().into_owned(), "python");
        assert!(code.len() <= text.len() && notes.iter().all(|note| note.len() < ERROR_BYTES));
        return;
    }
    let Ok(object) = serde_json::from_slice::<JsonObject>(bytes) else { return };
    let catalogue = Catalogue::built_in();
    let refused = match tool % 5 {
        EXECUTE => match execute::request(&catalogue, &execute::arguments_schema(&catalogue), object.clone()) {
            Ok((request, _)) => {
                assert!(request.files.iter().all(|file| !file.path.to_string().split('/').any(|name| name == "..")));
                assert!(object["language"].is_string() && object["code"].is_string());
                None
            }
            Err(error) => Some(error),
        },
        READ => decode::<read::Arguments>(&read::SCHEMA, object).err(),
        SESSION => decode::<session::Arguments>(&session::SCHEMA, object).err(),
        _ => decode::<write::Arguments>(&write::SCHEMA, object).err(),
    };
    if let Some(error) = refused {
        in_few_words(&error);
        assert!(matches!(error, Error::InvalidRequest { .. }), "it is the caller's to change: {error:?}");
    }
}

fn in_few_words(error: &Error) {
    let text = error.to_string();
    assert!(text.len() <= ERROR_BYTES, "an error of {} bytes: {}", text.len(), &text[..200]);
}

/// Texts in some encodings.
pub fn encoding_seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 8] = [
        b"latin1\nGr\xfc\xdfe aus M\xfcnchen",
        b"utf-16\n\xff\xfeh\0i\0",
        b"utf-16be\n\0h\0i\xd8\x3d",
        b"shift_jis\n\x93\xfa\x96{",
        b"gb18030\n\x84\x31\xa4\x37",
        b"iso-2022-jp\n\x1b$B4A;z\x1b(B",
        b"UTF8\n\xef\xbb\xbfhi\xf0\x9f\x98",
        b"euc_kr\n\xc7\xd1\xb1\xdb",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}

/// A file that is no UTF-8: its name of an encoding on the first line, then its
/// bytes. What is read of it is UTF-8, and not out of proportion.
pub fn encoding(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (name, bytes) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let judged = match Content::of(bytes) {
        Content::Marked(encoding) | Content::Guessed(encoding) => Some(encoding),
        Content::Utf8 | Content::Binary => None,
    };
    let named = match encoding::named(&String::from_utf8_lossy(name)) {
        Ok(encoding) => Some(encoding),
        Err(error) => {
            in_few_words(&error);
            None
        }
    };
    for encoding in [judged, named].into_iter().flatten() {
        let mut text = Vec::new();
        encoding::decoded(bytes, encoding).read_to_end(&mut text).expect("there is always something to read");
        std::str::from_utf8(&text).expect("what is decoded is UTF-8");
        let (mut decoder, mut one_by_one, mut byte) = (encoding::decoded(bytes, encoding), Vec::new(), [0]);
        while decoder.read(&mut byte).expect("as before") > 0 {
            one_by_one.push(byte[0]);
        }
        assert!(one_by_one == text, "how it is read decides about what it says");
        assert!(text.len() <= 3 * bytes.len() + 3, "{} bytes of {}", text.len(), bytes.len());
    }
    let (start, end, text) = page::whole_characters(bytes, 7);
    assert!(start >= 7 && start <= end && end <= 7 + bytes.len() as u64);
    assert!(bytes.is_empty() || end > start || !text.is_empty(), "there is no progress");
    assert!(!is_bare(&text) || text.contains('<'));
}

/// Texts with patterns: which lines, the pattern, a zero byte, the text.
pub fn page_seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 7] = [
        b"\x01\x02\0a1\nb2\na3\nb4\n",
        b"\x81\x02^a\0a1\nb2\r\na3",
        b"\x81\x05(?i)x{3,5}y|\\bz\0xxxy\nzed\n",
        b"\x01\x01\0\xef\xbb\xbfmark\n\xff\n",
        b"\x82\x03**/*.{rs,py}\0a/b.rs",
        b"\x81\x09[\\w&&[^\\d]]+$\0a\n\nb",
        b"\x01\x00\0no end",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}

/// Pages of a text. One after the other, they are all of it, each within its
/// bound; a pattern is taken or refused in few words.
pub fn page(data: &[u8]) {
    let [first, limit, rest @ ..] = data else { return };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let pattern = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let text = parts.next().unwrap_or_default();
    match content::glob_of(&pattern) {
        Ok(glob) => drop(glob.is_match(String::from_utf8_lossy(text).lines().next().unwrap_or_default())),
        Err(error) => in_few_words_after(&error, &pattern),
    }
    let (cancel, limit) = (CancellationToken::new(), u64::from(*limit) + 1);
    let pattern = (first & 0x80 != 0).then_some(pattern.as_str());
    let mut next = u64::from(first & 0x7f);
    let (mut taken, mut pages) = (0, 0);
    loop {
        let wanted = Lines { first: next, limit, pattern, cancel: &cancel };
        let page = match page::lines(Cursor::new(text), &wanted) {
            Ok(page) => page,
            Err(error) => return in_few_words_after(&error, pattern.unwrap_or_default()),
        };
        // A line that was cut says where it goes on, after the bound was looked at.
        assert!(page.text.len() <= MAX_TEXT_BYTES * 4, "a page of {} bytes", page.text.len());
        assert!(page.taken <= limit && page.last <= page.total && page.total <= text.len() as u64);
        taken += page.taken;
        pages += 1;
        let Some(following) = page.next else {
            let all = page.total.saturating_sub(u64::from(first & 0x7f).max(1) - 1);
            assert!(if pattern.is_none() { taken == all } else { taken <= all }, "{taken} lines of {all}");
            return;
        };
        assert!(following > next || page.taken > 0, "there is no progress");
        assert!(following <= page.total && pages <= text.len() + 1);
        if pages > 20 || page.is_partial {
            return;
        }
        next = following;
    }
}

/// The parser of a pattern shows it in its error, which replies cut.
fn in_few_words_after(error: &Error, pattern: &str) {
    let text = error.to_string();
    assert!(text.len() <= ERROR_BYTES + 8 * pattern.len().min(page::MAX_PATTERN_BYTES), "{} bytes", text.len());
}

/// What programs display.
pub fn displayed_seeds() -> Vec<Vec<u8>> {
    let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
    let bundles = [
        format!(r#"[["image/png","{pixel}"],["text/plain","<Figure>"]]"#),
        r#"[["text/plain","a"],["text/html","<b>"],["application/json","e30="]]"#.to_owned(),
        r#"[["image/JPEG; x=1","/9j/"],["application/x-thing","AAAA"]]"#.to_owned(),
        r#"[["image/svg+xml","<svg/>"]]"#.to_owned(),
    ];
    let images: [&[u8]; 4] = [
        b"GIF89a\x01\0\x01\0\x80\0\0",
        b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08\0\x08\0\x08\x03",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0",
    ];
    let bundles = bundles.into_iter().map(|bundle| chosen(0, bundle));
    bundles.chain(images.into_iter().map(|image| chosen(1, image))).collect()
}

/// What a program displayed, or an image: what goes to a client is what it says.
pub fn displayed(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice & 1 == 1 {
        if let Ok(image) = Image::new(bytes) {
            is_sound(&image);
            assert_eq!(image.bytes, bytes.len());
        }
        return;
    }
    let Ok(bundle) = serde_json::from_slice::<Vec<(String, String)>>(bytes) else { return };
    let length = bundle.iter().map(|(mime, data)| mime.len() + data.len()).sum::<usize>();
    match Shown::of(&RichOutput(bundle.clone())) {
        Shown::Image { image, text } => {
            is_sound(&image);
            assert!(text.is_none_or(|text| bundle.iter().any(|(_, data)| *data == text) && !is_bare(&text)));
        }
        Shown::Text { text, .. } => assert!(text.len() <= 3 * length, "{} bytes of {length}", text.len()),
        Shown::Other { base64, .. } => assert!(bundle.iter().any(|(_, data)| *data == base64)),
        Shown::Broken { mime, reason } => assert!(is_image(&mime) && reason.len() < 200),
    }
}

fn is_sound(image: &Image) {
    assert!(is_image(image.mime) && (1..=8000).contains(&image.pixels.0) && (1..=8000).contains(&image.pixels.1));
    let bytes = STANDARD.decode(&image.base64).expect("it is base64");
    assert_eq!((image_type(&bytes), bytes.len()), (Some(image.mime), image.bytes));
    assert!(!image.description().contains('\n'));
    assert!(serde_json::to_value(&image.base64).is_ok_and(|value| matches!(value, Value::String(_))));
}
