//! Who calls. A request comes with a credential; what it is after that was checked is
//! an [`Identity`], and everything behind the transport asks that alone.
//!
//! - `scopes`: what a credential lets its holder do.
//! - `accounts`: what tenants have used, and how often they were refused.
//! - `keys`: the keys of clients.
//! - `tenants`: the tenants that there are, and what each may use over time.
//! - `oauth`: access tokens of authorization servers.
//! - `token`: the one credential of a server of one user.
//! - `refusal`: why nobody is known by what a request carries.
//!
//! Another way to know who calls is a field of [`Authentication`] and a line in
//! [`Authentication::authenticate`].

mod accounts;
mod keys;
pub(crate) mod oauth;
mod refusal;
mod scopes;
mod tenants;
pub(crate) mod token;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sandbox::{Executor, Principal, RequestedLimits};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) use self::accounts::{Accounts, Demand, Exceeded, tell_used};
use self::keys::PREFIX;
pub(crate) use self::keys::{ClientKeys, Key, Keys, NewKey};
pub(crate) use self::oauth::{Address, IssuerSettings, KeyFetches, OauthSettings, ResourceServer, ScopeNames};
pub(crate) use self::refusal::Unauthenticated;
pub(crate) use self::scopes::{Scope, Scopes};
pub(crate) use self::tenants::{Quota, Roster};
use self::token::Token;

/// Whoever a request is from.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The tenant, by whose name everything in the sandbox is kept apart.
    pub(crate) principal: Principal,
    pub(crate) scopes: Scopes,
    /// The name by which the credential is known in logs; it is none itself.
    pub(crate) credential: Arc<str>,
    /// Whom an authorization server says it is of.
    pub(crate) subject: Option<Subject>,
    /// When the credential ends, if it does. What it began by then may come to its end.
    pub(crate) expires: Option<SystemTime>,
    /// The highest limits that runs may have for this credential, where those are lower
    /// than the tenant's.
    pub(crate) ceilings: RequestedLimits,
    /// Cancelled when the credential is taken back: what goes on for it ends then.
    pub(crate) revoked: CancellationToken,
}

/// Somebody, in the words of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) issuer: Arc<str>,
    pub(crate) name: Arc<str>,
    /// The client that the token was given to, where it says so.
    pub(crate) client: Option<Arc<str>>,
}

impl Identity {
    /// The one user of a server that serves nobody else.
    fn local() -> Arc<Self> {
        Arc::new(Self {
            principal: Principal::local(),
            scopes: Scopes::all(),
            credential: "token".into(),
            subject: None,
            expires: None,
            ceilings: RequestedLimits::default(),
            revoked: CancellationToken::new(),
        })
    }

    /// The name of the tenant.
    pub(crate) fn tenant(&self) -> &str {
        self.principal.directory_name()
    }

    /// Waits until nothing may go on any more for the credential: until it is taken
    /// back, or for as long after its end as a run may take.
    pub(crate) fn over(&self, longest_run: Duration) -> Over {
        let revoked = self.revoked.clone().cancelled_owned();
        let Some(expires) = self.expires else { return Box::pin(revoked) };
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        Box::pin(async move {
            let _ = timeout(left.saturating_add(longest_run), revoked).await;
        })
    }
}

/// How long a server that starts waits to hear which keys were revoked elsewhere.
const FIRST_HEARING: Duration = Duration::from_secs(2);

/// How soon what goes on ends when its key is taken back.
const LOOK: Duration = Duration::from_secs(1);

/// What ends when a credential is over.
pub(crate) type Over = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// How it is found out who calls.
#[derive(Default)]
pub(crate) struct Authentication {
    token: Option<(Token, Arc<Identity>)>,
    keys: Option<Keys>,
    oauth: Option<ResourceServer>,
}

impl Authentication {
    /// Has callers known by the one token of this server, too.
    #[must_use]
    pub(crate) fn with_token(self, token: Token) -> Self {
        Self { token: Some((token, Identity::local())), ..self }
    }

    /// Has callers known by the keys of clients, too.
    #[must_use]
    pub(crate) fn with_keys(self, keys: Keys) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// Has callers known by access tokens, too.
    #[must_use]
    pub(crate) fn with_oauth(self, oauth: ResourceServer) -> Self {
        Self { oauth: Some(oauth), ..self }
    }

    /// Makes ready for the first call, and keeps an eye on what is taken back while
    /// nobody asks for anything.
    pub(crate) async fn watch(&self) {
        if let Some(oauth) = &self.oauth {
            oauth.warm_up();
        }
        let mut interval = tokio::time::interval(LOOK);
        loop {
            interval.tick().await;
            if let Some(keys) = &self.keys {
                // A file that cannot be read is found by whoever asks.
                let _ = keys.look().await;
            }
        }
    }

