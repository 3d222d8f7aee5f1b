//! `read`: files of a session or a run, and the full output of a run.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use globset::{GlobBuilder, GlobMatcher};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool};
use sandbox::{
    Error, Executor, FileEntry, FinishedRun, Found, Principal, RunId, SessionId, Stream, StreamText, Workspace,
    WorkspacePath, has_escapes, one_line, path_of, read_range,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::arguments::decode;
use super::displayed::{self, IMAGE_BYTES, Image, Shown};
use super::encoding::{self, Content};
use super::page::{self, Lines, MAX_TEXT_BYTES};
use super::reply::{self, FileReply, Form};
use super::{Hints, schema, tool};

pub(crate) const NAME: &str = "read";

/// Lines, entries or matches that a call returns unless it asks for another
/// number.
const DEFAULT_LIMIT: u64 = 500;
/// The most it may ask for.
const MAX_LIMIT: u64 = 10_000;
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

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Handle of a session; or give run
    session: Option<String>,
    /// Handle of a run; path only if it had no session
    run: Option<String>,
    /// File, or directory to list
    path: Option<String>,
    /// Of run: stdout, stderr, result or traceback
    stream: Option<String>,
    /// Of run: number of something it displayed
    output: Option<u64>,
    /// First line, from 1
    offset: Option<u64>,
    /// First byte, from 0, in place of a line
    byte_offset: Option<u64>,
    /// Lines or entries
    limit: Option<u64>,
    /// Regular expression for lines; glob for a directory
    pattern: Option<String>,
    /// Of a text that is not UTF-8
    encoding: Option<String>,
}

pub(super) static SCHEMA: LazyLock<Arc<JsonObject>> = LazyLock::new(schema::<Arguments>);

/// What is returned besides the content itself.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Reply {
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
struct Part {
    offset: Option<u64>,
    byte_offset: Option<u64>,
    limit: u64,
    pattern: Option<String>,
    encoding: Option<&'static encoding_rs::Encoding>,
    cancel: CancellationToken,
    form: Form,
}

type Answer = Result<CallToolResult, ErrorData>;

pub(crate) fn definition(form: Form) -> Tool {
    let description =
        "Read or search a file or list a directory of a session or run, or read all output of a run (kept ten minutes)."
            .to_owned();
    let hints = Hints { read_only: true, destructive: false, idempotent: true };
    tool::<Arguments, Reply>(NAME, "Read", description, hints, form)
}

/// Reads.
pub(crate) async fn call(
    executor: &Arc<Executor>,
    principal: &Principal,
    arguments: JsonObject,
    cancel: &CancellationToken,
    form: Form,
) -> Answer {
    match read(executor, principal, arguments, cancel, form).await {
        Ok(result) => result,
        Err(error) => reply::error(error),
    }
}

