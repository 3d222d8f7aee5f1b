//! The resource server, as it is written: the section `[oauth]`, and flags and variables
//! of the same names with `oauth` before them.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Deserialize;

use super::values::{Named, from_table};
use super::{in_range, layered};
use crate::identity::{Address, IssuerSettings, OauthSettings, Roster, Scope, ScopeNames};

/// The most issuers and audiences.
const MOST: usize = 16;
/// The most seconds that clocks may differ: past that somebody should set one.
const MOST_LEEWAY: u64 = 300;
/// Claims that say something else than a tenant.
const NO_TENANT_CLAIMS: [&str; 9] = ["iss", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "typ"];
/// The word for a token that has no type.
const ABSENT: &str = "absent";

// No documentation comment: clap would take it for what the whole command does.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WrittenOauth {
    /// Address that clients have of `serve`, with its path, such as https://belljar.example/mcp: access tokens are for it
    #[arg(
        id = "oauth_resource",
        long = "oauth-resource",
        global = true,
        env = "BELLJAR_OAUTH_RESOURCE",
        value_name = "URL"
    )]
    resource: Option<String>,
    /// Authorization server whose tokens are taken, such as https://auth.example; where it does not say where its keys are, =JWKS_URI follows; may be repeated
    #[arg(
        id = "oauth_issuers",
        long = "oauth-issuer",
        global = true,
        env = "BELLJAR_OAUTH_ISSUERS",
        value_name = "ISSUER[=JWKS_URI]",
        value_delimiter = ','
    )]
    issuers: Vec<WrittenIssuer>,
    /// What access tokens may be for instead of the resource, for servers that say it another way; may be repeated
    #[arg(
        id = "oauth_audiences",
        long = "oauth-audience",
        global = true,
        env = "BELLJAR_OAUTH_AUDIENCES",
        value_name = "AUDIENCE",
        value_delimiter = ','
    )]
    audiences: Vec<String>,
    /// Type of tokens that is taken beside at+jwt: JWT, or absent for those without one; may be repeated
    #[arg(
        id = "oauth_token_types",
        long = "oauth-token-type",
        global = true,
        env = "BELLJAR_OAUTH_TOKEN_TYPES",
        value_name = "TYPE",
        value_delimiter = ','
    )]
    token_types: Vec<String>,
    /// Claim of tokens that says the tenant, such as org_id [default: each subject of an issuer is a tenant]
    #[arg(
        id = "oauth_tenant_claim",
        long = "oauth-tenant-claim",
        global = true,
        env = "BELLJAR_OAUTH_TENANT_CLAIM",
        value_name = "CLAIM"
    )]
    tenant_claim: Option<String>,
    /// Name of a scope in tokens, such as execute=belljar.run [default: sandbox:read, sandbox:execute, sandbox:admin]; may be repeated
    #[arg(
        id = "oauth_scopes",
        long = "oauth-scope",
        global = true,
        env = "BELLJAR_OAUTH_SCOPES",
        value_name = "SCOPE=NAME",
        value_delimiter = ','
    )]
    #[serde(deserialize_with = "from_table")]
    pub(super) scopes: Vec<ScopeSetting>,
    /// Seconds that the clocks of issuers may differ from this one's [default: 60]
    #[arg(
        id = "oauth_leeway_seconds",
        long = "oauth-leeway-seconds",
        global = true,
        env = "BELLJAR_OAUTH_LEEWAY_SECONDS",
        value_name = "N"
    )]
    leeway_seconds: Option<u64>,
}

/// `ISSUER[=JWKS_URI]`, or in the file a table that may also say which of its tenants is
/// which of this server.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "AnyIssuer")]
struct WrittenIssuer {
    issuer: String,
    jwks_uri: Option<String>,
    tenants: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected an address, or a table with `issuer` and, if need be, `jwks_uri` and `tenants`"
)]
enum AnyIssuer {
    Name(String),
    Whole(WholeIssuer),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WholeIssuer {
    issuer: String,
    jwks_uri: Option<String>,
    #[serde(default)]
    tenants: BTreeMap<String, String>,
}

impl From<AnyIssuer> for WrittenIssuer {
    fn from(written: AnyIssuer) -> Self {
        match written {
            AnyIssuer::Name(issuer) => Self { issuer, jwks_uri: None, tenants: BTreeMap::new() },
            AnyIssuer::Whole(WholeIssuer { issuer, jwks_uri, tenants }) => Self { issuer, jwks_uri, tenants },
        }
    }
}

impl FromStr for WrittenIssuer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // An issuer has no query (RFC 8414, section 2), so the first sign is ours.
        let (issuer, jwks_uri) = match text.split_once('=') {
            Some((issuer, keys)) => (issuer, Some(keys.to_owned())),
            None => (text, None),
        };
        Ok(Self { issuer: issuer.to_owned(), jwks_uri, tenants: BTreeMap::new() })
    }
}

