//! Configuration: what was written, and then what it means.
//!
//! Flags win over environment variables, these over `belljar.toml`, and that
//! over the defaults. Unknown keys are refused, and so is a default limit past
//! its ceiling.

#![expect(clippy::disallowed_methods, reason = "reads configuration")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use guest_runtimes::GuestRuntime;
use sandbox::{Amounts, Durability, ExecutorSettings, Limits, NativeSettings, Resource, Tier, canonical};
use serde::Deserialize;

/// Names the log filter. As a variable, unlike as a flag or in the file, it
/// also reaches the processes that the server starts.
pub(crate) const LOG_VARIABLE: &str = "BELLJAR_LOG";
/// What is logged unless told otherwise.
pub(crate) const DEFAULT_LOG: &str = "warn";

/// `NAME=VALUE`, a limit as flags and environment variables give it.
#[derive(Clone, Copy, Debug)]
pub struct LimitSetting(Resource, u64);

impl FromStr for LimitSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as wall_time_ms=5000")?;
        let names = || Resource::ALL.map(Resource::name).join(", ");
        let resource =
            Resource::from_name(name).ok_or_else(|| format!("unknown limit `{name}`, expected one of {}", names()))?;
        let value =
            value.replace('_', "").parse().map_err(|_| format!("expected a number for {name}, got `{value}`"))?;
        Ok(Self(resource, value))
    }
}

impl fmt::Display for LimitSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.0, self.1)
    }
}

/// Collects limits that flags or variables gave, as the sandbox takes them.
pub(crate) fn amounts(settings: &[LimitSetting]) -> Amounts {
    let mut amounts = Amounts::default();
    for LimitSetting(resource, value) in settings {
        amounts.set(*resource, *value);
    }
    amounts
}

