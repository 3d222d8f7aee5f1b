//! Where a call comes from, for those who watch runs.

use std::sync::Arc;

use hyper::http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::identity::{Identity, Subject};
use crate::inputs::Inputs;
use crate::traces::TraceContext;

/// Where messages of the newer era have what a client says of itself.
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The most characters of what a client says of itself.
const CLIENT_CHARS: usize = 100;

/// Where a call comes from. It lies in the calls that observers hear of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The name by which the credential is known; it is none itself.
    pub(crate) credential: Option<Arc<str>>,
    pub(crate) subject: Option<Subject>,
    pub(crate) client: Option<Client>,
    /// The trace that the call is part of, where it says so.
    pub(crate) trace: Option<TraceContext>,
    /// The id of the request.
    pub(crate) request: Option<String>,
    /// The revision of MCP.
    pub(crate) protocol: Option<String>,
    /// What the program of the call is given, once that is known.
    pub(crate) inputs: Option<Inputs>,
}

/// A client, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Origin {
    /// The origin of a request.
    pub(crate) fn of(context: &RequestContext<RoleServer>, identity: Option<&Identity>) -> Arc<Self> {
        // Each message says who the client is in the newer era, and the first one in the other.
        let of_message = context.meta.get(CLIENT_INFO).and_then(Client::of_message);
        let of_connection = || {
            let info = context.peer.peer_info()?;
            Some(Client::new(&info.client_info.name, &info.client_info.version))
        };
        let client = of_message.or_else(of_connection);
        let headers = context.extensions.get::<Parts>().map(|parts| &parts.headers);
        Arc::new(Self {
            credential: identity.map(|identity| Arc::clone(&identity.credential)),
            subject: identity.and_then(|identity| identity.subject.clone()),
            client,
            trace: TraceContext::of(&context.meta, headers),
            request: Some(plain(&context.id.to_string())),
            protocol: context.protocol_version().map(|version| plain(version.as_str())),
            inputs: None,
        })
    }

    /// The origin of a program which somebody runs from a command line.
    pub(crate) fn command(inputs: Inputs) -> Self {
        Self { credential: Some("command".into()), inputs: Some(inputs), ..Self::default() }
    }

    /// This origin, of a program that is given `inputs`.
    pub(crate) fn with(&self, inputs: Inputs) -> Self {
        Self { inputs: Some(inputs), ..self.clone() }
    }

    /// The origin of a call that an observer hears of.
    pub(crate) fn within(origin: Option<&sandbox::Origin>) -> Option<&Self> {
        origin?.downcast_ref()
    }
}

impl Client {
    /// A client that says any amount of itself with every call, of which no more is
    /// taken than is kept.
    fn new(name: &str, version: &str) -> Self {
        Self { name: begin(name).to_owned(), version: begin(version).to_owned() }
    }

    fn of_message(value: &Value) -> Option<Self> {
        let text = |name| value.get(name)?.as_str();
        Some(Self::new(text("name")?, text("version")?))
    }
}

/// The beginning of what a client says.
fn begin(text: &str) -> &str {
    &text[..text.char_indices().nth(CLIENT_CHARS).map_or(text.len(), |(end, _)| end)]
}

/// The beginning of what a client says, without what moves cursors and ends lines.
fn plain(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    begin(text).chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_what_a_client_says_the_beginning_is_kept() {
        let said = json!({"name": "é".repeat(300), "version": "1", "title": "x".repeat(1 << 20)});
        let Client { name, version } = Client::of_message(&said).unwrap();
        assert_eq!((name, version), ("é".repeat(CLIENT_CHARS), "1".to_owned()));
        for other in [json!({"name": "a"}), json!({"name": "a", "version": 1}), json!("a")] {
            assert_eq!(Client::of_message(&other), None, "{other}");
        }
    }
}
