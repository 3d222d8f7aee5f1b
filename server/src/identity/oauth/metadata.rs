//! What clients are told of this resource (RFC 9728): where to get tokens for it.

use serde_json::{Value, json};

use super::settings::OauthSettings;

/// Where it is told (RFC 9728, section 3), with the path of the resource behind it.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document and where it is.
#[derive(Debug)]
pub(crate) struct Metadata {
    document: Value,
    path: String,
    url: String,
}

impl Metadata {
    /// That of a resource whose scopes are `scopes`.
    pub(super) fn of(settings: &OauthSettings, scopes: &[&str]) -> Self {
        let path = format!("{WELL_KNOWN}{}", settings.resource.path());
        let issuers: Vec<_> = settings.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        let document = json!({
            "resource": settings.resource.as_str(),
            "authorization_servers": issuers,
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
            "resource_name": "Belljar",
        });
        Self { document, url: format!("{}{path}", settings.resource.origin()), path }
    }

    /// The document, if `path` is where it is: that of the resource, or the root, where
    /// clients look that know no path.
    pub(crate) fn at(&self, path: &str) -> Option<&Value> {
        (path == self.path || path == WELL_KNOWN).then_some(&self.document)
    }

    /// Where clients find it.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}
