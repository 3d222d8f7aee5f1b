//! The only place where an [`Outcome`] or an [`Error`] becomes an MCP result.
//!
//! Structured content is complete. The text beside it stands on its own and
//! is short: it repeats output only up to [`TEXT_BYTES`] per stream, and says
//! how to get the rest.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use sandbox::{Error, FileEntry, Limits, Outcome, Output, RichOutput, SessionReport, Status, Usage};
use schemars::JsonSchema;
use serde::Serialize;

use super::any_object;

/// How much of one stream the text repeats.
const TEXT_BYTES: usize = 2048;
/// How many changed files the text names.
const TEXT_FILES: usize = 20;
/// How many changed files the structured content names.
const STRUCTURED_FILES: usize = 200;
/// How much image data one result carries, in base64. The images past it are
/// named, with their size.
const IMAGE_BYTES: usize = 2 << 20;

/// The longest refusal: it may quote what the caller sent.
const ERROR_BYTES: usize = 1000;

/// What `execute` returns.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExecuteReply {
    /// Handle for `read`
    run: String,
    /// exited, trapped, limit_exceeded or cancelled
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
    #[schemars(with = "BTreeMap<String, u64>")]
    limits: Limits,
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
}

impl From<SessionReport> for SessionReply {
    fn from(report: SessionReport) -> Self {
        Self {
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

/// The result of a run.
pub(crate) fn outcome(outcome: Outcome) -> CallToolResult {
    let is_error = !outcome.status.is_success();
    let text = text_of_outcome(&outcome);
    let (outputs, images) = rich_outputs(outcome.outputs);
    let truncated = [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)]
        .into_iter()
        .filter(|(_, output)| output.is_truncated())
        .map(|(name, output)| (name, Truncated { bytes_kept: output.bytes_kept(), bytes_seen: output.bytes_seen }))
        .collect();
    let mut reply = ExecuteReply {
        status: status_name(outcome.status),
        exit_code: None,
        signal: None,
        trap: None,
        limit: None,
        stdout: text_of_output(&outcome.stdout, outcome.run.as_str(), "stdout"),
        stderr: text_of_output(&outcome.stderr, outcome.run.as_str(), "stderr"),
        truncated,
        result: outcome.result,
        error: outcome.error.map(|error| ErrorReply {
            name: error.name,
            value: error.value,
            traceback: error.traceback,
        }),
        outputs,
        files: outcome.files.into_iter().take(STRUCTURED_FILES).map(FileReply::from).collect(),
        session: outcome.session.map(SessionReply::from),
        usage: outcome.usage,
        limits: outcome.limits,
        run: outcome.run.to_string(),
    };
    match outcome.status {
        Status::Exited(code) => reply.exit_code = Some(code),
        Status::Signaled(signal) => reply.signal = Some(signal),
        Status::Trapped(trap) => reply.trap = Some(trap.name()),
        Status::LimitExceeded(resource) => reply.limit = Some(resource.name()),
        Status::Cancelled => {}
    }
    let mut content = vec![ContentBlock::text(text)];
    content.extend(images);
    let mut result = if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    // Strings and numbers in maps with string keys always serialise.
    result.structured_content = serde_json::to_value(reply).ok();
    result
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Exited(_) => "exited",
        Status::Signaled(_) => "signaled",
        Status::Trapped(_) => "trapped",
        Status::LimitExceeded(_) => "limit_exceeded",
        Status::Cancelled => "cancelled",
    }
}

/// Everything a reader needs who sees only the text.
fn text_of_outcome(outcome: &Outcome) -> String {
    let mut text = String::new();
    let run = outcome.run.as_str();
    push_block(&mut text, "", &excerpt(&text_of_output(&outcome.stdout, run, "stdout"), run, "stdout"));
    push_block(&mut text, "stderr:\n", &excerpt(&text_of_output(&outcome.stderr, run, "stderr"), run, "stderr"));
    if let Some(error) = &outcome.error {
        push_block(&mut text, "", &error.traceback);
    }
    if let Some(result) = &outcome.result {
        push_block(&mut text, "result: ", &excerpt(result, run, "result"));
    }
    if !outcome.files.is_empty() {
        let mut names: Vec<_> = outcome
            .files
            .iter()
            .take(TEXT_FILES)
            .map(|file| {
                let size = if file.is_link { "symbolic link".to_owned() } else { format!("{} bytes", file.size_bytes) };
                format!("{} ({size})", one_line(&file.path))
            })
            .collect();
        if outcome.files.len() > TEXT_FILES {
            names.push(format!("and {} more", outcome.files.len() - TEXT_FILES));
        }
        push_block(&mut text, "files: ", &names.join(", "));
    }
    let ended = match outcome.status {
        Status::Exited(0) => String::new(),
        Status::Exited(code) => format!("exit code {code}"),
        Status::Signaled(signal) => format!("ended by signal {signal}"),
        Status::Trapped(trap) => format!("ended: trapped ({})", trap.name()),
        Status::LimitExceeded(resource) => format!(
            "ended: {resource} reached its limit of {}; do less, or pass a higher `limits.{resource}`",
            outcome.limits.get(resource)
        ),
        Status::Cancelled => "ended: cancelled".into(),
    };
    push_block(&mut text, "", &ended);
    if let Some(session) = &outcome.session {
        let note = match session.state {
            sandbox::SessionState::Kept => "",
            sandbox::SessionState::FilesOnly => "",
            sandbox::SessionState::RolledBack => " (rolled back: variables and files are as before this call)",
        };
        push_block(&mut text, "session: ", &format!("{}{note}", session.id));
    }
    if text.is_empty() {
        text.push_str("(no output)");
    }
    text
}

fn push_block(text: &mut String, label: &str, block: &str) {
    if block.is_empty() {
        return;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(label);
    text.push_str(block);
}

/// Beginning and end of a longer text.
fn excerpt(text: &str, run: &str, what: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(TEXT_BYTES / 2);
    let tail = text.ceil_char_boundary(text.len() - TEXT_BYTES / 2);
    let more =
        if what == "result" { "see structured content".to_owned() } else { format!("read run={run} stream={what}") };
    format!("{}\n[… {} bytes left out here; {more} …]\n{}", &text[..head], tail - head, &text[tail..])
}

/// A name from a guest in the middle of our text: it cannot pretend to be
/// another line of it.
pub(crate) fn one_line(name: &str) -> String {
    name.chars()
        .flat_map(|char| if char.is_control() { char.escape_default().collect::<Vec<_>>() } else { vec![char] })
        .collect()
}

/// What was kept of a stream, with a note where something is missing.
fn text_of_output(output: &Output, run: &str, stream: &str) -> String {
    if !output.is_truncated() {
        return String::from_utf8_lossy(&output.head).into_owned();
    }
    let mut text = text_of(&output.head);
    let missing = output.bytes_seen - output.bytes_kept();
    let kept = sandbox::SPOOL_BYTES;
    let reach = if output.bytes_seen > kept { format!("the first {kept} bytes: ") } else { String::new() };
    // Writing to a string cannot fail.
    let _ =
        write!(text, "\n[… {missing} of {} bytes cut; {reach}read run={run} stream={stream} …]\n", output.bytes_seen);
    text.push_str(&text_of(&output.tail));
    text
}

/// A piece of output as text, without halves of characters where it was cut.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let is_continuation = |byte: &u8| byte & 0xc0 == 0x80;
    let start = bytes.iter().take(3).take_while(|byte| is_continuation(byte)).count();
    let bytes = &bytes[start..];
    let end = match std::str::from_utf8(bytes) {
        // A character that the end cuts in two.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Text stays structured; images become content of their own.
fn rich_outputs(outputs: Vec<RichOutput>) -> (Vec<BTreeMap<String, String>>, Vec<ContentBlock>) {
    let mut images = Vec::new();
    let mut budget = IMAGE_BYTES;
    let bundles = outputs
        .into_iter()
        .map(|RichOutput(bundle)| {
            bundle
                .into_iter()
                .map(|(mime, data)| {
                    if !is_image(&mime) {
                        return (mime, data);
                    }
                    let note = if STANDARD.decode(&data).is_err() {
                        // Clients refuse a whole result over such an image.
                        "[left out: an image must be bytes, or text in base64]".to_owned()
                    } else if data.len() <= budget {
                        budget -= data.len();
                        images.push(ContentBlock::image(data, mime.clone()));
                        format!("[image content {}]", images.len())
                    } else {
                        format!("[{} bytes of image left out: at most {IMAGE_BYTES} per result; save it to a file and read that]", data.len())
                    };
                    (mime, note)
                })
                .collect()
        })
        .collect();
    (bundles, images)
}

/// Image types that clients show. SVG is text.
pub(crate) fn is_image(mime: &str) -> bool {
    matches!(mime, "image/png" | "image/jpeg" | "image/gif" | "image/webp")
}

/// A result with a text and its structured content.
pub(crate) fn structured<T: Serialize>(text: String, value: &T) -> Result<CallToolResult, ErrorData> {
    let value = serde_json::to_value(value).map_err(|error| internal(&Error::host("write a result", error)))?;
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(value);
    Ok(result)
}

/// An error: a tool error where the model can do something about it, a
/// protocol error without details where only the operator can.
pub(crate) fn error(error: Error) -> Result<CallToolResult, ErrorData> {
    match error {
        Error::Host { .. } => Err(internal(&error)),
        error => {
            let mut text = error.to_string();
            if text.len() > ERROR_BYTES {
                text.truncate(text.floor_char_boundary(ERROR_BYTES));
                text.push('…');
            }
            Ok(CallToolResult::error(vec![ContentBlock::text(text)]))
        }
    }
}

fn internal(error: &Error) -> ErrorData {
    tracing::error!(error = ?error, "a call failed through a fault of the server");
    ErrorData::internal_error("the server failed to carry out the call; its log says why", None)
}