async fn read(
    executor: &Arc<Executor>,
    principal: &Principal,
    arguments: JsonObject,
    cancel: &CancellationToken,
    form: Form,
) -> Result<Answer, Error> {
    let Arguments { session, run, path, stream, output, offset, byte_offset, limit, pattern, encoding } =
        decode(&SCHEMA, arguments)?;
    let asked = limit;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Error::invalid("limit", format!("must be between 1 and {MAX_LIMIT}, got {limit}")));
    }
    let given = [("offset", offset.is_some()), ("pattern", pattern.is_some()), ("limit", asked.is_some())];
    if let Some((other, _)) = given.iter().find(|(_, given)| *given && byte_offset.is_some()) {
        return Err(Error::invalid("byte_offset", format!("cannot stand beside `{other}`; leave one of them out")));
    }
    let encoding = encoding.as_deref().map(encoding::named).transpose()?;
    let part = Part { offset, byte_offset, limit, pattern, encoding, cancel: cancel.clone(), form };
    let workspace_path = |path: Option<String>| WorkspacePath::of_any_name("path", path.as_deref().unwrap_or("."));
    let got = || {
        let given = [
            ("session", session.is_some()),
            ("run", run.is_some()),
            ("path", path.is_some()),
            ("stream", stream.is_some()),
            ("output", output.is_some()),
        ];
        let given: Vec<_> = given.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        if given.is_empty() { "nothing".to_owned() } else { given.join(" and ") }
    };
    let got = got();
    // Files can be large and disks slow; calls on the same connection wait
    // for neither.
    let work: Box<dyn FnOnce() -> Result<Answer, Error> + Send> = match (session, run, path, stream, output) {
        (Some(session), None, path, None, None) => {
            let id = SessionId::parse(&session)?;
            let path = workspace_path(path)?;
            let files = executor.session_files(principal, &id).await?;
            Box::new(move || {
                let found = find(&files, &path, &part);
                // A restore waits for it, and need not wait for more.
                drop(files);
                show(found?, &part)
            })
        }
        (None, Some(run), path, None, None) => {
            let id = RunId::parse(&run)?;
            let run = executor.finished_run(principal, &id)?;
            let path = workspace_path(path)?;
            Box::new(move || show(find(run.workspace(&id)?, &path, &part)?, &part))
        }
        (None, Some(run), None, Some(stream), None) => {
            let run = executor.finished_run(principal, &RunId::parse(&run)?)?;
            Box::new(move || read_stream(&run, &stream, &part))
        }
        (None, Some(run), None, None, Some(number)) => {
            let run = executor.finished_run(principal, &RunId::parse(&run)?)?;
            Box::new(move || read_output(&run, number, &part))
        }
        _ => {
            return Err(Error::invalid(
                "arguments",
                format!(
                    "must name `session` with `path`, or `run` with one of `path`, `stream` and `output`, got {got}"
                ),
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

fn show(found: Found, part: &Part) -> Result<Answer, Error> {
    match found {
        Found::Directory(_) if part.byte_offset.is_some() => {
            Err(Error::invalid("byte_offset", "goes with a file, and the path is a directory; use `offset`"))
        }
        Found::Directory(entries) => Ok(list(entries, part)),
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
            Ok(reply::success(text, &Reply { link_target: Some(target), ..Reply::default() }, part.form))
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
) -> Result<Answer, Error> {
    let note = format!("not UTF-8: read as {}, {why}; `encoding` reads it in another", encoding.name());
    match part.byte_offset {
        Some(offset) => read_decoded_bytes(file, offset, encoding, part),
        None => read_lines(file, size_bytes, Some(encoding), &note, part),
    }
}

fn read_stream(run: &FinishedRun, stream: &str, part: &Part) -> Result<Answer, Error> {
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

fn read_string(text: String, part: &Part) -> Result<Answer, Error> {
    read_text(Cursor::new(text.as_bytes()), text.len() as u64, part)
}

fn read_output(run: &FinishedRun, number: u64, part: &Part) -> Result<Answer, Error> {
    match Shown::of(&run.output(number)?) {
        Shown::Image { image, .. } if image.base64.len() > IMAGE_BYTES => {
            let reason =
                format!("[output {number}: {}, which is too large to send; make it smaller]", image.description());
            Ok(reply::success(reason, &Reply { size_bytes: Some(image.bytes as u64), ..Reply::default() }, part.form))
        }
        Shown::Image { image, .. } => {
            let mime_type = Some(image.mime.to_owned());
            let reply = Reply { size_bytes: Some(image.bytes as u64), mime_type, ..Reply::default() };
            let text = format!("[output {number}: {}]", image.description());
            Ok(with_image(reply::success(text, &reply, part.form), image))
        }
        Shown::Broken { mime, reason } => {
            Ok(reply::success(format!("[output {number}: {mime} left out: {reason}]"), &Reply::default(), part.form))
        }
        Shown::Text { text, .. } => read_string(text, part),
        Shown::Other { base64, .. } => read_string(base64, part),
    }
}

fn with_image(answer: Answer, image: Image) -> Answer {
    answer.map(|mut result| {
        result.content.push(ContentBlock::image(image.base64, image.mime));
        result
    })
}

fn read_text(source: impl Read + Seek, size_bytes: u64, part: &Part) -> Result<Answer, Error> {
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
) -> Result<Answer, Error> {
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
    Ok(reply::success(format!("{}[{range}{partial}{more}{lossy}{note}]", page.text), &reply, part.form))
}

/// A range of bytes, as text: for lines that are longer than a page.
fn read_bytes(mut source: impl Read + Seek, size_bytes: u64, offset: u64, part: &Part) -> Result<Answer, Error> {
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
    Ok(reply::success(format!("{text}{newline}[bytes {start}-{end} of {size_bytes}{more}]"), &reply, part.form))
}

/// A range of bytes of the decoded text, since halves of characters of most
/// encodings cannot be told.
fn read_decoded_bytes(
    mut source: impl Read + Seek,
    offset: u64,
    encoding: &'static encoding_rs::Encoding,
    part: &Part,
) -> Result<Answer, Error> {
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
    Ok(reply::success(format!("{text}{newline}{range}"), &reply, part.form))
}

fn check_offset(offset: u64, size_bytes: u64) -> Result<(), Error> {
    if offset > size_bytes {
        let reason = format!("must be at most the size of what is read, {size_bytes}, got {offset}");
        return Err(Error::invalid("byte_offset", reason));
    }
    Ok(())
}

fn read_binary(file: &mut std::fs::File, size_bytes: u64, start: &[u8], part: &Part) -> Result<Answer, Error> {
    let at_start = part.offset.is_none() && part.byte_offset.is_none();
    let mut reply = Reply { size_bytes: Some(size_bytes), ..Reply::default() };
    let mut kind = "binary file";
    if let Some(mime) = displayed::image_type(start).filter(|_| at_start) {
        // As many bytes as base64 makes the most of.
        let bytes = read_range(file, 0, (IMAGE_BYTES / 4 * 3) as u64 + 1)?;
        match Image::new(&bytes).ok().filter(|_| bytes.len() as u64 == size_bytes) {
            Some(image) if image.base64.len() <= IMAGE_BYTES => {
                reply.mime_type = Some(mime.to_owned());
                let text = format!("[{}]", image.description());
                return Ok(with_image(reply::success(text, &reply, part.form), image));
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
    Ok(reply::success(text, &reply, part.form))
}

/// The glob of a caller.
pub(super) fn glob_of(pattern: &str) -> Result<GlobMatcher, Error> {
    page::bounded(pattern, MAX_GLOB_BYTES)?;
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    Ok(glob.map_err(|error| Error::invalid("pattern", format!("is not a glob: {error}")))?.compile_matcher())
}

/// Every file below `path` that `glob` matches, relative to `path`.
fn matching(workspace: &Workspace, path: &WorkspacePath, glob: &str) -> Result<Vec<FileEntry>, Error> {
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

fn list(entries: Vec<FileEntry>, part: &Part) -> Answer {
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
