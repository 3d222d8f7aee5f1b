//! `execute`: parameters and schema; parameters become an [`ExecuteRequest`].

use std::collections::BTreeMap;
use std::sync::Arc;

use guest_runtimes::{Catalogue, GuestRuntime, Kind};
use rmcp::model::{CallToolResult, JsonObject, Tool};
use sandbox::{
    Error, ExecuteRequest, Follower, InputFile, Language, Limits, Mount, Mounts, Outcome, Output, Policy, Program,
    RequestedLimits, Resource, SessionChoice, SessionId, WorkspacePath,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::arguments::{content, decode, unknown};
use super::{Call, Hints, Result, reply, schema, tool, understood};
use crate::calls::Handlers;
use crate::inputs::Inputs;
use crate::progress::Progress;
use crate::service::Service;
use crate::{calls, source};

pub(crate) const NAME: &str = "execute";

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

/// The definition, with the limits of this server, what its operator has mounted,
/// and the languages of this machine.
pub(crate) fn definition(service: &Service, policy: &Policy, languages: &[Language]) -> Tool {
    let limits = service.executor.default_limits();
    let seconds = limits.get(Resource::WallTimeMs) / 1000;
    let mebibytes = limits.get(Resource::MemoryBytes) >> 20;
    let mounts = match mounted(&policy.mounts) {
        None => String::new(),
        Some(mounts) => format!(" Mounted: {mounts}."),
    };
    let description = format!(
        "Run code in a sandbox. Without `session` every call starts clean. Files live in /workspace.{mounts} No network, \
         no package installation. Default limits: {seconds} s, {mebibytes} MiB memory."
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

/// What programs see beside their workspace, and what they may do there. Where it
/// lies on the machine is none of theirs.
pub(crate) fn mounted(mounts: &Mounts) -> Option<String> {
    let one = |mount: &Mount| format!("{} ({})", mount.destination().display(), mount.access().name());
    (!mounts.is_empty()).then(|| mounts.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// A language on one line, with what it has on this machine.
pub(crate) fn describe(language: &Language) -> String {
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
    let files = arguments.get("files").and_then(serde_json::Value::as_array).into_iter().flatten();
    for (index, file) in files.enumerate() {
        call.keep_from_mounts(&format!("files[{index}].path"), file.get("path"))
            .inspect_err(|error| call.refuse(&language, error))?;
    }
    let (ceilings, defaults) = (call.ceilings, executor.default_limits_of(call.principal));
    let is_audited = call.service.audit().is_some();
    let request = move |arguments| {
        let (mut request, notes) = request(&catalogue, &schema, arguments)?;
        hold_to(&ceilings, &defaults, &mut request.limits)?;
        let inputs = is_audited.then(|| Inputs::of(&request));
        Ok((request, notes, inputs))
    };
    let (request, mut notes, inputs) =
        understood(arguments, request).await.inspect_err(|error| call.refuse(&language, error))?;
    let token = context.meta.get_progress_token();
    let progress = token.map(|token| Progress::start(context.peer.clone(), token, call.ended.clone()));
    let audience = progress.as_ref().map(Progress::audience);
    let handler = Handlers::of(calls::Context { principal: call.principal.clone(), audience });
    let live = progress.as_ref().map(Progress::sink);
    let follower = Follower { live, handler: Some(handler), origin: call.origin_with(inputs) };
    let runtime = executor.catalogue().find(&request.language);
    let outcome = executor.execute(call.principal, request, &context.ct, follower).await;
    if let Some(progress) = progress {
        progress.stop().await;
    }
    let outcome = outcome?;
    notes.extend(runtime.and_then(|runtime| hint(runtime, &outcome)));
    Ok(reply::outcome(outcome, &notes, executor.default_limits(), call.form()))
}

/// Refuses limits past the ceilings of a credential, and lowers defaults to them.
fn hold_to(ceilings: &RequestedLimits, defaults: &Limits, limits: &mut RequestedLimits) -> Result<()> {
    for resource in Resource::ALL {
        let Some(ceiling) = ceilings.get(resource) else { continue };
        match limits.get(resource) {
            Some(limit) if limit > ceiling => {
                let reason = format!("must be at most {ceiling}, which this key may have, got {limit}");
                return Err(Error::invalid(format!("limits.{resource}"), reason));
            }
            Some(_) => {}
            None => limits.set(resource, ceiling.min(defaults.get(resource))),
        }
    }
    Ok(())
}

/// What the reader of an outcome should know about the sandbox, where a program
/// that is not ours met a border of it.
fn hint(runtime: &GuestRuntime, outcome: &Outcome) -> Option<String> {
    let Kind::Native(native) = runtime.kind() else { return None };
    if outcome.report.error.as_ref().is_some_and(|error| error.traceback.contains("Hint: ")) {
        // This ending comes with its own advice.
        return None;
    }
    let Output { head, tail, .. } = &outcome.report.stderr;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_lowers_what_is_not_asked_for_and_refuses_what_is_too_much() {
        let (mut ceilings, mut limits) = (RequestedLimits::default(), RequestedLimits::default());
        ceilings.set(Resource::WallTimeMs, 5000);
        ceilings.set(Resource::Fuel, u64::MAX);
        limits.set(Resource::CpuTimeMs, 7);
        hold_to(&ceilings, &Limits::defaults(), &mut limits).unwrap();
        let got = |resource| limits.get(resource);
        assert_eq!((got(Resource::WallTimeMs), got(Resource::CpuTimeMs)), (Some(5000), Some(7)));
        assert_eq!(
            (got(Resource::Fuel), got(Resource::Processes)),
            (Some(Limits::defaults().get(Resource::Fuel)), None)
        );
        limits.set(Resource::WallTimeMs, 5001);
        let refused = hold_to(&ceilings, &Limits::defaults(), &mut limits).unwrap_err().to_string();
        assert_eq!(refused, "limits.wall_time_ms must be at most 5000, which this key may have, got 5001");
    }
}
