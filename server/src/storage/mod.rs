//! A store on storage that speaks S3: where it lies, who may, and whether it can be
//! reached. What is stored, and how, is the business of the `sandbox` crate.
//!
//! - [`address`]: buckets and endpoints as they are written.
//! - [`bounded`]: how long it is waited for.
//! - [`client`]: HTTP, with rustls.
//! - [`credentials`]: a file of them that is mounted.
//! - [`redis`]: a cache in front of it.
//! - [`error`]: what failed, and what to do.

mod address;
mod bounded;
mod client;
mod credentials;
mod error;
mod redis;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, RetryConfig};
use rustls::RootCertStore;
use sandbox::SharedCache;

pub(crate) use self::address::{Bucket, Endpoint};
use self::bounded::{Bounded, Prompt, within};
use self::client::Connector;
use self::credentials::CredentialFile;
use self::error::Cause;
pub(crate) use self::error::StorageError;
use self::redis::Redis;
pub(crate) use self::redis::RedisAddress;
use crate::authorities;

/// How often a request is sent again that was not answered, or with an error of the
/// store's own, and for how long.
const MAX_RETRIES: usize = 5;
const RETRY_TIME: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long a store may take to say that it is there.
const REACH_TIME: Duration = Duration::from_secs(5);

/// An object that every server tries to create: by being refused it knows that others
/// are, too. It stays.
const MARK: &str = "create-if-absent";

/// What is written of a store across a network.
#[derive(Clone, Debug)]
pub(crate) struct StorageSettings {
    pub(crate) bucket: Bucket,
    /// Who has it, if not Amazon or whom a variable names.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) region: Option<String>,
    /// A file of credentials, before what the environment offers.
    pub(crate) credentials: Option<PathBuf>,
    /// Hosts to which everything may go in clear.
    pub(crate) plain_http: Vec<String>,
    /// A cache that servers share.
    pub(crate) redis: Option<RedisAddress>,
}

/// A store across a network.
#[derive(Debug)]
pub(crate) struct Storage {
    objects: Arc<dyn ObjectStore>,
    cache: Option<Arc<dyn SharedCache>>,
    /// For people.
    place: String,
}

