//! `write`: puts a file into a session.

use std::sync::{Arc, LazyLock};

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, JsonObject, Tool};
use sandbox::{Error, Executor, InputFile, Principal, SessionId, WorkspacePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arguments::{content, decode};
use super::reply::{self, Form};
use super::{Hints, any_object, schema, tool};

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
pub(crate) async fn call(
    executor: &Arc<Executor>,
    principal: &Principal,
    arguments: JsonObject,
    form: Form,
) -> Result<CallToolResult, ErrorData> {
    match write(executor, principal, arguments).await {
        Ok(written) => {
            let text =
                format!("wrote {} ({} bytes)\nsession: {}", written.path, written.size_bytes, written.session.line);
            reply::success(text, &written, form)
        }
        Err(error) => reply::error(error),
    }
}

async fn write(executor: &Arc<Executor>, principal: &Principal, arguments: JsonObject) -> Result<Reply, Error> {
    let Arguments { session, path, text, base64 } = decode(&SCHEMA, arguments)?;
    let session = if session == "new" { None } else { Some(SessionId::parse(&session)?) };
    let path = WorkspacePath::new("path", &path)?;
    let bytes = content("", text, base64.as_deref())?;
    let (name, size_bytes) = (path.to_string(), bytes.len() as u64);
    let session = executor.write(principal, session.as_ref(), InputFile { path, bytes }).await?;
    Ok(Reply { path: name, size_bytes, session: session.into() })
}
