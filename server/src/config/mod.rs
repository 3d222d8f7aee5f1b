//! Configuration: what was written, and then what it means.
//!
//! Flags win over environment variables, these over `belljar.toml`, and that
//! over the defaults. Unknown keys are refused, and so is a default limit past
//! its ceiling.
//!
//! - [`settings`]: every setting, declared once.
//! - [`values`]: limits, levels and tiers as they are written.
//! - [`policy`]: what programs are granted; [`mounts`]: folders that they see.
//! - [`serving`]: where a server over HTTP listens, and who is believed there.
//! - [`storage`]: where sessions lie at rest.
//! - [`tenants`]: what each of several tenants may use.
//! - [`oauth`]: whose access tokens are taken.
//! - [`traces`]: where traces go.
//! - [`machine`]: what is true here when nothing is configured.

#![expect(clippy::disallowed_methods, reason = "reads configuration")]

mod machine;
mod mounts;
mod oauth;
mod policy;
mod serving;
mod settings;
mod storage;
mod tenants;
mod traces;
mod values;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{ArgMatches, FromArgMatches as _};
use guest_runtimes::{Catalogue, Kind};
use sandbox::{ExecutorSettings, Limits, MinimumTier, NativeSettings, Resource, Tenancy, canonical};

use self::machine::{base_directory, half_of_memory, personal, processors};
use self::mounts::{mounts, reserved};
use self::policy::{Grants, policy};
use self::serving::Written as WrittenServing;
pub(crate) use self::serving::{Network, Origin, PublicUrl, Serving, TlsFiles};
pub(crate) use self::settings::{LOG_VARIABLE, Settings};
use self::storage::WrittenStore;
use self::tenants::{TenantSettings, Whole, tenants};
use self::values::{Address, AuditFailure, Level, ProgramSetting, VariableSetting};
pub(crate) use self::values::{LimitSetting, Method, amounts};
use crate::identity::{ClientKeys, OauthSettings, Roster};
use crate::storage::Storage;
use crate::traces::Written;

/// What is logged unless told otherwise.
pub(crate) const DEFAULT_LOG: &str = "warn";

/// Checked settings.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// What to log.
    pub(crate) log: String,
    /// What the executor needs, to serve one user.
    pub(crate) executor: ExecutorSettings,
    /// Where sessions lie at rest, if that is across a network.
    pub(crate) storage: Option<Arc<Storage>>,
    /// Whom the server serves where that is asked for over HTTP.
    pub(crate) tenancy: Tenancy,
    /// The tenants that callers over HTTP may be of.
    pub(crate) roster: Roster,
    /// Where it is written down what runs, if it is.
    pub(crate) audit: Option<AuditSettings>,
    /// Where a server over HTTP tells what it has done, if it does.
    pub(crate) metrics: Option<MetricsSettings>,
    /// Where a server over HTTP sends traces, if it does.
    pub(crate) traces: Written,
    /// Whether results and tools have a structured form beside the text.
    pub(crate) structured_content: bool,
    /// Threads of the event loop.
    pub(crate) threads: usize,
    /// What a server over HTTP needs.
    pub(crate) serving: Serving,
    /// The file of the keys of clients, if that is not in the state directory.
    client_keys: Option<PathBuf>,
    /// Whose access tokens are taken over HTTP, if any are.
    pub(crate) oauth: Option<OauthSettings>,
    /// How long runs get to finish after SIGTERM or SIGINT.
    pub(crate) drain: Duration,
}

/// The audit log.
#[derive(Clone, Debug)]
pub(crate) struct AuditSettings {
    pub(crate) path: PathBuf,
    /// Whether programs are in it.
    pub(crate) code: bool,
    /// Whether runs go on while it cannot be written.
    pub(crate) may_fail: bool,
}

/// The metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricsSettings {
    pub(crate) listen: SocketAddr,
    /// How many tenants have labels of their own.
    pub(crate) tenants: usize,
}

impl Config {
    /// Where the keys of clients are.
    pub(crate) fn client_keys(&self) -> ClientKeys {
        let state = &self.executor.state_directory;
        self.client_keys.clone().map_or_else(|| ClientKeys::of(state), |path| ClientKeys::given(path, state))
    }

