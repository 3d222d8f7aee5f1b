//! Where a call comes from, for those who watch runs.

use std::sync::Arc;

use hyper::http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;

use crate::identity::{Identity, Subject};
use crate::traces::TraceContext;

/// The most characters of what a client says of itself.
const CLIENT_CHARS: usize = 100;

/// Where a call comes from. It lies in the calls that observers hear of.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// By which the credential is known; it is none itself.
    pub(crate) credential: Option<Arc<str>>,
    pub(crate) subject: Option<Subject>,
    pub(crate) client: Option<Client>,
    /// The trace that it is part of, where it says so.
    pub(crate) trace: Option<TraceContext>,
    /// The id of the request.
    pub(crate) request: Option<String>,
    /// The revision of MCP.
    pub(crate) protocol: Option<String>,
}

/// A client, in its own words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Origin {
    /// That of a request.
    pub(crate) fn of(context: &RequestContext<RoleServer>, identity: Option<&Identity>) -> Arc<Self> {
        // Each message says it in the newer era, and the first one in the other.
        let of_connection = || Some(context.peer.peer_info()?.client_info.clone());
        let client = context.meta.client_info().or_else(of_connection);
        let headers = context.extensions.get::<Parts>().map(|parts| &parts.headers);
        let client = client.map(|client| Client { name: plain(&client.name), version: plain(&client.version) });
        Arc::new(Self {
            credential: identity.map(|identity| Arc::clone(&identity.credential)),
            subject: identity.and_then(|identity| identity.subject.clone()),
            client,
            trace: TraceContext::of(&context.meta, headers),
            request: Some(plain(&context.id.to_string())),
            protocol: context.protocol_version().map(|version| plain(version.as_str())),
        })
    }

    /// The same of a call that an observer hears of.
    pub(crate) fn within(origin: Option<&sandbox::Origin>) -> Option<&Self> {
        origin?.downcast_ref()
    }
}

/// The beginning of what a client says, without what moves cursors and ends lines.
fn plain(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    text.chars().take(CLIENT_CHARS).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_is_bounded_and_on_one_line() {
        assert_eq!(plain("a\nb\u{9b}1\u{7f}"), "a\u{fffd}b\u{fffd}1\u{fffd}");
        assert_eq!(plain(&"é".repeat(300)).chars().count(), CLIENT_CHARS);
    }
}