    /// Hears which keys were revoked at other servers, if that can be heard soon. Before
    /// anybody is let in: a server that has just started may have forgotten.
    pub(crate) async fn hear(&self, executor: &Executor) {
        if let Some(keys) = &self.keys {
            // Without an answer it goes on with what it knows.
            let _ = timeout(FIRST_HEARING, keys::hear_revoked(keys, executor)).await;
        }
    }

    /// Goes on hearing that, and tells other servers which keys were revoked here.
    pub(crate) async fn tell(&self, executor: &Executor) {
        match &self.keys {
            Some(keys) => keys::tell_revoked(keys, executor).await,
            None => std::future::pending().await,
        }
    }

    /// Whoever the credential in `headers` is of.
    ///
    /// # Errors
    ///
    /// When there is none, or none that is good.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Identity>, Unauthenticated> {
        let given = bearer(headers).map_err(|error| match error {
            Unauthenticated::NoToken if self.oauth.is_some() => Unauthenticated::NoAccessToken,
            Unauthenticated::NoToken if self.token.is_none() => Unauthenticated::NoKey,
            error => error,
        })?;
        let is_key = given.starts_with(PREFIX.as_bytes()) || (self.token.is_none() && self.oauth.is_none());
        match (&self.token, &self.keys, &self.oauth) {
            (Some((token, identity)), ..) if token.is(given) => Ok(Arc::clone(identity)),
            (_, Some(keys), _) if is_key => keys.find(given).await,
            (.., Some(oauth)) => oauth.find(given).await.map_err(Unauthenticated::AccessToken),
            _ => Err(Unauthenticated::WrongToken),
        }
    }

    /// How often keys of authorization servers were fetched, where there are any.
    pub(crate) fn key_fetches(&self) -> Option<KeyFetches> {
        self.oauth.as_ref().map(ResourceServer::key_fetches)
    }

    /// What is told at `path` of how to get tokens.
    pub(crate) fn metadata_at(&self, path: &str) -> Option<&Value> {
        self.oauth.as_ref().and_then(|oauth| oauth.metadata_at(path))
    }

    /// The value of `WWW-Authenticate`: with an error and what is to be said of it, for
    /// who gave a credential; with the scope that it must have.
    pub(crate) fn challenge(&self, error: Option<(&str, &str)>, needs: Option<Scope>) -> String {
        let mut parameters = vec![("realm", "belljar".to_owned())];
        let oauth = self.oauth.as_ref();
        parameters.extend(oauth.map(|oauth| ("resource_metadata", oauth.metadata_url().to_owned())));
        if let Some((error, description)) = error {
            parameters.push(("error", error.to_owned()));
            parameters.extend(oauth.map(|_| ("error_description", plain(description))));
        }
        let scopes = match (oauth, needs) {
            (Some(oauth), needs) => Some(oauth.scopes_for(needs)),
            (None, needs) => needs.map(|needs| needs.name().to_owned()),
        };
        parameters.extend(scopes.map(|scopes| ("scope", scopes)));
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("Bearer {}", parameters.join(", "))
    }
}

/// What a description may have (RFC 6750, section 3): ASCII without `"` and `\`.
fn plain(text: &str) -> String {
    let is_plain = |letter: char| matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\');
    text.chars().map(|letter| if is_plain(letter) { letter } else { '\'' }).collect()
}

/// The bearer token of a request (RFC 6750, section 2.1). Those in bodies and
/// addresses are not looked for: they end up in logs.
fn bearer(headers: &HeaderMap) -> Result<&[u8], Unauthenticated> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Unauthenticated::NoToken)?;
    if fields.next().is_some() {
        return Err(Unauthenticated::SeveralTokens);
    }
    let (scheme, given) = field.as_bytes().split_at_checked(7).ok_or(Unauthenticated::NoToken)?;
    if scheme.eq_ignore_ascii_case(b"Bearer ") { Ok(given.trim_ascii()) } else { Err(Unauthenticated::NoToken) }
}

#[cfg(test)]
mod tests {
    use hyper::http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn one_bearer_token_is_taken_and_everything_else_is_refused_by_its_reason() {
        let (token, text) = Token::random().unwrap();
        let authentication = Authentication::default().with_token(token);
        let said = async |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
            }
            authentication.authenticate(&headers).await.map_or_else(|refusal| refusal.reason(), |_| "taken")
        };
        for taken in [format!("Bearer {text}"), format!("bearer  {text} ")] {
            assert_eq!(said(&[&taken]).await, "taken");
        }
        assert_eq!(said(&[]).await, "no_token");
        for none in ["Basic YTpi", "Bearer", "", &text] {
            assert_eq!(said(&[none]).await, "no_token", "{none}");
        }
        let right = format!("Bearer {text}");
        for other in ["Bearer ", "Bearer x", &format!("{right}A"), &right.to_uppercase(), &format!("{right} {text}")] {
            assert_eq!(said(&[other]).await, "wrong_token", "{other}");
        }
        assert_eq!(said(&[&right, &right]).await, "several_tokens");
    }
}