    /// Reads the file, if there is one, and puts what the command line says on
    /// top, in which flags and variables are one already.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, a key is unknown, or a value is out of its
    /// range; the message names the key, the bound and the value.
    pub(crate) fn load(command_line: &ArgMatches) -> anyhow::Result<Self> {
        let given = Settings::from_arg_matches(command_line)?;
        let place = given.config.or_else(|| {
            let usual = base_directory("XDG_CONFIG_HOME", ".config").map(|directory| directory.join("belljar.toml"));
            usual.ok().filter(|path| path.exists())
        });
        let file = place.as_deref().map(read).transpose()?.unwrap_or_default();
        // Lists are no replacements: an entry takes the place of what it names.
        let limits = [file.limits.clone(), layered(given.limits, "BELLJAR_LIMITS")?].concat();
        let ceilings = [file.ceilings.clone(), layered(given.ceilings, "BELLJAR_CEILINGS")?].concat();
        let native_programs = file.native_programs.clone();
        let variables = [file.environment.clone(), layered(given.environment, "BELLJAR_ENVIRONMENT")?].concat();
        let mounted = file.mounts.clone();
        let oauth_scopes = file.oauth.scopes.clone();
        let mut settings = file;
        settings.update_from_arg_matches(command_line)?;

        let limit_ceilings = overlay(Limits::ceilings(), &ceilings);
        let default_limits = overlay(Limits::defaults(), &limits);
        let catalogue = catalogue(settings.runtimes.as_deref())?;
        let least_memory = catalogue.iter().map(|runtime| runtime.minimum_memory_bytes()).max().unwrap_or(0);
        for (resource, limit) in default_limits.iter() {
            let minimum = if resource == Resource::MemoryBytes { least_memory } else { resource.minimum() };
            let ceiling = limit_ceilings.get(resource);
            ensure!(
                (minimum..=ceiling).contains(&limit),
                "limits.{resource} must be between {minimum} and its ceiling {ceiling}, got {limit}"
            );
        }
        let grants = Grants {
            languages: settings.languages,
            environment: variables.into_iter().map(|VariableSetting(name, value)| (name, value)).collect(),
            calls: settings.calls,
            mounts: mounts(mounted, given.mounts)?,
        };
        let policy = Arc::new(policy(&catalogue, grants.clone())?);
        let workers = in_range("workers", settings.workers.unwrap_or_else(processors), 1, 256)?;
        let runs = in_range("runs", settings.runs.unwrap_or_else(|| 4 * processors()), 1, 4096)?;
        let memory_bytes = settings.memory_bytes.map_or_else(half_of_memory, Ok)?;
        let hibernate = settings.hibernate_seconds.unwrap_or(300);
        let lifetime = settings.session_lifetime_seconds.unwrap_or(30 * 86_400);
        let store = WrittenStore {
            store: settings.store,
            endpoint: settings.store_endpoint,
            region: settings.store_region,
            credentials: settings.store_credentials,
            plain_http: settings.store_plain_http,
            keys: settings.store_keys,
            redis: settings.redis,
            durability: settings.durability,
        };
        let store = store.checked()?;
        let store_bytes = settings.store_bytes.unwrap_or(store.default_bytes);
        let principal_bytes = settings.principal_store_bytes.unwrap_or(store_bytes);
        let queue = in_range("queue", settings.queue.unwrap_or(64), 0, 65_536)?;
        let sessions = in_range("sessions", settings.sessions.unwrap_or(64), 1, 65_536)?;
        let memory_bytes = in_range("memory_bytes", memory_bytes, 128 << 20, 1 << 44)?;
        let store_bytes = in_range("store_bytes", store_bytes, 16 << 20, 1 << 50)?;
        let whole = Whole {
            catalogue: &catalogue,
            runs,
            queue,
            workers,
            memory_bytes,
            sessions,
            store_bytes,
            limit_ceilings,
            grants: &grants,
            policy: &policy,
        };
        let by_tokens = || settings.oauth.is_written().then(|| vec![Method::Oauth]);
        let authentication = settings.authentication.or_else(by_tokens);
        let takes_tokens = authentication.as_ref().is_some_and(|methods| methods.contains(&Method::Oauth));
        if takes_tokens && settings.tenants.is_empty() {
            // Each subject is a tenant, with what one has who is not named.
            settings.tenants.insert(tenants::DEFAULT.to_owned(), TenantSettings::default());
        }
        let (tenancy, roster) = tenants(settings.tenants, &whole)?;
        let oauth = settings.oauth.with_scopes(oauth_scopes, given.oauth.scopes)?;
        let resource = settings.public_url.as_ref().map(ToString::to_string);
        let oauth = takes_tokens.then(|| oauth.checked(resource, &roster)).transpose()?;
        // Clients find the server where the resource is, unless that is a name alone.
        let public_url =
            settings.public_url.or_else(|| oauth.as_ref().and_then(|oauth| oauth.resource.as_str().parse().ok()));
        let drain = settings.drain_seconds.unwrap_or(30);
        let labelled = in_range("metrics_tenants", settings.metrics_tenants.unwrap_or(0), 0, 10_000)?;
        let metrics = settings.metrics_listen.map(|Address(listen)| MetricsSettings { listen, tenants: labelled });
        let audit = match settings.audit_log {
            Some(path) => Some(AuditSettings {
                path: canonical(&path).with_context(|| format!("failed to find {}", path.display()))?,
                code: settings.audit_code.unwrap_or(false),
                may_fail: settings.audit_failure == Some(AuditFailure::Continue),
            }),
            None => None,
        };
        Ok(Self {
            log: settings.log.unwrap_or_else(|| DEFAULT_LOG.into()),
            executor: ExecutorSettings {
                state_directory: directory(settings.state_directory, "XDG_STATE_HOME", ".local/state")?,
                cache_directory: directory(settings.cache_directory, "XDG_CACHE_HOME", ".cache")?,
                default_limits,
                limit_ceilings,
                policy,
                tenancy: Tenancy::One,
                reserved: reserved(settings.runtimes.as_deref()),
                runs,
                queue,
                workers,
                memory_bytes,
                sessions,
                hibernate_after: Duration::from_secs(in_range("hibernate_seconds", hibernate, 1, 30 * 86_400)?),
                session_lifetime: Duration::from_secs(in_range(
                    "session_lifetime_seconds",
                    lifetime,
                    2,
                    10 * 366 * 86_400,
                )?),
                store: store.backend,
                store_keys: store.keys,
                store_cache: store.storage.as_ref().and_then(|storage| storage.cache()),
                durability: settings.durability.unwrap_or(Level::Process).into(),
                store_bytes,
                principal_store_bytes: in_range("principal_store_bytes", principal_bytes, 1 << 20, store_bytes)?,
                snapshots: in_range("snapshots", settings.snapshots.unwrap_or(64), 1, 4096)?,
                native: NativeSettings {
                    tier: settings.native_tier.map_or(MinimumTier::ByTenants, MinimumTier::from),
                    programs: programs(
                        &catalogue,
                        [native_programs, layered(given.native_programs, "BELLJAR_NATIVE_PROGRAMS")?],
                    )?,
                    secrets: [
                        place,
                        settings.token_file.clone(),
                        settings.client_keys.clone(),
                        settings.tls_key.clone(),
                        audit.as_ref().map(|audit| audit.path.clone()),
                    ]
                    .into_iter()
                    .flatten()
                    .chain(store.secrets)
                    .collect(),
                    personal: personal(),
                },
                catalogue,
                deterministic: settings.deterministic.unwrap_or(false),
            },
            storage: store.storage,
            tenancy,
            roster,
            audit,
            metrics,
            traces: settings.traces.written(given.traces),
            structured_content: settings.structured_content.unwrap_or(false),
            serving: Serving::new(WrittenServing {
                listen: settings.listen,
                authentication,
                token_file: settings.token_file,
                public_url,
                allowed_origins: settings.allowed_origins,
                tls_certificate: settings.tls_certificate,
                tls_key: settings.tls_key,
                behind_proxy: settings.behind_proxy,
                trusted_proxies: settings.trusted_proxies,
                websocket: settings.websocket,
            })?,
            client_keys: settings.client_keys,
            oauth,
            threads: in_range("threads", settings.threads.unwrap_or(1), 1, 64)?,
            drain: Duration::from_secs(in_range("drain_seconds", drain, 0, 3600)?),
        })
    }
}

