//! The only place where an [`Outcome`] or an [`Error`] becomes an MCP result.
//!
//! The text stands on its own. Structured content says the same for programs,
//! where the operator wants it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use sandbox::{Error, FileEntry, Limits, Outcome, Resource, RichOutput, SessionReport, Status, Usage};
use schemars::JsonSchema;
use serde::Serialize;

use super::any_object;
use super::displayed::{IMAGE_BYTES, MAX_IMAGES, Shown, is_image};
use super::links::links;
use super::report::{report, session_line, text_of_output};

/// How many changed files the structured content names.
const STRUCTURED_FILES: usize = 200;
const STRUCTURED_FILES_BYTES: usize = 16 << 10;
/// What a type takes beside its name and data: quotes, and the note where data is
/// cut.
const ENTRY_BYTES: usize = 64;
/// The longest refusal: it may quote what the caller sent.
const ERROR_BYTES: usize = 1000;
/// What callers are told of what only the operator can mend.
pub(crate) const OPAQUE: &str = "the server failed to carry out the call; its log says why";

/// What `execute` returns.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExecuteReply {
    /// Handle for `read`
    run: String,
    /// exited, signaled, trapped, limit_exceeded or cancelled
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trap: Option<&'static str>,
    /// The limit that was reached
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    stdout: String,
    stderr: String,
    /// Per stream that was cut: bytes_kept, bytes_seen
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "any_object")]
    truncated: BTreeMap<&'static str, Truncated>,
    /// repr of the last expression
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReply>,
    /// By MIME type; images follow as content
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<BTreeMap<String, String>>,
    /// Created or changed
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionReply>,
    #[schemars(with = "BTreeMap<String, u64>")]
    usage: Usage,
    /// Those other than the defaults of this server
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Truncated {
    bytes_kept: u64,
    bytes_seen: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ErrorReply {
    name: String,
    value: String,
    traceback: String,
}

/// A file and its size.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FileReply {
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    // Not in the schema, which all clients pay for: where it is, it says what
    // it means.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(skip)]
    is_link: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl From<FileEntry> for FileReply {
    fn from(entry: FileEntry) -> Self {
        Self { path: entry.path, size_bytes: entry.size_bytes, is_link: entry.is_link }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionReply {
    pub(crate) id: String,
    /// kept, files_only, or rolled_back: as before the call
    state: &'static str,
    /// Grows with every change
    pub(crate) sequence: u64,
    pub(crate) expires_at: String,
    /// What texts say of it.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) line: String,
}

impl From<SessionReport> for SessionReply {
    fn from(report: SessionReport) -> Self {
        Self {
            line: session_line(&report),
            id: report.id.to_string(),
            state: report.state.name(),
            sequence: report.sequence,
            expires_at: time(report.expires_at),
        }
    }
}

/// A time as RFC 3339.
pub(crate) fn time(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// How results are given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Whether structured content stands beside the text. Clients show their
    /// models that in place of text and images, so it is for programs.
    pub(crate) structured: bool,
}

/// The result of a run, with `notes` on how its request was understood.
pub(crate) fn outcome(outcome: Outcome, notes: &[String], defaults: &Limits, form: Form) -> CallToolResult {
    let is_error = !outcome.report.status.is_success();
    let shown: Vec<_> = outcome.report.outputs.iter().map(Shown::of).collect();
    let sent = sent(&shown);
    let mut content = vec![ContentBlock::text(report(&outcome, &shown, &sent, notes))];
    let links = if form.structured { links(&outcome, &shown, &sent) } else { Vec::new() };
    let images = shown.into_iter().zip(&sent).filter(|(_, sent)| **sent).filter_map(|(shown, _)| match shown {
        Shown::Image { image, .. } => Some(ContentBlock::image(image.base64, image.mime)),
        Shown::Text { .. } | Shown::Other { .. } | Shown::Broken { .. } => None,
    });
    content.extend(images.chain(links));
    let mut result = if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    if form.structured {
        let structure = serde_json::to_value(structure(outcome, &sent, defaults));
        let structure = structure.inspect_err(|error| tracing::error!(%error, "a reply has no structure"));
        result.structured_content = structure.ok();
    }
    result
}

/// Which of the outputs go with the result as images: the first, as many as a
/// result carries.
fn sent(shown: &[Shown]) -> Vec<bool> {
    let (mut count, mut room) = (MAX_IMAGES, IMAGE_BYTES);
    let mut take = |shown: &Shown| match shown {
        Shown::Image { image, .. } if count > 0 && image.base64.len() <= room => {
            count -= 1;
            room -= image.base64.len();
            true
        }
        _ => false,
    };
    shown.iter().map(&mut take).collect()
}

fn structure(outcome: Outcome, sent: &[bool], defaults: &Limits) -> ExecuteReply {
    let truncated = [("stdout", &outcome.report.stdout), ("stderr", &outcome.report.stderr)]
        .into_iter()
        .filter(|(_, output)| output.is_truncated())
        .map(|(name, output)| (name, Truncated { bytes_kept: output.bytes_kept(), bytes_seen: output.bytes_seen }))
        .collect();
    let text_bytes = usize::try_from(outcome.limits.get(Resource::OutputBytes)).unwrap_or(usize::MAX);
    let other_limits = outcome.limits.iter().filter(|(resource, limit)| defaults.get(*resource) != *limit);
    let mut reply = ExecuteReply {
        status: outcome.report.status.name(),
        exit_code: None,
        signal: None,
        trap: None,
        limit: None,
        stdout: text_of_output(&outcome.report.stdout, outcome.run.as_str(), "stdout"),
        stderr: text_of_output(&outcome.report.stderr, outcome.run.as_str(), "stderr"),
        truncated,
        result: outcome.report.result.map(|result| bounded(result, text_bytes)),
        error: outcome.report.error.map(|error| ErrorReply {
            name: bounded(error.name, ERROR_BYTES),
            value: bounded(error.value, text_bytes),
            traceback: bounded(error.traceback, text_bytes),
        }),
        outputs: bundles(outcome.report.outputs, sent, text_bytes),
        files: files(outcome.report.files),
        session: outcome.session.map(SessionReply::from),
        usage: outcome.report.usage,
        limits: other_limits.map(|(resource, limit)| (resource.name(), limit)).collect(),
        run: outcome.run.to_string(),
    };
    match outcome.report.status {
        Status::Exited(code) => reply.exit_code = Some(code),
        Status::Signaled(signal) => reply.signal = Some(signal),
        Status::Trapped(trap) => reply.trap = Some(trap.name()),
        Status::LimitExceeded(resource) => reply.limit = Some(resource.name()),
        Status::Cancelled => {}
    }
    reply
}

/// The first files, as many as a result names.
fn files(files: Vec<FileEntry>) -> Vec<FileReply> {
    let mut room = STRUCTURED_FILES_BYTES;
    let fits = |file: &FileEntry| {
        // A name counts as it is written: some characters take six times as much.
        let size = serde_json::to_string(&file.path).map_or(usize::MAX, |path| path.len());
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    files.into_iter().take(STRUCTURED_FILES).take_while(fits).map(FileReply::from).collect()
}

/// A piece of output as text, without halves of characters where it was cut, and
/// where in the piece the text ends.
pub(crate) fn text_of(bytes: &[u8]) -> (String, usize) {
    let is_continuation = |byte: &u8| byte & 0xc0 == 0x80;
    let start = bytes.iter().take(3).take_while(|byte| is_continuation(byte)).count();
    let rest = &bytes[start..];
    let end = match std::str::from_utf8(rest) {
        // The end of the bytes may cut a character in two.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => rest.len(),
    };
    (String::from_utf8_lossy(&rest[..end]).into_owned(), start + end)
}

/// A text within `bound`: what the run may say in one text.
fn bounded(mut text: String, bound: usize) -> String {
    if text.len() > bound {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(bound));
        text.push_str(&format!("... [cut, {whole} bytes in all; `read` gives them]"));
    }
    text
}

/// The first rich outputs, with a word in the place of each image: those that are
/// sent are content of their own. All of it together takes `room`.
fn bundles(outputs: Vec<RichOutput>, sent: &[bool], mut room: usize) -> Vec<BTreeMap<String, String>> {
    let (mut images, mut bundles) = (0, Vec::new());
    for (RichOutput(bundle), sent) in outputs.into_iter().zip(sent) {
        let mut told = BTreeMap::new();
        for (mime, data) in bundle {
            let Some(left) = room.checked_sub(mime.len() + ENTRY_BYTES) else {
                room = 0;
                break;
            };
            let data = if !is_image(&mime) {
                bounded(data, left)
            } else if *sent {
                images += 1;
                format!("[image content {images}]")
            } else {
                format!("[{} bytes of image in base64, not sent]", data.len())
            };
            room = left.saturating_sub(data.len());
            told.insert(mime, data);
        }
        if room == 0 && told.is_empty() {
            break;
        }
        bundles.push(told);
    }
    bundles
}

/// A result with a text and, where that is wanted, its structured content.
pub(crate) fn success<T: Serialize>(text: String, value: &T, form: Form) -> Result<CallToolResult, Error> {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    if form.structured {
        let value = serde_json::to_value(value).map_err(|error| Error::host("write a result", error))?;
        result.structured_content = Some(value);
    }
    Ok(result)
}

/// An error: a tool error where the model can do something about it, a
/// protocol error without details where only the operator can.
pub(crate) fn error(error: Error) -> Result<CallToolResult, ErrorData> {
    if matches!(error, Error::Host { .. }) {
        return Err(ErrorData::internal_error(OPAQUE, None));
    }
    let mut text = error.to_string();
    if text.len() > ERROR_BYTES {
        text.truncate(text.floor_char_boundary(ERROR_BYTES));
        text.push('…');
    }
    Ok(CallToolResult::error(vec![ContentBlock::text(text)]))
}

/// Tells the operator what only the operator can mend.
pub(crate) fn log(error: &Error) {
    if error.is_ours() {
        tracing::error!(?error, "a call failed through a fault of the server");
    }
}
