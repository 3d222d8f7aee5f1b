//! How clients speak to models: each wire reads where a conversation stands,
//! and writes what the model says next.

mod generate;
mod messages;
mod responses;

use serde_json::Value;

/// The number of the call of `execute`.
pub(crate) const EXECUTE: &str = "call_execute";
/// The number of the search for `execute`.
pub(crate) const SEARCH: &str = "call_search";

/// An interface of a model, with server-sent events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
    /// Google's `streamGenerateContent`.
    Generate,
}

/// How a model uses a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The model calls it with arguments.
    Function,
    /// The tool finds others whose definitions are kept back until then.
    Search,
    /// The tool takes a program that calls the others.
    Script,
}

/// A tool as the model knows it.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) kind: Kind,
    /// Where a wire groups tools, the group.
    pub(crate) group: Option<String>,
    /// Its name, which clients make longer.
    pub(crate) name: String,
}

impl Tool {
    /// Whether it is the tool of `belljar`.
    pub(crate) fn is_execute(&self) -> bool {
        let name = format!("{}__{}", self.group.as_deref().unwrap_or_default(), self.name);
        self.kind == Kind::Function && name.contains("belljar") && name.ends_with("execute")
    }
}

/// Where a conversation stands.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Tools that the model may call now.
    pub(crate) offered: Vec<Tool>,
    /// Whether it searched for tools before.
    pub(crate) has_searched: bool,
    /// What came of [`EXECUTE`], once it was called.
    pub(crate) received: Option<Received>,
}

/// The result of a call, as the model got it.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Every text of the result.
    pub(crate) texts: Vec<String>,
    /// Every image of the conversation: some clients put it beside the result.
    pub(crate) images: Vec<Image>,
}

/// An image, as it crosses a wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// Its MIME type.
    pub(crate) mime: String,
    /// In base64.
    pub(crate) data: String,
}

/// What the model says.
#[derive(Debug)]
pub(crate) enum Say {
    /// The model says its last words.
    Text(&'static str),
    /// The model looks for `execute` with this tool, as [`SEARCH`].
    Search(Tool),
    /// The model wants `execute` called, by this tool, as [`EXECUTE`].
    Execute {
        /// `execute` itself, or one for scripts.
        tool: Tool,
        /// What `execute` gets.
        arguments: Value,
    },
}

impl Wire {
    /// What people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Messages => "Messages",
            Self::Responses => "Responses",
            Self::Generate => "generateContent",
        }
    }

    /// Whether a request to this path asks the model to speak.
    pub(crate) fn is_turn(self, target: &str) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        match self {
            Self::Messages => path == "/v1/messages",
            Self::Responses => path == "/v1/responses",
            Self::Generate => path.ends_with(":streamGenerateContent"),
        }
    }

    /// Reads where a conversation stands.
    pub(crate) fn read(self, conversation: &Value) -> Turn {
        match self {
            Self::Messages => messages::read(conversation),
            Self::Responses => responses::read(conversation),
            Self::Generate => generate::read(conversation),
        }
    }

    /// What the model says, as a stream of events.
    pub(crate) fn write(self, say: &Say) -> String {
        let events = match self {
            Self::Messages => messages::write(say),
            Self::Responses => responses::write(say),
            Self::Generate => generate::write(say),
        };
        events
            .iter()
            .map(|event| {
                let name = event.get("type").and_then(Value::as_str).map(|name| format!("event: {name}\n"));
                format!("{}data: {event}\n\n", name.unwrap_or_default())
            })
            .collect()
    }
}

/// The elements of an array, or nothing.
fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A string, or an empty one.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Everything in a value that `pick` wants, in its order. The parser bounds
/// how deep it is.
fn collect<T>(value: &Value, pick: &impl Fn(&Value) -> Option<T>, found: &mut Vec<T>) {
    if let Some(wanted) = pick(value) {
        found.push(wanted);
        return;
    }
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, pick, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, pick, found)),
        _ => {}
    }
}

/// [`collect`] into a new list.
fn all<T>(value: &Value, pick: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    let mut found = Vec::new();
    collect(value, &pick, &mut found);
    found
}