fn read(path: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        // The line itself is not shown: a password may be in it.
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        anyhow::anyhow!("failed to understand {}, line {line}: {}", path.display(), error.message())
    })
}

/// An environment variable as it is.
pub(crate) fn variable(name: &OsStr) -> Option<OsString> {
    std::env::var_os(name)
}

fn directory(named: Option<PathBuf>, variable: &str, beneath_home: &str) -> anyhow::Result<PathBuf> {
    let path = named.map_or_else(|| base_directory(variable, beneath_home), Ok)?;
    canonical(&path).with_context(|| format!("failed to find {}", path.display()))
}

/// What flags and a variable say together: a flag takes the place of what it
/// names itself, not of the whole variable.
fn layered<T: FromStr<Err = String>>(flags: Vec<T>, variable: &str) -> anyhow::Result<Vec<T>> {
    let text = std::env::var(variable).unwrap_or_default();
    merged(flags, &text).map_err(|reason| anyhow::anyhow!("${variable}: {reason}"))
}

fn merged<T: FromStr<Err = String>>(flags: Vec<T>, variable: &str) -> Result<Vec<T>, String> {
    let settings = variable.split(',').filter(|setting| !setting.is_empty()).map(str::parse);
    settings.chain(flags.into_iter().map(Ok)).collect()
}

