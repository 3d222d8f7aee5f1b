//! `execute`: parameters and schema; parameters become an [`ExecuteRequest`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use guest_runtimes::{Catalogue, GuestRuntime, Kind};
use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonObject, ProgressNotificationParam, ProgressToken, Tool};
use rmcp::service::Peer;
use sandbox::{
    ExecuteRequest, InputFile, Language, LiveOutput, Outcome, Output, Program, RequestedLimits, Resource,
    SessionChoice, SessionId, WorkspacePath,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::arguments::{content, decode, unknown};
use super::{Call, Hints, Result, reply, schema, tool, understood};
use crate::service::Service;
use crate::source;

pub(crate) const NAME: &str = "execute";

/// How often a run that goes on is reported: five times a second is as fast as
/// anyone reads.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// A silent run is reported this often, so that clients do not give up on it.
const PROGRESS_HEARTBEAT: Duration = Duration::from_secs(5);
/// How much new output one report carries: the end of it.
const PROGRESS_BYTES: usize = 1024;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    language: String,
    code: String,
    /// "new" or a handle from a result; keeps variables and files
    session: Option<String>,
    /// Refuse unless the session's sequence is this
    if_sequence: Option<u64>,
    stdin: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Written first; each needs text or base64
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    #[schemars(schema_with = "limits_schema")]
    limits: RequestedLimits,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    text: Option<String>,
    base64: Option<String>,
}

/// Names alone: an object of nine integers would be a fifth of the definition.
fn limits_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let names = Resource::ALL.map(Resource::name).join(", ");
    schemars::json_schema!({"type": "object", "description": names, "additionalProperties": {"type": "integer"}})
}

/// The definition, with the limits of this server and the languages of this
/// machine.
pub(crate) fn definition(service: &Service, languages: &[Language]) -> Tool {
    let limits = service.executor.default_limits();
    let seconds = limits.get(Resource::WallTimeMs) / 1000;
    let mebibytes = limits.get(Resource::MemoryBytes) >> 20;
    let description = format!(
        "Run code in a sandbox. Without `session` every call starts clean. Files live in /workspace. No network, no \
         package installation. Default limits: {seconds} s, {mebibytes} MiB memory."
    );
    let hints = Hints { read_only: false, destructive: false, idempotent: false };
    let mut tool = tool::<Arguments, reply::ExecuteReply>(NAME, "Run code", description, hints, service.form);
    if let Some(properties) = Arc::make_mut(&mut tool.input_schema).get_mut("properties") {
        let ids: Vec<_> = languages.iter().map(|language| language.id.as_str()).collect();
        let lines: Vec<_> = languages.iter().map(describe).collect();
        properties["language"] = json!({"type": "string", "enum": ids, "description": lines.join("\n")});
    }
    tool
}

/// A language on one line, with what it has on this machine.
fn describe(language: &Language) -> String {
    let Language { id, description, packages, add } = language;
    let packages = match packages.as_deref() {
        None => String::new(),
        Some([]) => {
            let add = add.as_ref().map(|add| format!(" (its operator can {add})")).unwrap_or_default();
            format!("; has no packages beyond the standard library{add}")
        }
        Some(packages) => format!("; has {}", packages.join(", ")),
    };
    format!("{id}: {description}{packages}")
}

/// What arguments are held against: with every language that there is, as what
/// cannot be run here says why.
pub(crate) fn arguments_schema(catalogue: &Catalogue) -> Arc<JsonObject> {
    let mut schema = schema::<Arguments>();
    let ids: Vec<_> = catalogue.iter().map(|runtime| runtime.id()).collect();
    if let Some(properties) = Arc::make_mut(&mut schema).get_mut("properties") {
        properties["language"] = json!({"type": "string", "enum": ids});
    }
    schema
}

/// Runs a program.
pub(crate) async fn call(call: &Call<'_>, arguments: JsonObject) -> Result<CallToolResult> {
    let (executor, context) = (call.executor(), call.context);
    let language = arguments.get("language").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let (catalogue, schema) = (executor.catalogue().clone(), Arc::clone(&call.service.execute_schema));
    let request = move |arguments| request(&catalogue, &schema, arguments);
    let (request, mut notes) =
        understood(arguments, request).await.inspect_err(|error| executor.refuse(call.principal, &language, error))?;
    let token = context.meta.get_progress_token();
    let reports = token.map(|token| Reports::start(context.peer.clone(), token, call.ended.clone()));
    let live = reports.as_ref().map(Reports::sink);
    let runtime = executor.catalogue().find(&request.language);
    let outcome = executor.execute(call.principal, request, &context.ct, live).await;
    if let Some(reports) = reports {
        reports.stop().await;
    }
    let outcome = outcome?;
    notes.extend(runtime.and_then(|runtime| hint(runtime, &outcome)));
    Ok(reply::outcome(outcome, &notes, executor.default_limits(), call.form()))
}

