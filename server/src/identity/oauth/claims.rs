//! What a token whose signature was verified says, held against what is asked for
//! (RFC 9068, section 4).

use std::sync::Arc;

use serde_json::Value;

use super::object::Object;
use super::refusal::TokenError;
use super::settings::OauthSettings;
use super::token::Token;

/// The longest name of a subject or a client. OpenID Connect has 255.
const MAX_NAME_BYTES: usize = 512;
/// The most audiences and scopes of a token.
const MAX_ENTRIES: usize = 128;
/// The latest instant that is read: past it a number does not have every second.
const LATEST: f64 = 9_007_199_254_740_992.0;

/// The type of access tokens (RFC 9068, section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Who signed it.
    pub(crate) issuer: Arc<str>,
    /// Whom it speaks for, among those of the issuer.
    pub(crate) subject: String,
    /// The client that it was given to, where it says so.
    pub(crate) client: Option<String>,
    /// What it allows, in the words of the issuer.
    pub(crate) scopes: Vec<String>,
    /// What the claim says that the operator chose for tenants.
    pub(crate) tenant: Option<String>,
    /// When it expires, in seconds since 1970.
    pub(crate) expires: u64,
}

impl Claims {
    /// Reads the claims of a token of `issuer`; `now` is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// For the first that is not as it must be: type, times, audience, the rest.
    pub(super) fn of(
        token: &Token<'_>,
        issuer: &Arc<str>,
        settings: &OauthSettings,
        now: u64,
    ) -> Result<Self, TokenError> {
        let kind = token.kind.as_deref();
        let is_access_token = kind == Some(ACCESS_TOKEN);
        if !is_access_token && !settings.token_types.iter().any(|allowed| allowed.as_deref() == kind) {
            return Err(TokenError::WrongType(kind.unwrap_or_default().to_owned()));
        }
        let says = &token.says;
        let leeway = settings.leeway.as_secs();
        let expires = instant(says, "exp")?.ok_or(TokenError::MissingClaim("exp"))?;
        if now >= expires.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        for claim in ["nbf", "iat"] {
            if instant(says, claim)?.is_some_and(|instant| instant > now.saturating_add(leeway)) {
                return Err(TokenError::NotYetValid(claim));
            }
        }
        let audiences = texts(says, "aud")?.ok_or(TokenError::MissingClaim("aud"))?;
        if !audiences.iter().any(|audience| settings.is_for_us(audience)) {
            return Err(TokenError::WrongAudience);
        }
        let subject = name(says, "sub")?.ok_or(TokenError::MissingClaim("sub"))?;
        let client = match name(says, "client_id")? {
            Some(client) => Some(client),
            // OpenID Connect calls the client so.
            None => name(says, "azp")?,
        };
        if is_access_token {
            // RFC 9068, section 2.2.
            if client.is_none() {
                return Err(TokenError::MissingClaim("client_id"));
            }
            if says.get("iat").is_none() {
                return Err(TokenError::MissingClaim("iat"));
            }
        }
        Ok(Self {
            issuer: Arc::clone(issuer),
            subject,
            client,
            scopes: scopes(says)?,
            tenant: settings.tenant_claim.as_deref().map(|claim| tenant(says, claim)).transpose()?,
            expires,
        })
    }
}

/// What a claim for tenants says. One that is not a plain text is nobody's.
fn tenant(says: &Object, claim: &str) -> Result<String, TokenError> {
    match says.get(claim) {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_NAME_BYTES => Ok(text.clone()),
        _ => Err(TokenError::UnknownTenant),
    }
}

/// Seconds since 1970 (RFC 7519, section 2: they may have a fraction).
fn instant(says: &Object, claim: &'static str) -> Result<Option<u64>, TokenError> {
    let Some(value) = says.get(claim) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..LATEST).contains(seconds));
    let seconds = seconds.ok_or(TokenError::BadClaim { claim, fault: "is no number of seconds since 1970" })?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies in the range of both")]
    Ok(Some(seconds as u64))
}

fn name(says: &Object, claim: &'static str) -> Result<Option<String>, TokenError> {
    match says.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Err(TokenError::BadClaim { claim, fault: "is empty" }),
        Some(Value::String(text)) if text.len() <= MAX_NAME_BYTES => Ok(Some(text.clone())),
        Some(Value::String(_)) => Err(TokenError::BadClaim { claim, fault: "has more than 512 bytes" }),
        Some(_) => Err(TokenError::BadClaim { claim, fault: "is no text" }),
    }
}