/// Settings that every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Configuration file [default: belljar.toml in $XDG_CONFIG_HOME/belljar, if it is there]
    #[arg(long, global = true, env = "BELLJAR_CONFIG", value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// What to log to standard error: error, warn, info, debug, or a filter such as sandbox=debug
    #[arg(long, global = true, env = LOG_VARIABLE, value_name = "FILTER", help_heading = "Settings")]
    log: Option<String>,
    /// Where workspaces lie while the server lives [default: $XDG_STATE_HOME/belljar]
    #[arg(long, global = true, env = "BELLJAR_STATE_DIRECTORY", value_name = "DIR", help_heading = "Settings")]
    state_directory: Option<PathBuf>,
    /// Where compiled guest images lie [default: $XDG_CACHE_HOME/belljar]
    #[arg(long, global = true, env = "BELLJAR_CACHE_DIRECTORY", value_name = "DIR", help_heading = "Settings")]
    cache_directory: Option<PathBuf>,
    /// Limit of a run that asks for none, such as wall_time_ms=5000; may be repeated
    #[arg(
        long = "limit",
        global = true,
        env = "BELLJAR_LIMITS",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        help_heading = "Settings"
    )]
    limits: Vec<LimitSetting>,
    /// The highest limit that a run may ask for; may be repeated
    #[arg(
        long = "ceiling",
        global = true,
        env = "BELLJAR_CEILINGS",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        help_heading = "Settings"
    )]
    ceilings: Vec<LimitSetting>,
    /// Runs at once [default: 4 per processor]
    #[arg(long, global = true, env = "BELLJAR_RUNS", value_name = "N", help_heading = "Settings")]
    runs: Option<usize>,
    /// Runs that may wait [default: 64]
    #[arg(long, global = true, env = "BELLJAR_QUEUE", value_name = "N", help_heading = "Settings")]
    queue: Option<usize>,
    /// Worker processes [default: 1 per processor]
    #[arg(long, global = true, env = "BELLJAR_WORKERS", value_name = "N", help_heading = "Settings")]
    workers: Option<usize>,
    /// Memory of all runs and sessions together, in bytes [default: half of this machine's]
    #[arg(long, global = true, env = "BELLJAR_MEMORY_BYTES", value_name = "BYTES", help_heading = "Settings")]
    memory_bytes: Option<u64>,
    /// Sessions in memory at once; the others hibernate [default: 64]
    #[arg(long, global = true, env = "BELLJAR_SESSIONS", value_name = "N", help_heading = "Settings")]
    sessions: Option<usize>,
    /// Seconds without use after which a session hibernates [default: 300]
    #[arg(long, global = true, env = "BELLJAR_HIBERNATE_SECONDS", value_name = "N", help_heading = "Settings")]
    hibernate_seconds: Option<u64>,
    /// Seconds without use after which a session ends [default: 2592000, which is 30 days]
    #[arg(long, global = true, env = "BELLJAR_SESSION_LIFETIME_SECONDS", value_name = "N", help_heading = "Settings")]
    session_lifetime_seconds: Option<u64>,
    /// What a session outlasts: its server (process), a power failure too (disk), or neither (none) [default: process]
    #[arg(long, global = true, env = "BELLJAR_DURABILITY", value_name = "LEVEL", help_heading = "Settings")]
    durability: Option<Level>,
    /// Bytes that all stored sessions may take together [default: 5 GiB; 512 MiB with durability none]
    #[arg(long, global = true, env = "BELLJAR_STORE_BYTES", value_name = "BYTES", help_heading = "Settings")]
    store_bytes: Option<u64>,
    /// Bytes that the stored sessions of one user may take [default: store-bytes]
    #[arg(long, global = true, env = "BELLJAR_PRINCIPAL_STORE_BYTES", value_name = "BYTES", help_heading = "Settings")]
    principal_store_bytes: Option<u64>,
    /// Snapshots of one session [default: 64]
    #[arg(long, global = true, env = "BELLJAR_SNAPSHOTS", value_name = "N", help_heading = "Settings")]
    snapshots: Option<usize>,
    /// The weakest confinement that native languages (bash, python-native) may run in
    #[arg(long, global = true, env = "BELLJAR_NATIVE_TIER", value_name = "TIER", help_heading = "Settings")]
    native_tier: Option<WeakestTier>,
    /// Program of a native language, such as python-native=/opt/venv/bin/python3; may be repeated [default: on the path]
    #[arg(
        long = "native-program",
        global = true,
        env = "BELLJAR_NATIVE_PROGRAMS",
        value_name = "LANGUAGE=PATH",
        value_delimiter = ',',
        help_heading = "Settings"
    )]
    native_programs: Vec<ProgramSetting>,
    /// Make clocks and random numbers the same in every run, and times of files zero. For tests: programs must not make secrets then
    #[arg(
        long,
        global = true,
        env = "BELLJAR_DETERMINISTIC",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Settings"
    )]
    deterministic: Option<bool>,
    /// Give results and tools a structured form beside the text, for programs. Clients of agents show their models that in place of text and images
    #[arg(
        long,
        global = true,
        env = "BELLJAR_STRUCTURED_CONTENT",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Settings"
    )]
    structured_content: Option<bool>,
    /// Seconds that runs get to finish after SIGTERM or SIGINT [default: 30]
    #[arg(long, global = true, env = "BELLJAR_DRAIN_SECONDS", value_name = "N", help_heading = "Settings")]
    drain_seconds: Option<u64>,
}

/// `belljar.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    log: Option<String>,
    state_directory: Option<PathBuf>,
    cache_directory: Option<PathBuf>,
    #[serde(default)]
    limits: Amounts,
    #[serde(default)]
    ceilings: Amounts,
    runs: Option<usize>,
    queue: Option<usize>,
    workers: Option<usize>,
    memory_bytes: Option<u64>,
    sessions: Option<usize>,
    hibernate_seconds: Option<u64>,
    session_lifetime_seconds: Option<u64>,
    durability: Option<Level>,
    store_bytes: Option<u64>,
    principal_store_bytes: Option<u64>,
    snapshots: Option<usize>,
    native_tier: Option<WeakestTier>,
    #[serde(default)]
    native_programs: BTreeMap<String, PathBuf>,
    deterministic: Option<bool>,
    structured_content: Option<bool>,
    drain_seconds: Option<u64>,
}

/// What an acknowledged state of a session outlasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// The end of every process of ours: it is written before the reply.
    Process,
    /// A power failure as well: it is on disk before the reply.
    Disk,
    /// Nothing: sessions are in memory and end with the server.
    None,
}

