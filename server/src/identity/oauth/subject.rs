//! Whose a token is: which tenant, and by which name it is known.

use sandbox::Principal;

use super::claims::Claims;
use super::refusal::TokenError;
use super::settings::{IssuerSettings, OauthSettings};
use crate::identity::Roster;

/// The purpose of the hash of a subject, so that no other hash of its parts is equal to it.
const PURPOSE: &str = "belljar 2026-11-27 principal of an OAuth subject";
/// Digits of the hash: 160 bits, which nobody makes two of.
const DIGITS: usize = 40;

/// The name of a subject. Two issuers may call two people the same, so the name is of
/// both, and in a form that directories can have.
pub(super) fn name(claims: &Claims) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(PURPOSE);
    // The length says where the one ends and the other begins.
    hasher.update(&(claims.issuer.len() as u64).to_le_bytes());
    hasher.update(claims.issuer.as_bytes());
    hasher.update(claims.subject.as_bytes());
    format!("oauth-{}", &hasher.finalize().to_hex()[..DIGITS])
}

/// The tenant that a token of `issuer` is of.
///
/// # Errors
///
/// When it says none that this server has.
pub(super) fn tenant(
    claims: &Claims,
    issuer: &IssuerSettings,
    settings: &OauthSettings,
    roster: &Roster,
) -> Result<Principal, TokenError> {
    let named = match (&settings.tenant_claim, &claims.tenant) {
        (None, _) => return roster.find(Some(&name(claims))).map_err(|_| TokenError::UnknownTenant),
        (Some(_), said) => said.as_deref().ok_or(TokenError::UnknownTenant)?,
    };
    // A name that an issuer says is none of ours, unless it is the only issuer.
    let ours = match issuer.tenants.get(named) {
        Some(ours) => ours,
        None if issuer.tenants.is_empty() && roster.names(named) => named,
        None => return Err(TokenError::UnknownTenant),
    };
    roster.find(Some(ours)).map_err(|_| TokenError::UnknownTenant)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::super::testing::settings;
    use super::*;
    use crate::identity::Quota;

    fn claims(issuer: &str, subject: &str, tenant: Option<&str>) -> Claims {
        let (subject, tenant) = (subject.to_owned(), tenant.map(str::to_owned));
        Claims { issuer: issuer.into(), subject, client: None, scopes: Vec::new(), tenant, expires: 0 }
    }

    #[test]
    fn a_subject_is_one_of_its_issuer() {
        let name = |issuer: &str, subject: &str| name(&claims(issuer, subject, None));
        let one = name("https://a.example", "b");
        assert_eq!(one, name("https://a.example", "b"));
        assert!(Principal::new(&one).is_ok() && one.len() == "oauth-".len() + DIGITS, "{one}");
        for (issuer, subject) in [("https://a.example", "c"), ("https://c.example", "b"), ("https://a.exampleb", "")] {
            assert_ne!(name(issuer, subject), one);
        }
        assert_ne!(name("https://a.example", "B"), one);
    }

    #[test]
    fn a_tenant_is_one_that_the_issuer_may_speak_for() {
        let named = HashMap::from(["acme", "other"].map(|name| (Principal::new(name).unwrap(), Quota::default())));
        let open = Roster::Many { named: named.clone(), others: Some(Quota::default()) };
        let closed = Roster::Many { named, others: None };
        let mut settings = settings(&["https://a.example"]);
        let said = |settings: &OauthSettings, roster: &Roster, says: Option<&str>| {
            let claims = claims("https://a.example", "b", says);
            tenant(&claims, &settings.issuers[0], settings, roster).map(|tenant| tenant.directory_name().to_owned())
        };
        let unknown = Err(TokenError::UnknownTenant);
        assert!(said(&settings, &open, None).unwrap().starts_with("oauth-"));
        assert_eq!(said(&settings, &closed, None), unknown);
        settings.tenant_claim = Some("org_id".into());
        assert_eq!(said(&settings, &open, Some("acme")), Ok("acme".into()));
        for other in [None, Some("nobody"), Some("../acme"), Some("ACME"), Some("default"), Some("local"), Some("")] {
            assert_eq!(said(&settings, &open, other), unknown, "{other:?}");
        }
        settings.issuers[0].tenants = BTreeMap::from([("org_1".into(), "acme".into())]);
        assert_eq!(said(&settings, &closed, Some("org_1")), Ok("acme".into()));
        for other in ["acme", "other", "org_2"] {
            assert_eq!(said(&settings, &open, Some(other)), unknown, "{other}");
        }
    }
}
