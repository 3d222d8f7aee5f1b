//! What settings may be, where that is neither a number nor a text.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use sandbox::{Amounts, Durability, MinimumTier, MountAccess, Resource, Tier};
use serde::{Deserialize, Deserializer};

use crate::storage::{Bucket, Endpoint, RedisAddress};

/// `NAME=VALUE`, a limit as flags and environment variables give it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitSetting(Resource, u64);

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

/// Collects limits, of which a later one takes the place of an earlier one, as
/// the sandbox takes them.
pub(crate) fn amounts(settings: &[LimitSetting]) -> Amounts {
    let mut amounts = Amounts::default();
    for LimitSetting(resource, value) in settings {
        amounts.set(*resource, *value);
    }
    amounts
}

/// `LANGUAGE=PATH`, the program of a native language.
#[derive(Clone, Debug)]
pub(crate) struct ProgramSetting(pub(super) String, pub(super) PathBuf);

impl FromStr for ProgramSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (language, path) = text.split_once('=').ok_or("expected LANGUAGE=PATH")?;
        Ok(Self(language.to_owned(), path.into()))
    }
}

/// `SOURCE:DESTINATION[:ro|rw]`, a folder that programs see.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct MountSetting {
    pub(super) source: PathBuf,
    pub(super) destination: PathBuf,
    pub(super) access: MountAccess,
}

impl FromStr for MountSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (paths, access) = match text.rsplit_once(':') {
            Some((paths, "ro")) => (paths, MountAccess::ReadOnly),
            Some((paths, "rw")) => (paths, MountAccess::ReadWrite),
            _ => (text, MountAccess::default()),
        };
        // A source may have colons in it, as destinations have none.
        let (source, destination) = paths
            .rsplit_once(":/")
            .filter(|(source, _)| !source.is_empty())
            .ok_or_else(|| format!("expected SOURCE:DESTINATION[:ro|rw], such as /srv/data:/data, got {text:?}"))?;
        let destination = format!("/{}", destination.trim_end_matches('/'));
        Ok(Self { source: source.into(), destination: destination.into(), access })
    }
}

impl TryFrom<String> for MountSetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// `NAME=VALUE`, a variable of every program.
#[derive(Clone, Debug)]
pub(crate) struct VariableSetting(pub(super) String, pub(super) String);

impl FromStr for VariableSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as TZ=Europe/Berlin")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// A setting that is `NAME=VALUE` in a flag, and an entry of a table in the file.
pub(super) trait Named: Sized {
    type Table: for<'de> Deserialize<'de>;
    fn list(table: Self::Table) -> Vec<Self>;
}

impl Named for LimitSetting {
    type Table = Amounts;
    fn list(table: Amounts) -> Vec<Self> {
        Resource::ALL.into_iter().filter_map(|resource| Some(Self(resource, table.get(resource)?))).collect()
    }
}

impl Named for ProgramSetting {
    type Table = BTreeMap<String, PathBuf>;
    fn list(table: Self::Table) -> Vec<Self> {
        table.into_iter().map(|(language, path)| Self(language, path)).collect()
    }
}

impl Named for VariableSetting {
    type Table = BTreeMap<String, String>;
    fn list(table: Self::Table) -> Vec<Self> {
        table.into_iter().map(|(name, value)| Self(name, value)).collect()
    }
}

/// Reads the entries of a table in the file.
pub(super) fn from_table<'de, D: Deserializer<'de>, T: Named>(deserializer: D) -> Result<Vec<T>, D::Error> {
    T::Table::deserialize(deserializer).map(T::list)
}

/// Where sessions lie at rest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum StoreSetting {
    /// In the state directory.
    Directory,
    /// In the memory of the server: they end with it.
    Memory,
    /// On storage that speaks S3.
    S3(Bucket),
}

impl FromStr for StoreSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "directory" => Ok(Self::Directory),
            "memory" => Ok(Self::Memory),
            _ if text.contains("://") => text.parse().map(Self::S3),
            _ => Err(format!("expected `directory`, `memory` or s3://BUCKET/PREFIX, got `{text}`")),
        }
    }
}

impl TryFrom<String> for StoreSetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Who has the bucket of a store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct EndpointSetting(pub(super) Endpoint);

impl FromStr for EndpointSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for EndpointSetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A cache that servers over one store share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RedisSetting(pub(super) RedisAddress);

impl FromStr for RedisSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for RedisSetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What an acknowledged state of a session in a directory outlasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Level {
    /// The end of every process of ours: it is written before the reply.
    Process,
    /// A power failure as well: it is on disk before the reply.
    Disk,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "process" => Ok(Self::Process),
            "disk" => Ok(Self::Disk),
            // `process` was called `none` once.
            "none" => {
                Err("expected `process` or `disk`; for sessions that end with the server set store to `memory`".into())
            }
            _ => Err(format!("expected `process` or `disk`, got `{text}`")),
        }
    }
}

impl TryFrom<String> for Level {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Level> for Durability {
    fn from(level: Level) -> Self {
        match level {
            Level::Process => Self::Process,
            Level::Disk => Self::Disk,
        }
    }
}

/// Where a server listens: `IP:PORT`, `localhost:PORT`, or `:PORT` for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address(pub(super) SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = text.strip_prefix("localhost").unwrap_or(text).strip_prefix(':');
        let local = port.and_then(|port| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?))));
        let address = local.or_else(|| text.parse().ok());
        let wanted = || format!("expected IP:PORT, such as 127.0.0.1:7411, or :PORT, got `{text}`");
        address.map(Self).ok_or_else(wanted)
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// How it is found out who calls over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// One token, for one user.
    Token,
    /// Keys that `belljar keys` adds and revokes.
    Keys,
    /// Access tokens of the authorization servers in `[oauth]`.
    Oauth,
}

/// The weakest tier that native programs may run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WeakestTier {
    /// System call filter, Landlock, limits: for programs of one user (the default).
    Container,
    /// Namespaces of their own as well.
    Namespaced,
    /// Namespaces or a user of their own, and control groups: for several users.
    Isolated,
    /// Native languages are refused.
    Off,
}

impl From<WeakestTier> for MinimumTier {
    fn from(tier: WeakestTier) -> Self {
        match tier {
            WeakestTier::Container => Self::AtLeast(Tier::Container),
            WeakestTier::Namespaced => Self::AtLeast(Tier::Namespaced),
            WeakestTier::Isolated => Self::AtLeast(Tier::Isolated),
            WeakestTier::Off => Self::Off,
        }
    }
}

/// What becomes of runs while the audit log cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuditFailure {
    /// None is admitted.
    Refuse,
    /// They go on, and the log says how many lines it has not.
    Continue,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_the_machine_out() {
        let address = |text: &str| text.parse::<Address>().map(|address| address.0.to_string());
        for (text, expected) in [
            (":0", "127.0.0.1:0"),
            ("localhost:80", "127.0.0.1:80"),
            ("127.0.0.2:7", "127.0.0.2:7"),
            ("[::1]:7", "[::1]:7"),
            ("0.0.0.0:7", "0.0.0.0:7"),
        ] {
            assert_eq!(address(text).unwrap(), expected);
        }
        for text in ["", "7411", ":", ":70000", "127.0.0.1", "localhost", "belljar.example:80"] {
            assert!(address(text).unwrap_err().contains("expected IP:PORT"), "{text}");
        }
    }
}
