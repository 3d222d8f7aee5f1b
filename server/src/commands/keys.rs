//! `belljar keys`: the keys of clients.

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};

use super::{say, tell};
use crate::config::{Config, LimitSetting, amounts};
use crate::identity::{Key, NewKey, Scope};
use crate::tools::reply::time;
use crate::transport::http::hello::of_new_key;

/// What is done to the keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the keys (what `belljar keys` does alone, too): identifier, tenant, scopes, when it was made, when it ends, name. Never the key
    List,
    /// Add a key, and print it once. A server that runs takes it from its next request on
    Add(New),
    /// Take a key back: a server that runs refuses its next request, and ends within a second what goes on for it; those that share its Redis do so some seconds later
    Revoke {
        /// Its identifier, as `belljar keys` lists it
        id: String,
    },
}

/// A key that is to be added. `--ceiling` is its own, too.
#[derive(Args, Debug)]
pub(crate) struct New {
    /// Whose it is, on a server with tenants
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// What it lets its holder do: sandbox:read, sandbox:execute (which includes it) or sandbox:admin (which includes both)
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// How long it is good for, such as 90d, 12h or 30m [default: until it is revoked]
    #[arg(long, value_name = "TIME")]
    expires: Option<Lifetime>,
    /// What to call it in lists
    #[arg(long, value_name = "LABEL")]
    name: Option<String>,
}

/// Nobody means to have a key for longer than a hundred years.
const MAX_SECONDS: u64 = 36_525 * 86_400;

/// How long something is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lifetime(Duration);

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("expected a whole number and d, h, m or s, such as 90d, got {text:?}");
        let unit = text.chars().next_back().ok_or_else(wanted)?;
        let seconds = match unit {
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(wanted()),
        };
        let number: u32 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| wanted())?;
        if number == 0 {
            return Err(wanted());
        }
        let seconds = u64::from(number) * seconds;
        if seconds > MAX_SECONDS {
            return Err(format!(
                "must be at most 36525d, a hundred years, got {text:?}; without --expires a key does not end"
            ));
        }
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// Does it, and says what it did. The ceilings are those of the command line, which for
/// `add` are the key's.
pub(crate) fn run(config: &Config, command: Command, ceilings: &[LimitSetting]) -> anyhow::Result<ExitCode> {
    let keys = config.client_keys();
    match command {
        Command::List => keys.list()?.iter().for_each(|key| say(&line(key))),
        Command::Add(New { tenant, scopes, expires, name }) => {
            config.roster.find(tenant.as_deref()).context("--tenant cannot be used")?;
            let ceilings = amounts(ceilings);
            for resource in sandbox::Resource::ALL {
                let least = resource.minimum();
                ensure!(
                    ceilings.get(resource).is_none_or(|ceiling| ceiling >= least),
                    "--ceiling {resource} must be at least {least}: no program would start"
                );
            }
            let lifetime = expires.map(|Lifetime(lifetime)| lifetime);
            let (_, text) =
                keys.add(NewKey { tenant, scopes: scopes.into_iter().collect(), name, lifetime, ceilings })?;
            say(&text);
            tell(&of_new_key(&config.serving.url(config.serving.listen), &text));
        }
        Command::Revoke { id } => say(&format!("{}  is revoked", line(&keys.revoke(&id)?))),
    }
    Ok(ExitCode::SUCCESS)
}

fn line(key: &Key) -> String {
    let expires = match key.expires() {
        None => "does not expire".to_owned(),
        Some(expires) if expires <= SystemTime::now() => format!("expired {}", time(expires)),
        Some(expires) => format!("expires {}", time(expires)),
    };
    let ceilings: Vec<_> = sandbox::Resource::ALL
        .into_iter()
        .filter_map(|resource| Some(format!("{resource}={}", key.ceilings.get(resource)?)))
        .collect();
    let tenant = key.tenant.as_deref().unwrap_or("-");
    let more = [ceilings.join(","), key.name.clone().unwrap_or_default()];
    let more: Vec<_> = more.iter().filter(|text| !text.is_empty()).map(String::as_str).collect();
    let line =
        [&key.id, tenant, &key.scopes.join(","), &format!("made {}", time(key.created())), &expires, &more.join("  ")]
            .join("  ");
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_with_its_unit() {
        let seconds = |text: &str| text.parse::<Lifetime>().map(|lifetime| lifetime.0.as_secs());
        assert_eq!(
            [seconds("90d"), seconds("2h"), seconds("3m"), seconds("4s")],
            [Ok(7_776_000), Ok(7200), Ok(180), Ok(4)]
        );
        for text in ["", "d", "90", "0d", "-1d", "1.5d", "1dd", "1w", "99999999999d", "é"] {
            assert!(seconds(text).unwrap_err().contains("such as 90d"), "{text}");
        }
        assert_eq!(seconds("36525d"), Ok(MAX_SECONDS));
        for text in ["36526d", "4294967295d", "4294967295h", "4294967295s"] {
            assert!(seconds(text).unwrap_err().contains("at most 36525d"), "{text}");
        }
    }
}