/// Programs of native languages; of two for one language the later.
fn programs(catalogue: &Catalogue, settings: [Vec<ProgramSetting>; 2]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let settings = settings.into_iter().flatten();
    let programs: BTreeMap<_, _> = settings.map(|ProgramSetting(language, path)| (language, path)).collect();
    let is_native = |kind: &Kind| match kind {
        Kind::Native(_) => true,
        Kind::Wasm(_) => false,
    };
    let native: Vec<_> =
        catalogue.iter().filter(|runtime| is_native(runtime.kind())).map(|runtime| runtime.id()).collect();
    for (language, path) in &programs {
        ensure!(
            native.contains(&language.as_str()),
            "native_programs must name one of {}, got `{language}`",
            native.join(", ")
        );
        ensure!(path.is_absolute(), "native_programs.{language} must be an absolute path, got {}", path.display());
    }
    Ok(programs)
}

/// The languages of this build, and those of an operator's folder.
fn catalogue(folder: Option<&Path>) -> anyhow::Result<Catalogue> {
    let built_in = Catalogue::built_in();
    match folder {
        Some(folder) => built_in.with_folder(folder).context("runtimes cannot be used"),
        None => Ok(built_in),
    }
}

fn overlay(mut limits: Limits, settings: &[LimitSetting]) -> Limits {
    let amounts = amounts(settings);
    for resource in Resource::ALL {
        if let Some(value) = amounts.get(resource) {
            limits.set(resource, value);
        }
    }
    limits
}

