//! What programs are granted, as it is written.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use sandbox::{Catalogue, ExecuteRequest, Languages, Network, Policy, Program};

use super::mounts;
use super::values::MountSetting;
use crate::calls;

/// Grants before they are checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Grants {
    pub(super) languages: Option<Vec<String>>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) calls: Option<Vec<String>>,
    pub(super) mounts: Vec<MountSetting>,
}

/// What programs are granted. Variables are held against the bounds of a request.
pub(super) fn policy(catalogue: &Catalogue, grants: Grants) -> anyhow::Result<Policy> {
    let Grants { languages, environment, calls, mounts } = grants;
    let known: Vec<_> = catalogue.iter().map(|runtime| runtime.id()).collect();
    let languages = match languages {
        None => Languages::All,
        Some(ids) => {
            ensure!(!ids.is_empty(), "languages must name at least one of {}, got none", known.join(", "));
            for id in &ids {
                ensure!(known.contains(&id.as_str()), "languages must name some of {}, got `{id}`", known.join(", "));
            }
            Languages::Only(ids.into_iter().collect())
        }
    };
    let program = Program { env: environment.clone(), ..Program::default() };
    let request = ExecuteRequest { program, ..ExecuteRequest::default() };
    request.validate().context("environment cannot be given to programs")?;
    let answered = || calls::names().map(str::to_owned);
    let calls: BTreeSet<_> = calls.map_or_else(|| answered().collect(), |names| names.into_iter().collect());
    let calls: BTreeSet<_> = calls.into_iter().filter(|name| !name.is_empty()).collect();
    for name in &calls {
        let known: Vec<_> = answered().collect();
        ensure!(known.contains(name), "calls must name some of {}, got `{name}`", known.join(", "));
    }
    Ok(Policy { languages, environment, network: Network::None, calls, mounts: mounts::open(mounts)? })
}
