//! The tools: a file each, and `reply`, where results are made.
//!
//! Descriptions are data we own: short, and without a word that steers a model
//! beyond the tool. All definitions together stay under 1,000 tokens.

mod arguments;
mod content;
mod displayed;
mod encoding;
pub(crate) mod execute;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod health_check;
mod links;
mod page;
pub(crate) mod read;
pub(crate) mod reply;
mod report;
pub(crate) mod session;
pub(crate) mod write;

use std::pin::Pin;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use rmcp::service::RequestContext;
use sandbox::{Error, Executor, Language, Look, MountAccess, Policy, Principal, RequestedLimits};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) use self::displayed::{Shown, image_type};
pub(crate) use self::reply::{Form, text_of};
use crate::audit::Change;
use crate::identity::Scope;
use crate::inputs::Inputs;
use crate::origin::Origin;
use crate::service::Service;

/// One call of a tool: of whom, and what the tool works with.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    pub(crate) principal: &'a Principal,
    /// The highest limits of the call's credential, where there is one that has any.
    pub(crate) ceilings: RequestedLimits,
    /// Where the call comes from, if anybody wants to know.
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) context: &'a RequestContext<RoleServer>,
    /// When the client has closed its end, or the transport is about to go.
    pub(crate) ended: &'a CancellationToken,
}

impl<'a> Call<'a> {
    fn executor(&self) -> &'a Arc<Executor> {
        &self.service.executor
    }

    /// Where the call comes from, for those who watch runs.
    fn origin(&self) -> Option<sandbox::Origin> {
        self.origin.clone().map(|origin| origin as sandbox::Origin)
    }

    /// Where the call comes from, with what its program is given.
    fn origin_with(&self, inputs: Option<Inputs>) -> Option<sandbox::Origin> {
        let Some(inputs) = inputs else { return self.origin() };
        let origin = self.origin.as_ref()?.with(inputs);
        Some(Arc::new(origin))
    }

    /// Fails while changes of sessions must be written down, and cannot.
    fn keep_unchanged(&self) -> Result<()> {
        self.service.audit().map_or(Ok(()), |audit| audit.allows_changes())
    }

    /// Has a change of a session written down.
    fn changed(&self, change: &Change<'_>) {
        if let Some(audit) = self.service.audit() {
            audit.changed(self.principal, self.origin.as_deref(), change);
        }
    }

    /// Tells those who watch runs that the call was refused before it was understood.
    fn refuse(&self, language: &str, error: &Error) {
        self.executor().refuse(self.principal, language, self.origin(), error);
    }

    fn form(&self) -> Form {
        self.service.form
    }

    /// Fails for the path of a file to be written that lies in a mount: what is
    /// there is the operator's, and programs alone may change it.
    fn keep_from_mounts(&self, field: &str, path: Option<&Value>) -> Result<()> {
        let path = path.and_then(Value::as_str).unwrap_or_default();
        let Some(mount) = self.executor().policy(self.principal).mounts.holding(path) else { return Ok(()) };
        let (destination, shown) = (mount.destination().display(), path.chars().take(120).collect::<String>());
        let instead = match mount.access() {
            MountAccess::ReadOnly => "which is read-only: write into the workspace",
            MountAccess::ReadWrite => "which only a program can write to: let one do it, or write into the workspace",
        };
        Err(Error::invalid(field, format!("lies in the operator's folder {destination}, {instead}; got {shown:?}")))
    }
}

type Result<T> = std::result::Result<T, Error>;
type Answer<'a> = Pin<Box<dyn Future<Output = Result<CallToolResult>> + Send + 'a>>;

/// The size from which on arguments are understood on another thread: so much base64
/// takes a millisecond.
const UNDERSTOOD_HERE_BYTES: usize = 128 << 10;

/// Makes a request of arguments, without holding up the calls of others.
async fn understood<T: Send + 'static>(
    arguments: JsonObject,
    request: impl FnOnce(JsonObject) -> Result<T> + Send + 'static,
) -> Result<T> {
    let bytes: usize = arguments.values().map(text_bytes).sum();
    if bytes <= UNDERSTOOD_HERE_BYTES {
        return request(arguments);
    }
    let request = tokio::task::spawn_blocking(move || request(arguments));
    request.await.map_err(|source| Error::host("understand a call", source))?
}

/// How long the texts in a value are together.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(text_bytes).sum(),
        Value::Object(object) => object.values().map(text_bytes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// A tool, as the server knows it.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    define: fn(&Service, &Policy, &[Language]) -> Tool,
    pub(crate) call: for<'a> fn(&'a Call<'a>, JsonObject) -> Answer<'a>,
    /// What kind of place the tool takes. One that runs code takes its own, and the log
    /// has its failures from the events of runs.
    pub(crate) looks: Option<Look>,
    /// The scope without which the tool is not called.
    pub(crate) needs: Scope,
}