/// `SCOPE=NAME`, what a scope is called in tokens.
#[derive(Clone, Debug)]
pub(crate) struct ScopeSetting(String, String);

impl FromStr for ScopeSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scope, name) = text.split_once('=').ok_or("expected SCOPE=NAME, such as execute=belljar.run")?;
        Ok(Self(scope.to_owned(), name.to_owned()))
    }
}

impl Named for ScopeSetting {
    type Table = BTreeMap<String, String>;
    fn list(table: Self::Table) -> Vec<Self> {
        table.into_iter().map(|(scope, name)| Self(scope, name)).collect()
    }
}

impl WrittenOauth {
    /// Whether anything is written.
    pub(super) fn is_written(&self) -> bool {
        self.resource.is_some() || !self.issuers.is_empty()
    }

    /// These settings, with the names of scopes of the file below those of flags and the variable.
    pub(super) fn with_scopes(mut self, file: Vec<ScopeSetting>, flags: Vec<ScopeSetting>) -> anyhow::Result<Self> {
        self.scopes = [file, layered(flags, "BELLJAR_OAUTH_SCOPES")?].concat();
        Ok(self)
    }

    /// What these settings mean, on a server that clients find at `public_url`, with these tenants.
    pub(super) fn checked(self, public_url: Option<String>, roster: &Roster) -> anyhow::Result<OauthSettings> {
        if let (Some(resource), Some(public_url)) = (&self.resource, &public_url) {
            ensure!(
                resource == public_url,
                "oauth.resource must be the address that clients have of this server (RFC 9728, section 3.3), which \
                 public_url says is {public_url}, got {resource}: one of the two is enough"
            );
        }
        let resource = self.resource.or(public_url);
        let resource = resource.context("oauth.resource is missing: the address that clients have of this server")?;
        let resource = Address::name(&resource).context("oauth.resource")?;
        let count = self.issuers.len();
        ensure!((1..=MOST).contains(&count), "oauth.issuers must name between 1 and {MOST} issuers, got {count}");
        let names: BTreeSet<_> = self.issuers.iter().map(|issuer| &issuer.issuer).collect();
        ensure!(names.len() == count, "oauth.issuers must name each issuer once");
        ensure!(self.audiences.len() <= MOST, "oauth.audiences must be at most {MOST}, got {}", self.audiences.len());
        ensure!(self.audiences.iter().all(|audience| !audience.is_empty()), "oauth.audiences must not be empty words");
        if let Some(claim) = self.tenant_claim.as_deref() {
            ensure!(
                !claim.is_empty() && !NO_TENANT_CLAIMS.contains(&claim),
                "oauth.tenant_claim must be a claim that says a tenant, such as org_id, got `{claim}`"
            );
        } else {
            ensure!(
                roster.takes_any(),
                "without oauth.tenant_claim each subject of an issuer is a tenant of its own, and this server has only \
                 those that are named: add a section [tenants.default], or say which claim names the tenant"
            );
        }
        let has_claim = self.tenant_claim.is_some();
        let issuers = self.issuers.into_iter().map(|issuer| {
            let name = issuer.issuer.clone();
            checked_issuer(issuer, has_claim, count, roster).with_context(|| format!("oauth.issuers: {name}"))
        });
        let leeway = in_range("oauth.leeway_seconds", self.leeway_seconds.unwrap_or(60), 0, MOST_LEEWAY)?;
        Ok(OauthSettings {
            resource,
            issuers: issuers.collect::<anyhow::Result<_>>()?,
            audiences: self.audiences,
            token_types: self.token_types.iter().map(|kind| token_type(kind)).collect::<anyhow::Result<_>>()?,
            tenant_claim: self.tenant_claim,
            scopes: scopes(&self.scopes)?,
            leeway: Duration::from_secs(leeway),
        })
    }
}

fn checked_issuer(
    written: WrittenIssuer,
    has_claim: bool,
    count: usize,
    roster: &Roster,
) -> anyhow::Result<IssuerSettings> {
    let WrittenIssuer { issuer, jwks_uri, tenants } = written;
    ensure!(has_claim || tenants.is_empty(), "`tenants` needs oauth.tenant_claim, which says where its tenants stand");
    ensure!(
        !has_claim || count == 1 || !tenants.is_empty(),
        "each of several issuers must have `tenants`, so that none can speak for those of another"
    );
    for tenant in tenants.values() {
        ensure!(roster.names(tenant), "there is no section [tenants.{tenant}]");
    }
    Ok(IssuerSettings {
        name: Address::name(&issuer)?,
        jwks_uri: jwks_uri.as_deref().map(Address::new).transpose().context("jwks_uri")?,
        tenants,
    })
}