fn in_range<T: PartialOrd + fmt::Display>(key: &str, value: T, minimum: T, maximum: T) -> anyhow::Result<T> {
    ensure!(value >= minimum && value <= maximum, "{key} must be between {minimum} and {maximum}, got {value}");
    Ok(value)
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    pub(super) fn load(toml: &str, flags: &[&str]) -> anyhow::Result<Config> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("belljar.toml");
        std::fs::write(&path, toml)?;
        let command = Settings::augment_args(clap::Command::new("belljar"));
        let file = ["belljar".as_ref(), "--config".as_ref(), path.as_os_str()];
        Config::load(&command.try_get_matches_from(file.into_iter().chain(flags.iter().map(OsStr::new)))?)
    }

    #[test]
    fn what_is_not_understood_of_a_file_is_told_by_its_line_and_without_passwords() {
        for (toml, line) in [
            ("runs = 2\nredis = \"rediss://:hunter2@cache:637x\"\n", 2),
            ("\n\n[traces]\nheaders = [\"authorization=hunter2\"]\n", 4),
        ] {
            let said = format!("{:#}", load(toml, &[]).unwrap_err());
            assert!(said.contains(&format!("belljar.toml, line {line}: ")) && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let toml = "queue = 5\nruns = 7\n[limits]\nwall_time_ms = 1000\nfuel = 20_000_000\n";
        let config = load(toml, &["--runs=9", "--limit=wall_time_ms=2_000"]).unwrap().executor;
        assert_eq!((config.queue, config.runs), (5, 9));
        assert_eq!(config.default_limits.get(Resource::WallTimeMs), 2000);
        assert_eq!(config.default_limits.get(Resource::Fuel), 20_000_000);
        assert_eq!(config.default_limits.get(Resource::OpenFiles), 64);
    }

    #[test]
    fn a_flag_wins_over_a_variable_for_what_it_names_alone() {
        let flags: Vec<LimitSetting> = vec!["wall_time_ms=2000".parse().unwrap()];
        let merged = amounts(&merged(flags.clone(), "wall_time_ms=1000,fuel=5").unwrap());
        assert_eq!((merged.get(Resource::WallTimeMs), merged.get(Resource::Fuel)), (Some(2000), Some(5)));
        assert!(super::merged(flags.clone(), "fuel").unwrap_err().contains("expected NAME=VALUE"));
        assert_eq!(super::merged(flags, "").unwrap().len(), 1);
    }

    #[test]
    fn the_example_states_the_defaults() {
        let of = |text| {
            let mut config = load(text, &[]).unwrap();
            // The one thing that is theirs alone.
            config.executor.native.secrets.clear();
            config
        };
        let config = of(include_str!("../../../deploy/config/belljar.toml"));
        let defaults = of("");
        assert_eq!(format!("{config:?}"), format!("{defaults:?}"));
        let file: toml::Table = toml::from_str(include_str!("../../../deploy/config/belljar.toml")).unwrap();
        for section in ["limits", "ceilings"] {
            assert_eq!(file[section].as_table().unwrap().len(), Resource::ALL.len(), "{section}");
        }
    }

    #[test]
    fn every_setting_is_a_key_a_flag_and_a_variable_of_one_name_and_in_the_example() {
        let example = include_str!("../../../deploy/config/belljar.toml");
        let command = Settings::augment_args(clap::Command::new("belljar"));
        for argument in command.get_arguments() {
            let key = argument.get_id().as_str();
            let variable = argument.get_env().and_then(OsStr::to_str);
            assert_eq!(variable, Some(format!("BELLJAR_{}", key.to_uppercase()).as_str()));
            let flag = argument.get_long().unwrap().replace('-', "_");
            assert!(flag == key || format!("{flag}s") == key, "--{flag} is the key {key}");
            assert!(argument.is_global_set(), "{key}: every command takes it");
            let in_example = |line: &str| {
                let line = line.trim_start_matches("# ");
                // Settings of a section have its name before theirs.
                let (section, key) =
                    key.split_once('_').filter(|(first, _)| ["oauth", "traces"].contains(first)).unwrap_or(("", key));
                let section = if section.is_empty() { String::new() } else { format!("{section}.") };
                line.starts_with(&format!("{key} = ")) || line == format!("[{section}{key}]")
            };
            assert!(key == "config" || example.lines().any(in_example), "the example does not have {key}");
        }
    }

    #[test]
    fn unknown_keys_and_values_out_of_range_are_refused_by_name() {
        for (toml, expected) in [
            ("ques = 5", "unknown field `ques`"),
            ("[limits]\nwall_time = 5", "unknown limit `wall_time`"),
            ("[limits]\nwall_time_ms = 400000", "wall_time_ms must be between 10 and its ceiling 300000, got 400000"),
            ("runs = 0", "runs must be between 1 and 4096, got 0"),
            (
                "languages = [\"cobol\"]",
                "languages must name some of python, javascript, bash, python-native, got `cobol`",
            ),
            ("languages = []", "languages must name at least one of"),
            ("calls = [\"shell\"]", "calls must name some of display, progress, got `shell`"),
            ("[environment]\n\"A=B\" = \"1\"", "names must be non-empty without `=`"),
            ("listen = \"localhost\"", "expected IP:PORT"),
            ("authentication = []", "must name at least one of token, keys"),
            ("authentication = [\"none\"]", "unknown variant `none`"),
            ("runs = 4\n[tenants.a]\nruns = 5", "tenants.a.runs must be between 1 and 4, got 5"),
            ("[tenants.default]\nworkers = 0", "tenants.default.workers must be between 1 and"),
            ("[tenants.a]\nrun = 5", "unknown field `run`"),
            ("[tenants.A]", "tenants.A is no name: principal must be made of a-z"),
            ("[tenants.local]", "must not be a name that the server uses itself"),
            ("[tenants.a]\nlanguages = [\"cobol\"]", "tenants.a: languages must name some of"),
            ("[tenants.a.ceilings]\nfuel = 1", "tenants.a.ceilings.fuel must be between 10000000 and"),
            ("[tenants.a]\nmounts = [\"srv:/data\"]", "the source of a mount must be an absolute path"),
            ("threads = 0", "threads must be between 1 and 64, got 0"),
            ("native_tier = \"weak\"", "unknown variant `weak`"),
            (
                "durability = \"none\"",
                "expected `process` or `disk`; for sessions that end with the server set store to `memory`",
            ),
            ("store = \"memory\"\ndurability = \"disk\"", "take one of the two back"),
            ("mounts = [\"/srv/data\"]", "expected SOURCE:DESTINATION[:ro|rw]"),
            ("mounts = [\"srv:/data\"]", "the source of a mount must be an absolute path, got srv"),
            ("mounts = [\"/etc:/usr/x\"]", "mounts cannot be used: the destination of a mount must not lie in /usr"),
            ("[native_programs]\npython = \"/bin/true\"", "must name one of bash, python-native, got `python`"),
            ("[native_programs]\nbash = \"bash\"", "native_programs.bash must be an absolute path, got bash"),
        ] {
            let error = format!("{:#}", load(toml, &[]).unwrap_err());
            assert!(error.contains(expected), "{toml}: {error}");
        }
        assert!("wall=1".parse::<LimitSetting>().unwrap_err().contains("unknown limit `wall`"));
    }
}
