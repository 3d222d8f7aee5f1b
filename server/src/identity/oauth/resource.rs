//! This server as a resource: whose tokens are, and what clients are told.

use std::sync::Arc;

use serde_json::Value;

use super::issuer::KeyFetches;
use super::metadata::Metadata;
use super::refusal::TokenError;
use super::scope_names::ScopeNames;
use super::settings::OauthSettings;
use super::verifier::Verifier;
use crate::authorities::TlsError;
use crate::identity::{Identity, Roster, Scope};

/// What clients are told to ask for who have no token: what agents need, and no more.
const USUAL: [Scope; 2] = [Scope::Read, Scope::Execute];

/// A resource server.
pub(crate) struct ResourceServer {
    verifier: Verifier,
    metadata: Metadata,
    scopes: ScopeNames,
}

impl ResourceServer {
    /// A resource server with these settings, for these tenants. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// When an issuer is reached by TLS, and this machine trusts no certificate authority.
    pub(crate) fn new(settings: OauthSettings, roster: Roster) -> Result<Self, TlsError> {
        let scopes = settings.scopes.clone();
        let metadata = Metadata::of(&settings);
        Ok(Self { verifier: Verifier::new(settings, roster)?, metadata, scopes })
    }

    /// Has the keys of issuers fetched, so that the first call need not wait.
    pub(crate) fn warm_up(&self) {
        self.verifier.warm_up();
    }

    /// How often keys of issuers were fetched.
    pub(crate) fn key_fetches(&self) -> KeyFetches {
        self.verifier.key_fetches()
    }

    /// Whose a token is.
    ///
    /// # Errors
    ///
    /// When it is not to be believed.
    pub(crate) async fn find(&self, token: &[u8]) -> Result<Arc<Identity>, TokenError> {
        self.verifier.verify(token).await
    }

    /// The metadata, if `path` is where they are.
    pub(crate) fn metadata_at(&self, path: &str) -> Option<&Value> {
        self.metadata.at(path)
    }

    /// Where clients find the metadata (RFC 9728, section 5.1).
    pub(crate) fn metadata_url(&self) -> &str {
        self.metadata.url()
    }

    /// The scopes to ask for: all that an operation needs which was refused, or the usual ones.
    pub(crate) fn scopes_for(&self, needs: Option<Scope>) -> String {
        match needs {
            Some(needs) => self.scopes.name(needs).to_owned(),
            None => USUAL.map(|scope| self.scopes.name(scope)).join(" "),
        }
    }
}
