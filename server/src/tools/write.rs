//! `write`: puts a file into a session.

use std::sync::{Arc, LazyLock};

use rmcp::model::{CallToolResult, JsonObject, Tool};
use sandbox::{InputFile, SessionId, WorkspacePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arguments::{content, decode};
use super::reply::{self, Form};
use super::{Call, Hints, Result, any_object, schema, tool, understood};
use crate::audit::Change;
use crate::inputs::sha256;

pub(crate) const NAME: &str = "write";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Handle, or "new"
    session: String,
    /// Relative to /workspace
    path: String,
    /// Content; or give base64
    text: Option<String>,
    base64: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Reply {
    path: String,
    size_bytes: u64,
    #[schemars(schema_with = "any_object")]
    session: reply::SessionReply,
}

pub(crate) fn definition(form: Form) -> Tool {
    let description =
        "Write a file into a session's workspace, replacing it. Directories are made as needed.".to_owned();
    tool::<Arguments, Reply>(
        NAME,
        "Write file",
        description,
        Hints { read_only: false, destructive: true, idempotent: true },
        form,
    )
}

pub(super) static SCHEMA: LazyLock<Arc<JsonObject>> = LazyLock::new(schema::<Arguments>);

/// Writes a file.
pub(crate) async fn call(call: &Call<'_>, arguments: JsonObject) -> Result<CallToolResult> {
    call.keep_from_mounts("path", arguments.get("path"))?;
    let is_audited = call.service.audit().is_some();
    let request = move |arguments| {
        let (session, file) = request(arguments)?;
        let digest = is_audited.then(|| (sha256(&file.bytes), file.bytes.len() as u64));
        Ok((session, file, digest))
    };
    let (session, file, digest) = understood(arguments, request).await?;
    let (name, size_bytes) = (file.path.to_string(), file.bytes.len() as u64);
    call.keep_unchanged()?;
    let report = call.executor().write(call.principal, session.as_ref(), file, &call.context.ct).await?;
    call.changed(&Change {
        action: "write",
        session: &report.id,
        sequence: Some(report.sequence),
        from: None,
        snapshot: None,
        file: digest,
    });
    let written = Reply { path: name, size_bytes, session: report.into() };
    let text = format!("wrote {} ({} bytes)\nsession: {}", written.path, written.size_bytes, written.session.line);
    reply::success(text, &written, call.form())
}

/// The session, unless it is to be made, and what to write there.
fn request(arguments: JsonObject) -> Result<(Option<SessionId>, InputFile)> {
    let Arguments { session, path, text, base64 } = decode(&SCHEMA, arguments)?;
    let session = if session == "new" { None } else { Some(SessionId::parse(&session)?) };
    let path = WorkspacePath::new("path", &path)?;
    let bytes = content("", text, base64.as_deref())?;
    Ok((session, InputFile { path, bytes }))
}
