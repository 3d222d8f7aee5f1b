//! `read`: files of a session or a run, and the full output of a run.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use globset::GlobBuilder;
use regex::bytes::RegexBuilder;
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool};
use sandbox::{
    Error, Executor, FileEntry, Found, Principal, RunId, SessionId, Stream, StreamText, Workspace, WorkspacePath,
    read_range,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reply::{self, FileReply};
use super::{Hints, decode, tool};

pub(crate) const NAME: &str = "read";

/// Lines, entries or matches that a call returns unless it asks for another
/// number.
const DEFAULT_LIMIT: u64 = 500;
/// The most it may ask for.
const MAX_LIMIT: u64 = 10_000;
/// How much text one result carries.
const MAX_TEXT_BYTES: usize = 24 << 10;
/// The longest piece of one line.
const MAX_LINE_BYTES: usize = 2000;
/// The largest image that is returned whole.
const MAX_IMAGE_BYTES: u64 = 1 << 20;
/// How many bytes of a binary file one result carries.
const MAX_BLOB_BYTES: u64 = 16 << 10;
/// How much memory a compiled pattern may take. Matching is linear in time.
const PATTERN_BYTES: usize = 1 << 20;
/// How much of a file decides whether it is text.
const SNIFF_BYTES: u64 = 8192;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Handle of a session; or give run
    session: Option<String>,
    /// Handle of a run; path only if it had no session
    run: Option<String>,
    /// File, or directory to list
    path: Option<String>,
    /// stdout or stderr of run
    stream: Option<String>,
    /// First line from 1 (binary: first byte from 0)
    offset: Option<u64>,
    /// Lines or entries
    limit: Option<u64>,
    /// Regular expression for lines; glob for a directory
    pattern: Option<String>,
}

/// What is returned besides the content itself.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
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

/// Which part is wanted.
struct Part {
    offset: Option<u64>,
    limit: u64,
    pattern: Option<String>,
}

pub(crate) fn definition() -> Tool {
    let description =
        "Read or search a file or list a directory of a session or run, or read all output of a run (kept ten minutes)."
            .to_owned();
    tool::<Arguments, Reply>(NAME, "Read", description, Hints { read_only: true, destructive: false, idempotent: true })
}

/// Reads.
pub(crate) async fn call(
    executor: &Arc<Executor>,
    principal: &Principal,
    arguments: JsonObject,
) -> Result<CallToolResult, ErrorData> {
    match read(executor, principal, arguments).await {
        Ok(result) => result,
        Err(error) => reply::error(error),
    }
}

async fn read(
    executor: &Arc<Executor>,
    principal: &Principal,
    arguments: JsonObject,
) -> Result<Result<CallToolResult, ErrorData>, Error> {
    let Arguments { session, run, path, stream, offset, limit, pattern } = decode(arguments)?;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Error::invalid("limit", format!("must be between 1 and {MAX_LIMIT}, got {limit}")));
    }
    let part = Part { offset, limit, pattern };
    // Files can be large and disks slow; calls on the same connection wait
    // for neither.
    let work: Box<dyn FnOnce() -> Result<Result<CallToolResult, ErrorData>, Error> + Send> =
        match (session, run, path, stream) {
            (Some(session), None, path, None) => {
                let id = SessionId::parse(&session)?;
                let path = WorkspacePath::new("path", path.as_deref().unwrap_or("."))?;
                let files = executor.session_files(principal, &id).await?;
                Box::new(move || {
                    let found = find(&files, &path, &part);
                    // A restore waits for it, and need not wait for more.
                    drop(files);
                    show(found?, &part)
                })
            }
            (None, Some(run), path, None) => {
                let id = RunId::parse(&run)?;
                let run = executor.finished_run(principal, &id)?;
                let path = WorkspacePath::new("path", path.as_deref().unwrap_or("."))?;
                Box::new(move || show(find(run.workspace(&id)?, &path, &part)?, &part))
            }
            (None, Some(run), None, Some(stream)) => {
                let stream = match stream.as_str() {
                    "stdout" => Stream::Stdout,
                    "stderr" => Stream::Stderr,
                    other => {
                        let shown: String = other.chars().take(20).collect();
                        return Err(Error::invalid("stream", format!("must be stdout or stderr, got {shown:?}")));
                    }
                };
                let run = executor.finished_run(principal, &RunId::parse(&run)?)?;
                Box::new(move || read_stream(run.stream(stream)?, &part))
            }
            _ => {
                return Err(Error::invalid(
                    "arguments",
                    "must name `session`, or `run` with either `path` or `stream`",
                ));
            }
        };
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::host("read", source))?
}

