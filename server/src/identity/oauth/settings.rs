//! What the operator configured, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use super::address::Address;
use super::scope_names::ScopeNames;

/// A resource server.
#[derive(Clone, Debug)]
pub(crate) struct OauthSettings {
    /// The address that clients have of this server: what tokens are for (RFC 8707).
    pub(crate) resource: Address,
    /// Who may sign tokens.
    pub(crate) issuers: Vec<IssuerSettings>,
    /// What tokens may be for instead of the resource.
    pub(crate) audiences: Vec<String>,
    /// Types of tokens that are taken beside at+jwt, in small letters; `None` is that of
    /// tokens without one.
    pub(crate) token_types: Vec<Option<String>>,
    /// The claim that says the tenant.
    pub(crate) tenant_claim: Option<String>,
    /// What scopes are called in tokens.
    pub(crate) scopes: ScopeNames,
    /// How much clocks may differ.
    pub(crate) leeway: Duration,
}

impl OauthSettings {
    /// Whether a token for `audience` is for this server.
    pub(super) fn is_for_us(&self, audience: &str) -> bool {
        audience == self.resource.as_str() || self.audiences.iter().any(|other| other == audience)
    }
}

/// An authorization server.
#[derive(Clone, Debug)]
pub(crate) struct IssuerSettings {
    /// What the issuer calls itself, letter by letter, and where it is.
    pub(crate) name: Address,
    /// Where the issuer's keys are, if that need not be found out.
    pub(crate) jwks_uri: Option<Address>,
    /// Which of the issuer's values of the claim for tenants is which tenant of this server.
    pub(crate) tenants: BTreeMap<String, String>,
}