/// Every tool, by name.
pub(crate) const TOOLS: [Entry; 5] = [
    Entry {
        name: execute::NAME,
        define: execute::definition,
        call: |call, arguments| Box::pin(execute::call(call, arguments)),
        looks: None,
        needs: Scope::Execute,
    },
    Entry {
        name: health_check::NAME,
        define: |service, _, _| health_check::definition(service.form),
        call: |call, _| Box::pin(async { health_check::call(call) }),
        looks: Some(Look::Glance),
        needs: Scope::Read,
    },
    Entry {
        name: read::NAME,
        define: |service, _, _| read::definition(service.form),
        call: |call, arguments| Box::pin(read::call(call, arguments)),
        looks: Some(Look::Read),
        needs: Scope::Read,
    },
    Entry {
        name: session::NAME,
        define: |service, _, _| session::definition(service.form),
        call: |call, arguments| Box::pin(session::call(call, arguments)),
        looks: Some(Look::Session),
        needs: Scope::Execute,
    },
    Entry {
        name: write::NAME,
        define: |service, _, _| write::definition(service.form),
        call: |call, arguments| Box::pin(write::call(call, arguments)),
        looks: Some(Look::Session),
        needs: Scope::Execute,
    },
];

/// What a client is told of every tool, on a machine that has these `languages`,
/// if this is its `policy`.
pub(crate) fn definitions(service: &Service, policy: &Policy, languages: &[Language]) -> Vec<Tool> {
    TOOLS.iter().map(|tool| (tool.define)(service, policy, languages)).collect()
}

/// What a tool does to the world, as clients are told.
struct Hints {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
}

fn tool<I: JsonSchema, O: JsonSchema>(
    name: &'static str,
    title: &str,
    description: String,
    hints: Hints,
    form: Form,
) -> Tool {
    let mut annotations = ToolAnnotations::with_title(title).read_only(hints.read_only).open_world(false);
    // What is the default of the protocol is not said.
    if !hints.read_only && !hints.destructive {
        annotations = annotations.destructive(false);
    }
    if !hints.read_only && hints.idempotent {
        annotations = annotations.idempotent(true);
    }
    let tool = Tool::new(name, description, schema::<I>()).with_annotations(annotations);
    if !form.structured {
        return tool;
    }
    let mut output = schema::<O>();
    // What a result always holds is no news to its reader.
    drop_required(Arc::make_mut(&mut output));
    tool.with_raw_output_schema(output)
}

/// The schema of `T`, without what costs tokens and tells a model nothing.
fn schema<T: JsonSchema>() -> Arc<JsonObject> {
    let schema = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator()
        .into_root_schema_for::<T>();
    let mut value = schema.to_value();
    slim(&mut value);
    match value {
        Value::Object(object) => Arc::new(object),
        _ => Arc::default(),
    }
}

fn drop_required(schema: &mut JsonObject) {
    schema.remove("required");
    for value in schema.values_mut() {
        match value {
            Value::Object(object) => drop_required(object),
            Value::Array(values) => values.iter_mut().filter_map(Value::as_object_mut).for_each(drop_required),
            _ => {}
        }
    }
}

fn slim(value: &mut Value) {
    match value {
        Value::Object(object) => {
            // Documentation of our types, as opposed to their fields.
            if object.get("type").is_some_and(|kind| kind == "object") && object.contains_key("properties") {
                object.remove("description");
            }
            // Unknown members are refused with a message that says so, and
            // whether others may come is no news to a model.
            if object.get("additionalProperties").is_some_and(Value::is_boolean) {
                object.remove("additionalProperties");
            }
            // A property may be called like a keyword: only schemas lose some.
            if !object.get("type").is_some_and(Value::is_object) {
                for keyword in ["title", "format", "default", "minimum"] {
                    object.remove(keyword);
                }
                if let Some(Value::Array(types)) = object.get_mut("type") {
                    types.retain(|name| name != "null");
                    if let [one] = types.as_slice() {
                        let one = one.clone();
                        object.insert("type".into(), one);
                    }
                }
            }
            object.values_mut().for_each(slim);
        }
        Value::Array(values) => values.iter_mut().for_each(slim),
        _ => {}
    }
}

/// The schema of an object that another tool describes, or its text does.
fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object"})
}

/// The schema of a list of objects that another tool describes, or the text does.
fn any_objects(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "array", "items": {"type": "object"}})
}
