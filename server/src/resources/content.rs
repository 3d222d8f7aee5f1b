//! Bytes as the content of a resource: text where they are text, and of which type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::ResourceContents;
use sandbox::{FileEntry, one_line};

use crate::tools::image_type;

/// Types of text by the ending of a name; a text with another ending is plain.
const TEXTS: [(&str, &str); 16] = [
    ("py", "text/x-python"),
    ("js", "text/javascript"),
    ("ts", "text/x-typescript"),
    ("sh", "text/x-shellscript"),
    ("rs", "text/x-rust"),
    ("c", "text/x-c"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("tsv", "text/tab-separated-values"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("xml", "application/xml"),
    ("svg", "image/svg+xml"),
    ("json", "application/json"),
    ("yaml", "application/yaml"),
    ("toml", "application/toml"),
];

/// Types of what is no text.
const OTHERS: [(&str, &str); 10] = [
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("tar", "application/x-tar"),
    ("parquet", "application/vnd.apache.parquet"),
    ("sqlite", "application/vnd.sqlite3"),
    ("db", "application/vnd.sqlite3"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
];

/// The type of a text by the name of its file.
pub(super) fn text_type(name: &str) -> &'static str {
    by_ending(name, &TEXTS).unwrap_or("text/plain")
}

/// The type of a file, as far as its name tells.
pub(super) fn likely_type(name: &str) -> Option<&'static str> {
    by_ending(name, &TEXTS).or_else(|| by_ending(name, &OTHERS)).or_else(|| by_ending(name, &IMAGES))
}

const IMAGES: [(&str, &str); 5] =
    [("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("gif", "image/gif"), ("webp", "image/webp")];

fn by_ending(name: &str, types: &[(&str, &'static str)]) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    types.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, mime)| *mime)
}

/// What is in a file of that name. An image is what its first bytes say.
pub(super) fn contents(uri: &str, name: &str, bytes: Vec<u8>) -> ResourceContents {
    match String::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri).with_mime_type(text_type(name)),
        Err(error) => {
            let bytes = error.as_bytes();
            let of_others = || by_ending(name, &OTHERS).unwrap_or("application/octet-stream");
            blob(uri, image_type(bytes).unwrap_or_else(of_others), STANDARD.encode(bytes))
        }
    }
}

/// The content of a resource that is in base64 already.
pub(super) fn blob(uri: &str, mime: &str, base64: String) -> ResourceContents {
    ResourceContents::blob(base64, uri).with_mime_type(mime)
}

/// The entries of a folder, one a line, with their sizes.
pub(super) fn listing(entries: &[FileEntry]) -> String {
    let line = |entry: &FileEntry| {
        let kind = if entry.is_link { "\tsymbolic link" } else { "" };
        format!("{}\t{}{kind}\n", one_line(&entry.path), entry.size_bytes)
    };
    entries.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_that_of_what_is_there() {
        let told = |name: &str, bytes: &[u8]| match contents("u", name, bytes.to_vec()) {
            ResourceContents::TextResourceContents { mime_type, .. } => format!("text {}", mime_type.unwrap()),
            ResourceContents::BlobResourceContents { mime_type, .. } => format!("blob {}", mime_type.unwrap()),
            other => panic!("{other:?}"),
        };
        for (name, bytes, expected) in [
            ("a.py", &b"x = 1"[..], "text text/x-python"),
            ("a.CSV", b"", "text text/csv"),
            ("a", "é".as_bytes(), "text text/plain"),
            ("a.png", b"no image", "text text/plain"),
            ("a.txt", b"\x89PNG\r\n\x1a\n\xff", "blob image/png"),
            ("a.py", b"\xff", "blob application/octet-stream"),
            ("a.pdf", b"%PDF-\xff", "blob application/pdf"),
        ] {
            assert_eq!(told(name, bytes), expected, "{name}");
        }
    }
}