/// What the reader of an outcome should know about the sandbox, where a program
/// that is not ours met a border of it.
fn hint(runtime: &GuestRuntime, outcome: &Outcome) -> Option<String> {
    let Kind::Native(native) = runtime.kind() else { return None };
    if outcome.error.as_ref().is_some_and(|error| error.traceback.contains("Hint: ")) {
        // It comes with its own advice.
        return None;
    }
    let Output { head, tail, .. } = &outcome.stderr;
    let said = |part: &[u8]| native.hint(&String::from_utf8_lossy(part)).map(str::to_owned);
    said(head).or_else(|| said(tail))
}

/// The request, and what a reader should know of how it was understood.
pub(super) fn request(
    catalogue: &Catalogue,
    schema: &JsonObject,
    arguments: JsonObject,
) -> Result<(ExecuteRequest, Vec<String>)> {
    if let Some(limits) = arguments.get("limits").and_then(serde_json::Value::as_object)
        && let Some(name) = limits.keys().find(|name| Resource::from_name(name).is_none())
    {
        return Err(unknown("limits", name, &Resource::ALL.map(Resource::name)));
    }
    let Arguments { language, code, session, if_sequence, stdin, args, env, files, limits } =
        decode(schema, arguments)?;
    let session = match session.as_deref() {
        None => SessionChoice::None,
        Some("new") => SessionChoice::New,
        Some(handle) => SessionChoice::Existing(SessionId::parse(handle)?),
    };
    let files = files
        .into_iter()
        .enumerate()
        .map(|(index, File { path, text, base64 })| {
            let field = format!("files[{index}]");
            let path = WorkspacePath::new(&format!("{field}.path"), &path)?;
            Ok(InputFile { path, bytes: content(&field, text, base64.as_deref())? })
        })
        .collect::<Result<_>>()?;
    let stdin = stdin.unwrap_or_default().into_bytes();
    let (code, notes) = source::plain(catalogue, code, &language);
    let program = Program { code, args, env, stdin };
    Ok((ExecuteRequest { language, program, session, if_sequence, files, limits }, notes))
}

/// Reports the output of a run while it goes on, throttled.
struct Reports {
    news: Arc<Mutex<News>>,
    enough: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct News {
    text: Vec<u8>,
    changed: bool,
}

impl Reports {
    /// Reports to `peer` until the connection has `ended`.
    fn start(peer: Peer<RoleServer>, token: ProgressToken, ended: CancellationToken) -> Self {
        let news = Arc::<Mutex<News>>::default();
        let enough = CancellationToken::new();
        let reports = report(peer, token, Arc::clone(&news), enough.clone());
        // After the end nobody takes what the peer is to send, and waiting for
        // it would keep back the result, which is still sent.
        #[expect(clippy::disallowed_methods, reason = "the call waits for it")]
        let task = tokio::spawn(async move { ended.run_until_cancelled(reports).await.unwrap_or_default() });
        Self { news, enough, task }
    }

    fn sink(&self) -> LiveOutput {
        let news = Arc::clone(&self.news);
        Box::new(move |_, bytes| {
            let mut news = news.lock().unwrap_or_else(PoisonError::into_inner);
            news.text.extend_from_slice(&bytes[bytes.len().saturating_sub(PROGRESS_BYTES)..]);
            let surplus = news.text.len().saturating_sub(PROGRESS_BYTES);
            news.text.drain(..surplus);
            news.changed = true;
        })
    }

    /// Ends the reports, and waits until the last is on its way: nothing may
    /// follow a result.
    async fn stop(mut self) {
        self.enough.cancel();
        // A report that panicked has nothing more to say either.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.enough.cancel();
    }
}

async fn report(peer: Peer<RoleServer>, token: ProgressToken, news: Arc<Mutex<News>>, enough: CancellationToken) {
    let started = Instant::now();
    let mut last = started;
    let mut interval = tokio::time::interval(PROGRESS_INTERVAL);
    interval.tick().await;
    loop {
        tokio::select! {
            () = enough.cancelled() => return,
            _ = interval.tick() => {}
        }
        let (text, changed) = {
            let mut news = news.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut news.text), std::mem::take(&mut news.changed))
        };
        if !changed && last.elapsed() < PROGRESS_HEARTBEAT {
            continue;
        }
        last = Instant::now();
        let seconds = started.elapsed().as_secs_f64();
        let message = if changed { reply::text_of(&text).0 } else { format!("running for {seconds:.0} s") };
        let progress = ProgressNotificationParam::new(token.clone(), seconds).with_message(message);
        if peer.notify_progress(progress).await.is_err() {
            return;
        }
    }
}