impl Storage {
    /// Makes what speaks to the store, from settings and from the `AWS_…` variables.
    /// Asks nobody.
    ///
    /// # Errors
    ///
    /// When a setting or a variable cannot be right, or a file cannot be used.
    pub(crate) fn new(settings: StorageSettings) -> anyhow::Result<Self> {
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&settings.bucket.name);
        let of_environment = || {
            [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
                .iter()
                .find_map(|key| builder.get_config_value(key))
        };
        let endpoint = match (settings.endpoint, of_environment()) {
            (Some(endpoint), _) => Some(endpoint),
            (None, Some(url)) => {
                let parsed: Result<Endpoint, _> = url.parse();
                Some(parsed.map_err(anyhow::Error::msg).context("the variable AWS_ENDPOINT_URL cannot be used")?)
            }
            (None, None) => None,
        };
        let is_clear = endpoint.as_ref().is_some_and(|endpoint| !endpoint.is_tls());
        if let Some(endpoint) = &endpoint {
            ensure!(
                endpoint.is_tls() || endpoint.may_be_clear(&settings.plain_http),
                "{} would carry sessions and signatures in clear, and is not this machine: take https, or name the host \
                 by store_plain_http = [\"{}\"]",
                endpoint.url(),
                endpoint.host()
            );
            let url = endpoint.url();
            builder = builder.with_endpoint(url).with_config(AmazonS3ConfigKey::S3Endpoint, url);
        }
        let tls = match authorities::native() {
            // Nobody is asked by TLS then, but for those who give credentials, and they
            // will not be believed.
            Err(authorities::TlsError::NoAuthorities(_)) if is_clear => authorities::trusting(RootCertStore::empty())?,
            other => other?,
        };
        let cache = settings.redis.map(|redis| cache(redis, &settings.plain_http, &settings.bucket)).transpose()?;
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        }
        if let Some(file) = &settings.credentials {
            builder = builder.with_credentials(Arc::new(CredentialFile::open(file)?));
        }
        let backoff = BackoffConfig { init_backoff: FIRST_WAIT, max_backoff: LONGEST_WAIT, base: 2. };
        let builder = builder
            // Whatever a variable says: commits rest on it.
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_allow_http(is_clear)
            .with_retry(RetryConfig { backoff, max_retries: MAX_RETRIES, retry_timeout: RETRY_TIME })
            .with_http_connector(Connector { tls });
        let unusable = || format!("{} cannot be used", settings.bucket);
        let credentials = Arc::clone(builder.clone().build().with_context(unusable)?.credentials());
        let store = builder.with_credentials(Arc::new(Prompt::new(credentials))).build().with_context(unusable)?;
        let host = endpoint.as_ref().map_or("Amazon", |endpoint| endpoint.url());
        let place = format!("{} at {host}", settings.bucket);
        let objects: Arc<dyn ObjectStore> = if settings.bucket.prefix.as_ref().is_empty() {
            Arc::new(Bounded::new(store))
        } else {
            Arc::new(PrefixStore::new(Bounded::new(store), settings.bucket.prefix))
        };
        Ok(Self { objects, cache, place })
    }

    /// What is in it.
    pub(crate) fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// What servers share in front of it, if they do.
    pub(crate) fn cache(&self) -> Option<Arc<dyn SharedCache>> {
        self.cache.clone()
    }

    /// Tries all that is needed of a store, before anything depends on it.
    ///
    /// # Errors
    ///
    /// With what cannot be done and what to do about it.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let mark = Path::from(MARK);
        let mut is_refused = false;
        // It is there after the first try, unless it was already.
        for _ in 0..2 {
            let tried = self.objects.put_opts(&mark, PutPayload::from_static(MARK.as_bytes()), PutMode::Create.into());
            is_refused = match tried.await {
                Ok(_) => false,
                Err(object_store::Error::AlreadyExists { .. }) => true,
                Err(error) => return Err(self.failed("write to", error)),
            };
            if is_refused {
                break;
            }
        }
        if !is_refused {
            let (doing, cause) = ("keep sessions in", Cause::NoCreateIfAbsent);
            return Err(StorageError { doing, place: self.place.clone(), cause, source: None });
        }
        self.reach().await?;
        let listed = self.objects.list_with_delimiter(Some(&mark)).await;
        listed.map_err(|error| self.failed("list", error))?;
        // As sweeps remove: of what is not there nothing is gone.
        let nothing = futures_util::stream::iter([Ok(Path::from(format!("{MARK}/nothing")))]);
        let removed = self.objects.delete_stream(Box::pin(nothing)).try_collect::<Vec<_>>().await;
        match removed {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove from", error)),
        }
    }

    /// Whether the store answers.
    ///
    /// # Errors
    ///
    /// When it does not, or is not what it was at the start.
    pub(crate) async fn reach(&self) -> Result<(), StorageError> {
        let found = within(REACH_TIME, self.objects.get(&Path::from(MARK))).await;
        found.map(drop).map_err(|error| self.failed("read", error))
    }

    fn failed(&self, doing: &'static str, error: object_store::Error) -> StorageError {
        let cause = error::cause(&error);
        StorageError { doing, place: self.place.clone(), cause, source: Some(error) }
    }
}

fn cache(redis: RedisAddress, plain: &[String], bucket: &Bucket) -> anyhow::Result<Arc<dyn SharedCache>> {
    if let Some(host) = redis.clear_host() {
        ensure!(
            plain.iter().any(|name| name.eq_ignore_ascii_case(host)),
            "{redis} would carry its password in clear, and is not this machine: take rediss, or name the host by \
             store_plain_http = [\"{host}\"]"
        );
    }
    let tls = if redis.is_tls() { authorities::native()? } else { authorities::trusting(RootCertStore::empty())? };
    Ok(Arc::new(Redis::new(redis, tls, format!("belljar:{bucket}/"))))
}

impl fmt::Display for Storage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place)
    }
}