impl From<Level> for Durability {
    fn from(level: Level) -> Self {
        match level {
            Level::Process => Self::Process,
            Level::Disk => Self::Disk,
            Level::None => Self::None,
        }
    }
}

/// The weakest tier that native programs may run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WeakestTier {
    /// System call filter, Landlock, limits: for programs of one user (the default).
    Container,
    /// Namespaces of their own as well.
    Namespaced,
    /// Namespaces or a user of their own, and control groups: for several users.
    Isolated,
    /// Native languages are refused.
    Off,
}

impl From<WeakestTier> for Option<Tier> {
    fn from(tier: WeakestTier) -> Self {
        match tier {
            WeakestTier::Container => Some(Tier::Container),
            WeakestTier::Namespaced => Some(Tier::Namespaced),
            WeakestTier::Isolated => Some(Tier::Isolated),
            WeakestTier::Off => None,
        }
    }
}

/// `LANGUAGE=PATH`, the program of a native language.
#[derive(Clone, Debug)]
pub struct ProgramSetting(String, PathBuf);

impl FromStr for ProgramSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (language, path) = text.split_once('=').ok_or("expected LANGUAGE=PATH")?;
        Ok(Self(language.to_owned(), path.into()))
    }
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to log.
    pub log: String,
    /// What the executor needs.
    pub executor: ExecutorSettings,
    /// Whether results and tools have a structured form beside the text.
    pub structured_content: bool,
    /// How long runs get to finish after SIGTERM or SIGINT.
    pub drain: Duration,
}

impl Config {
    /// Reads the file, if there is one, and puts `flags` on top.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, a key is unknown, or a value is out of its
    /// range; the message names the key, the bound and the value.
    pub fn load(flags: &Flags) -> anyhow::Result<Self> {
        let place = match &flags.config {
            Some(path) => Some(path.clone()),
            None => {
                let usual =
                    base_directory("XDG_CONFIG_HOME", ".config").map(|directory| directory.join("belljar.toml"));
                usual.ok().filter(|path| path.exists())
            }
        };
        let file = place.as_deref().map(read).transpose()?.unwrap_or_default();
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let directory = |flag: &Option<PathBuf>, file: Option<PathBuf>, variable, home| {
            let path = flag.clone().or(file).map_or_else(|| base_directory(variable, home), Ok)?;
            canonical(&path).with_context(|| format!("failed to find {}", path.display()))
        };
        let ceilings = layered(&flags.ceilings, "BELLJAR_CEILINGS")?;
        let limit_ceilings = overlay(Limits::ceilings(), &file.ceilings, &ceilings);
        let defaults = overlay(Limits::defaults(), &file.limits, &layered(&flags.limits, "BELLJAR_LIMITS")?);
        for (resource, limit) in defaults.iter() {
            let (minimum, ceiling) = (resource.minimum(), limit_ceilings.get(resource));
            ensure!(
                (minimum..=ceiling).contains(&limit),
                "limits.{resource} must be between {minimum} and its ceiling {ceiling}, got {limit}"
            );
        }
        let workers = in_range("workers", flags.workers.or(file.workers).unwrap_or(processors), 1, 256)?;
        let runs = in_range("runs", flags.runs.or(file.runs).unwrap_or(4 * processors), 1, 4096)?;
        let memory_bytes = flags.memory_bytes.or(file.memory_bytes).map_or_else(half_of_memory, Ok)?;
        let hibernate = flags.hibernate_seconds.or(file.hibernate_seconds).unwrap_or(300);
        let lifetime = flags.session_lifetime_seconds.or(file.session_lifetime_seconds).unwrap_or(30 * 86_400);
        let durability = flags.durability.or(file.durability).unwrap_or(Level::Process);
        let store_default = if durability == Level::None { 512 << 20 } else { 5 << 30 };
        let store_bytes = flags.store_bytes.or(file.store_bytes).unwrap_or(store_default);
        let principal_bytes = flags.principal_store_bytes.or(file.principal_store_bytes).unwrap_or(store_bytes);
        let snapshots = flags.snapshots.or(file.snapshots).unwrap_or(64);
        let drain = flags.drain_seconds.or(file.drain_seconds).unwrap_or(30);
        Ok(Self {
            log: flags.log.clone().or(file.log).unwrap_or_else(|| DEFAULT_LOG.into()),
            executor: ExecutorSettings {
                state_directory: directory(
                    &flags.state_directory,
                    file.state_directory,
                    "XDG_STATE_HOME",
                    ".local/state",
                )?,
                cache_directory: directory(&flags.cache_directory, file.cache_directory, "XDG_CACHE_HOME", ".cache")?,
                default_limits: defaults,
                limit_ceilings,
                runs,
                queue: in_range("queue", flags.queue.or(file.queue).unwrap_or(64), 0, 65_536)?,
                workers,
                memory_bytes: in_range("memory_bytes", memory_bytes, 128 << 20, 1 << 44)?,
                sessions: in_range("sessions", flags.sessions.or(file.sessions).unwrap_or(64), 1, 65_536)?,
                hibernate_after: Duration::from_secs(in_range("hibernate_seconds", hibernate, 1, 30 * 86_400)?),
                session_lifetime: Duration::from_secs(in_range(
                    "session_lifetime_seconds",
                    lifetime,
                    2,
                    10 * 366 * 86_400,
                )?),
                durability: durability.into(),
                store_bytes: in_range("store_bytes", store_bytes, 16 << 20, 1 << 50)?,
                principal_store_bytes: in_range("principal_store_bytes", principal_bytes, 1 << 20, store_bytes)?,
                snapshots: in_range("snapshots", snapshots, 1, 4096)?,
                native: NativeSettings {
                    tier: flags.native_tier.or(file.native_tier).unwrap_or(WeakestTier::Container).into(),
                    programs: programs(
                        file.native_programs,
                        &layered(&flags.native_programs, "BELLJAR_NATIVE_PROGRAMS")?,
                    )?,
                    secrets: place.into_iter().collect(),
                    personal: personal(),
                },
                deterministic: flags.deterministic.or(file.deterministic).unwrap_or(false),
            },
            structured_content: flags.structured_content.or(file.structured_content).unwrap_or(false),
            drain: Duration::from_secs(in_range("drain_seconds", drain, 0, 3600)?),
        })
    }
}

