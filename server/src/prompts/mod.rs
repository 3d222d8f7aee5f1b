//! Prompts that people choose, a file for each: what is to be done, and with which
//! calls. Their arguments are checked before a model sees them, and completed.

mod analyze;
mod compare;
mod complete;
mod reproduce;

use rmcp::model::{
    CacheScope, ContentBlock, GetPromptResult, JsonObject, ListPromptsResult, Prompt, PromptArgument, PromptMessage,
    Role,
};
use sandbox::{Error, Found, Principal, SessionId, WorkspacePath};

pub(crate) use self::complete::complete;
use crate::resources::{LASTING_TTL_MS, Refusal};
use crate::service::Service;

/// The longest argument that is a text of its own.
const TEXT_BYTES: usize = 16 << 10;
/// How much of a name a refusal repeats.
const SHOWN_CHARS: usize = 64;

type Result<T> = std::result::Result<T, Refusal>;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The handle of a session that is there.
    Session,
    /// A file of the session, as tools name it.
    Path,
    /// A language that can be run.
    Language,
    /// Anything.
    Text,
}

/// An argument of a prompt.
struct Argument {
    name: &'static str,
    description: &'static str,
    kind: Kind,
    is_required: bool,
}

/// A prompt.
struct Entry {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    /// What is asked of a model.
    text: fn(&Arguments) -> String,
}

/// All prompts, by name.
const PROMPTS: [Entry; 3] = [analyze::PROMPT, compare::PROMPT, reproduce::PROMPT];

/// Arguments that were checked.
struct Arguments(Vec<(&'static str, String)>);

impl Arguments {
    /// The value of an argument that may be missing.
    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an argument that is required.
    fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }
}

fn find(name: &str) -> Result<&'static Entry> {
    PROMPTS.iter().find(|prompt| prompt.name == name).ok_or_else(|| {
        let shown: String = name.chars().take(SHOWN_CHARS).collect();
        let names: Vec<_> = PROMPTS.iter().map(|prompt| prompt.name).collect();
        Error::invalid("name", format!("must be one of {}, got {shown:?}", names.join(", "))).into()
    })
}

/// The list of all prompts.
pub(crate) fn list() -> ListPromptsResult {
    let argument = |argument: &Argument| {
        PromptArgument::new(argument.name).with_description(argument.description).with_required(argument.is_required)
    };
    let prompt = |entry: &Entry| {
        let arguments = entry.arguments.iter().map(argument).collect();
        Prompt::new(entry.name, Some(entry.description), Some(arguments)).with_title(entry.title)
    };
    ListPromptsResult::with_all_items(PROMPTS.iter().map(prompt).collect())
        .with_ttl_ms(LASTING_TTL_MS)
        .with_cache_scope(CacheScope::Public)
}

/// A prompt with its arguments.
pub(crate) async fn get(
    service: &Service,
    principal: &Principal,
    name: &str,
    arguments: JsonObject,
) -> Result<GetPromptResult> {
    let entry = find(name)?;
    let arguments = check(service, principal, entry, arguments).await?;
    let message = PromptMessage::new(Role::User, ContentBlock::text((entry.text)(&arguments)));
    Ok(GetPromptResult::new(vec![message]).with_description(entry.description))
}

/// Checks arguments of a prompt.
async fn check(service: &Service, principal: &Principal, entry: &Entry, mut given: JsonObject) -> Result<Arguments> {
    let mut checked = Vec::new();
    for Argument { name, kind, is_required, .. } in entry.arguments {
        let field = || format!("arguments.{name}");
        let value = match given.remove(*name) {
            // An empty field of a form is one that somebody left empty.
            Some(serde_json::Value::String(text)) if text.trim().is_empty() => None,
            Some(serde_json::Value::String(text)) => Some(text),
            None | Some(serde_json::Value::Null) => None,
            Some(other) => {
                let mut shown = other.to_string();
                shown.truncate(shown.floor_char_boundary(SHOWN_CHARS));
                return Err(Error::invalid(field(), format!("must be a text, got {shown}")).into());
            }
        };
        match value {
            Some(value) if value.len() > TEXT_BYTES => {
                let reason = format!("must be at most {TEXT_BYTES} bytes, has {}", value.len());
                return Err(Error::invalid(field(), reason).into());
            }
            Some(value) => checked.push((*name, *kind, value)),
            None if *is_required => return Err(Error::invalid(field(), "is missing").into()),
            None => {}
        }
    }
    if let Some(unknown) = given.keys().next() {
        let shown: String = unknown.chars().take(SHOWN_CHARS).collect();
        let names: Vec<_> = entry.arguments.iter().map(|argument| argument.name).collect();
        let reason = format!("has no {shown:?}; `{}` takes {}", entry.name, names.join(", "));
        return Err(Error::invalid("arguments", reason).into());
    }
    hold(service, principal, &checked).await?;
    Ok(Arguments(checked.into_iter().map(|(name, _, value)| (name, value)).collect()))
}

/// Holds arguments against what there is.
async fn hold(service: &Service, principal: &Principal, arguments: &[(&str, Kind, String)]) -> Result<()> {
    let executor = &service.executor;
    let mut files = None;
    for (name, kind, value) in arguments {
        match kind {
            Kind::Session => {
                files = Some(executor.session_files(principal, &SessionId::parse(value)?).await?);
            }
            Kind::Path => {
                if let Some(mounted) = executor.policy(principal).mounts.path(name, value) {
                    let mounted = mounted?;
                    blocking(move || mounted.read()).await?;
                } else if let Some(files) = files.take() {
                    let path = WorkspacePath::of_any_name(name, value)?;
                    blocking(move || files.read(&path)).await?;
                }
            }
            Kind::Language => {
                let languages = executor.languages(principal).await;
                if !languages.iter().any(|language| language.id == *value) {
                    let ids: Vec<_> = languages.iter().map(|language| language.id.as_str()).collect();
                    let shown: String = value.chars().take(SHOWN_CHARS).collect();
                    let reason = format!("must be one of {}, got {shown:?}", ids.join(", "));
                    return Err(Error::invalid(format!("arguments.{name}"), reason).into());
                }
            }
            Kind::Text => {}
        }
    }
    Ok(())
}

/// Looks at what waits for a disk, beside the calls of others.
async fn blocking(look: impl FnOnce() -> std::result::Result<Found, Error> + Send + 'static) -> Result<()> {
    let found = tokio::task::spawn_blocking(look).await;
    found.map_err(|source| Error::host("look at a file", source))??;
    Ok(())
}

/// A text of somebody else's, fenced so that it stands out.
fn quoted(text: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_quoted_text_ends_the_quote() {
        for text in ["plain", "a ``` b", "`````", "", "x\n```\ny\n\n"] {
            let quoted = quoted(text);
            let fence: String = quoted.chars().take_while(|char| *char == '`').collect();
            assert!(fence.len() >= 3 && quoted.matches(&*fence).count() == 2, "{quoted}");
            assert!(quoted.contains(text.trim_end()));
        }
    }
}