fn find(workspace: &Workspace, path: &WorkspacePath, part: &Part) -> Result<Found, Error> {
    match (workspace.read(path)?, &part.pattern) {
        (Found::Directory(_), Some(glob)) => matching(workspace, path, glob).map(Found::Directory),
        (found, _) => Ok(found),
    }
}

fn show(found: Found, part: &Part) -> Result<Result<CallToolResult, ErrorData>, Error> {
    match found {
        Found::Directory(entries) => Ok(list(entries, part)),
        Found::File { mut file, size_bytes } => {
            let start = read_range(&mut file, 0, SNIFF_BYTES)?;
            if is_text(&start) {
                read_range(&mut file, 0, 0)?;
                return read_text(file, size_bytes, part);
            }
            read_binary(&mut file, size_bytes, &start, part)
        }
        Found::Link { target } => {
            let text = format!(
                "[a symbolic link to {}; links are not followed: read that path itself]",
                reply::one_line(&target)
            );
            Ok(reply::structured(text, &Reply { link_target: Some(target), ..Reply::default() }))
        }
    }
}

fn read_stream(text: StreamText, part: &Part) -> Result<Result<CallToolResult, ErrorData>, Error> {
    match text {
        StreamText::Whole(bytes) => read_text(bytes.as_slice(), bytes.len() as u64, part),
        StreamText::Spooled { file, bytes_seen } => read_text(file, bytes_seen, part),
    }
}

/// Valid as far as it goes, and without the byte that no text has.
fn is_text(start: &[u8]) -> bool {
    let valid = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !start.contains(&0)
}

fn read_text(source: impl Read, size_bytes: u64, part: &Part) -> Result<Result<CallToolResult, ErrorData>, Error> {
    let pattern = match &part.pattern {
        Some(pattern) => Some(
            RegexBuilder::new(pattern)
                .size_limit(PATTERN_BYTES)
                .build()
                .map_err(|error| Error::invalid("pattern", format!("is not a regular expression: {error}")))?,
        ),
        None => None,
    };
    let first = part.offset.unwrap_or(1).max(1);
    let mut reader = BufReader::with_capacity(64 << 10, source);
    let mut text = String::new();
    let (mut number, mut taken, mut last, mut next) = (0_u64, 0_u64, 0_u64, None);
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line).map_err(|source| Error::host("read a file", source))? {
        number += 1;
        let wanted = number >= first && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&line));
        if !wanted || next.is_some() {
            continue;
        }
        if taken >= part.limit || text.len() + line.len() > MAX_TEXT_BYTES {
            next = Some(number);
            continue;
        }
        if pattern.is_some() {
            text.push_str(&format!("{number}: "));
        }
        text.push_str(&String::from_utf8_lossy(&line));
        text.push('\n');
        taken += 1;
        last = number;
    }
    let range = match (&pattern, taken) {
        (_, 0) => format!("no line in range; {number} lines in all"),
        (Some(_), _) => format!("{taken} matching lines of {number}"),
        (None, _) => format!("lines {first}-{last} of {number}"),
    };
    let more = next.map(|next| format!("; offset={next} goes on")).unwrap_or_default();
    let reply = Reply {
        first_line: (taken > 0).then_some(first),
        last_line: (taken > 0).then_some(last),
        total_lines: Some(number),
        size_bytes: Some(size_bytes),
        next_offset: next,
        ..Reply::default()
    };
    // The text is long, so it is sent once: as content, with its range.
    Ok(reply::structured(format!("{text}[{range}{more}]"), &reply))
}

