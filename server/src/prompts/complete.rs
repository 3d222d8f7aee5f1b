//! Values that an argument of a prompt, or a variable of a template, may have: of
//! what the caller has itself, and of that the first hundred.

use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};
use sandbox::{Error, Executor, FileEntry, Found, Principal, RunId, SessionId, WorkspacePath};

use super::{Kind, Result, SHOWN_CHARS, find};
use crate::resources::{STREAMS, has_template};
use crate::service::Service;

/// What is asked for.
enum Wanted {
    Session,
    Path,
    Language,
    Run,
    Stream,
    /// Of something that a run displayed.
    Number,
    /// Of a run.
    OwnPath,
    Nothing,
}

/// The values that begin as far as one is written.
pub(crate) async fn complete(
    service: &Service,
    principal: &Principal,
    request: CompleteRequestParams,
) -> Result<CompletionInfo> {
    let CompleteRequestParams { r#ref, argument, context, .. } = request;
    let wanted = wanted(&r#ref, &argument.name)?;
    let known = context.and_then(|context| context.arguments).unwrap_or_default();
    let given = |name: &str| known.get(name).map(String::as_str).unwrap_or_default();
    let executor = &service.executor;
    let written = argument.value.as_str();
    let values = match wanted {
        Wanted::Session => {
            let sessions = executor.list_sessions(principal).await?;
            sessions.into_iter().map(|session| session.id.to_string()).collect()
        }
        Wanted::Language => executor.languages(principal).await.into_iter().map(|language| language.id).collect(),
        Wanted::Run => executor.finished_runs(principal).into_iter().map(|(id, _)| id.to_string()).collect(),
        Wanted::Stream => STREAMS.map(str::to_owned).into(),
        Wanted::Number => numbers(executor, principal, given("run")),
        Wanted::Path => paths(executor, principal, given("session"), written).await,
        Wanted::OwnPath => own_paths(executor, principal, given("run"), written).await,
        Wanted::Nothing => Vec::new(),
    };
    let mut values: Vec<_> = values.into_iter().filter(|value| value.starts_with(written)).collect();
    let total = values.len();
    values.truncate(CompletionInfo::MAX_VALUES);
    let has_more = total > values.len();
    let info = CompletionInfo::with_pagination(values, u32::try_from(total).ok(), has_more);
    info.map_err(|error| Error::host("complete a value", error).into())
}

fn wanted(reference: &Reference, argument: &str) -> Result<Wanted> {
    let unknown = |what: &str| {
        let shown: String = argument.chars().take(SHOWN_CHARS).collect();
        Error::invalid("argument.name", format!("must be one of {what}, got {shown:?}")).into()
    };
    match reference {
        Reference::Prompt(prompt) => {
            let entry = find(&prompt.name)?;
            let found = entry.arguments.iter().find(|known| known.name == argument).ok_or_else(|| {
                let names: Vec<_> = entry.arguments.iter().map(|known| known.name).collect();
                unknown(&names.join(", "))
            })?;
            Ok(match found.kind {
                Kind::Session => Wanted::Session,
                Kind::Path => Wanted::Path,
                Kind::Language => Wanted::Language,
                Kind::Text => Wanted::Nothing,
            })
        }
        Reference::Resource(template) => {
            if !has_template(&template.uri) {
                let shown: String = template.uri.chars().take(SHOWN_CHARS).collect();
                let reason = format!("must be one of the templates that are listed, got {shown:?}");
                return Err(Error::invalid("ref.uri", reason).into());
            }
            let has = |name: &str| template.uri.contains(&format!("{{{name}}}"));
            match argument {
                "session" if has("session") => Ok(Wanted::Session),
                "path" if has("+path") && has("session") => Ok(Wanted::Path),
                "path" if has("+path") => Ok(Wanted::OwnPath),
                "run" if has("run") => Ok(Wanted::Run),
                "stream" if has("stream") => Ok(Wanted::Stream),
                "number" if has("number") => Ok(Wanted::Number),
                _ => Err(unknown("the variables of the template")),
            }
        }
        _ => Err(Error::invalid("ref", "must be of type ref/prompt or ref/resource").into()),
    }
}

fn numbers(executor: &Executor, principal: &Principal, run: &str) -> Vec<String> {
    let run = RunId::parse(run).and_then(|id| executor.finished_run(principal, &id));
    run.map_or_else(|_| Vec::new(), |run| (1..=run.outputs()).map(|number| number.to_string()).collect())
}

/// What is in the folder that is written so far. A session that is not there has
/// nothing in it.
async fn paths(
    executor: &std::sync::Arc<Executor>,
    principal: &Principal,
    session: &str,
    written: &str,
) -> Vec<String> {
    let Ok(id) = SessionId::parse(session) else { return Vec::new() };
    let Ok(files) = executor.session_files(principal, &id).await else { return Vec::new() };
    let folder = Folder::of(written);
    let Some(path) = folder.path() else { return Vec::new() };
    let listed = tokio::task::spawn_blocking(move || files.read(&path)).await;
    folder.values(listed)
}

/// The same of a run.
async fn own_paths(executor: &Executor, principal: &Principal, run: &str, written: &str) -> Vec<String> {
    let Ok(id) = RunId::parse(run) else { return Vec::new() };
    let Ok(run) = executor.finished_run(principal, &id) else { return Vec::new() };
    let folder = Folder::of(written);
    let Some(path) = folder.path() else { return Vec::new() };
    let listed = tokio::task::spawn_blocking(move || run.workspace(&id).and_then(|files| files.read(&path))).await;
    folder.values(listed)
}

/// The folder of a path that is being written.
struct Folder(String);

impl Folder {
    fn of(written: &str) -> Self {
        Self(written.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default())
    }

    fn path(&self) -> Option<WorkspacePath> {
        let folder = if self.0.is_empty() { "." } else { &*self.0 };
        WorkspacePath::of_any_name("path", folder).ok()
    }

    fn values<E>(&self, listed: std::result::Result<std::result::Result<Found, Error>, E>) -> Vec<String> {
        match listed {
            Ok(Ok(Found::Directory(entries))) => {
                entries.into_iter().map(|FileEntry { path, .. }| format!("{}{path}", self.0)).collect()
            }
            _ => Vec::new(),
        }
    }
}
