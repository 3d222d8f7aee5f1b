//! Values that an argument of a prompt, or a variable of a template, may have: of
//! what the caller has itself, and of that the first hundred.

use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};
use sandbox::{Error, Executor, FileEntry, Found, Principal, RunId, SessionId, WorkspacePath};

use super::{Kind, Result, SHOWN_CHARS, find};
use crate::resources::{STREAMS, for_template, has_template, of_template};
use crate::service::Service;

/// What is asked for.
enum Wanted {
    Session,
    Path,
    Language,
    Run,
    Stream,
    /// The number of something that a run displayed.
    Number,
    /// A path of a file that a run left.
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
    let spelling = if matches!(r#ref, Reference::Resource(_)) { Spelling::Template } else { Spelling::Plain };
    let folder = Folder::of(written, spelling);
    let of = |values: &mut dyn Iterator<Item = String>| Values::of(values, written);
    let Values { first, total } = match wanted {
        Wanted::Session => {
            let sessions = executor.list_sessions(principal).await?;
            of(&mut sessions.into_iter().map(|session| session.id.to_string()))
        }
        Wanted::Language => of(&mut executor.languages(principal).await.into_iter().map(|language| language.id)),
        Wanted::Run => of(&mut executor.finished_runs(principal).into_iter().map(|(id, _)| id.to_string())),
        Wanted::Stream => of(&mut STREAMS.into_iter().map(str::to_owned)),
        Wanted::Number => of(&mut numbers(executor, principal, given("run")).map(|number| number.to_string())),
        Wanted::Path => paths(executor, principal, given("session"), folder, written).await,
        Wanted::OwnPath => own_paths(executor, principal, given("run"), folder, written).await,
        Wanted::Nothing => Values::default(),
    };
    let has_more = total > first.len();
    let info = CompletionInfo::with_pagination(first, u32::try_from(total).ok(), has_more);
    info.map_err(|error| Error::host("complete a value", error).into())
}

/// Values that begin as far as one is written: the first, and how many there are.
#[derive(Default)]
struct Values {
    first: Vec<String>,
    total: usize,
}

impl Values {
    fn of(values: &mut dyn Iterator<Item = String>, written: &str) -> Self {
        let mut all = Self::default();
        for value in values.filter(|value| value.starts_with(written)) {
            all.total += 1;
            if all.first.len() < CompletionInfo::MAX_VALUES {
                all.first.push(value);
            }
        }
        all
    }
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

fn numbers(executor: &Executor, principal: &Principal, run: &str) -> std::ops::RangeInclusive<usize> {
    let run = RunId::parse(run).ok().and_then(|id| executor.finished_run_here(principal, &id));
    1..=run.map_or(0, |run| run.outputs())
}

/// What is in the folder that is written so far. A session that is not there has
/// nothing in it.
async fn paths(
    executor: &std::sync::Arc<Executor>,
    principal: &Principal,
    session: &str,
    folder: Folder,
    written: &str,
) -> Values {
    let Ok(id) = SessionId::parse(session) else { return Values::default() };
    let Ok(files) = executor.session_files(principal, &id).await else { return Values::default() };
    folder.values(written, move |path| files.read(path)).await
}

/// What is in the folder of a run's own files that is written so far. A run that is not
/// there has nothing in it.
async fn own_paths(executor: &Executor, principal: &Principal, run: &str, folder: Folder, written: &str) -> Values {
    let Ok(id) = RunId::parse(run) else { return Values::default() };
    let Some(run) = executor.finished_run_here(principal, &id) else { return Values::default() };
    folder.values(written, move |path| run.workspace(&id).and_then(|files| files.read(path))).await
}

/// How a path is written.
#[derive(Clone, Copy)]
enum Spelling {
    /// The path as the tools take it.
    Plain,
    /// The path as what fills in a template takes it.
    Template,
}

/// The folder of a path that is being written.
struct Folder {
    written: String,
    spelling: Spelling,
}

impl Folder {
    fn of(written: &str, spelling: Spelling) -> Self {
        let written = written.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        Self { written, spelling }
    }

    fn path(&self) -> Option<WorkspacePath> {
        let folder = match self.spelling {
            _ if self.written.is_empty() => ".".to_owned(),
            Spelling::Plain => self.written.clone(),
            Spelling::Template => of_template(&self.written)?,
        };
        WorkspacePath::of_any_name("path", &folder).ok()
    }

    /// What `read` finds in the folder, beside the calls of others.
    async fn values(
        self,
        written: &str,
        read: impl FnOnce(&WorkspacePath) -> std::result::Result<Found, Error> + Send + 'static,
    ) -> Values {
        let Some(path) = self.path() else { return Values::default() };
        let written = written.to_owned();
        let work = move || {
            let Ok(Found::Directory(entries)) = read(&path) else { return Values::default() };
            let mut values = entries.into_iter().map(|FileEntry { path, .. }| match self.spelling {
                Spelling::Plain => format!("{}{path}", self.written),
                Spelling::Template => format!("{}{}", self.written, for_template(&path)),
            });
            Values::of(&mut values, &written)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    }
}