/// Reads one line without its end, and only the beginning of a long one.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = &available[..end.unwrap_or(available.len())];
        let room = MAX_LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&piece[..room.min(piece.len())]);
        let consumed = end.map_or(piece.len(), |end| end + 1);
        reader.consume(consumed);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn read_binary(
    file: &mut std::fs::File,
    size_bytes: u64,
    start: &[u8],
    part: &Part,
) -> Result<Result<CallToolResult, ErrorData>, Error> {
    let image = image_type(start).filter(|_| part.offset.is_none() && size_bytes <= MAX_IMAGE_BYTES);
    let mut reply = Reply { size_bytes: Some(size_bytes), ..Reply::default() };
    if let Some(mime) = image {
        let bytes = read_range(file, 0, size_bytes)?;
        reply.mime_type = Some(mime);
        let text = format!("[{mime}, {size_bytes} bytes]");
        return Ok(reply::structured(text, &reply).map(|mut result| {
            result.content.push(ContentBlock::image(STANDARD.encode(bytes), mime));
            result
        }));
    }
    let offset = part.offset.unwrap_or(0);
    if offset > size_bytes {
        return Err(Error::invalid(
            "offset",
            format!("must be at most the size of the file, {size_bytes}, got {offset}"),
        ));
    }
    let bytes = read_range(file, offset, MAX_BLOB_BYTES)?;
    let end = offset + bytes.len() as u64;
    let more = if end < size_bytes { format!("; offset={end} goes on") } else { String::new() };
    reply.next_offset = (end < size_bytes).then_some(end);
    reply.mime_type = Some("application/octet-stream");
    reply.base64 = Some(STANDARD.encode(bytes));
    Ok(reply::structured(
        format!("[binary file: bytes {offset}-{end} of {size_bytes} in base64 in the structured content{more}]"),
        &reply,
    ))
}

fn image_type(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Every file below `path` that `glob` matches, relative to `path`.
fn matching(workspace: &Workspace, path: &WorkspacePath, glob: &str) -> Result<Vec<FileEntry>, Error> {
    let matcher = GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map_err(|error| Error::invalid("pattern", format!("is not a glob: {error}")))?
        .compile_matcher();
    let prefix = if path.is_root() { String::new() } else { format!("{path}/") };
    let survey = workspace.survey()?;
    Ok(survey
        .files()
        .filter_map(|entry| {
            let relative = entry.path.strip_prefix(&prefix)?.to_owned();
            matcher.is_match(&relative).then_some(FileEntry { path: relative, ..entry })
        })
        .collect())
}

fn list(entries: Vec<FileEntry>, part: &Part) -> Result<CallToolResult, ErrorData> {
    let total = entries.len() as u64;
    let skip = part.offset.unwrap_or(0);
    let mut text = String::new();
    let mut taken = Vec::new();
    for entry in entries.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
        if taken.len() as u64 >= part.limit || text.len() + entry.path.len() > MAX_TEXT_BYTES {
            break;
        }
        let kind = if entry.is_link { "\tsymbolic link" } else { "" };
        text.push_str(&format!("{}\t{}{kind}\n", reply::one_line(&entry.path), entry.size_bytes));
        taken.push(FileReply::from(entry));
    }
    let end = skip + taken.len() as u64;
    let next_offset = (end < total).then_some(end);
    let more = next_offset.map(|next| format!("; offset={next} goes on")).unwrap_or_default();
    text.push_str(&format!("[{} of {total} entries{more}]", taken.len()));
    reply::structured(text, &Reply { entries: Some(taken), next_offset, ..Reply::default() })
}
