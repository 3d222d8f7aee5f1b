//! `belljar store-keys`: the keys that stored sessions are sealed with.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::Subcommand;
use sandbox::{KeyFile, StoreBackend};

use super::say;
use crate::config::Config;

/// What is done to the keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the keys: the one that seals, and those that open what they sealed (what `belljar store-keys` does alone, too)
    List,
    /// Add a key that seals from the next commit on. Servers may go on running
    Rotate,
    /// Add a key that only opens: for servers that take over the file at different times
    Add,
    /// Have a key seal that all servers have by now
    SealWith {
        /// Its identifier, as `belljar store-keys` lists it
        id: String,
    },
    /// Remove a key; refused while anything is sealed with it
    Forget {
        /// Its identifier, as `belljar store-keys` lists it
        id: String,
    },
}

/// Does it, and says what it did.
pub(crate) fn run(config: &Config, command: &Command) -> anyhow::Result<ExitCode> {
    ensure!(
        !matches!(config.executor.store, StoreBackend::Memory),
        "with `store = \"memory\"` there are no keys: sessions end with their server"
    );
    let executor = &config.executor;
    let keys = executor.store_keys.as_deref().map_or_else(|| KeyFile::of(&executor.state_directory), KeyFile::at);
    match command {
        Command::List => {
            for (number, id) in keys.ids()?.iter().enumerate() {
                say(&format!("{id}  {}", if number == 0 { "seals" } else { "opens" }));
            }
        }
        Command::Rotate if executor.store_keys.is_some() => bail!(
            "a server that has not got the new key yet could not open what is sealed with it: `belljar store-keys add`, \
             wait until every server has the file, then `belljar store-keys seal-with` the key"
        ),
        Command::Rotate => say(&format!("{}  seals from now on", keys.rotate()?)),
        Command::Add => {
            say(&format!("{}  opens; once every server has it, `belljar store-keys seal-with` it", keys.add()?))
        }
        Command::SealWith { id } => {
            keys.seal_with(id)?;
            say(&format!("{id}  seals from now on"));
        }
        Command::Forget { id } => {
            keys.forget(id)?;
            say(&format!("{id}  is forgotten"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
