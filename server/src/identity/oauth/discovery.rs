//! Where an issuer says that its keys are: RFC 8414, section 3, and OpenID Connect
//! Discovery, section 4, with the path of the issuer behind the well-known one and before.

use serde::Deserialize;
use thiserror::Error;

use super::address::{Address, AddressError};
use super::fetch::{FetchError, Fetcher};

/// Why it is not known where keys are.
#[derive(Debug, Error)]
pub(super) enum DiscoveryError {
    #[error("failed to fetch {address}")]
    Fetch { address: Address, source: FetchError },
    #[error("{address} is no JSON object with the texts `issuer` and `jwks_uri`")]
    Unreadable { address: Address },
    #[error(
        "{address} is of the issuer {found:?}, and {wanted:?} is configured: they must be the same letter by letter"
    )]
    OtherIssuer { address: Address, found: String, wanted: String },
    #[error("`jwks_uri` in {address}")]
    Keys { address: Address, source: AddressError },
    #[error("`jwks_uri` in {address} is {keys}, and only an issuer of this machine may have its keys there in clear")]
    Clear { address: Address, keys: Address },
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Where the metadata of an issuer may be, in the order in which they are asked for.
fn places(issuer: &Address) -> Vec<String> {
    let (origin, path) = (issuer.origin(), issuer.path());
    let mut places = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    places
}

/// Finds out where the keys of an issuer are.
///
/// # Errors
///
/// When no metadata can be had, or they are of somebody else.
pub(super) async fn keys_of(issuer: &Address, fetcher: &Fetcher) -> Result<Address, DiscoveryError> {
    let mut last = None;
    for place in places(issuer) {
        let address =
            Address::new(&place).map_err(|source| DiscoveryError::Keys { address: issuer.clone(), source })?;
        let nothing = match fetcher.get(&address).await {
            Ok(document) => match keys_in(&document, issuer, address) {
                // There may be a page for every path, or metadata of a server that needs no keys.
                Err(error @ DiscoveryError::Unreadable { .. }) => error,
                done => return done,
            },
            Err(source @ (FetchError::Status(_) | FetchError::Redirect(_))) => {
                DiscoveryError::Fetch { address, source }
            }
            Err(source) => return Err(DiscoveryError::Fetch { address, source }),
        };
        // The document is there and names no keys, so the next place may have it. That
        // something was there tells more than that nothing was.
        if !matches!(last, Some(DiscoveryError::Unreadable { .. })) {
            last = Some(nothing);
        }
    }
    Err(last.unwrap_or(DiscoveryError::Unreadable { address: issuer.clone() }))
}

pub(super) fn keys_in(document: &[u8], issuer: &Address, address: Address) -> Result<Address, DiscoveryError> {
    let Ok(metadata) = serde_json::from_slice::<Metadata>(document) else {
        return Err(DiscoveryError::Unreadable { address });
    };
    if metadata.issuer != issuer.as_str() {
        let (found, wanted) = (metadata.issuer, issuer.as_str().to_owned());
        return Err(DiscoveryError::OtherIssuer { address, found, wanted });
    }
    match Address::new(&metadata.jwks_uri) {
        // What a server elsewhere says must not have this one ask services of its own machine.
        Ok(keys) if keys.is_tls() || !issuer.is_tls() => Ok(keys),
        Ok(keys) => Err(DiscoveryError::Clear { address, keys }),
        Err(source) => Err(DiscoveryError::Keys { address, source }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Web;
    use super::*;

    #[test]
    fn metadata_are_looked_for_where_both_specifications_have_them() {
        let places = |issuer: &str| places(&Address::name(issuer).unwrap());
        for issuer in ["https://a.example", "https://a.example/"] {
            assert_eq!(
                places(issuer),
                [
                    "https://a.example/.well-known/oauth-authorization-server",
                    "https://a.example/.well-known/openid-configuration"
                ]
            );
        }
        assert_eq!(
            places("https://a.example:8443/realms/b"),
            [
                "https://a.example:8443/.well-known/oauth-authorization-server/realms/b",
                "https://a.example:8443/.well-known/openid-configuration/realms/b",
                "https://a.example:8443/realms/b/.well-known/openid-configuration"
            ]
        );
    }

    #[tokio::test]
    async fn the_keys_are_where_metadata_of_the_same_issuer_say() {
        for place in 0..3 {
            let web = Web::new().await;
            let issuer = Address::name(&format!("{}/realms/b", web.origin)).unwrap();
            let path = places(&issuer)[place].replace(&web.origin, "");
            let keys = format!("{}/keys", web.origin);
            web.document(&path, &json!({"issuer": issuer.as_str(), "jwks_uri": keys}));
            assert_eq!(keys_of(&issuer, &Fetcher::clear()).await.unwrap().as_str(), keys);
            assert_eq!(web.asked().len(), place + 1);
            web.document(&path, &json!({"issuer": format!("{issuer}/"), "jwks_uri": keys}));
            assert!(matches!(keys_of(&issuer, &Fetcher::clear()).await, Err(DiscoveryError::OtherIssuer { .. })));
            web.document(&path, &json!({"issuer": issuer.as_str()}));
            assert!(matches!(keys_of(&issuer, &Fetcher::clear()).await, Err(DiscoveryError::Unreadable { .. })));
            web.document(&path, &json!({"issuer": issuer.as_str(), "jwks_uri": "http://10.0.0.1/keys"}));
            assert!(matches!(keys_of(&issuer, &Fetcher::clear()).await, Err(DiscoveryError::Keys { .. })));
        }
        let web = Web::new().await;
        let issuer = Address::name(&web.origin).unwrap();
        assert!(matches!(keys_of(&issuer, &Fetcher::clear()).await, Err(DiscoveryError::Fetch { .. })));
    }

    #[tokio::test]
    async fn a_place_with_something_else_in_it_does_not_hide_the_next() {
        let web = Web::new().await;
        let issuer = Address::name(&format!("{}/realms/b", web.origin)).unwrap();
        let path = |place: usize| places(&issuer)[place].replace(&web.origin, "");
        let keys = format!("{}/keys", web.origin);
        web.document(&path(0), &json!("a page for every path"));
        web.document(&path(1), &json!({"issuer": issuer.as_str()}));
        web.document(&path(2), &json!({"issuer": issuer.as_str(), "jwks_uri": keys}));
        assert_eq!(keys_of(&issuer, &Fetcher::clear()).await.unwrap().as_str(), keys);
    }

    #[test]
    fn an_issuer_elsewhere_does_not_send_us_to_services_of_this_machine_in_clear() {
        let keys = |issuer: &str, keys: &str| {
            let issuer = Address::name(issuer).unwrap();
            let document = json!({"issuer": issuer.as_str(), "jwks_uri": keys}).to_string();
            keys_in(document.as_bytes(), &issuer, issuer.clone())
        };
        let here = "http://127.0.0.1:9000/keys";
        assert!(matches!(keys("https://a.example", here), Err(DiscoveryError::Clear { .. })));
        assert_eq!(keys("http://127.0.0.1:9000", here).unwrap().as_str(), here);
        assert!(keys("https://a.example", "https://keys.example/").is_ok());
    }
}
