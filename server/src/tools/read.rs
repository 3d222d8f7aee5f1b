//! `read`: files of a session or a run, and the full output of a run.

use std::sync::{Arc, LazyLock};

use rmcp::model::{CallToolResult, JsonObject, Tool};
use sandbox::{Error, RunId, SessionId, WorkspacePath};
use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::decode;
use super::content::{Part, Reply, find, find_mounted, read_output, read_stream, show};
use super::reply::Form;
use super::{Call, Hints, Result, encoding, schema, tool};

pub(crate) const NAME: &str = "read";

/// Lines, entries or matches that a call returns unless it asks for another
/// number.
const DEFAULT_LIMIT: u64 = 500;
/// The most lines, entries or matches that a call may ask for.
const MAX_LIMIT: u64 = 10_000;

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

pub(crate) fn definition(form: Form) -> Tool {
    let description =
        "Read or search a file or list a directory of a session or run, or read all output of a run (kept ten minutes)."
            .to_owned();
    let hints = Hints { read_only: true, destructive: false, idempotent: true };
    tool::<Arguments, Reply>(NAME, "Read", description, hints, form)
}

/// Reads.
pub(crate) async fn call(call: &Call<'_>, arguments: JsonObject) -> Result<CallToolResult> {
    let (executor, principal) = (call.executor(), call.principal);
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
    let part =
        Part { offset, byte_offset, limit, pattern, encoding, cancel: call.context.ct.clone(), form: call.form() };
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
    let mounted = path.as_deref().and_then(|path| executor.policy(principal).mounts.path("path", path));
    let work: Box<dyn FnOnce() -> Result<CallToolResult> + Send> = match (session, run, path, stream, output) {
        // A mount is the same for all sessions and runs, whichever is named beside it.
        (_, _, _, None, None) if let Some(mounted) = mounted => {
            let mounted = mounted?;
            Box::new(move || show(find_mounted(&mounted, &part)?, &part))
        }
        (Some(session), None, path, None, None) => {
            let id = SessionId::parse(&session)?;
            let path = workspace_path(path)?;
            let files = executor.session_files(principal, &id).await?;
            Box::new(move || {
                let found = find(&files, &path, &part);
                // A restore waits for whoever has the files, and need not wait for more.
                drop(files);
                show(found?, &part)
            })
        }
        (None, Some(run), path, None, None) => {
            let id = RunId::parse(&run)?;
            let run = executor.finished_run(principal, &id).await?;
            let path = workspace_path(path)?;
            Box::new(move || show(find(run.workspace(&id)?, &path, &part)?, &part))
        }
        (None, Some(run), None, Some(stream), None) => {
            let run = executor.finished_run(principal, &RunId::parse(&run)?).await?;
            Box::new(move || read_stream(&run, &stream, &part))
        }
        (None, Some(run), None, None, Some(number)) => {
            let run = executor.finished_run(principal, &RunId::parse(&run)?).await?;
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