/// A text, or a list of texts.
fn texts<'a>(says: &'a Object, claim: &'static str) -> Result<Option<Vec<&'a str>>, TokenError> {
    let fault = |fault| TokenError::BadClaim { claim, fault };
    match says.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text])),
        Some(Value::Array(entries)) if entries.len() > MAX_ENTRIES => Err(fault("has more than 128 entries")),
        Some(Value::Array(entries)) => {
            let texts = entries.iter().map(|entry| entry.as_str().ok_or(fault("has an entry that is no text")));
            texts.collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(fault("is neither a text nor a list of texts")),
    }
}

/// `scope` (RFC 8693, section 4.2), or `scp`, as others write it. A text is a list with
/// spaces between.
fn scopes(says: &Object) -> Result<Vec<String>, TokenError> {
    let written = match texts(says, "scope")? {
        Some(scope) => scope,
        None => texts(says, "scp")?.unwrap_or_default(),
    };
    let scopes: Vec<_> =
        written.iter().flat_map(|text| text.split(' ')).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if scopes.len() > MAX_ENTRIES {
        return Err(TokenError::BadClaim { claim: "scope", fault: "has more than 128 entries" });
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::algorithm::Algorithm;
    use super::super::testing::{NOW, Signer, claims, settings};
    use super::*;

    const ISSUER: &str = "https://auth.example";

    struct Case {
        head: Value,
        claims: Value,
        settings: OauthSettings,
        now: u64,
    }

    impl Case {
        fn new() -> Self {
            let head = json!({"alg": "EdDSA", "typ": "at+jwt"});
            Self { head, claims: claims(ISSUER), settings: settings(&[ISSUER]), now: NOW }
        }

        fn with(mut self, name: &str, value: Value) -> Self {
            self.claims[name] = value;
            self
        }

        fn without(mut self, name: &str) -> Self {
            self.claims.as_object_mut().unwrap().remove(name).unwrap();
            self
        }

        fn typed(mut self, kind: Option<&str>) -> Self {
            match kind {
                Some(kind) => self.head["typ"] = kind.into(),
                None => drop(self.head.as_object_mut().unwrap().remove("typ")),
            }
            self
        }

        fn allowing(mut self, kinds: &[Option<&str>]) -> Self {
            self.settings.token_types = kinds.iter().map(|kind| kind.map(str::to_owned)).collect();
            self
        }

        fn read(&self) -> Result<Claims, TokenError> {
            let token = Signer::new(Algorithm::EdDsa).sign(&self.head, &self.claims);
            Claims::of(&Token::read(&token).unwrap(), &ISSUER.into(), &self.settings, self.now)
        }

        fn said(&self) -> &'static str {
            self.read().map_or_else(|error| error.reason(), |_| "taken")
        }
    }

    #[test]
    fn a_token_for_us_is_taken_with_what_it_says() {
        let read = Case::new().read().unwrap();
        assert_eq!(
            (&*read.issuer, read.subject.as_str(), read.client.as_deref()),
            (ISSUER, "somebody", Some("a-client"))
        );
        assert_eq!(
            (read.scopes, read.expires, read.tenant),
            (vec!["sandbox:read".into(), "sandbox:execute".into()], NOW + 300, None)
        );
    }

    #[test]
    fn times_hold_with_what_clocks_may_differ_and_not_a_second_more() {
        for (claim, instant, expected) in [
            ("exp", NOW - 59, "taken"),
            ("exp", NOW - 60, "expired"),
            ("exp", 0, "expired"),
            ("nbf", NOW + 60, "taken"),
            ("nbf", NOW + 61, "not_yet_valid"),
            ("iat", NOW + 60, "taken"),
            ("iat", NOW + 61, "not_yet_valid"),
        ] {
            assert_eq!(Case::new().with(claim, instant.into()).said(), expected, "{claim} {instant}");
        }
        let mut case = Case::new().with("exp", NOW.into());
        assert_eq!(case.said(), "taken");
        case.settings.leeway = Duration::ZERO;
        assert_eq!(case.said(), "expired");
        case.now = NOW - 1;
        assert_eq!(case.said(), "taken");
        assert_eq!(Case::new().with("exp", json!(1_800_000_300.75)).read().unwrap().expires, NOW + 300);
        for value in [json!("1800000300"), json!(-1), json!(1e300), json!(null), json!([NOW + 300]), json!(true)] {
            for claim in ["exp", "nbf", "iat"] {
                assert_eq!(Case::new().with(claim, value.clone()).said(), "bad_claim", "{claim} {value}");
            }
        }
        assert_eq!(Case::new().without("exp").said(), "missing_claim");
    }

    #[test]
    fn an_audience_is_the_resource_letter_by_letter_or_one_of_the_list() {
        let said = |audience: Value| Case::new().with("aud", audience).said();
        let ours = "https://belljar.example/mcp";
        assert_eq!(
            (said(json!(ours)), said(json!([ours])), said(json!(["account", ours]))),
            ("taken", "taken", "taken")
        );
        for other in [
            "https://belljar.example",
            "https://belljar.example/",
            "https://belljar.example/mcp/",
            "https://belljar.example/mcp?",
            "https://BELLJAR.example/mcp",
            "https://belljar.example:443/mcp",
            "http://belljar.example/mcp",
            "https://belljar.example/mcp/other",
            "account",
            "",
        ] {
            assert_eq!(said(json!(other)), "wrong_audience", "{other}");
            assert_eq!(said(json!([other])), "wrong_audience", "{other}");
        }
        assert_eq!(said(json!([])), "wrong_audience");
        for odd in
            [json!(null), json!(1), json!({"a": ours}), json!([[ours]]), json!([ours, 1]), json!(vec![ours; 129])]
        {
            assert_eq!(said(odd.clone()), "bad_claim", "{odd}");
        }
        assert_eq!(Case::new().without("aud").said(), "missing_claim");
        let mut case = Case::new().with("aud", json!(["belljar"]));
        assert_eq!(case.said(), "wrong_audience");
        case.settings.audiences = vec!["belljar".into()];
        assert_eq!(case.said(), "taken");
    }

    #[test]
    fn a_token_is_an_access_token_unless_the_operator_allows_others() {
        for (kind, allowed, expected) in [
            (Some("at+jwt"), &[][..], "taken"),
            (Some("application/at+jwt"), &[], "taken"),
            (Some("AT+JWT"), &[], "taken"),
            (Some("JWT"), &[], "wrong_token_type"),
            (Some("JWT"), &[Some("jwt")], "taken"),
            (None, &[], "wrong_token_type"),
            (None, &[Some("jwt")], "wrong_token_type"),
            (None, &[Some("jwt"), None], "taken"),
            (Some("logout+jwt"), &[Some("jwt"), None], "wrong_token_type"),
            (Some("dpop+jwt"), &[Some("jwt"), None], "wrong_token_type"),
        ] {
            assert_eq!(Case::new().typed(kind).allowing(allowed).said(), expected, "{kind:?} {allowed:?}");
        }
    }

    #[test]
    fn a_token_says_whom_it_is_for_and_who_has_it() {
        assert_eq!(Case::new().without("sub").said(), "missing_claim");
        for odd in [json!(""), json!(1), json!(["somebody"]), json!(null), json!("s".repeat(513))] {
            assert_eq!(Case::new().with("sub", odd.clone()).said(), "bad_claim", "{odd}");
        }
        assert_eq!(Case::new().with("sub", json!("s".repeat(512))).said(), "taken");
        assert_eq!(Case::new().without("client_id").said(), "missing_claim");
        assert_eq!(Case::new().without("iat").said(), "missing_claim");
        let named = Case::new().without("client_id").with("azp", json!("b")).read().unwrap();
        assert_eq!(named.client.as_deref(), Some("b"));
        let lenient = Case::new().without("client_id").without("iat").typed(Some("JWT")).allowing(&[Some("jwt")]);
        assert_eq!(lenient.read().unwrap().client, None);
    }

    #[test]
    fn scopes_are_a_text_or_a_list() {
        let scopes = |claims: &[(&str, Value)]| {
            let case =
                claims.iter().fold(Case::new().without("scope"), |case, (name, value)| case.with(name, value.clone()));
            case.read().map(|read| read.scopes.join(",")).map_err(|error| error.reason())
        };
        assert_eq!(scopes(&[]), Ok(String::new()));
        assert_eq!(scopes(&[("scope", json!(" a  b "))]), Ok("a,b".into()));
        assert_eq!(scopes(&[("scope", json!(["a", "b"]))]), Ok("a,b".into()));
        assert_eq!(scopes(&[("scp", json!(["a", "b"]))]), Ok("a,b".into()));
        assert_eq!(scopes(&[("scp", json!("a b"))]), Ok("a,b".into()));
        assert_eq!(scopes(&[("scope", json!("a")), ("scp", json!(["b"]))]), Ok("a".into()));
        for odd in [json!(1), json!({"a": 1}), json!([["a"]]), json!("a ".repeat(129)), json!(null)] {
            assert_eq!(scopes(&[("scope", odd.clone())]), Err("bad_claim"), "{odd}");
        }
    }

    #[test]
    fn a_tenant_is_what_the_chosen_claim_says() {
        let said = |value: Option<Value>| {
            let mut case = Case::new();
            case.settings.tenant_claim = Some("org_id".into());
            if let Some(value) = value {
                case = case.with("org_id", value);
            }
            case.read().map(|read| read.tenant)
        };
        assert_eq!(said(Some(json!("org_1"))), Ok(Some("org_1".into())));
        for odd in [None, Some(json!("")), Some(json!(["org_1"])), Some(json!(1)), Some(json!({"org_1": {}}))] {
            assert_eq!(said(odd), Err(TokenError::UnknownTenant));
        }
    }
}