/// Where people have their files: their home, by the environment and by the list
/// of users, and the project that they started us in.
fn personal() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let listed = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
    let project = std::env::current_dir().ok();
    let all: BTreeSet<_> = [home, listed, project].into_iter().flatten().filter(|path| path.is_absolute()).collect();
    all.into_iter().collect()
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("failed to understand {}", path.display()))
}

/// An environment variable as it is.
pub(crate) fn variable(name: &OsStr) -> Option<OsString> {
    std::env::var_os(name)
}

/// What flags and a variable say together: a flag takes the place of what it
/// names itself, not of the whole variable.
fn layered<T: FromStr<Err = String> + Clone>(flags: &[T], variable: &str) -> anyhow::Result<Vec<T>> {
    let text = std::env::var(variable).unwrap_or_default();
    merged(flags, &text).map_err(|reason| anyhow::anyhow!("${variable}: {reason}"))
}

fn merged<T: FromStr<Err = String> + Clone>(flags: &[T], variable: &str) -> Result<Vec<T>, String> {
    let settings = variable.split(',').filter(|setting| !setting.is_empty()).map(str::parse);
    settings.chain(flags.iter().cloned().map(Ok)).collect()
}

fn programs(
    mut programs: BTreeMap<String, PathBuf>,
    flags: &[ProgramSetting],
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    programs.extend(flags.iter().map(|ProgramSetting(language, path)| (language.clone(), path.clone())));
    let native: Vec<_> =
        guest_runtimes::all().iter().filter(|runtime| runtime.image().is_none()).map(GuestRuntime::id).collect();
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

fn overlay(mut limits: Limits, file: &Amounts, flags: &[LimitSetting]) -> Limits {
    let flags = amounts(flags);
    for resource in Resource::ALL {
        if let Some(value) = flags.get(resource).or(file.get(resource)) {
            limits.set(resource, value);
        }
    }
    limits
}

fn in_range<T: PartialOrd + fmt::Display>(key: &str, value: T, minimum: T, maximum: T) -> anyhow::Result<T> {
    ensure!(value >= minimum && value <= maximum, "{key} must be between {minimum} and {maximum}, got {value}");
    Ok(value)
}

/// A directory of the XDG base directory specification, with `belljar` in it.
fn base_directory(variable: &str, beneath_home: &str) -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(path) = absolute(variable) {
        return Ok(path.join("belljar"));
    }
    match absolute("HOME") {
        Some(home) => Ok(home.join(beneath_home).join("belljar")),
        None => bail!("neither ${variable} nor $HOME names a directory; set one, or the directories by flag"),
    }
}

