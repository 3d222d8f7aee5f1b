//! What is in a file, a directory or an output, as `read` returns it: a page of
//! lines, a range of bytes, an image, a list.

use std::io::{Cursor, Read, Seek, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use globset::{GlobBuilder, GlobMatcher};
use rmcp::model::{CallToolResult, ContentBlock};
use sandbox::{
    Error, FileEntry, FinishedRun, Found, MountedPath, Stream, StreamText, Workspace, WorkspacePath, has_escapes,
    one_line, path_of, read_range,
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Result;
use super::displayed::{self, IMAGE_BYTES, Image, Shown};
use super::encoding::{self, Content};
use super::page::{self, Lines, MAX_TEXT_BYTES};
use super::reply::{self, FileReply, Form};

/// How many bytes of a binary file one result carries. In base64 they are many
/// tokens.
const BLOB_BYTES: u64 = 3 << 10;
/// How much one result has of entries as structure, and what each takes there
/// beside its path.
const MAX_STRUCTURED_BYTES: usize = 2 * MAX_TEXT_BYTES;
const ENTRY_BYTES: usize = 32;
/// The longest glob.
const MAX_GLOB_BYTES: usize = 1024;
/// How much of a file decides whether it is text.
const SNIFF_BYTES: u64 = 8192;

/// What is returned besides the content itself.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<FileReply>>,
    // Not in the schema, as with `FileReply`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    link_target: Option<String>,
    /// Pass as offset to go on
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

/// Which part is wanted, and how.
pub(super) struct Part {
    pub(super) offset: Option<u64>,
    pub(super) byte_offset: Option<u64>,
    pub(super) limit: u64,
    pub(super) pattern: Option<String>,
    pub(super) encoding: Option<&'static encoding_rs::Encoding>,
    pub(super) cancel: CancellationToken,
    pub(super) form: Form,
}

pub(super) fn find(workspace: &Workspace, path: &WorkspacePath, part: &Part) -> Result<Found> {
    match (workspace.read(path)?, &part.pattern) {
        (Found::Directory(_), Some(glob)) => matching(workspace, path, glob).map(Found::Directory),
        (found, _) => Ok(found),
    }
}

/// What lies at a path in a mount, as far as that is wanted.
pub(super) fn find_mounted(path: &MountedPath, part: &Part) -> Result<Found> {
    match (path.read()?, &part.pattern) {
        (Found::Directory(_), Some(glob)) => {
            let matcher = glob_of(glob)?;
            path.search(|path| matcher.is_match(path), || part.cancel.is_cancelled()).map(Found::Directory)
        }
        (found, _) => Ok(found),
    }
}

pub(super) fn show(found: Found, part: &Part) -> Result<CallToolResult> {
    match found {
        Found::Directory(_) if part.byte_offset.is_some() => {
            Err(Error::invalid("byte_offset", "goes with a file, and the path is a directory; use `offset`"))
        }
        Found::Directory(entries) => list(entries, part),
        Found::File { mut file, size_bytes } => {
            let start = read_range(&mut file, 0, SNIFF_BYTES)?;
            if part.encoding.is_some() {
                return read_text(file, size_bytes, part);
            }
            match Content::of(&start) {
                Content::Utf8 => read_text(file, size_bytes, part),
                Content::Marked(encoding) => {
                    read_decoded(file, size_bytes, encoding, "by the mark at its beginning", part)
                }
                Content::Guessed(encoding) => read_decoded(file, size_bytes, encoding, "which is a guess", part),
                Content::Binary => read_binary(&mut file, size_bytes, &start, part),
            }
        }
        Found::Link { target } => {
            let text =
                format!("[a symbolic link to {}; links are not followed: read that path itself]", one_line(&target));
            reply::success(text, &Reply { link_target: Some(target), ..Reply::default() }, part.form)
        }
    }
}

/// A text that is not UTF-8, decoded, with a word about that.
fn read_decoded(
    file: std::fs::File,
    size_bytes: u64,
    encoding: &'static encoding_rs::Encoding,
    why: &str,
    part: &Part,
) -> Result<CallToolResult> {
    let note = format!("not UTF-8: read as {}, {why}; `encoding` reads it in another", encoding.name());
    match part.byte_offset {
        Some(offset) => read_decoded_bytes(file, offset, encoding, part),
        None => read_lines(file, size_bytes, Some(encoding), &note, part),
    }
}

pub(super) fn read_stream(run: &FinishedRun, stream: &str, part: &Part) -> Result<CallToolResult> {
    let stream = match stream {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        "result" => return read_string(run.result()?, part),
        "traceback" => return read_string(run.traceback()?, part),
        other => {
            let shown: String = other.chars().take(20).collect();
            let reason = format!("must be stdout, stderr, result or traceback, got {shown:?}");
            return Err(Error::invalid("stream", reason));
        }
    };
    match run.stream(stream)? {
        StreamText::Whole(bytes) => read_text(Cursor::new(&bytes), bytes.len() as u64, part),
        StreamText::Spooled { file, bytes_seen } => read_text(file, bytes_seen, part),
    }
}

fn read_string(text: String, part: &Part) -> Result<CallToolResult> {
    read_text(Cursor::new(text.as_bytes()), text.len() as u64, part)
}

pub(super) fn read_output(run: &FinishedRun, number: u64, part: &Part) -> Result<CallToolResult> {
    match Shown::of(&run.output(number)?) {
        Shown::Image { image, .. } if image.base64.len() > IMAGE_BYTES => {
            let reason =
                format!("[output {number}: {}, which is too large to send; make it smaller]", image.description());
            reply::success(reason, &Reply { size_bytes: Some(image.bytes as u64), ..Reply::default() }, part.form)
        }
        Shown::Image { image, .. } => {
            let mime_type = Some(image.mime.to_owned());
            let reply = Reply { size_bytes: Some(image.bytes as u64), mime_type, ..Reply::default() };
            let text = format!("[output {number}: {}]", image.description());
            Ok(with_image(reply::success(text, &reply, part.form)?, image))
        }
        Shown::Broken { mime, reason } => {
            reply::success(format!("[output {number}: {mime} left out: {reason}]"), &Reply::default(), part.form)
        }
        Shown::Text { text, .. } => read_string(text, part),
        Shown::Other { base64, .. } => read_string(base64, part),
    }
}

fn with_image(mut result: CallToolResult, image: Image) -> CallToolResult {
    result.content.push(ContentBlock::image(image.base64, image.mime));
    result
}

fn read_text(source: impl Read + Seek, size_bytes: u64, part: &Part) -> Result<CallToolResult> {
    match (part.byte_offset, part.encoding) {
        (Some(offset), Some(encoding)) => read_decoded_bytes(source, offset, encoding, part),
        (Some(offset), None) => read_bytes(source, size_bytes, offset, part),
        (None, _) => read_lines(source, size_bytes, part.encoding, "", part),
    }
}

fn read_lines(
    mut source: impl Read + Seek,
    size_bytes: u64,
    encoding: Option<&'static encoding_rs::Encoding>,
    note: &str,
    part: &Part,
) -> Result<CallToolResult> {
    source.rewind().map_err(|source| Error::host("read a text", source))?;
    let first = part.offset.unwrap_or(1).max(1);
    let wanted = Lines { first, limit: part.limit, pattern: part.pattern.as_deref(), cancel: &part.cancel };
    let page = match encoding {
        Some(encoding) => page::lines(encoding::decoded(source, encoding), &wanted)?,
        None => page::lines(source, &wanted)?,
    };
    let (taken, last, total) = (page.taken, page.last, page.total);
    let range = match (&part.pattern, taken) {
        (Some(_), 0) => format!("no line matches; {total} lines in all"),
        (None, 0) => format!("no line in range; {total} lines in all"),
        (Some(_), _) => format!("{taken} matching lines of {total}"),
        (None, _) => format!("lines {first}-{last} of {total}"),
    };
    let more = page.next.map(|next| format!("; offset={next} goes on")).unwrap_or_default();
    let lossy = if page.is_lossy { "; some of it is not UTF-8, and `encoding` reads it in another" } else { "" };
    let partial = if page.is_partial { "; the search was ended after 2 s" } else { "" };
    let note = if note.is_empty() { String::new() } else { format!("; {note}") };
    let reply = Reply {
        first_line: (taken > 0).then_some(first),
        last_line: (taken > 0).then_some(last),
        total_lines: Some(total),
        size_bytes: Some(size_bytes),
        next_offset: page.next,
        ..Reply::default()
    };
    // The text is long, so it is sent once: as content, with its range.
    reply::success(format!("{}[{range}{partial}{more}{lossy}{note}]", page.text), &reply, part.form)
}

/// A range of bytes, as text: for lines that are longer than a page.
fn read_bytes(mut source: impl Read + Seek, size_bytes: u64, offset: u64, part: &Part) -> Result<CallToolResult> {
    check_offset(offset, size_bytes)?;
    let mut bytes = Vec::new();
    source
        .seek(SeekFrom::Start(offset))
        .and_then(|_| source.take(MAX_TEXT_BYTES as u64).read_to_end(&mut bytes))
        .map_err(|source| Error::host("read a text", source))?;
    let (start, end, text) = page::whole_characters(&bytes, offset);
    let is_over = bytes.is_empty() || end >= size_bytes;
    let more = if is_over { String::new() } else { format!("; byte_offset={end} goes on") };
    let reply = Reply { size_bytes: Some(size_bytes), next_offset: (!is_over).then_some(end), ..Reply::default() };
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    reply::success(format!("{text}{newline}[bytes {start}-{end} of {size_bytes}{more}]"), &reply, part.form)
}

/// A range of bytes of the decoded text, since halves of characters of most
/// encodings cannot be told.
fn read_decoded_bytes(
    mut source: impl Read + Seek,
    offset: u64,
    encoding: &'static encoding_rs::Encoding,
    part: &Part,
) -> Result<CallToolResult> {
    let failed = |source| Error::host("read a text", source);
    source.rewind().map_err(failed)?;
    let mut decoded = encoding::decoded(source, encoding);
    let skipped = std::io::copy(&mut (&mut decoded).take(offset), &mut std::io::sink()).map_err(failed)?;
    check_offset(offset, skipped)?;
    let mut bytes = Vec::new();
    (&mut decoded).take(MAX_TEXT_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
    let is_over = decoded.read(&mut [0]).map_err(failed)? == 0;
    let (start, end, text) = page::whole_characters(&bytes, offset);
    let more = if is_over { String::new() } else { format!("; byte_offset={end} goes on") };
    let reply = Reply { next_offset: (!is_over).then_some(end), ..Reply::default() };
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let range = format!("[bytes {start}-{end} as UTF-8, read as {}{more}]", encoding.name());
    reply::success(format!("{text}{newline}{range}"), &reply, part.form)
}

fn check_offset(offset: u64, size_bytes: u64) -> Result<()> {
    if offset > size_bytes {
        let reason = format!("must be at most the size of what is read, {size_bytes}, got {offset}");
        return Err(Error::invalid("byte_offset", reason));
    }
    Ok(())
}

fn read_binary(file: &mut std::fs::File, size_bytes: u64, start: &[u8], part: &Part) -> Result<CallToolResult> {
    let at_start = part.offset.is_none() && part.byte_offset.is_none();
    let mut reply = Reply { size_bytes: Some(size_bytes), ..Reply::default() };
    let mut kind = "binary file";
    if let Some(mime) = displayed::image_type(start).filter(|_| at_start) {
        // No more bytes are read than an image may have, whose base64 is a third longer.
        let bytes = read_range(file, 0, (IMAGE_BYTES / 4 * 3) as u64 + 1)?;
        match Image::new(&bytes).ok().filter(|_| bytes.len() as u64 == size_bytes) {
            Some(image) if image.base64.len() <= IMAGE_BYTES => {
                reply.mime_type = Some(mime.to_owned());
                let text = format!("[{}]", image.description());
                return Ok(with_image(reply::success(text, &reply, part.form)?, image));
            }
            _ => kind = "image that is damaged or too large to send",
        }
    }
    if part.pattern.is_some() {
        return Err(Error::invalid(
            "pattern",
            "goes with text, and this is a binary file; `encoding` makes a text of it",
        ));
    }
    let offset = part.byte_offset.or(part.offset).unwrap_or(0);
    check_offset(offset, size_bytes)?;
    let bytes = read_range(file, offset, BLOB_BYTES)?;
    let end = offset + bytes.len() as u64;
    let more = if end < size_bytes { format!("; byte_offset={end} goes on") } else { String::new() };
    reply.next_offset = (end < size_bytes).then_some(end);
    reply.mime_type = Some("application/octet-stream".to_owned());
    let encoded = STANDARD.encode(bytes);
    let hint = if kind == "binary file" { "; if it is text, `encoding` reads it" } else { "" };
    let text = format!("{encoded}\n[{kind}: bytes {offset}-{end} of {size_bytes} in base64{more}{hint}]");
    reply.base64 = Some(encoded);
    reply::success(text, &reply, part.form)
}

/// The glob of a caller.
pub(super) fn glob_of(pattern: &str) -> Result<GlobMatcher> {
    page::bounded(pattern, MAX_GLOB_BYTES)?;
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    Ok(glob.map_err(|error| Error::invalid("pattern", format!("is not a glob: {error}")))?.compile_matcher())
}

/// Every file below `path` that `glob` matches, relative to `path`.
fn matching(workspace: &Workspace, path: &WorkspacePath, glob: &str) -> Result<Vec<FileEntry>> {
    let matcher = glob_of(glob)?;
    let prefix = if path.is_root() { String::new() } else { format!("{path}/") };
    let survey = workspace.survey()?;
    Ok(survey
        .files()
        // What is in /tmp is found there.
        .filter(|entry| !path.is_root() || !entry.path.starts_with('/'))
        .filter_map(|entry| {
            let relative = entry.path.strip_prefix(&prefix)?.to_owned();
            matcher.is_match(path_of(&relative)).then_some(FileEntry { path: relative, ..entry })
        })
        .collect())
}

fn list(entries: Vec<FileEntry>, part: &Part) -> Result<CallToolResult> {
    let total = entries.len() as u64;
    let skip = part.offset.unwrap_or(0);
    let (mut text, mut structured) = (String::new(), 0);
    let mut taken = Vec::new();
    for entry in entries.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
        structured += entry.path.len() + ENTRY_BYTES;
        if taken.len() as u64 >= part.limit
            || text.len() + entry.path.len() > MAX_TEXT_BYTES
            || part.form.structured && structured > MAX_STRUCTURED_BYTES
        {
            break;
        }
        let kind = if entry.is_link { "\tsymbolic link" } else { "" };
        text.push_str(&format!("{}\t{}{kind}\n", one_line(&entry.path), entry.size_bytes));
        taken.push(FileReply::from(entry));
    }
    let end = skip + taken.len() as u64;
    let next_offset = (end < total).then_some(end);
    let more = next_offset.map(|next| format!("; offset={next} goes on")).unwrap_or_default();
    let escapes = if taken.iter().any(|entry| has_escapes(&entry.path)) { "; in names \\xHH is one byte" } else { "" };
    text.push_str(&format!("[{} of {total} entries{more}{escapes}]", taken.len()));
    reply::success(text, &Reply { entries: Some(taken), next_offset, ..Reply::default() }, part.form)
}
