//! What clients are told of this resource (RFC 9728): where to get tokens for it.

use serde_json::{Value, json};

use super::settings::OauthSettings;

/// Where the metadata are told (RFC 9728, section 3), with the path of the resource behind it.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document and where it is.
#[derive(Debug)]
pub(crate) struct Metadata {
    document: Value,
    path: String,
    url: String,
}

impl Metadata {
    /// The metadata of a resource.
    pub(super) fn of(settings: &OauthSettings) -> Self {
        let path = format!("{WELL_KNOWN}{}", settings.resource.path());
        let issuers: Vec<_> = settings.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        let document = json!({
            "resource": settings.resource.as_str(),
            "authorization_servers": issuers,
            "scopes_supported": settings.scopes.all(),
            "bearer_methods_supported": ["header"],
            "resource_name": "Belljar",
        });
        Self { document, url: format!("{}{path}", settings.resource.origin()), path }
    }

    /// The document, if `path` is where it is: at the place of the resource, or at the
    /// root, where clients look that know no path.
    pub(crate) fn at(&self, path: &str) -> Option<&Value> {
        (path == self.path || path == WELL_KNOWN).then_some(&self.document)
    }

    /// Where clients find the document.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::super::testing::settings;
    use super::*;

    #[test]
    fn metadata_are_where_the_path_of_the_resource_has_them_and_at_the_root() {
        let of = |resource: &str| {
            let mut settings = settings(&["https://a.example", "https://b.example/c"]);
            settings.resource = Address::name(resource).unwrap();
            Metadata::of(&settings)
        };
        let metadata = of("https://belljar.example:8443/mcp");
        assert_eq!(metadata.url(), "https://belljar.example:8443/.well-known/oauth-protected-resource/mcp");
        let document = metadata.at("/.well-known/oauth-protected-resource/mcp").unwrap();
        assert_eq!(document["resource"], "https://belljar.example:8443/mcp");
        assert_eq!(document["authorization_servers"], json!(["https://a.example", "https://b.example/c"]));
        assert_eq!(document["scopes_supported"], json!(["sandbox:read", "sandbox:execute", "sandbox:admin"]));
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
        assert!(metadata.at(WELL_KNOWN).is_some());
        for path in
            ["/", "/mcp", "/.well-known/oauth-protected-resource/", "/.well-known/oauth-protected-resource/other"]
        {
            assert!(metadata.at(path).is_none(), "{path}");
        }
        assert_eq!(
            of("https://belljar.example/").url(),
            "https://belljar.example/.well-known/oauth-protected-resource"
        );
    }
}