/// Half of what this process may use: the machine's memory, or its cgroup's.
fn half_of_memory() -> anyhow::Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("failed to read /proc/meminfo")?;
    let machine = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .context("failed to find MemTotal in /proc/meminfo")?
        * 1024;
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    Ok(machine.min(cgroup.unwrap_or(u64::MAX)) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, flags: Flags) -> anyhow::Result<Config> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("belljar.toml");
        std::fs::write(&path, toml)?;
        Config::load(&Flags { config: Some(path), ..flags })
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let toml = "queue = 5\nruns = 7\n[limits]\nwall_time_ms = 1000\nfuel = 20_000_000\n";
        let flags = Flags { runs: Some(9), limits: vec!["wall_time_ms=2_000".parse().unwrap()], ..Flags::default() };
        let config = load(toml, flags).unwrap().executor;
        assert_eq!((config.queue, config.runs), (5, 9));
        assert_eq!(config.default_limits.get(Resource::WallTimeMs), 2000);
        assert_eq!(config.default_limits.get(Resource::Fuel), 20_000_000);
        assert_eq!(config.default_limits.get(Resource::OpenFiles), 64);
    }

    #[test]
    fn a_flag_wins_over_a_variable_for_what_it_names_alone() {
        let flags: Vec<LimitSetting> = vec!["wall_time_ms=2000".parse().unwrap()];
        let merged = amounts(&merged(&flags, "wall_time_ms=1000,fuel=5").unwrap());
        assert_eq!((merged.get(Resource::WallTimeMs), merged.get(Resource::Fuel)), (Some(2000), Some(5)));
        assert!(super::merged(&flags, "fuel").unwrap_err().contains("expected NAME=VALUE"));
        assert_eq!(super::merged(&flags, "").unwrap().len(), 1);
    }

    #[test]
    fn the_example_states_the_defaults() {
        let of = |text| {
            let mut config = load(text, Flags::default()).unwrap();
            // The one thing that is theirs alone.
            config.executor.native.secrets.clear();
            config
        };
        let config = of(include_str!("../../deploy/config/belljar.toml"));
        let defaults = of("");
        assert_eq!(format!("{config:?}"), format!("{defaults:?}"));
        let file: toml::Table = toml::from_str(include_str!("../../deploy/config/belljar.toml")).unwrap();
        for section in ["limits", "ceilings"] {
            assert_eq!(file[section].as_table().unwrap().len(), Resource::ALL.len(), "{section}");
        }
    }

    #[test]
    fn unknown_keys_and_values_out_of_range_are_refused_by_name() {
        for (toml, expected) in [
            ("ques = 5", "unknown field `ques`"),
            ("[limits]\nwall_time = 5", "unknown limit `wall_time`"),
            ("[limits]\nwall_time_ms = 400000", "wall_time_ms must be between 10 and its ceiling 300000, got 400000"),
            ("runs = 0", "runs must be between 1 and 4096, got 0"),
            ("native_tier = \"weak\"", "unknown variant `weak`"),
            ("[native_programs]\npython = \"/bin/true\"", "must name one of bash, python-native, got `python`"),
            ("[native_programs]\nbash = \"bash\"", "native_programs.bash must be an absolute path, got bash"),
        ] {
            let error = format!("{:#}", load(toml, Flags::default()).unwrap_err());
            assert!(error.contains(expected), "{toml}: {error}");
        }
        assert!("wall=1".parse::<LimitSetting>().unwrap_err().contains("unknown limit `wall`"));
    }
}