fn token_type(written: &str) -> anyhow::Result<Option<String>> {
    match written.to_ascii_lowercase().as_str() {
        ABSENT => Ok(None),
        kind @ ("jwt" | "at+jwt") => Ok(Some(kind.to_owned())),
        other => anyhow::bail!("oauth.token_types must be some of JWT, absent, got `{other}`"),
    }
}

fn scopes(written: &[ScopeSetting]) -> anyhow::Result<ScopeNames> {
    let mut names = ScopeNames::default();
    for ScopeSetting(scope, name) in written {
        let scope = Scope::ALL.into_iter().find(|known| known.name().strip_prefix("sandbox:") == Some(scope));
        let scope = scope.context("oauth.scopes must be some of read, execute, admin")?;
        // RFC 6749, section 3.3.
        let is_plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        ensure!(
            !name.is_empty() && name.len() <= 256 && name.bytes().all(is_plain),
            "oauth.scopes: {name:?} is no name of a scope: at most 256 characters of ASCII without spaces, \" and \\"
        );
        names.rename(scope, name);
    }
    ensure!(names.are_distinct(), "oauth.scopes must have a name for each");
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::load;
    use super::super::values::Method;

    const RESOURCE: &str = "resource = \"https://belljar.example/mcp\"";

    fn oauth(section: &str, flags: &[&str]) -> anyhow::Result<Config> {
        load(&format!("[oauth]\n{section}"), flags)
    }

    #[test]
    fn an_issuer_is_enough_to_take_its_tokens_and_each_subject_is_a_tenant_then() {
        assert!(load("", &[]).unwrap().oauth.is_none());
        let config = oauth(&format!("{RESOURCE}\nissuers = [\"https://a.example\"]"), &[]).unwrap();
        assert_eq!(config.serving.authentication, [Method::Oauth]);
        assert_eq!(config.serving.public_url.unwrap().to_string(), "https://belljar.example/mcp");
        assert!(config.roster.takes_any());
        let settings = config.oauth.unwrap();
        assert_eq!((settings.leeway.as_secs(), settings.token_types.len()), (60, 0));
        let public =
            load("public_url = \"https://b.example/mcp\"\n[oauth]\nissuers = [\"https://a.example\"]", &[]).unwrap();
        assert_eq!(public.oauth.unwrap().resource.as_str(), "https://b.example/mcp");
        // What was asked for otherwise counts.
        let other =
            oauth(&format!("{RESOURCE}\nissuers = [\"https://a.example\"]"), &["--authentication=keys"]).unwrap();
        assert!(other.oauth.is_none() && !other.roster.takes_any());
    }

    #[test]
    fn every_setting_may_be_a_flag_and_wins_over_the_file() {
        let section = format!(
            "{RESOURCE}\nissuers = [{{ issuer = \"https://a.example\", jwks_uri = \"https://a.example/k?v=1\" }}]\n\
             [oauth.scopes]\nread = \"r\"\nadmin = \"a\""
        );
        let settings =
            oauth(&section, &["--oauth-scope=admin=b", "--oauth-token-type=JWT,absent"]).unwrap().oauth.unwrap();
        assert_eq!(settings.issuers[0].jwks_uri.as_ref().unwrap().as_str(), "https://a.example/k?v=1");
        assert_eq!(settings.token_types, [Some("jwt".into()), None]);
        let name = |scope| settings.scopes.name(scope).to_owned();
        use crate::identity::Scope::{Admin, Execute, Read};
        assert_eq!([Read, Execute, Admin].map(name), ["r", "sandbox:execute", "b"]);
        let flags = [
            "--oauth-resource=https://b.example/mcp",
            "--oauth-issuer=https://b.example=https://b.example/k?v=1",
            "--oauth-issuer=https://c.example",
            "--oauth-audience=b",
            "--oauth-leeway-seconds=5",
        ];
        let settings = oauth(&section, &flags).unwrap().oauth.unwrap();
        let names: Vec<_> = settings.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        assert_eq!(
            (settings.resource.as_str(), names),
            ("https://b.example/mcp", vec!["https://b.example", "https://c.example"])
        );
        assert_eq!(settings.issuers[0].jwks_uri.as_ref().unwrap().as_str(), "https://b.example/k?v=1");
        assert_eq!((settings.audiences, settings.leeway.as_secs()), (vec!["b".to_owned()], 5));
    }

    #[test]
    fn what_cannot_hold_is_refused_by_name() {
        let one = "issuers = [\"https://a.example\"]";
        for (section, rest, expected) in [
            (one, "", "oauth.resource is missing"),
            (
                "resource = \"https://b.example/mcp\"\nissuers = []",
                "",
                "oauth.issuers must name between 1 and 16 issuers, got 0",
            ),
            ("resource = \"http://b.example/mcp\"\nissuers = [\"https://a.example\"]", "", "must be https, or http at"),
            ("resource = \"https://b.example/mcp?a\"\nissuers = [\"https://a.example\"]", "", "must have no query"),
            ("issuers = [\"http://a.example\"]", RESOURCE, "must be https, or http at"),
            ("issuers = [\"https://a.example\", \"https://a.example\"]", RESOURCE, "must name each issuer once"),
            (
                "issuers = [{ issuer = \"https://a.example\", jwks = \"https://a.example\" }]",
                RESOURCE,
                "expected an address, or a table",
            ),
            ("issuers = [{ issuer = \"https://a.example\", jwks_uri = \"http://10.0.0.1/\" }]", RESOURCE, "jwks_uri"),
            (
                "issuers = [{ issuer = \"https://a.example\", tenants = { a = \"b\" } }]",
                RESOURCE,
                "needs oauth.tenant_claim",
            ),
            (
                "leeway_seconds = 301",
                &format!("{RESOURCE}\n{one}"),
                "oauth.leeway_seconds must be between 0 and 300, got 301",
            ),
            (
                "token_types = [\"none\"]",
                &format!("{RESOURCE}\n{one}"),
                "oauth.token_types must be some of JWT, absent, got `none`",
            ),
            ("audiences = [\"\"]", &format!("{RESOURCE}\n{one}"), "oauth.audiences must not be empty words"),
            (
                "tenant_claim = \"iss\"",
                &format!("{RESOURCE}\n{one}"),
                "oauth.tenant_claim must be a claim that says a tenant",
            ),
            ("algorithms = [\"none\"]", &format!("{RESOURCE}\n{one}"), "unknown field `algorithms`"),
            (
                &format!("{RESOURCE}\n{one}"),
                "[oauth.scopes]\nwrite = \"w\"",
                "oauth.scopes must be some of read, execute, admin",
            ),
            (&format!("{RESOURCE}\n{one}"), "[oauth.scopes]\nread = \"a b\"", "is no name of a scope"),
            (
                &format!("{RESOURCE}\n{one}"),
                "[oauth.scopes]\nread = \"sandbox:admin\"",
                "oauth.scopes must have a name for each",
            ),
            (&format!("{RESOURCE}\n{one}"), "[tenants.acme]", "add a section [tenants.default]"),
        ] {
            let (head, tail) = if rest.starts_with('[') { (section, rest) } else { (rest, section) };
            let error = format!("{:#}", oauth(&format!("{head}\n{tail}"), &[]).unwrap_err());
            assert!(error.contains(expected), "{section}: {error}");
        }
        let elsewhere = oauth(&format!("{RESOURCE}\n{one}"), &["--public-url=https://b.example/mcp"]);
        let error = format!("{:#}", elsewhere.unwrap_err());
        assert!(error.contains("public_url says is https://b.example/mcp, got https://belljar.example/mcp"), "{error}");
        let asked = format!("{:#}", load("authentication = [\"oauth\"]", &[]).unwrap_err());
        assert!(asked.contains("oauth.resource is missing"), "{asked}");
    }

    #[test]
    fn an_issuer_speaks_for_tenants_that_there_are_and_of_several_each_for_its_own() {
        let of = |issuers: &str| {
            let section = format!("{RESOURCE}\ntenant_claim = \"org_id\"\nissuers = [{issuers}]\n[tenants.acme]");
            oauth(&section, &[]).map(|config| config.oauth.unwrap()).map_err(|error| format!("{error:#}"))
        };
        assert!(of("\"https://a.example\"").is_ok());
        assert!(
            of("\"https://a.example\", \"https://b.example\"")
                .unwrap_err()
                .contains("each of several issuers must have `tenants`")
        );
        let whole = |issuer: &str, ours: &str| {
            format!("{{ issuer = \"https://{issuer}\", tenants = {{ org_1 = \"{ours}\" }} }}")
        };
        assert!(of(&format!("{}, {}", whole("a.example", "acme"), whole("b.example", "acme"))).is_ok());
        assert!(of(&whole("a.example", "nobody")).unwrap_err().contains("there is no section [tenants.nobody]"));
    }
}
